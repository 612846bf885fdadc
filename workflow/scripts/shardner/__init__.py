"""Shardner: spaCy named-entity recognition over corpora of any size, on every device."""

__version__ = "0.1.0"
