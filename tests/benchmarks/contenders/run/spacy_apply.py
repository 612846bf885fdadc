"""spaCy's command line: everything to a DocBin, and the entities out of that."""

import subprocess
import sys
from pathlib import Path

from common import import_spacy, parse_arguments, rows_of, write_table

#: The command has no option for a text of more than a million characters, but runs code of one's own before it loads.
RAISE_LIMIT = """
import functools, sys
from spacy.language import Language
Language.__init__ = functools.partialmethod(Language.__init__, max_length=sys.maxsize)
"""

#: ``python -m spacy``, without Torch (see `common.import_spacy`).
SPACY = "import sys; sys.modules['torch'] = None; from spacy.cli import setup_cli; setup_cli()"

if __name__ == "__main__":
    options = parse_arguments()
    code, docbin = Path("raise_limit.py"), Path("documents.spacy")
    code.write_text(RAISE_LIMIT)
    command = [sys.executable, "-c", SPACY, "apply", options.model, options.corpus, docbin, "--code", code]
    command += ["--batch-size", str(options.batch), "--n-process", str(options.cores), "--force"]
    subprocess.run(list(map(str, command)), check=True)

    import_spacy()
    import spacy
    from spacy.tokens import DocBin

    vocab = spacy.blank("xx").vocab  # the texts and offsets are in the file
    write_table(options.table, rows_of(DocBin().from_disk(docbin).get_docs(vocab)))
