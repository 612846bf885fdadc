"""The parts of a corpus: they cover every byte once, and a file that is added, removed or moved disturbs few."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from shardner.parse.part_plan import PlannedPart, plan_parts, plan_parts_of
from shardner.parse.shard_plan import MOST_SHARDS, PlanSizes

SIZES = PlanSizes(10_000, 80_000)
Files = list[tuple[Path, int]]

names = st.lists(st.integers(0, 10**6), unique=True, max_size=40)
lengths = st.one_of(st.integers(0, 9_000), st.integers(0, 60_000), st.integers(0, 900_000))


@st.composite
def corpora(draw: st.DrawFn) -> Files:
    suffixes = st.sampled_from([".jsonl", ".jsonl", ".csv", ".jsonl.gz"])
    return [(Path(f"data/{name}{draw(suffixes)}"), draw(lengths)) for name in draw(names)]


def can_be_entered(path: Path) -> bool:
    return path.suffix == ".jsonl"


def plan(files: Files, sizes: PlanSizes = SIZES) -> tuple[PlannedPart, ...]:
    return plan_parts(files, sizes, can_be_entered)


def covered(parts: tuple[PlannedPart, ...]) -> Files:
    """Return the files that parts cover, in the order of the parts; raises where stretches do not join."""
    found: dict[Path, int] = {}
    for part in parts:
        for stretch in part.stretches:
            assert found.get(stretch.path, 0) == stretch.start
            assert stretch.stop is None or can_be_entered(stretch.path)
            found[stretch.path] = stretch.size if stretch.stop is None else stretch.stop
    return list(found.items())


@given(corpora())
def test_every_byte_is_in_one_part_and_names_differ(files: Files) -> None:
    parts = plan(files)
    assert sorted(covered(parts)) == sorted(files)
    assert len({part.name for part in parts}) == len(parts) and all(part.shards for part in parts)
    assert not any(set("/{}<> ") & set(part.name) for part in parts)


@given(corpora())
def test_parts_come_in_corpus_order(files: Files) -> None:
    places = {path: place for place, (path, _) in enumerate(files)}
    last = -1
    for part in plan(files):
        held = sorted(places[stretch.path] for stretch in part.stretches)
        assert held == list(range(held[0], held[0] + len(held))) if held else not files
        assert not held or held[0] >= last
        last = held[-1] if held else last


@given(corpora())
def test_small_files_share_a_part_of_one_shard(files: Files) -> None:
    for part in plan(files):
        if len(part.stretches) > 1:
            assert part.shards == 1 and part.chars <= SIZES.shard_chars


@given(corpora(), st.data())
def test_a_file_more_disturbs_the_parts_beside_it_only(files: Files, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(files)))
    more = [*files[:place], (Path("data/more.jsonl"), data.draw(lengths)), *files[place:]]
    before, after = plan(files), plan(more)
    kept = {part.name for part in before} & {part.name for part in after}
    moved = {stretch.path for part in before if part.name not in kept for stretch in part.stretches}
    # the files of disturbed parts stand together around the new one, and all of them are small
    places = sorted(place for place, (path, _) in enumerate(files) if path in moved)
    assert places == list(range(places[0], places[0] + len(places))) if places else True
    assert not places or places[0] <= place <= places[-1] + 1


@given(corpora())
def test_the_order_turned_round_has_the_same_parts(files: Files) -> None:
    assert {part.name for part in plan(files)} == {part.name for part in plan(files[::-1])}


@given(corpora(), st.integers(1, 60))
def test_a_number_of_shards_is_kept(files: Files, shards: int) -> None:
    parts = plan_parts_of(files, shards, can_be_entered)
    assert sum(part.shards for part in parts) == shards and sorted(covered(parts)) == sorted(files)


def test_a_huge_corpus_has_no_more_shards_than_snakemake_plans_well() -> None:
    for files in ([(Path("a.jsonl"), 10**13)], [(Path(f"{number}.csv"), 5_000) for number in range(30_000)]):
        assert sum(part.shards for part in plan(files)) <= MOST_SHARDS


def test_a_day_more_is_one_shard_more_or_the_last_one_again() -> None:
    """Three hundred days' files of 2 MB, in shards of 13 MB, and each of the following hundred days."""
    sizes = PlanSizes(13_300_000, 26_600_000)
    days = [(Path(f"days/{number:04d}.jsonl"), 2_000_000) for number in range(400)]
    before = {part.name for part in plan(days[:300], sizes)}
    for count in range(301, 401):
        after = plan(days[:count], sizes)
        assert sum(part.shards for part in after if part.name not in before) <= 1
        before = {part.name for part in after}
