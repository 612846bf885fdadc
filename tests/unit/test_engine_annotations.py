"""`Annotations` against a naive model: a list of texts, each a list of entities or the reason why the text failed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from shardner.engine.annotations import NOTHING, Annotations, Places, TextEntities


class Row(NamedTuple):
    """One entity, with its attributes by name."""

    start: int
    end: int
    label: str
    attributes: dict[str, Any]


class Text(NamedTuple):
    """One text that did not fail."""

    tokens: int
    rows: list[Row]


#: Texts of one `Annotations`; a string is the reason of a failure.
Texts = list[Text | str]

#: Values of each attribute, and how an engine gives them.
COLUMNS: dict[str, tuple[st.SearchStrategy[Any], Any]] = {
    "score": (st.floats(0, 1), np.array),
    "ent_id": (st.text(max_size=3), list),
}

rows = st.builds(
    lambda start, length, label, score, ent_id: Row(start, start + length, label, {"score": score, "ent_id": ent_id}),
    st.integers(0, 1000), st.integers(1, 20), st.sampled_from(["PERSON", "ORG"]), COLUMNS["score"][0],
    COLUMNS["ent_id"][0],
)  # fmt: skip
texts = st.lists(st.builds(Text, st.integers(0, 99), st.lists(rows, max_size=4)) | st.text(min_size=1), max_size=6)


@st.composite
def parts(draw: st.DrawFn) -> Texts:
    """Return texts whose entities have the same attributes: all, some or none."""
    names = draw(st.sets(st.sampled_from(sorted(COLUMNS))))
    return [
        each
        if isinstance(each, str)
        else each._replace(
            rows=[
                row._replace(attributes={name: value for name, value in row.attributes.items() if name in names})
                for row in each.rows
            ]
        )
        for each in draw(texts)
    ]


def columns_of(text: Text | str) -> TextEntities:
    if isinstance(text, str):
        return NOTHING
    names = text.rows[0].attributes if text.rows else ()
    return TextEntities(
        tokens=text.tokens,
        starts=[row.start for row in text.rows],
        ends=[row.end for row in text.rows],
        labels=[row.label for row in text.rows],
        attributes={name: COLUMNS[name][1]([row.attributes[name] for row in text.rows]) for name in names},
    )


def build(model: Texts) -> Annotations:
    failed = {number: text for number, text in enumerate(model) if isinstance(text, str)}
    return Annotations.from_columns([columns_of(text) for text in model], failed)


def read(annotations: Annotations) -> Texts:
    """Return the model of annotations, after checking that all columns have the right types and lengths."""
    assert annotations.offsets.dtype == np.int64 and annotations.tokens.dtype == np.uint32
    assert annotations.starts.dtype == np.uint32 and annotations.ends.dtype == np.uint32
    lengths = {len(each) for each in (annotations.starts, annotations.ends, annotations.labels)}
    assert lengths | {len(each) for each in annotations.attributes.values()} == {annotations.offsets[-1]}
    found: Texts = []
    for number, tokens in enumerate(annotations.tokens.tolist()):
        numbers = range(annotations.offsets[number], annotations.offsets[number + 1])
        entities = [
            Row(
                int(annotations.starts[i]),
                int(annotations.ends[i]),
                annotations.labels[i],
                {name: values[i] for name, values in annotations.attributes.items()},
            )
            for i in numbers
        ]
        if number in annotations.failed:
            assert not tokens and not entities
            found.append(annotations.failed[number])
        else:
            found.append(Text(tokens, entities))
    assert max(annotations.failed, default=-1) < len(found)
    return found


def widened(model: Texts) -> Texts:
    """Return texts in which an entity has None for each attribute that only other entities have."""
    all_rows = [row for text in model if not isinstance(text, str) for row in text.rows]
    names = {name for row in all_rows for name in row.attributes}
    return [
        text
        if isinstance(text, str)
        else text._replace(
            rows=[row._replace(attributes={name: row.attributes.get(name) for name in names}) for row in text.rows]
        )
        for text in model
    ]


@given(parts())
def test_from_columns_keeps_every_text(model: Texts) -> None:
    assert read(build(model)) == model


@given(st.lists(parts(), max_size=5))
def test_concatenate_gives_the_texts_of_all_parts(models: list[Texts]) -> None:
    found = read(Annotations.concatenate([build(model) for model in models]))
    assert found == widened([text for model in models for text in model])


@given(st.lists(parts(), max_size=3), st.data())
def test_take_gives_texts_in_any_order_and_number(models: list[Texts], data: st.DataObject) -> None:
    model = widened([text for each in models for text in each])
    annotations = Annotations.concatenate([build(each) for each in models])
    numbers = data.draw(st.lists(st.sampled_from(range(len(model))), max_size=9)) if model else []
    assert read(annotations.take(np.array(numbers, dtype=np.int64))) == [model[number] for number in numbers]


@given(parts(), st.data())
def test_shifted_moves_the_entities_of_each_text(model: Texts, data: st.DataObject) -> None:
    by = [data.draw(st.integers(0, 10**6)) for _ in model]
    expected = [
        text
        if isinstance(text, str)
        else text._replace(
            rows=[row._replace(start=row.start + shift, end=row.end + shift) for row in text.rows]
        )
        for text, shift in zip(model, by, strict=True)
    ]  # fmt: skip
    assert read(build(model).shifted(np.array(by, dtype=np.int64))) == expected


@given(parts())
def test_rows_and_entities_of_give_the_text_of_each_entity(model: Texts) -> None:
    annotations = build(model)
    by_number = [(number, row) for number, text in enumerate(model) if not isinstance(text, str) for row in text.rows]
    assert annotations.rows().tolist() == [number for number, _ in by_number]
    for number, text in enumerate(model):
        expected = None if isinstance(text, str) else [(row.start, row.end, row.label) for row in text.rows]
        assert annotations.entities_of(number) == expected
        assert isinstance(text, str) or columns_of(text).entities() == expected


def test_a_column_of_numbers_stays_an_array_unless_a_value_is_missing() -> None:
    scored = build([Text(3, [Row(0, 3, "ORG", {"score": 0.5})]), "ValueError: no"])
    without = build([Text(2, [Row(5, 6, "ORG", {})])])
    empty = build([Text(2, []), "ValueError: no"])
    assert scored.attributes["score"].tolist() == [0.5]
    assert Annotations.concatenate([empty, scored, empty]).attributes["score"].tolist() == [0.5]
    assert Annotations.concatenate([scored, without]).attributes["score"] == [0.5, None]
    assert scored.take(np.array([1, 0, 0])).attributes["score"].tolist() == [0.5, 0.5]


@given(st.lists(parts(), max_size=3), st.data())
def test_spans_and_places_go_with_their_texts(models: list[Texts], data: st.DataObject) -> None:
    """Spans are checked as entities are: those of a text are the entities of another text."""
    flat = [text for each in models for text in each]
    joined = Annotations.concatenate([build_with_spans(each) for each in models])
    numbers = data.draw(st.lists(st.sampled_from(range(len(flat))), max_size=9)) if flat else []
    taken = joined.take(np.array(numbers, dtype=np.int64))
    shifted = taken.shifted(np.full(len(numbers), 7, dtype=np.int64))
    if not any(not isinstance(text, str) for text in flat):
        assert joined.spans is None
        return
    assert taken.spans is not None and shifted.spans is not None
    for row, number in enumerate(numbers):
        text = flat[number]
        found = taken.spans.entities_of(row)
        assert found == ([] if isinstance(text, str) else columns_of(text).entities()[::-1])
        assert shifted.spans.entities_of(row) == [(start + 7, end + 7, label) for start, end, label in found]
        places = [] if isinstance(text, str) else [text.tokens]
        assert taken.places is not None and taken.places[row].tokens.tolist() == places
        assert shifted.places is not None and shifted.places[row].sentences.tolist() == [each + 7 for each in places]


def build_with_spans(model: Texts) -> Annotations:
    """Return annotations in which a text's spans are its entities backwards, and its places its number of tokens."""
    columns = []
    for text in model:
        given = columns_of(text)
        if not isinstance(text, str):
            place = np.array([text.tokens], dtype=np.int64)
            spans = TextEntities(0, given.starts[::-1], given.ends[::-1], given.labels[::-1])
            given = given._replace(spans=spans, places=Places(place, place))
        columns.append(given)
    return Annotations.from_columns(columns, {i: text for i, text in enumerate(model) if isinstance(text, str)})


@given(parts(), st.data())
def test_filtered_keeps_the_entities_that_are_chosen(model: Texts, data: st.DataObject) -> None:
    annotations = build(model)
    chosen = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(annotations.starts), max_size=len(annotations.starts))),
        dtype=bool,
    )
    left = iter(chosen.tolist())
    expected = [
        text if isinstance(text, str) else text._replace(rows=[row for row in text.rows if next(left)])
        for text in model
    ]
    assert [text if isinstance(text, str) else text.rows for text in read(annotations.filtered(chosen))] == [
        text if isinstance(text, str) else text.rows for text in expected
    ]


def test_empty_annotations_have_texts_that_may_have_failed() -> None:
    assert read(Annotations.empty()) == []
    assert read(Annotations.empty(2, {1: "ValueError: no"})) == [Text(0, []), "ValueError: no"]
