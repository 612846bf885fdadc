"""Stock spaCy's own processes, to which it sends texts and from which it gets whole documents back."""

from common import load, parse_arguments, read_texts, rows_of, write_table

if __name__ == "__main__":
    options = parse_arguments()
    nlp = load(options.model)
    docs = nlp.pipe(read_texts(options.corpus), batch_size=options.batch, n_process=options.cores)
    write_table(options.table, rows_of(docs))
