"""What every adapter does around its one call: it writes a log, and it turns an error into a message."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Snakemake gives a job its number of threads as OMP_NUM_THREADS. Polars reads a variable of its own, once, at import.
os.environ.setdefault("POLARS_MAX_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))

from shardner.data.disk_errors import describe_disk_error
from shardner.data.files import scratch_parent
from shardner.data.job_errors import Ending, failed_for_good, forget_error, write_error
from shardner.errors import AnnotateError, DeviceError, ShardnerError
from shardner.gpu.kernel_cache import choose_kernel_cache


@contextmanager
def job_log(name: str) -> Iterator[None]:
    """Log to a file. An error that a user can mend ends the process with its message; its traceback is in the log."""
    path = Path(name)
    logging.raiseExceptions = False  # a log on a full disk says nothing more
    earlier = failed_for_good(path)
    try:
        _open_log(path)
        if earlier:  # Snakemake tries every job again, and has removed the log
            logging.error("%s\n\n%s", earlier.message, earlier.trace)
            sys.exit(1)
        forget_error(path)
        choose_kernel_cache()
        yield
    except ShardnerError as error:
        may_pass = isinstance(error, AnnotateError | DeviceError)
        _leave(path, Ending.THIS_TIME if may_pass else Ending.FOR_GOOD, f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        with suppress(OSError):
            write_error(path, Ending.STOPPED, "stopped by Ctrl-C")
        os._exit(128 + signal.SIGINT)  # without a word: Snakemake says that the run was stopped
    except Exception as error:
        places = [path.parent, *filter(None, [scratch_parent()]), Path("/tmp")]
        if message := describe_disk_error(error, places):
            _leave(path, Ending.THIS_TIME, f"DiskError: {message}")
        logging.exception("unexpected error: please report it with this log")
        raise


def _open_log(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=path, filemode="w", level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    logging.captureWarnings(True)


def _leave(path: Path, ending: Ending, message: str) -> None:
    """End the process; the message is shown when the run ends."""
    trace = traceback.format_exc()
    logging.error("%s\n\n%s", message, trace)
    try:
        write_error(path, ending, message, trace)
    except OSError:
        sys.exit(f"\n{message}\n")
    sys.exit(1 if "SHARDNER_RUN" in os.environ else f"\n{message}\n")
