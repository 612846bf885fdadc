"""Engines: what turns texts into entities. `select` chooses one for a pipeline and says why."""
