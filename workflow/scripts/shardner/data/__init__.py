"""What lies on disk: tables, manifest, records of jobs, provenance; how files are written; variables of schedulers."""
