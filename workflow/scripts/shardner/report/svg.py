"""Specifications in Vega-Lite as inline SVG that holds nothing but shapes and text.

Colours are CSS variables (``var(--ink)``), which Vega passes through, so that one drawing serves light mode, dark mode
and print. The SVG that Vega returns is parsed and rebuilt from a list of allowed elements and attributes. So no link,
image, style or script can be in it, whatever a label of the corpus says.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any, TypeAlias

from markupsafe import Markup, escape

from shardner.report.vega import to_svg
from shardner.terminal.visible_text import show_controls

#: A plot in Vega-Lite, as JSON has it: https://vega.github.io/vega-lite/docs/
Specification: TypeAlias = dict[str, Any]

_THEME = {
    "background": "transparent",
    "padding": {"left": 0, "top": 4, "right": 10, "bottom": 0},
    "autosize": {"type": "fit-x", "contains": "padding"},
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "gridColor": "var(--rule)",
        "tickColor": "var(--rule)",
        "domainColor": "var(--rule)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "tickSize": 4,
        "labelPadding": 5,
    },
}
_SVG = "{http://www.w3.org/2000/svg}"
_ALLOWED = {"svg", "g", "path", "rect", "line", "text"}
_ATTRIBUTES = {
    "d", "dx", "dy", "fill", "fill-opacity", "font-size", "font-weight", "height", "opacity", "stroke",
    "stroke-dasharray", "stroke-opacity", "stroke-width", "text-anchor", "transform", "width", "x", "x1", "x2", "y",
    "y1", "y2",
}  # fmt: skip
_DEFAULTS = {"opacity": "1", "stroke-width": "1", "fill-opacity": "1"}
_NUMBER = re.compile(r"-?\d+\.\d{2,}")


def draw_svg(plot: Specification, *, title: str, css_class: str) -> Markup:
    """Return a plot as an ``<svg>`` element.

    Args:
        plot: the ``description`` of each mark is shown when the pointer is over the mark.
        title: what the plot shows, for readers who cannot see it.
        css_class: the class of the element, a word that does not come from the corpus.
    """
    # A character that XML does not allow would abort the process that draws, inside vl-convert.
    specification = _without_controls({**plot, "config": _THEME})
    root = ET.fromstring(to_svg(specification))
    width, height = root.get("width", "100"), root.get("height", "100")
    body = "".join(_rebuild(child) for child in root)
    opening = (
        f'<svg class="{escape(css_class)}" role="img" aria-label="{escape(title)}" viewBox="0 0 {escape(width)} '
        f'{escape(height)}" width="{escape(width)}" height="{escape(height)}">'
    )
    return Markup(opening + body + "</svg>")  # all parts are escaped or rebuilt from allowed ones


def _without_controls(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_controls(key): _without_controls(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_controls(each) for each in value]
    return show_controls(value) if isinstance(value, str) else value


def _rebuild(element: ET.Element) -> str:
    name = element.tag.removeprefix(_SVG) if isinstance(element.tag, str) else ""
    if name not in _ALLOWED or element.get("display") == "none":
        return ""
    css = element.get("class", "")
    if name == "path" and (css in ("background", "foreground") or not element.get("d")):
        return ""
    content = "".join(_rebuild(child) for child in element)
    if name == "text":
        content = str(escape(element.text or ""))
    elif name in ("path", "rect") and element.get("aria-roledescription"):
        if hint := element.get("aria-label"):
            content = f"<title>{escape(hint)}</title>"
    elif name == "g" and not content:
        return ""
    return f"<{name}{_attributes(element)}>{content}</{name}>"


def _attributes(element: ET.Element) -> str:
    kept = [
        f' {key}="{escape(_NUMBER.sub(_shorten, value))}"'
        for key, value in element.attrib.items()
        if key in _ATTRIBUTES and _DEFAULTS.get(key) != value and "url(" not in value
    ]
    return "".join(kept)


def _shorten(match: re.Match[str]) -> str:
    """Keep a tenth of a pixel."""
    return f"{float(match.group()):.1f}".removesuffix(".0")
