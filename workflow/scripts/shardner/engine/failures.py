"""What a component of the user's may raise on a document, and what of it is not the document's failure.

Components are foreign code. One that calls ``sys.exit`` fails on its document like any other: it does not end the
worker. A worker never sees Ctrl-C (`annotate.worker`), so a KeyboardInterrupt is a component's as well.
"""

from __future__ import annotations

from shardner.errors import AnnotateError, DeviceError
from shardner.gpu.halving import is_out_of_memory

#: What is caught around foreign code.
FAILURES = (Exception, SystemExit, KeyboardInterrupt)
#: Torch runs out of the host's memory with an error that has no class of its own.
_SIGN = "can't allocate memory"


def is_documents_own(error: BaseException) -> bool:
    """Tell whether a failure is the document's, and not the job's: a setting, or memory that ran out."""
    return not (isinstance(error, AnnotateError | DeviceError) or is_out_of_memory(error) or lacks_memory(error))


def lacks_memory(error: BaseException) -> bool:
    """Tell whether the host's memory ran out."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or _SIGN in str(cause):
            return True
        cause = cause.__cause__
    return False
