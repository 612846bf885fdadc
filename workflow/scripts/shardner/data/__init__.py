"""What lies on disk: tables, the manifest, records of jobs, and how files are written; variables of schedulers."""
