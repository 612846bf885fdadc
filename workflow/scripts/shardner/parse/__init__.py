"""What the Snakefile needs when it is parsed, in every process of a run; it imports neither Polars nor spaCy."""
