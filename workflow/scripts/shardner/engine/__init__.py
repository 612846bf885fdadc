"""Engines turn texts into entities. `selection` chooses one for a pipeline and says why."""
