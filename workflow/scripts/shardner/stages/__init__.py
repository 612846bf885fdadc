"""The other stages of a run: split, merge, export, verification, estimate, provenance."""
