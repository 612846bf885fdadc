"""What every adapter does around its one call: the log goes to its file, and an error is a message first."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Snakemake gives a job's threads as OMP_NUM_THREADS; Polars reads its own variable when it is imported.
os.environ.setdefault("POLARS_MAX_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))

from shardner.errors import ShardnerError


@contextmanager
def job_log(path: str) -> Iterator[None]:
    """Log to `path`; end the process with the message of a `ShardnerError`, whose traceback is in the log."""
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
