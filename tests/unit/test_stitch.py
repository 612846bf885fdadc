from __future__ import annotations

import numpy as np
import pytest
from shardner.stages.stitch import WindowSpans, stitch

Spans = list[tuple[int, int]]


def window(begin: int, spans: Spans, *, doc: int = 0, candidates: bool = True) -> WindowSpans:
    starts, ends = (np.array([span[i] for span in spans], dtype=np.int64) for i in (0, 1))
    return WindowSpans(0, slice(0, len(spans)), doc, begin, candidates, starts, ends)


def entities(*windows: WindowSpans) -> tuple[Spans, list[tuple[int, int]]]:
    """Return the entities of all windows, and where that was not sure."""
    unsure: list[tuple[int, int]] = []
    found = []
    for each, taken, places in stitch(windows):
        unsure += [(each.doc, place) for place in places]
        found += list(zip(each.starts[taken].tolist(), each.ends[taken].tolist(), strict=True))
    return found, unsure


def test_candidates_inside_of_an_entity_are_not_taken() -> None:
    assert entities(window(0, [(0, 5), (3, 9), (5, 6)])) == ([(0, 5), (5, 6)], [])


def test_an_entity_goes_across_a_cut_and_over_windows() -> None:
    first = window(0, [(2, 4), (8, 45)])
    inside, after = window(10, [(12, 14)]), window(40, [(41, 60), (45, 50), (47, 70)])
    assert entities(first, inside, after) == ([(2, 4), (8, 45), (45, 50)], [])


def test_a_window_without_entities_passes_on_the_one_that_is_open() -> None:
    assert entities(window(0, [(8, 30)]), window(10, []), window(20, [(25, 27), (31, 33)])) == ([(8, 30), (31, 33)], [])


def test_each_document_starts_anew() -> None:
    assert entities(window(0, [(0, 90)]), window(0, [(3, 4)], doc=1)) == ([(0, 90), (3, 4)], [])


def test_a_candidate_whose_end_is_not_known_is_counted_only_where_the_walk_comes_to_it() -> None:
    assert entities(window(0, [(0, 10), (5, 0), (20, 0)])) == ([(0, 10)], [(0, 20)])


def margins(begin: int, spans: Spans) -> WindowSpans:
    return window(begin, spans, candidates=False)


def test_margins_are_joined_at_the_cut_where_no_entity_is_open() -> None:
    left, right = margins(0, [(10, 20), (95, 99), (110, 120)]), margins(100, [(90, 99), (112, 120), (300, 310)])
    assert entities(left, right) == ([(10, 20), (95, 99), (112, 120), (300, 310)], [])


def test_margins_are_joined_beside_an_entity_that_covers_the_cut() -> None:
    left, right = margins(0, [(10, 20), (97, 105)]), margins(100, [(97, 105), (106, 110)])
    assert entities(left, right) == ([(10, 20), (97, 105), (106, 110)], [])


def test_margins_are_joined_where_neither_side_has_an_entity_open() -> None:
    # at 105 the right side has one open; at 97, which is nearer than 110, neither has
    left, right = margins(0, [(97, 105), (120, 130)]), margins(100, [(97, 110), (122, 130)])
    assert entities(left, right) == ([(97, 110), (122, 130)], [])


def test_a_join_that_no_place_allows_is_counted_and_entities_do_not_overlap() -> None:
    left, right = margins(0, [(0, 5000)]), margins(2000, [(800, 2500), (2500, 9000)])
    assert entities(left, right) == ([(0, 5000)], [(0, 2000)])


def test_a_document_may_be_of_windows_of_both_kinds() -> None:
    candidates, both = window(0, [(10, 20), (95, 104), (96, 99)]), margins(100, [(95, 104), (150, 160), (198, 205)])
    after = window(200, [(201, 203), (205, 209)])
    assert entities(candidates, both, after) == ([(10, 20), (95, 104), (150, 160), (198, 205), (205, 209)], [])


@pytest.mark.parametrize("kinds", [(True, False), (False, True), (False, False)])
def test_small_windows_of_either_kind_give_each_entity_once(kinds: tuple[bool, bool]) -> None:
    spans = [(i * 37, i * 37 + 11) for i in range(100)]
    windows = []
    for number, begin in enumerate(range(0, 3700, 50)):
        candidates = kinds[number % 2]
        reach = 0 if candidates else 2000
        near = [span for span in spans if begin - reach <= span[0] < begin + 50 + reach]
        windows.append(window(begin, near, candidates=candidates))
    assert entities(*windows) == (spans, [])
