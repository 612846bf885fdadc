"""The demo: an English corpus with known entities, and a small pipeline trained to find them."""
