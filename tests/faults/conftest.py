"""Counts what is tried, and says it at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

_PROPERTY = "tried"


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Return a function that notes how many of a kind of damage a test has done."""
    return lambda kind, number: record_property(_PROPERTY, [kind, number])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what was tried, of the tests that passed."""
    tried: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == _PROPERTY:
                tried[value[0]] += value[1]
    if tried:
        terminalreporter.write_line(
            "damage done, the results the same: " + ", ".join(f"{n} {kind}" for kind, n in tried.items())
        )
