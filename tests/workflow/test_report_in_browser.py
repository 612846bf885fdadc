"""The report in a real browser: nothing runs, nothing is fetched, nothing overflows.

Chromium is driven over its debugging pipe (file descriptors 3 and 4, JSON messages that end in NUL), so that no
package beyond the standard library is needed.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from report_fixture import Shape, build_run
from shardner.report import write_report

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
    provenance = {ATTACK: {"value": [ATTACK]}, "hosts": {ATTACK: ATTACK}}
    write_report(**run.arguments(out, provenance=provenance, model={"name": ATTACK, "notes": [ATTACK]}))
    return out / "report.html"


def test_report_makes_no_request_and_logs_nothing(browser: Browser, report: Path) -> None:
    browser.open(report)
    urls = [event["params"]["request"]["url"] for event in browser.named("Network.requestWillBeSent")]
    assert [url for url in urls if not url.startswith("data:")] == [report.resolve().as_uri()]
    logged = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Page.javascriptDialogOpening")
    assert browser.named(*logged) == []


def test_report_holds_no_script_no_handler_and_no_foreign_element(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert (
        browser.evaluate("document.querySelectorAll('script, img, iframe, object, embed, form, image, use').length")
        == 0
    )
    handlers = (
        "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on'))"
    )
    assert browser.evaluate(f"{handlers}.length") == 0
    assert browser.evaluate(
        "[...document.querySelectorAll('[href]')].every(e => /^(#|data:,$)/.test(e.getAttribute('href')))"
    )
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
