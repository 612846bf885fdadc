"""The size of the demo's corpus file, for a plan that is made before the file exists."""

#: About how many bytes the file has.
DEMO_CORPUS_BYTES = 3_800_000
