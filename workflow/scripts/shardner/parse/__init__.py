"""What the Snakefile needs when it is parsed.

Every process of a run parses it, on a cluster twice per job. So nothing in here imports Polars, spaCy or NumPy.
"""
