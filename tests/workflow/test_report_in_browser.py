"""The report in a real browser: only its own script runs, nothing is fetched, nothing overflows.

Chromium is driven over its debugging pipe (file descriptors 3 and 4, JSON messages that end in NUL), so that no
package beyond the standard library is needed.
"""

from __future__ import annotations

import csv
import json
import os
import select
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from making import wait_for
from report_fixture import Shape, attack, build_run
from shardner.report.performance_file import load_performance
from shardner.report.write import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome on the PATH")

ATTACK = "<script>alert(1)</script>"
OTHERS = ["</style><img src=x onerror=alert(2)>", "{{ 7*7 }}<!--", "javascript:alert(3)\u2028']]>&quot;"]
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe",
]  # fmt: skip


class Browser:
    """A headless Chromium with one page, and all the events that it reported."""

    def __init__(self, profile: Path) -> None:
        to_read, self._to_write = os.pipe()
        self._from_read, from_write = os.pipe()
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        shell = f'exec "$@" 3<&{to_read} 4>&{from_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *command],
            pass_fds=(to_read, from_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        targets = self.call("Target.getTargets", session=None)["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        self._session = self.call("Target.attachToTarget", session=None, targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)

    def close(self) -> None:
        os.close(self._to_write)
        os.close(self._from_read)
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, method: str, session: str | None = "page", **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = self._session
        os.write(self._to_write, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self, timeout_s: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while b"\0" not in self._buffer:
            if not select.select([self._from_read], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise TimeoutError("the browser said nothing")
            chunk = os.read(self._from_read, 1 << 20)
            if not chunk:
                raise EOFError("the browser is gone")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def open(self, path: Path, *, width: int = 1280, dark: bool = False) -> None:
        self.events.clear()
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())
        time.sleep(0.3)  # a script that should not be there gets the time to act

    def evaluate(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def named(self, *methods: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("method") in methods]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on a corpus that attacks it from every column."""
    out = tmp_path_factory.mktemp("hostile")
    hostile = [(f"{value} {number}", value, value) for number, value in enumerate([ATTACK, *OTHERS])]
    run = build_run(out, Shape(rejected=3), hostile * 40)
    write_report(**run.arguments(out, provenance=attack(run.describe(), ATTACK)))
    return out / "report.html"


def test_report_makes_no_request_and_logs_nothing(browser: Browser, report: Path) -> None:
    browser.open(report)
    urls = [event["params"]["request"]["url"] for event in browser.named("Network.requestWillBeSent")]
    assert [url for url in urls if not url.startswith("data:")] == [report.resolve().as_uri()]
    logged = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Page.javascriptDialogOpening")
    assert browser.named(*logged) == []


def test_report_holds_no_script_but_its_own_no_handler_and_no_foreign_element(browser: Browser, report: Path) -> None:
    browser.open(report)
    foreign = "document.querySelectorAll('script:not(body > script), img, iframe, object, embed, form, image, use')"
    assert browser.evaluate(f"{foreign}.length") == 0
    assert browser.evaluate("document.querySelectorAll('script').length") == 1
    handlers = (
        "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on'))"
    )
    assert browser.evaluate(f"{handlers}.length") == 0
    links = "[...document.querySelectorAll('[href]')].map(e => e.getAttribute('href'))"
    assert browser.evaluate(f"{links}.every(link => /^(#|data:,$|[a-z]+\\.(json|parquet)$)/.test(link))")
    assert browser.evaluate("document.querySelectorAll('style').length") == 1


@pytest.mark.parametrize(
    "place",
    [
        ".example mark",
        ".example h3",
        "[aria-label='Most frequent entities'] tbody th",
        "[aria-label='Entities by label'] tbody th",
        "[aria-label='Rejected records by reason'] .raw",
        ".sub",
        "[aria-labelledby=made] dt",
    ],
)
def test_markup_of_the_corpus_is_visible_and_inert(browser: Browser, report: Path, place: str) -> None:
    browser.open(report)
    browser.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    shown = browser.evaluate(f'[...document.querySelectorAll("{place}")].map(each => each.innerText)')
    assert any(ATTACK in text for text in shown), shown


@pytest.mark.parametrize("width", [375, 768, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_never_scrolls_sideways(browser: Browser, report: Path, width: int, dark: bool) -> None:
    browser.open(report, width=width, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_every_colour_of_the_plots_is_defined(browser: Browser, report: Path) -> None:
    browser.open(report)
    undefined = """[...document.querySelectorAll('svg *')].flatMap(e => ['fill', 'stroke'].map(n => e.getAttribute(n)))
        .filter(v => v && v.startsWith('var(')).map(v => v.slice(4, -1))
        .filter(n => !getComputedStyle(document.documentElement).getPropertyValue(n))"""
    assert browser.evaluate(undefined) == []


def test_dark_mode_changes_the_plots_too(browser: Browser, report: Path) -> None:
    probe = "getComputedStyle(document.querySelector('.plot svg.wide text')).fill"
    browser.open(report)
    light = browser.evaluate(probe)
    browser.open(report, dark=True)
    assert browser.evaluate(probe) != light


def test_empty_corpus_opens_without_a_word_in_the_console(browser: Browser, tmp_path: Path) -> None:
    run = build_run(tmp_path, Shape(documents=0, shards=1, rejected=0))
    write_report(**run.arguments(tmp_path, scores=None))
    browser.open(tmp_path / "report.html", width=375)
    assert browser.named("Log.entryAdded", "Runtime.exceptionThrown") == []
    assert "holds no documents" in browser.evaluate("document.body.innerText")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 375


def test_a_script_that_got_into_the_page_would_not_run(browser: Browser, report: Path, tmp_path: Path) -> None:
    page = report.read_text("utf-8").replace("</main>", "<script>window.foreign = 1</script></main>")
    (tmp_path / "report.html").write_text(page, "utf-8")
    browser.open(tmp_path / "report.html")
    assert browser.evaluate("window.foreign") is None
    assert any(
        "Content Security Policy" in event["params"]["entry"]["text"] for event in browser.named("Log.entryAdded")
    )
    assert browser.evaluate("document.querySelectorAll('button.sort').length") > 0  # ours ran


SHARDS = "document.querySelector('table[data-name=shards]')"


def column(browser: Browser, number: int) -> list[str]:
    """Return what a column of the table of shards shows, by row."""
    rows = f"[...{SHARDS}.tBodies[0].rows].filter(row => !row.hidden)"
    shown: list[str] = browser.evaluate(f"{rows}.map(row => row.cells[{number}].textContent)")
    return shown


def fill_filter(browser: Browser, wanted: str) -> None:
    field = f"{SHARDS}.closest('details').querySelector('input')"
    browser.evaluate(f"{field}.value = {json.dumps(wanted)}; {field}.dispatchEvent(new Event('input'))")


def press(browser: Browser, key: str, code: int, text: str = "") -> None:
    for kind in ("keyDown", "keyUp"):
        browser.call(
            "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
            text=text if kind == "keyDown" else "",
        )  # fmt: skip


def test_shards_are_sorted_from_the_keyboard(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.evaluate(f"{SHARDS}.closest('details').open = true")
    browser.evaluate(f"{SHARDS}.querySelectorAll('.sort')[4].focus()")
    press(browser, "Tab", 9)  # to the sixth column: seconds
    assert browser.evaluate("document.activeElement.textContent") == "Time, s"
    press(browser, "Enter", 13, "\r")
    assert browser.evaluate(f"{SHARDS}.querySelector('[aria-sort]').getAttribute('aria-sort')") == "descending"
    times = [float(each) for each in column(browser, 5)]
    assert len(times) == 12 and times == sorted(times, reverse=True)
    press(browser, "Enter", 13, "\r")
    assert [float(each) for each in column(browser, 5)] == sorted(times)
    assert browser.evaluate(f"{SHARDS}.querySelectorAll('[aria-sort]').length") == 1


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ("3, 7-9", [3, 7, 8, 9]),
        ("99", []),
        ("", list(range(12))),
        ("2-5, documents > 0", [2, 3, 4, 5]),
        ("time < 1", []),
    ],
)
def test_shards_are_filtered_by_numbers_ranges_and_columns(
    browser: Browser, report: Path, wanted: str, left: list[int]
) -> None:
    browser.open(report)
    browser.evaluate(f"{SHARDS}.closest('details').open = true")
    fill_filter(browser, wanted)
    assert [int(each) for each in column(browser, 0)] == left
    status = browser.evaluate(f"{SHARDS}.closest('details').querySelector('output').textContent")
    assert status == (f"{len(left)} of 12" if wanted else "")


def test_a_filter_that_means_nothing_says_what_would(browser: Browser, report: Path) -> None:
    browser.open(report)
    fill_filter(browser, "colour > 3")
    assert len(column(browser, 0)) == 12
    assert "numbers, ranges" in browser.evaluate(f"{SHARDS}.closest('details').querySelector('output').textContent")


def test_tables_are_saved_as_csv(browser: Browser, report: Path, tmp_path: Path) -> None:
    browser.open(report)
    browser.call("Browser.setDownloadBehavior", session=None, behavior="allow", downloadPath=str(tmp_path))
    browser.evaluate("document.querySelector('[aria-label=\"Time by phase\"]').nextElementSibling.firstChild.click()")
    wait_for((tmp_path / "phases.csv").is_file, "the browser saves the table")
    frame = pl.read_csv(tmp_path / "phases.csv")
    assert frame.columns == ["Phase", "What happens", "Worker time (s)", "Share"]
    assert frame["Share"].sum() == pytest.approx(1, abs=1e-4)
    figures = load_performance(report.parent / "performance.json").phases
    assert frame["Worker time (s)"].sum() == pytest.approx(sum(each.worker_s for each in figures), rel=1e-4)


def saved(browser: Browser, table: str, folder: Path, name: str) -> str:
    """Save what a button after an element saves, and return it as text."""
    browser.call("Browser.setDownloadBehavior", session=None, behavior="allow", downloadPath=str(folder))
    browser.evaluate(f"{table}.nextElementSibling.firstChild.click()")
    wait_for((folder / name).is_file, "the browser saves the file")
    return (folder / name).read_text("utf-8")


def test_saved_texts_keep_their_commas_and_are_no_formulas(browser: Browser, tmp_path: Path) -> None:
    formula, comma = "=HYPERLINK(1)", "1,5 x, y"
    run = build_run(tmp_path, Shape(), [("a", formula, "ORG"), ("b", comma, "-LAW")] * 40)
    write_report(**run.arguments(tmp_path))
    browser.open(tmp_path / "report.html")
    text = saved(browser, "document.querySelector('[data-name=frequent]').parentElement", tmp_path, "frequent.csv")
    rows = {tuple(row) for row in csv.reader(text.splitlines())}
    assert {("Text", "Label", "Count"), ("'" + formula, "ORG", "40"), (comma, "'-LAW", "40")} <= rows


def test_a_click_on_a_label_shows_its_entities_alone(browser: Browser, report: Path) -> None:
    browser.open(report)
    labels = "[...document.querySelectorAll('[data-name=labels] .choose')]"
    shown = "[...document.querySelectorAll('[data-name=frequent] tbody tr')].filter(each => !each.hidden)"
    rows = browser.evaluate(f"{shown}.length")
    wanted = browser.evaluate(f"{labels}[1].closest('tr').dataset.label")
    browser.evaluate(f"{labels}[1].focus()")
    press(browser, "Enter", 13, "\r")
    assert set(browser.evaluate(f"{shown}.map(each => each.dataset.label)")) == {wanted}
    assert browser.evaluate(f"{labels}.map(each => each.getAttribute('aria-pressed') === 'true').indexOf(true)") == 1
    assert browser.evaluate("document.querySelector('.tools output').closest('p').offsetHeight") >= 0
    press(browser, "Enter", 13, "\r")
    assert browser.evaluate(f"{shown}.length") == rows


def test_plots_are_saved_as_svg_and_png(browser: Browser, report: Path, tmp_path: Path) -> None:
    browser.open(report, dark=True)
    plot = "document.querySelectorAll('.plot')[1]"
    root = ET.fromstring(saved(browser, plot, tmp_path, "share-of-the-workers-time-by-phase.svg"))
    drawn = ET.tostring(root, "unicode")
    assert root.tag.endswith("}svg") and "var(" not in drawn and "#" in drawn and "script" not in drawn
    browser.evaluate(f"{plot}.nextElementSibling.children[1].click()")
    png = tmp_path / "share-of-the-workers-time-by-phase.png"
    wait_for(png.is_file, "the browser saves the picture")
    assert png.read_bytes().startswith(b"\x89PNG") and png.stat().st_size > 1_000


def test_paper_shows_what_is_closed_on_the_screen(browser: Browser, report: Path) -> None:
    browser.open(report)
    closed = "document.querySelectorAll('details:not([open])').length"
    before = browser.evaluate(closed)
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert before > 3 and browser.evaluate(closed) == 0
    browser.evaluate("dispatchEvent(new Event('afterprint'))")
    assert browser.evaluate(closed) == before


def test_without_scripts_nothing_is_missing_but_the_tools(browser: Browser, report: Path) -> None:
    browser.open(report)
    words = "document.body.textContent.replace(/\\s+/g, ' ')"
    browser.evaluate("document.querySelectorAll('.tools').forEach(each => each.remove())")
    sorted_page = browser.evaluate(words)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(report)
        assert browser.evaluate("document.querySelectorAll('.tools, button').length") == 0
        assert browser.evaluate(words) == sorted_page
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_every_control_is_reached_by_keyboard_and_has_a_name(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    controls = "[...document.querySelectorAll('a[href], button, input, summary, .scroll, .plot')]"
    assert browser.evaluate(f"{controls}.filter(each => each.tabIndex < 0).map(each => each.outerHTML)") == []
    nameless = f"{controls}.filter(e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).length"
    assert browser.evaluate(nameless) == 0
    assert browser.evaluate("document.activeElement.tagName") == "BODY"
    press(browser, "Tab", 9)
    assert browser.evaluate("document.activeElement.className") == "skip"


def test_paper_is_white_and_shows_every_column(browser: Browser, report: Path) -> None:
    browser.open(report, dark=True)
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.call("Emulation.setEmulatedMedia", media="print", features=dark)
    browser.call("Emulation.setDeviceMetricsOverride", width=720, height=1000, deviceScaleFactor=1, mobile=False)
    assert browser.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.querySelector('.plot svg.wide')).display") == "block"
    assert browser.evaluate("getComputedStyle(document.querySelector('.tools')).display") == "none"
    wide = "[...document.querySelectorAll('.scroll > table')].filter(e => e.offsetParent && e.offsetWidth > 720)"
    assert browser.evaluate(f"{wide}.map(each => each.parentElement.ariaLabel)") == []
    browser.call("Emulation.setEmulatedMedia", media="")


def test_five_thousand_shards_open_and_fit_a_phone(browser: Browser, tmp_path: Path) -> None:
    run = build_run(tmp_path, Shape(shards=5_000, documents=5_000, devices=8, workers=4, write_shards=5))
    write_report(**run.arguments(tmp_path))
    assert (tmp_path / "report.html").stat().st_size < 2_000_000
    browser.open(tmp_path / "report.html", width=375)
    browser.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert len(column(browser, 0)) == 5_000
    assert browser.evaluate("document.documentElement.scrollWidth") <= 375
