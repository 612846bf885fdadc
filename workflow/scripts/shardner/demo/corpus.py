"""Write the demo corpus: good documents of all lengths, repeated documents, and records that cannot be read."""

from __future__ import annotations

import datetime
import json
import random
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shardner.data.files import atomic_path
from shardner.demo.generate import GoldDocument, generate_document, render
from shardner.demo.lexicon import Purpose, Vocabulary, vocabulary
from shardner.demo.templates import Domain

#: How many good documents of each kind the corpus has; repeated, long and other special documents are not counted.
_COUNTS = {
    Domain.NEWS: 950,
    Domain.FILING: 700,
    Domain.TRANSACTION: 1_650,
    Domain.NOVEL: 430,
    Domain.MESSAGE: 1_350,
}
_REPEATS = 900
_LONG = ((Domain.NOVEL, 240_000), (Domain.NOVEL, 150_000), (Domain.FILING, 130_000), (Domain.MESSAGE, 100_000))

#: Texts with markup. A page that shows them must not take the markup for its own: it is data.
_MARKUP = (
    (
        Domain.MESSAGE,
        "Support ticket {ref}: {p1} of {o1} typed <script>alert(1)</script> as the delivery address in {g1} on {date}, "
        "and {p2} paid {cash} for it.",
    ),
    (
        Domain.NEWS,
        "# Minutes of {fulldate}\n\n* **Present:** {p1} ( {o1} ), {p2} and {p3}\n* <b>Place:</b> {g1} &amp; {g2}\n\n"
        "1. {p1.last} showed the _new_ {x1}; see [the brochure](https://example.org/?a=1&b=<2>).\n"
        '2. The board of {o2} approved {money} <!-- to be checked --> for the <a href="#site">site</a> in {g2}.\n',
    ),
)


@dataclass(frozen=True, slots=True)
class _Record:
    source: str
    document: GoldDocument


def write_demo_corpus(path: Path, gold: Path, *, seed: int = 0) -> None:
    """Write the corpus as JSON lines to `path` and its entities as Parquet to `gold`.

    A line has `id`, `text`, `source` (the kind of text) and `date`. The table has `id` str, `start` u32, `end` u32 and
    `label` str; it has the entities of good documents only, and offsets are code points. The same seed gives the same
    bytes.
    """
    rng = random.Random(seed)
    records = _records(rng, vocabulary(Purpose.DEMO))
    ids = [f"{record.source}-{number:05}" for number, record in enumerate(records, start=1)]
    lines = [_line(rng, record_id, record) for record_id, record in zip(ids, records, strict=True)]
    for bad in _bad_lines(rng, duplicate=ids[0]):
        # The first record stays first, so that the record with the same id comes after it.
        lines.insert(rng.randint(1, len(lines)), bad)
    with atomic_path(path) as corpus_file, atomic_path(gold) as gold_file:
        corpus_file.write_bytes(b"\n".join(lines) + b"\n")
        _gold_table(ids, records).write_parquet(gold_file)


def _records(rng: random.Random, words: Vocabulary) -> list[_Record]:
    """Return the good documents in corpus order."""
    records = [
        _Record(domain, generate_document(rng, domain, words))
        for domain, count in _COUNTS.items()
        for _ in range(count)
    ]
    # Subscriptions and standing orders: a few texts, and each of them many times.
    recurring = rng.sample([record for record in records if record.source == Domain.TRANSACTION], 120)
    records += rng.choices(recurring, k=_REPEATS)
    records += [_Record(domain, generate_document(rng, domain, words, min_chars=chars)) for domain, chars in _LONG]
    records += [_Record(domain, render(template, rng, words)) for domain, template in _MARKUP]
    records += [_Record(Domain.MESSAGE, GoldDocument(text, ())) for text in ("", " \t\n \u3000 ")]
    rng.shuffle(records)
    return records


def _line(rng: random.Random, record_id: str, record: _Record) -> bytes:
    date = datetime.date(2025, 1, 1) + datetime.timedelta(days=rng.randrange(365))
    values = {"id": record_id, "text": record.document.text, "source": record.source, "date": date.isoformat()}
    # Some programs write every character outside ASCII as an escape, and a character outside the BMP as two.
    return json.dumps(values, ensure_ascii=rng.random() < 0.1).encode()


def _bad_lines(rng: random.Random, *, duplicate: str) -> list[bytes]:
    """Return lines of every kind that must be rejected, in random order."""
    text = '"text": "Paid in full", "source": "transaction", "date": "2025-06-30"'
    lines = [
        b'{"id": "bad-utf8-1", "text": "Caf\xe9 Kestrel", "source": "message", "date": "2025-02-01"}',
        b'{"id": "bad-utf8-2", "text": "\xf0\x9f\x98 landed", "source": "message", "date": "2025-02-02"}',
        b'{"id": "bad-json-1", "text": "The line ends here',
        b"{'id': 'bad-json-2', 'text': 'quotes of the wrong kind'}",
        b"id;text;source;date",
        b'{"id": "no-text", "source": "news", "date": "2025-03-03"}',
        b'{"id": "null-text", "text": null, "source": "news", "date": "2025-03-04"}',
        b'{"id": "number-text", "text": 129.95, "source": "transaction", "date": "2025-03-05"}',
        b'{"id": "list-text", "text": ["one", "two"], "source": "novel", "date": "2025-03-06"}',
        f'{{"id": "{duplicate}", {text}}}'.encode(),
        f"{{{text}}}".encode(),
        f'{{"id": null, {text}}}'.encode(),
        b'["array", "of", "values"]',
    ]
    return rng.sample(lines, len(lines))


#: How many lines of the corpus cannot become documents.
DEMO_BAD_RECORDS = len(_bad_lines(random.Random(0), duplicate=""))
#: How many lines of the corpus can become documents.
DEMO_DOCUMENTS = sum(_COUNTS.values()) + _REPEATS + len(_LONG) + len(_MARKUP) + 2


def _gold_table(ids: list[str], records: list[_Record]) -> pl.DataFrame:
    rows = [
        (record_id, *entity)
        for record_id, record in zip(ids, records, strict=True)
        for entity in record.document.entities
    ]
    schema = {"id": pl.String(), "start": pl.UInt32(), "end": pl.UInt32(), "label": pl.String()}
    return pl.DataFrame(rows, schema=schema, orient="row")
