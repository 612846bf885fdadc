"""One annotate job: its blocks and workers, windows of long documents, the audit, and the tables that it writes."""
