"""The report's colours can be told from their ground and from each other, in light and in dark, by every eye.

Contrast: WCAG 2.2, relative luminance and contrast ratio; 4.5 for text (1.4.3), 3 for graphics (1.4.11).
Colour blindness: Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision
Deficiency", their matrices for full protanopia and deuteranopia, on linear RGB. Distance: Euclidean in Ottosson's Oklab
(2020), in which 0.02 is about what can just be seen side by side.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import shardner.report
from shardner.report.plots import COLOURS

Colour = npt.NDArray[np.float64]
CSS = (Path(shardner.report.__file__).parent / "report.css").read_text("utf-8")
TEXT, GRAPHICS = 4.5, 3.0
APART = 0.08

EYES = {
    "full colour": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def palette(name: str) -> dict[str, str]:
    """Return the variables of the light or the dark palette."""
    blocks = {"light": r"^:root \{(.*?)^\}", "dark": r"prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}"}
    found = {}
    for each in ("light", "dark") if name == "dark" else ("light",):  # what dark does not set is as in light
        block = re.search(blocks[each], CSS, re.DOTALL | re.MULTILINE)
        assert block is not None
        found |= dict(re.findall(r"--([\w-]+): ([^;]+);", block[1]))
    return found


def rgb(value: str) -> Colour:
    assert re.fullmatch("#[0-9a-f]{6}", value), value
    return np.array([int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def linear(colour: Colour) -> Colour:
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted(float(linear(each) @ [0.2126, 0.7152, 0.0722]) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


def mix(one: Colour, share: str, other: Colour) -> Colour:
    """What ``color-mix(in srgb, one share, other)`` gives."""
    part = float(share.rstrip("%")) / 100
    return one * part + other * (1 - part)


def distance(one: Colour, other: Colour, eye: Colour) -> float:
    a, b = (TO_LAB @ np.cbrt(TO_CONES @ np.clip(eye @ linear(each), 0, 1)) for each in (one, other))
    return float(np.linalg.norm(a - b))


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_stands_out_from_paper_and_panel(name: str) -> None:
    colours = palette(name)
    for text, ground in itertools.product(("ink", "soft", "accent"), ("paper", "panel")):
        assert contrast(rgb(colours[text]), rgb(colours[ground])) >= TEXT, (text, ground)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_labels_stand_out_from_paper_and_from_their_marks(name: str) -> None:
    colours = palette(name)
    paper, ink = rgb(colours["paper"]), rgb(colours["ink"])
    for kind in (key for key in colours if re.fullmatch(r"k\d", key)):
        colour = rgb(colours[kind])
        ground, text = mix(colour, colours["tint"], paper), mix(colour, colours["tag-ink"], ink)
        assert contrast(text, paper) >= TEXT and contrast(text, ground) >= TEXT, kind
        assert contrast(ink, ground) >= TEXT, kind
        assert contrast(colour, paper) >= GRAPHICS, kind  # the line under a mark


@pytest.mark.parametrize("name", ["light", "dark"])
def test_phases_stand_out_from_paper_and_panel(name: str) -> None:
    colours = palette(name)
    for variable, ground in itertools.product(set(COLOURS.values()), ("paper", "panel")):
        assert contrast(rgb(colours[variable[6:-1]]), rgb(colours[ground])) >= GRAPHICS, (variable, ground)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("name", ["light", "dark"])
def test_phases_can_be_told_apart(name: str, eye: str) -> None:
    colours = palette(name)
    phases = set(COLOURS) - {"annotate", "other"}  # "annotate" stands for all that follows a worker's start
    pairs = [
        *itertools.combinations(sorted(phases), 2),
        *((each, "other") for each in ("start_up", "load", "annotate")),
    ]
    for one, other in pairs:
        a, b = (rgb(colours[COLOURS[each][6:-1]]) for each in (one, other))
        assert distance(a, b, EYES[eye]) >= APART, (one, other)


def test_print_is_light_and_black_on_white() -> None:
    assert "@media screen and (prefers-color-scheme: dark)" in CSS
    block = re.search(r"@media print \{\s*:root \{(.*?)\}", CSS, re.DOTALL)
    assert block is not None and "--paper: #fff;" in block[1]
    assert contrast(rgb("#444444"), rgb("#f3f3f1")) >= TEXT
