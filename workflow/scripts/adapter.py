"""What every adapter does around its one call: it writes a log, and it turns an error into a message."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Snakemake gives a job its number of threads as OMP_NUM_THREADS. Polars reads a variable of its own, once, at import.
os.environ.setdefault("POLARS_MAX_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))

from shardner.errors import ShardnerError


@contextmanager
def job_log(path: str) -> Iterator[None]:
    """Log to `path`. A `ShardnerError` ends the process with its message, and its traceback is in the log."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=path, filemode="w", level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    logging.captureWarnings(True)
    try:
        yield
    except ShardnerError as error:
        logging.error("%s\n\n%s", error, traceback.format_exc())
        sys.exit(f"\n{type(error).__name__}: {error}\n")
    except Exception:
        logging.exception("unexpected error: please report it with this log")
        raise
