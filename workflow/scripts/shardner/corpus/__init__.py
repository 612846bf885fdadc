"""Reading the corpus: input files become batches of records, in order, each record a document or a rejection."""

from shardner.corpus.batch import Batch
from shardner.corpus.check import check_files
from shardner.corpus.files import expand_files, show_path
from shardner.corpus.keep import dtype_name, keep_dtypes, keep_expr, parse_dtype
from shardner.corpus.read import WINDOW_CHARS, read_corpus
from shardner.corpus.remote import check_remote, is_remote

__all__ = [
    "WINDOW_CHARS",
    "Batch",
    "check_files",
    "check_remote",
    "dtype_name",
    "expand_files",
    "is_remote",
    "keep_dtypes",
    "keep_expr",
    "parse_dtype",
    "read_corpus",
    "show_path",
]
