"""Values of custom extensions (``_.NAME``): stored as text with their kind, until all of a corpus are known.

A column's type follows from all its values, as that of a ``keep`` column does. Until then each value is a text that
begins with the first letter of its kind: ``i:5``, ``s:five``, ``b:true``, ``n:0.5``, ``o:[1, 2]``. The merge takes that
off again (`shardner.stages.extension_columns`).
"""

from __future__ import annotations

import numpy as np

from shardner.data.json_values import KINDS, json_value
from shardner.errors import AnnotateError

#: What the name of an extension begins with in ``output.attributes``.
PREFIX = "_."
KINDS_BY_LETTER = {kind[0]: kind for kind in KINDS}
#: What stands before a value: the letter of its kind and a colon.
MARK_CHARS = 2


def encode_value(name: str, value: object) -> str | None:
    """Return a value of the extension `name` as text with its kind; None for null.

    Raises:
        AnnotateError: the value cannot be written as JSON.
    """
    plain = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    try:
        text, kind = json_value(plain)
    except (TypeError, ValueError) as error:
        raise AnnotateError(
            f"output.attributes: a value of {name!r} is a {type(value).__name__} that cannot be written as JSON "
            f"({error}); let the extension return text, numbers, true or false, or lists and dictionaries of these, "
            f"or take {name!r} out of output.attributes"
        ) from error
    return None if text is None or kind is None else f"{kind[0]}:{text}"
