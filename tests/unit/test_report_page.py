from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path

import duckdb
import polars as pl
import pytest
from report_fixture import COMMAND, LEFT_OUT, Shape, attack, build_run
from shardner.data.manifest import InputFile
from shardner.data.metrics import GpuUse, Phase
from shardner.data.provenance import CodeVersion
from shardner.demo.score import Score, ScoreBand, Scores
from shardner.report.nested_values import grow_tree
from shardner.report.page import FILES, PHASES, breakable, colour_of
from shardner.report.svg import draw_svg
from shardner.report.words import HEADS
from shardner.report.write import write_report
from shardner.terminal.visible_text import show_controls

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
TEMPLATE = SCRIPTS / "shardner/report/report.html.jinja"
ATTACK = "</script><script>alert(1)</script><!--\u2028\x1b[31m"


class Outline(HTMLParser):
    """The elements of a page, and what is not closed."""

    VOID = ("meta", "link", "br", "hr", "img", "input", "wbr")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(directory: Path, shape: Shape = Shape(), **changes: object) -> str:  # noqa: B008
    write_report(**build_run(directory, shape).arguments(directory, **changes))
    return (directory / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(tmp_path_factory.mktemp("page"), Shape(pause_after=5))


def test_page_is_well_formed_and_has_no_active_element_but_its_script(page: str) -> None:
    outline = Outline(page)
    assert outline.open == []
    assert not {"iframe", "img", "object", "embed", "form", "base"} & set(outline.tags)
    assert outline.tags.count("script") == 1
    assert not [name for name, _ in outline.attributes if name.startswith("on")]
    links = [value for name, value in outline.attributes if name in ("href", "src", "xlink:href")]
    assert all(value is not None and (value.startswith("#") or value in ("data:,", *FILES)) for value in links)


def test_page_says_below_its_title_what_was_left_out_and_that_documents_were_alone(page: str, tmp_path: Path) -> None:
    def header(text: str) -> str:
        return text[text.index("<header>") : text.index("<nav")]

    shown = header(page).replace("\N{NO-BREAK SPACE}", " ")
    assert f"Left out: {LEFT_OUT}" in shown and "Checked: 200 sampled documents against the whole pipeline" in shown
    assert "one at a time" not in header(page)
    run = build_run(tmp_path, Shape())
    given = run.arguments(tmp_path)["provenance"]
    model = dataclasses.replace(given.model, decisions=(), one_at_a_time="'ner' <b>: one at a time")
    write_report(**run.arguments(tmp_path, provenance=dataclasses.replace(given, model=model)))
    changed = header((tmp_path / "report.html").read_text("utf-8"))
    assert "Left out" not in changed and "&#39;ner&#39; &lt;b&gt;: one at a time" in changed


def test_page_forbids_requests_and_all_scripts_but_ours_by_its_hash(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy.group(1)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert re.findall(r"script-src ([^;]*);", policy.group(1)) == [f"'sha256-{digest}'"]
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", script)
    assert "http://" not in page and "https://" not in page and "url(" not in page and "@import" not in page


def test_page_is_readable_without_seeing_it(page: str) -> None:
    outline = Outline(page)
    assert '<html lang="en">' in page
    assert outline.tags.count("h1") == 1
    assert next(tag for tag in outline.tags if re.fullmatch("h[1-6]", tag)) == "h1"
    assert len(re.findall(r'<svg [^>]*role="img" aria-label="[^"]+"', page)) == outline.tags.count("svg") == 6
    ids = [value for name, value in outline.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value for name, value in outline.attributes if name == "aria-labelledby"} <= set(ids)


def test_page_answers_what_a_reader_asks(page: str) -> None:
    for heading in (
        "Advice", "Forecast", "Timeline", "Where the time went",
        "Balance of the shards", "Devices, engine and memory",
        "Entities", "Scores against gold", "Rejected records", "A few documents",
    ):  # fmt: skip
        assert f">{heading}</h2>" in page
    assert "in 1\N{NO-BREAK SPACE}pause (dashed)" in page
    assert "the recogniser is one that it reproduces" in page
    assert COMMAND in page
    assert f"<dt>spacy</dt><dd>{version('spacy')}</dd>" in page
    assert "9 October 2025, 08:53 UTC, in 2 sessions" in page


def test_contents_lead_to_every_section(tmp_path: Path, page: str) -> None:
    for each in (page, page_of(tmp_path, Shape(documents=0, shards=1, rejected=0), scores=None)):
        targets = re.findall(r'<li><a href="#([a-z]+)">', each)
        headings = re.findall(r'<h2 id="([a-z]+)">', each)
        assert targets == headings and len(targets) >= 9


def test_memory_stands_beside_what_was_asked_for(page: str) -> None:
    row = page.split('<th scope="row">annotate_shard</th>')[1].split("</tr>")[0]
    assert f'data-v="{5_500_000_000}">5.1\N{NO-BREAK SPACE}GiB<' in row
    assert '<td class="num wide-only">3</td>' in row  # threads


def test_a_forecast_that_cannot_be_relied_on_says_so(tmp_path: Path, page: str) -> None:
    assert "Not to be relied on" not in page
    short = page_of(tmp_path, Shape(shards=2, documents=4, shard_s=3))
    assert "Not to be relied on" in short.split('<h2 id="more">')[1].split("<table")[0]


def test_precision_by_score_is_shown_where_entities_have_scores(tmp_path: Path, page: str) -> None:
    scores = Scores(Score(6, 2, 0), {}, bands=(ScoreBand(0.25, 0.5, 4, 0.5), ScoreBand(0.500001, 1.0, 4, 1.0)))
    assert "Precision by score" not in page
    table = page_of(tmp_path, scores=scores).split(">Precision by score</h3>")[1].split("</table>")[0]
    assert re.findall(r'<th scope="row">(.*?)</th>', table) == ["0.250000 to 0.500000", "0.500001 to 1.000000"]
    assert re.findall(r'<td class="num">([0-9.]+)</td></tr>', table) == ["0.500", "1.000"]


@pytest.mark.parametrize("documents", [0, 1, 2])
def test_small_and_empty_corpora_have_a_page(tmp_path: Path, documents: int) -> None:
    page = page_of(tmp_path, Shape(documents=documents, shards=2, rejected=0), scores=None)
    assert Outline(page).open == []
    assert "Every record became a document" in page
    assert "Scores against gold" not in page


def test_a_run_without_any_record_has_a_page(tmp_path: Path) -> None:
    assert "No job left a record" in page_of(tmp_path, jobs=[])


def test_page_and_figures_stay_small_over_thousands_of_shards(tmp_path: Path) -> None:
    page = page_of(tmp_path, Shape(shards=5_000, documents=5_000, devices=8, workers=4, write_shards=5))
    assert len(page.encode()) < 1_000_000
    assert "How many workers were in each phase" in page
    assert "All 5,000 shards. The shards that took longest come first" in page
    body = page.split('data-name="shards"')[1].split("</table>")[0]
    assert sorted(map(int, re.findall(r'<th scope="row">(\d+)</th>', body))) == list(range(5_000))
    times = [float(row.split("<td>")[5].split("<")[0]) for row in body.split("<tr>")[2:]]
    assert times == sorted(times, reverse=True)


def test_page_stays_small_with_long_provenance_labels_and_reasons(tmp_path: Path) -> None:
    extra = [(f"id {i}", f"{i}-{'x' * 3_000}", f"LABEL_{i}{'y' * 500}") for i in range(300)]
    run = build_run(tmp_path, Shape(documents=300), extra)
    inputs = tuple(InputFile(f"/data/{i}" * 50, 1, "0" * 64, 1, 0) for i in range(20_000))
    provenance = dataclasses.replace(run.describe(), inputs=inputs, config={"a": "b" * 10**6})
    write_report(**run.arguments(tmp_path, provenance=provenance))
    page = (tmp_path / "report.html").read_text("utf-8")
    assert len(page.encode()) < 1_000_000
    assert "19,940 more in provenance.json" in page
    assert "more labels in performance.json" in page


def test_a_path_breaks_behind_its_separators_and_is_text_all_the_same() -> None:
    assert breakable("demo/a_b-c.txt") == "demo/<wbr>a_<wbr>b-<wbr>c.<wbr>txt"
    for path in ("a/<b>_&.txt", "_/\x1b[31m/\u202etxt.", ""):
        assert html.unescape(breakable(path).replace("<wbr>", "")) == show_controls(path)


def test_text_from_everywhere_is_escaped(tmp_path: Path) -> None:
    run = build_run(tmp_path, Shape(rejected=0), [(f"{ATTACK}{i}", ATTACK, ATTACK) for i in range(100)])
    assert ATTACK in run.score().by_label
    write_report(**run.arguments(tmp_path, provenance=attack(run.describe(), ATTACK)))
    page = (tmp_path / "report.html").read_text("utf-8")
    assert Outline(page).tags.count("script") == 1
    assert "<!--" not in page and "\u2028" not in page and "\x1b" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 10


def test_svg_keeps_shapes_and_text_only() -> None:
    hostile = "\x00\uffff" + ATTACK
    data = [{"label": label, "value": 1, "link": "https://example.org"} for label in (hostile, "b")]
    places = {"y": {"field": "label", "type": "nominal"}, "x": {"field": "value", "type": "quantitative"}}
    bars = {"mark": "bar", "encoding": {**places, "description": {"field": "label", "type": "nominal"}}}
    links = {"mark": "point", "encoding": {**places, "href": {"field": "link", "type": "nominal"}}}
    drawn = draw_svg({"data": {"values": data}, "layer": [bars, links]}, title='"><script>', css_class="wide")
    root = ET.fromstring(drawn)
    assert {element.tag for element in root.iter()} <= {"svg", "g", "path", "rect", "line", "text", "title"}
    assert "example.org" not in drawn and "<script" not in drawn
    assert root.get("aria-label") == '"><script>'
    assert any(
        "␀�" + ATTACK.replace("\u2028", "�").replace("\x1b", "␛") == element.text for element in root.iter("title")
    )


def test_a_checkout_has_a_commit_and_other_code_has_none(tmp_path: Path) -> None:
    run = build_run(tmp_path, Shape(documents=2, shards=1))
    shown = []
    for commit in ("0123456789ab", None):
        provenance = dataclasses.replace(run.describe(), shardner=CodeVersion("1.2", "abcd", commit))
        write_report(**run.arguments(tmp_path, provenance=provenance))
        page = (tmp_path / "report.html").read_text("utf-8")
        shown += re.findall(r"<dt>shardner</dt><dd>(.*?)</dd>", page)
    assert shown == ["1.2 (commit 0123456789ab)", "1.2"]


def test_every_phase_has_a_name_and_a_meaning() -> None:
    assert list(PHASES) == [phase.value for phase in Phase]


def test_tree_is_bounded_in_width_depth_and_sum() -> None:
    assert grow_tree({"a": list(range(100))}).entries[0][1].left_out == 40
    deep: object = "end"
    for _ in range(50):
        deep = {"deeper": deep}
    node, depth = grow_tree(deep), 0
    while node.entries:
        node, depth = node.entries[0][1], depth + 1
    assert depth <= 8
    wide = grow_tree([[{"x": i} for i in range(60)] for _ in range(60)])
    assert wide.left_out > 0
    assert [grow_tree(value).text for value in (None, True, 0.1 + 0.2, {}, "x")] == ["none", "yes", "0.3", "none", "x"]


def test_report_imports_neither_snakemake_nor_spacy() -> None:
    code = "import sys, shardner.report; print(sorted({'snakemake', 'spacy', 'thinc', 'cupy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_gpus_are_shown_where_they_were_sampled_and_nowhere_else(tmp_path: Path) -> None:
    assert "GPUs while jobs held them" not in page_of(tmp_path / "plain")
    run = build_run(tmp_path / "sampled")
    use = GpuUse(memory_peak_bytes=3 << 30, power_j=400, power_measured_s=1, energy_j=7_200, energy_jobs=1)
    jobs = [dataclasses.replace(job, gpu_use=use) if job.device_uuid else job for job in run.jobs]
    write_report(**run.arguments(tmp_path / "sampled", jobs=jobs))
    page = (tmp_path / "sampled" / "report.html").read_text("utf-8")
    assert "GPUs while jobs held them" in page and "400 W" in page and "12 Wh" in page
    assert "J for a million tokens" in page


def test_every_head_of_a_column_says_what_it_means(page: str) -> None:
    heads = re.findall(r'<th scope="col"([^>]*)>(.*?)</th>', page)
    without = [text for given, text in heads if 'title="' not in given and "hidden" not in text]
    assert len(heads) > 40 and [text for text in without if not re.fullmatch(r"\d+(\s(cores?|GPUs?))?", text)] == []
    assert all(HEADS.values()) and set(HEADS) >= set(re.findall(r"head\('([^']+)'", TEMPLATE.read_text("utf-8")))


def test_the_queries_beside_the_tables_give_what_the_tables_say(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    table = pl.read_parquet(run.results / "documents.parquet")
    odd = "odd \"name\"; 'x'"
    table.with_columns(pl.Series(odd, ["one", "two"] * (table.height // 2))).write_parquet(
        run.results / "documents.parquet"
    )
    performance = write_report(**run.arguments(tmp_path))
    page = (tmp_path / "report.html").read_text("utf-8")
    queries = [html.unescape(each) for each in re.findall(r"As a query</summary><code[^>]*>(.*?)</code>", page)]
    connection = duckdb.connect()
    connection.execute(f"SET file_search_path = '{run.results}'")
    found = [connection.sql(query).fetchall() for query in queries]
    assert found[0] == [(each.label, each.entities) for each in performance.labels]
    assert found[1][0] == dataclasses.astuple(performance.frequent_entities[0])
    assert sum(documents for _, documents in found[2]) == performance.headline.documents
    by_value = [(each.value, each.documents, each.entities) for each in performance.values if each.column == odd]
    assert sorted(by_value) in [sorted(each) for each in found] and len(by_value) == 2


def test_labels_have_the_same_colour_in_every_run() -> None:
    usual = ["PERSON", "ORG", "GPE", "LOC", "DATE", "MONEY", "PRODUCT", "CARDINAL"]
    assert sorted(map(colour_of, usual)) == list(range(8))
    assert [colour_of(label) for label in ("FRUIT", "\ud800", "")] == [colour_of("FRUIT"), colour_of("\ud800"), 0]
