from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shardner.terminal.numbers import compact, duration, moment, percent, plural, rough_duration, score, size
from shardner.terminal.visible_text import one_line, show_controls


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0001, "1 ms"),
        (0.85, "850 ms"),
        (0.9999, "1.0 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min 00 s"),
        (192, "3 min 12 s"),
        (3599.9, "1 h 00 min"),
        (3840, "1 h 04 min"),
        (183_600, "2 d 03 h"),
    ],
)
def test_duration_is_written_in_two_units(seconds: float, text: str) -> None:
    assert plain(duration(seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0.4 s"),
        (22.2, "22 s"),
        (98, "98 s"),
        (192, "3.2 min"),
        (7_000, "117 min"),
        (7_300, "2.0 h"),
        (50_000, "14 h"),
        (500_000, "5.8 d"),
        (150_000_000, "1,736 d"),
    ],
)
def test_an_estimate_is_written_in_one_unit(seconds: float, text: str) -> None:
    assert plain(rough_duration(seconds)) == text


def test_a_moment_is_written_in_utc() -> None:
    assert moment(1_760_000_000) == "9 October 2025, 08:53 UTC"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.0001, "< 0.1 %"), (0.004, "0.4 %"), (0.123, "12 %"), (0.9994, "99.9 %"), (1, "100 %")],
)
def test_percent_rounds_nothing_to_zero_or_hundred(share: float, text: str) -> None:
    assert plain(percent(share)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5"), (12.34, "12.3"), (999, "999"), (9_999, "9,999"), (12_340, "12.3k"), (4.56e6, "4.56M")],
)
def test_compact_keeps_three_digits(value: float, text: str) -> None:
    assert compact(value) == text


def test_sizes_scores_and_plurals() -> None:
    assert [plain(size(value)) for value in (0, 512, 3 << 20, 139 << 30)] == ["–", "512 B", "3.0 MiB", "139 GiB"]  # noqa: RUF001
    assert [score(0.96051), score(None)] == ["0.961", "–"]  # noqa: RUF001
    assert [plain(plural(1, "entity", "entities")), plain(plural(0, "record"))] == ["1 entity", "0 records"]


def test_control_characters_become_visible() -> None:
    assert show_controls("a\x1b[31mb\x00\x7f\x9b\u202ec\td\n") == "a␛[31mb␀␡��c\td\n"


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_short_line_without_controls(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert len(shown) <= limit
    assert show_controls(shown) == shown
    assert "\n" not in shown
