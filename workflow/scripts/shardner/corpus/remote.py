"""Files of the corpus that a storage plugin of Snakemake fetches before the split, and that are not read in place.

The storage is not asked for anything while Snakemake parses the workflow: every job of a cluster parses it too, often
without a network. So there are no globs, the columns are not checked before the run, and the user must say how many
shards there are.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from shardner.config import Auto, CorpusConfig
from shardner.corpus.files import detect_by_name
from shardner.data.stored_files import SCHEMES
from shardner.errors import CorpusError

#: Before a URL, it says that Snakemake is to fetch the file, whether or not it could be read in place.
BY_SNAKEMAKE = "snakemake+"


def is_remote(name: str) -> bool:
    """Tell whether a file's name is a URL that Snakemake fetches (``sftp://…``, ``snakemake+s3://…``)."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", name)
    return scheme is not None and scheme[1].lower() not in SCHEMES


def snakemake_url(name: str) -> str:
    """Return the URL that Snakemake is given."""
    return name.removeprefix(BY_SNAKEMAKE)


def check_remote(corpus: CorpusConfig, shards: int | Auto) -> None:
    """Check what can be checked of remote files while they have not been fetched.

    Raises:
        CorpusError: URLs and local files are mixed, a URL is a pattern or has no known format, or the number of shards
            is ``auto``, which needs the sizes of the files.
    """
    for name in corpus.files:
        if not is_remote(name):
            raise CorpusError(
                f"corpus.files: Snakemake fetches some files, but not {name!r}; bring all to one side, or run twice"
            )
        path = urlsplit(snakemake_url(name)).path
        if set("*?[{}<>") & set(path):
            raise CorpusError(f"corpus.files: {name!r}: a storage is not searched for patterns; list the files")
        detect_by_name(Path(path), corpus)
    if shards == "auto":
        raise CorpusError(
            "shards.count: auto needs the sizes of the files, which are not known of URLs before they are fetched;\n"
            "  write a number, one for every 10 MB of text or so:  shards: {count: 100}"
        )
