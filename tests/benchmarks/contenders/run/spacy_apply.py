"""spaCy's command line: everything to a DocBin, and the entities out of that."""

import subprocess
import sys
from pathlib import Path

from common import parse_arguments, rows_of, write_table

#: The command has no option for a text of more than a million characters, but runs code of one's own before it loads.
RAISE_LIMIT = """
import functools, sys
from spacy.language import Language
Language.__init__ = functools.partialmethod(Language.__init__, max_length=sys.maxsize)
"""

if __name__ == "__main__":
    options = parse_arguments()
    code, docbin = Path("raise_limit.py"), Path("documents.spacy")
    code.write_text(RAISE_LIMIT)
    command = [sys.executable, "-m", "spacy", "apply", options.model, options.corpus, docbin, "--code", code]
    command += ["--batch-size", str(options.batch), "--n-process", str(options.cores), "--force"]
    subprocess.run(list(map(str, command)), check=True)

    import spacy
    from spacy.tokens import DocBin

    vocab = spacy.blank("xx").vocab  # the texts and offsets are in the file
    write_table(options.table, rows_of(DocBin().from_disk(docbin).get_docs(vocab)))
