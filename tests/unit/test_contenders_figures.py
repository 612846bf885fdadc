"""What the benchmark of contenders makes of its measurements."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.contenders.bench import parse_arguments, parse_named
from benchmarks.contenders.corpora import describe, generate_texts, take
from benchmarks.contenders.figures import (
    fixed_cost,
    growth_exponent,
    measure_growth,
    measure_scaling,
    profile,
    size_of_share,
    summarise,
)
from benchmarks.contenders.plan import KINDS, Cell, batch_size, parse_cell, plan_cells
from benchmarks.contenders.tables import markdown, show_corpus

SIZES = [1.0, 4.0, 16.0]


def measured(
    contender: str, size: str, wall_s: float, *, cores: int = 2, repeat: int = 1, **more: Any
) -> dict[str, Any]:
    return {
        "kind": "messages", "megabytes": size, "contender": contender, "cores": cores, "repeat": repeat,
        "wall_s": wall_s, "cpu_s": wall_s, "peak_tree_bytes": 2, "peak_process_bytes": 1, "reason": None,
        "corpus": {"bytes": float(size) * 1e6}, "comparison": {"verdict": "identical"}, **more,
    }  # fmt: skip


def test_exponent_is_that_of_a_power_law() -> None:
    assert growth_exponent(SIZES, [3 * size**1.5 for size in SIZES]) == pytest.approx(1.5)
    assert growth_exponent(SIZES, [5.0, 5.0, 5.0]) == pytest.approx(0)
    assert growth_exponent([4.0], [1.0]) is None


def test_fixed_cost_is_the_line_through_the_two_smallest_sizes() -> None:
    assert fixed_cost([4.0, 16.0, 1.0], [18.0, 1_000.0, 12.0]) == pytest.approx((10.0, 2.0))
    assert fixed_cost([1.0], [1.0]) is None


def test_fixed_cost_is_a_small_share_from_the_size_on_that_is_told() -> None:
    size = size_of_share(10.0, 2.0)
    assert size is not None and 10.0 / (10.0 + 2.0 * size) == pytest.approx(0.05)
    assert size_of_share(10.0, -1.0) is None and size_of_share(-1.0, 2.0) is None


def test_medians_leave_failures_out_and_ratios_are_to_shardner() -> None:
    rows = [measured("spacy", "1", s, repeat=i) for i, s in enumerate([30.0, 10.0, 20.0], start=1)]
    rows += [measured("spacy", "1", 99.0, repeat=4, reason="E088", comparison={"verdict": "failed"})]
    rows += [measured("shardner", "1", 5.0)]
    stock, ours = summarise(rows)
    assert (stock.wall_s, stock.least_s, stock.most_s, stock.repeats, stock.ratio) == (20.0, 10.0, 30.0, 4, 4.0)
    assert (stock.verdict, stock.reason) == ("failed", "E088")
    assert (ours.ratio, ours.verdict) == (1.0, "identical")


def test_growth_and_scaling_follow_from_summaries() -> None:
    rows = [measured("shardner", size, 10 + 2 * float(size)) for size in ("1", "4", "16")]
    rows += [measured("shardner", "4", 30.0, cores=1)]
    summaries = summarise(rows)
    (growth,) = measure_growth(summaries, 2)
    assert (growth.fixed_s, growth.s_per_megabyte) == pytest.approx((10.0, 2.0))
    assert growth.exponent is not None and 0 < growth.exponent < 1
    one, two = measure_scaling(summaries)
    assert (one["speedup"], two["speedup"], two["efficiency"]) == pytest.approx((1.0, 30 / 18, 30 / 36))


def test_profile_adds_up_to_all_core_seconds() -> None:
    performance = {
        "phases": [{"phase": "encode", "worker_s": 8.0}, {"phase": "idle", "worker_s": 1.0}],
        "rules": [{"rule": "split_part", "total_s": 2.0}, {"rule": "annotate_shard", "total_s": 9.5}],
    }
    shares = dict(profile(performance, wall_s=10.0, cores=2))
    assert sum(shares.values()) == pytest.approx(1)
    assert (shares["encode"], shares["split"]) == pytest.approx((0.4, 0.1))


def test_cells_are_files_that_tell_which_they_are() -> None:
    cell = Cell("messages", "0.5", "spacy-n_process", 2, 11)
    assert parse_cell(cell.path("measurements", ".json")) == cell


def test_repeats_are_by_size_and_contender() -> None:
    cells = plan_cells({"long": ["1", "4"]}, ["spacy", "ray"], {"": [3, 1], "ray": [1, 0]}, cores=2)
    assert sorted((each.contender, each.megabytes, each.repeat) for each in cells) == [
        ("ray", "1", 1), ("spacy", "1", 1), ("spacy", "1", 2), ("spacy", "1", 3), ("spacy", "4", 1),
    ]  # fmt: skip


def test_scaling_adds_powers_of_two_below_the_cores() -> None:
    cells = plan_cells({"long": ["1", "4"]}, [], {"": [1]}, cores=6, scaling="long")
    assert [(each.megabytes, each.cores) for each in cells] == [("4", 1), ("4", 2), ("4", 4), ("4", 6)]


def test_every_core_gets_batches_and_long_documents_one_each() -> None:
    assert batch_size(1000, 3200, 500, 2, parallel=True) == 200
    assert batch_size(64, 3200, 500, 2, parallel=True) == 64
    assert batch_size(1000, 3200, 500, 2, parallel=False) == 1000
    assert batch_size(1000, 3200, 1_200_000, 2, parallel=False) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_generated_texts_repeat_nothing_and_have_the_size(kind: str) -> None:
    texts = list(generate_texts(kind, 200_000))
    facts = describe(texts)
    assert facts["repeated_share"] == 0 and len(set(texts)) == len(texts)
    assert 200_000 <= int(str(facts["bytes"])) <= 210_000
    assert texts == list(generate_texts(kind, 200_000))


def test_a_corpus_is_cut_between_documents_and_holds_one_at_least() -> None:
    assert take(["äb", "c", "defg", "h"], 7) == ["äb", "c"]
    assert take(["äb", "c", "defg", "h"], 8) == ["äb", "c", "defg"]
    assert take(["too long", "c"], 3) == ["too long"]


def test_a_misspelt_kind_or_contender_is_an_error_that_names_it() -> None:
    assert parse_named(["1,2", "long=3"], ["", *KINDS]) == {"": "1,2", "long": "3"}
    with pytest.raises(ValueError, match="'novels' is none of messages, paragraphs, long"):
        parse_named(["novels=3"], KINDS)
    with pytest.raises(SystemExit):
        parse_arguments(["--repeats", "rey=1"])


def test_a_reason_cannot_break_the_table() -> None:
    (summary,) = summarise([measured("ray", "1", 1.0, reason="a | b\n<script>`", comparison=None)])
    table = show_corpus([summary])
    assert len(table.splitlines()) == 3 and table.splitlines()[2].count("|") == 9
    assert markdown([["a", "b"], ["x", "1.5"]]).splitlines()[1] == "| --- | ---: |"
