"""Stock spaCy in one process."""

from common import load, parse_arguments, read_texts, rows_of, write_table

if __name__ == "__main__":
    options = parse_arguments()
    nlp = load(options.model)
    write_table(options.table, rows_of(nlp.pipe(read_texts(options.corpus), batch_size=options.batch)))
