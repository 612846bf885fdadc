"""The spaCy pipeline: where it comes from, which of its components are needed, and how a worker loads it."""
