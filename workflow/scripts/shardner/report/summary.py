"""The end of a run on one screen of a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shardner.report.figures import Performance
from shardner.report.forecast import Forecast
from shardner.stages.whole_pipeline.wording import describe_check, describe_left_out_with_check
from shardner.terminal.numbers import compact, count, duration, percent, plural, rough_duration, score
from shardner.terminal.visible_text import one_line

_LABELS, _REASONS, _ADVICE = 6, 3, 2


def print_summary(performance: Performance, console: Console, paths: Sequence[Path] = ()) -> None:
    """Print counts, rates, labels, what was lost, advice, and where the files are.

    Everything is printed as a `rich.text.Text`, which has no markup, and control characters are made visible. So a
    label such as ``[bold]``, or one that holds an escape sequence, does nothing to the terminal.
    """
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _rows(performance):
        table.add_row(Text(name, style="dim"), text)
    for number, path in enumerate(paths):
        table.add_row(Text("" if number else "files", style="dim"), Text(one_line(str(path), 400), style="cyan"))
    console.print()
    console.print(_title(performance))
    console.print(table)
    console.print()


def _title(performance: Performance) -> Text:
    headline = performance.headline
    return Text.assemble(
        (f"{plural(headline.entities, 'entity', 'entities')} in {plural(headline.documents, 'document')}", "bold"),
        f", {duration(headline.run_s)}",
    )


def _rows(performance: Performance) -> list[tuple[str, Text]]:
    headline, lost = performance.headline, performance.lost
    alone = performance.model.one_at_a_time
    left_out = describe_left_out_with_check(performance.model, performance.whole_pipeline)
    rows = [
        (
            "speed",
            Text(
                f"{compact(headline.tokens_per_s)} tokens/s, {compact(headline.documents_per_s)} documents/s, "
                f"{compact(headline.chars_per_s)} characters/s while annotating ({duration(headline.annotate_wall_s)})"
            ),
        ),
        ("engine", Text("; ".join(_engines(performance)) or "none")),
        *([("left out", Text(one_line(left_out, 400)))] if left_out else []),
        *([("one by one", Text(one_line(alone, 400), style="yellow"))] if alone else []),
        *([("audit", _audit(performance))] if headline.audited else []),
        ("whole", Text(describe_check(performance.whole_pipeline))),
        *([("windows", _windows(performance))] if performance.long_documents.documents else []),
        ("labels", _labels(performance)),
        ("rejected", _rejected(performance)),
        (
            "lost",
            Text(
                f"{percent(lost.start_up_share)} to start-up and load, {percent(lost.slot_idle_share)} to idle slots "
                f"({percent(lost.tail_idle_share)} at the end)"
            ),
        ),
    ]
    if performance.forecast and not performance.forecast.doubts:
        rows.append(("ten times", _ten_times(performance.forecast)))
    for figure in performance.scores[:1]:
        text = f"precision {score(figure.precision)}, recall {score(figure.recall)}, F {score(figure.f)}"
        rows.append(("against gold", Text(text)))
    for number, advice in enumerate(performance.advice[:_ADVICE]):
        text = one_line(advice.text, 400) + (f"  ({advice.setting})" if advice.setting else "")
        rows.append(("" if number else "advice", Text(text, style="green")))
    return rows


def _audit(performance: Performance) -> Text:
    headline = performance.headline
    text = f"{plural(headline.audited, 'document')} against stock spaCy, {count(headline.identical)} identical"
    return Text(text + (f", {plural(headline.near_ties, 'near-tie')}" if headline.near_ties else ""))


def _windows(performance: Performance) -> Text:
    long = performance.long_documents
    text = f"{plural(long.documents, 'long document')} in {count(long.windows)} windows"
    if long.unsure_joins:
        return Text(f"{text}, {plural(long.unsure_joins, 'place')} not sure", style="yellow")
    return Text(text + (", joined between entities" if long.joins_by_margins else ", joined exactly"))


def _ten_times(forecast: Forecast) -> Text:
    """Say what ten times the corpus would take, on the slots of this run and on the most that the forecast shows."""
    row = next(row for row in forecast.rows if row.times == 10)
    wall_s = {wall.slots: wall.wall_s for wall in row.walls}
    here, more = forecast.rates.slots, max(wall_s)
    text = f"as much: about {rough_duration(wall_s[here])} here"
    return Text(f"{text}, {rough_duration(wall_s[more])} on {plural(more, forecast.unit, forecast.unit_plural)}")


def _engines(performance: Performance) -> list[str]:
    return [
        one_line(f"{each.engine} on {each.device}" + (f": {each.reason}" if each.reason else ""), 200)
        for each in performance.engines[:2]
    ]


def _labels(performance: Performance) -> Text:
    shown = [f"{one_line(each.label, 30)} {count(each.entities)}" for each in performance.labels[:_LABELS]]
    more = len(performance.labels) - len(shown)
    return Text(", ".join(shown) + (f", {more} more" if more > 0 else "") if shown else "no entities")


def _rejected(performance: Performance) -> Text:
    headline = performance.headline
    if not headline.rejected:
        return Text("none")
    share = percent(headline.rejected / (headline.documents + headline.rejected))
    text = f"{plural(headline.rejected, 'record')} ({share})"
    reasons = [f"{count(each.count)} of them: {one_line(each.reason, 120)}" for each in performance.rejected[:_REASONS]]
    return Text("; ".join([text, *reasons]), style="yellow")
