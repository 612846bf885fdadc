"""Imported by thinc, which uses it in training alone."""
