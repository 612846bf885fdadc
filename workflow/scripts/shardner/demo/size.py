"""About the size of the demo's corpus file, for a plan made before it exists."""

DEMO_CORPUS_BYTES = 3_800_000
