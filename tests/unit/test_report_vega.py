"""Plots are the same whoever draws them, and what cannot be drawn is an error."""

from __future__ import annotations

import pytest
from shardner.report import vega
from shardner.report.vega import to_svg, vega_started

BARS = {"data": {"values": [{"label": "Ada Lovelace, Zürich", "n": 3}]}, "mark": "bar"}
BARS |= {"encoding": {"x": {"field": "n", "type": "quantitative"}, "y": {"field": "label", "type": "nominal"}}}


def test_a_process_of_its_own_draws_the_same() -> None:
    here = to_svg(BARS)
    with vega_started():
        assert to_svg(BARS) == here == to_svg(BARS) and "Zürich" in here
    assert to_svg(BARS) == here


@pytest.mark.parametrize("wrong", [{"mark": "nothing"}, {**BARS, "data": {"url": "http://example.org/data.json"}}])
def test_what_cannot_be_drawn_is_an_error_and_the_next_plot_is_drawn(wrong: dict[str, object]) -> None:
    with vega_started():
        with pytest.raises(ValueError, match="conversion failed"):
            to_svg(wrong)
        assert to_svg(BARS).startswith("<svg")


def test_a_process_that_ends_is_an_error() -> None:
    with vega_started():
        vega._processes[0].kill()
        with pytest.raises(ValueError, match="has ended"):
            to_svg(BARS)
