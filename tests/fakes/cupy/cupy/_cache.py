"""The directory of compiled kernels, which CuPy 14.2 makes while it is imported."""

import os
from pathlib import Path

Path(os.environ.get("CUPY_CACHE_DIR") or Path("~/.cupy/kernel_cache").expanduser()).mkdir(parents=True, exist_ok=True)
