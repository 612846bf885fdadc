from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from shardner.data.tables import ENTITIES, REJECTED
from shardner.report.result_figures import (
    bin_documents,
    count_by_file,
    count_by_value,
    count_labels,
    find_frequent_entities,
    group_rejected,
)


def write_entities(path: Path, pairs: list[tuple[str, str]]) -> Path:
    rows = [
        {"doc": i, "id": str(i), "start": 0, "end": len(text), "text": text, "label": label}
        for i, (text, label) in enumerate(pairs)
    ]
    frame = pl.DataFrame(rows, schema=ENTITIES)
    labels = sorted({label for _, label in pairs})
    frame.with_columns(pl.col("label").cast(pl.Enum(labels))).write_parquet(path)
    return path


def reject(*reasons: str) -> pl.LazyFrame:
    rows = [{"file": "f", "row": i, "byte_offset": None, "reason": each, "raw": "r"} for i, each in enumerate(reasons)]
    return pl.DataFrame(rows, schema=REJECTED).lazy()


def test_labels_come_most_frequent_first_with_ties_by_name(tmp_path: Path) -> None:
    path = write_entities(tmp_path / "e.parquet", [("a", "Z"), ("b", "B"), ("c", "A"), ("d", "Z")])
    assert [(each.label, each.entities, each.share) for each in count_labels(path)] == [
        ("Z", 2, 0.5),
        ("A", 1, 0.25),
        ("B", 1, 0.25),
    ]


def test_frequent_entities_are_counted_by_text_and_label(tmp_path: Path) -> None:
    pairs = [("Ghent", "GPE")] * 3 + [("Ghent", "ORG")] * 2 + [(f"x{i}", "ORG") for i in range(40)]
    found = find_frequent_entities(write_entities(tmp_path / "e.parquet", pairs))
    assert [(each.text, each.label, each.count) for each in found[:3]] == [
        ("Ghent", "GPE", 3),
        ("Ghent", "ORG", 2),
        ("x0", "ORG", 1),
    ]
    assert len(found) == 30


def test_a_very_long_entity_is_cut_for_display(tmp_path: Path) -> None:
    (found,) = find_frequent_entities(write_entities(tmp_path / "e.parquet", [("é" * 5000, "X")]))
    assert found.text == "é" * 300


def test_no_entities_give_no_figures(tmp_path: Path) -> None:
    path = write_entities(tmp_path / "e.parquet", [])
    assert count_labels(path) == ()
    assert find_frequent_entities(path) == ()


@pytest.mark.parametrize(
    "reasons",
    [
        ("duplicate id 'a'; row 12 has it", "duplicate id 'b c'; row 1,301 has it"),
        ("""duplicate id "it's" in x""", """duplicate id "an \\"odd\\" one" in x"""),
        ("duplicate id 'it\\'s' here", "duplicate id '' here"),
        ("row isn't valid: 'x'", "row isn't valid: 'y'"),
        ("text has 5 bytes (byte 3)", "text has 99 bytes (byte 7)"),
        ("no column `a`", "no column `b`"),
    ],
)
def test_reasons_that_differ_in_values_only_are_one_group(reasons: tuple[str, str]) -> None:
    (group,) = group_rejected(reject(*reasons))
    assert group.count == 2
    assert group.example_reason == reasons[0]
    assert group.example_row == 0


def test_reasons_of_different_kinds_stay_apart() -> None:
    groups = group_rejected(reject("id is missing", "text isn't a text", "text isn't here", "id is missing"))
    assert next((each.reason, each.count) for each in groups) == ("id is missing", 2)
    assert len(groups) == 3
    assert group_rejected(reject("invalid UTF-8 at byte 33"))[0].reason == "invalid UTF-8 at byte …"


def test_reasons_without_end_are_cut_off() -> None:
    assert len(group_rejected(reject(*(f"odd thing called {'x' * i}" for i in range(200))))) == 50


def test_documents_are_counted_by_their_entities_and_by_file(tmp_path: Path) -> None:
    entities = [0, 0, 1, 2, 4, 4, 150, 0]
    files = ["b", "b", "b", "b", "a", "a", "a", "c"]
    path = tmp_path / "documents.parquet"
    pl.DataFrame({"entities": entities, "file": files}).write_parquet(path)
    bins = [(each.least, each.most, each.documents) for each in bin_documents(path)]
    assert bins == [
        (0, 0, 3),
        (1, 1, 1),
        (2, 2, 1),
        (3, 4, 2),
        (5, 9, 0),
        (10, 19, 0),
        (20, 49, 0),
        (50, 99, 0),
        (100, 999, 1),
    ]
    assert [(each.file, each.documents, each.documents_without, each.entities) for each in count_by_file(path)] == [
        ("b", 4, 2, 3), ("a", 3, 0, 158), ("c", 1, 1, 0)
    ]  # fmt: skip
    pl.DataFrame({"entities": [1_000, 0], "file": ["a", "a"]}).write_parquet(path)
    assert (bin_documents(path)[-1].most, bin_documents(path)[-1].documents) == (None, 1)
    pl.DataFrame(schema={"entities": pl.Int64, "file": pl.String}).write_parquet(path)
    assert bin_documents(path)[0].documents == 0 and count_by_file(path) == ()


def test_kept_columns_with_few_values_are_counted_by_value(tmp_path: Path) -> None:
    path = tmp_path / "documents.parquet"
    columns = {
        "entities": [2, 0, 1, 0],
        "file": ["a"] * 4,
        "section": ["news", "sport", "news", None],
        "year": [2024, 2025, 2025, 2025],
        "one": ["same"] * 4,
        "tags": [["x"], [], ["y"], []],
    }
    pl.DataFrame(columns).write_parquet(path)
    found = [(f.column, f.value, f.documents, f.documents_without, f.entities) for f in count_by_value(path)]
    assert found == [
        ("section", "news", 2, 0, 3),
        ("section", None, 1, 1, 0),
        ("section", "sport", 1, 1, 0),
        ("year", "2025", 3, 2, 1),
        ("year", "2024", 1, 0, 2),
    ]
    many = pl.DataFrame({"entities": [0] * 500, "file": ["a"] * 500, "code": range(500)})
    many.write_parquet(path)
    assert count_by_value(path) == ()
    many.drop("code").write_parquet(path)
    assert count_by_value(path) == ()


def test_the_most_frequent_of_each_label_are_among_the_entities(tmp_path: Path) -> None:
    pairs = [(f"common {at}", "ORG") for at in range(40) for _ in range(3)] + [
        (f"rare {at}", "LAW") for at in range(12)
    ]
    found = find_frequent_entities(write_entities(tmp_path / "e.parquet", pairs))
    assert [each.text for each in found if each.label == "LAW"] == [
        f"rare {at}" for at in sorted(range(12), key=str)[:10]
    ]
    assert [each.count for each in found] == sorted((each.count for each in found), reverse=True) and len(found) == 40
