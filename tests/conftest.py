"""Settings that every kind of test shares."""

from __future__ import annotations

import os

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # tests/gpu runs without
    settings = None

if settings is not None:
    # ci: the same examples every time; dev: quick and new each time; nightly: a search that may take its time
    settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True, print_blob=True)
    settings.register_profile("dev", max_examples=20, deadline=None)
    settings.register_profile(
        "nightly", max_examples=1000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
