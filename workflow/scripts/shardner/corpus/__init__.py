"""Reading the corpus: input files become batches of records, in order, each record a document or a rejection."""
