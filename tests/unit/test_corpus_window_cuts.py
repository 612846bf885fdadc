from __future__ import annotations

import random

import pytest
import spacy
from shardner.corpus.window_cuts import cut_windows, find_first_clean, find_last_clean

TEXT = "One two  three\n\nfour, \t five - six seven."


@pytest.mark.parametrize(
    ("place", "clean"),
    [
        (4, True),  # one| two
        (3, False),  # before the space
        (9, True),  # after two spaces
        (8, False),  # between them
        (16, True),  # after line breaks
        (15, False),
        (24, True),  # after a run that begins with a space
        (29, False),  # a single space next to a dash
        (31, False),
        (35, True),
    ],
)
def test_a_text_is_cut_between_words_only(place: int, clean: bool) -> None:
    assert (find_first_clean(TEXT, place, place) == place) is clean
    assert (find_last_clean(TEXT, place, place) == place) is clean


def test_the_nearest_place_is_found_however_far_it_is() -> None:
    text = "a b" + "x" * 5000 + " y" + "z" * 5000
    assert find_last_clean(text, 2, 5000) == 2
    assert find_last_clean(text, 3, 5000) is None
    assert find_first_clean(text, 3, 9000) == 5004
    assert find_last_clean(text, 0, 9000) == 5004


def test_windows_make_up_the_text_and_are_no_longer_than_allowed() -> None:
    rng = random.Random(0)
    for _ in range(200):
        text = "".join(rng.choice("ab .,\n\r\t e\u0301\u200d👩") for _ in range(rng.randint(0, 400)))
        size = rng.randint(4, 120)
        parts = [text[i : i + 7] for i in range(0, len(text), 7)]
        windows = list(cut_windows(parts, size))
        assert "".join(windows) == text and windows == list(cut_windows([text], size))
        assert all(0 < len(window) <= size for window in windows) or windows == [""]


def test_where_there_is_no_space_combined_characters_stay_together() -> None:
    assert list(cut_windows(["x" * 9 + "e\u0301" + "y" * 5], 10)) == ["x" * 9, "e\u0301yyyyy"]
    assert list(cut_windows(["x" * 9 + "\r\n" + "y" * 5], 10)) == ["x" * 9, "\r\n" + "y" * 5]
    assert list(cut_windows(["x" * 25], 10)) == ["x" * 10, "x" * 10, "x" * 5]


def test_tokens_of_windows_are_those_of_the_text() -> None:
    rng = random.Random(1)
    pieces = [
        "Ada",
        "U.S.",
        ":)",
        "8",
        ")",
        "a.m.",
        "don't",
        "—",
        "(¬_¬)",
        "...",
        "e\u0301",
        "北京",
        "http://a.b/c?d",
        "$1,200",
        "C++",
    ]
    nlp = spacy.blank("en")
    for _ in range(100):
        text = "".join(rng.choice(pieces) + rng.choice([" ", " ", " ", "  ", "\n", " \n ", "\t"]) for _ in range(300))
        whole = [(token.idx, token.text, token.whitespace_) for token in nlp.make_doc(text)]
        start, found = 0, []
        for window in cut_windows([text], 200):
            found += [(start + token.idx, token.text, token.whitespace_) for token in nlp.make_doc(window)]
            start += len(window)
        assert found == whole
