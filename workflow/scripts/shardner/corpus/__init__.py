"""Reading the corpus: input files become batches of records, in order; a record becomes a document or is rejected."""
