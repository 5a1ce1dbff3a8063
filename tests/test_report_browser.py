"""The page in a real browser: attacks stay texts, nothing is asked of any network, it fits, works.

Needs Chromium (`apt-get install chromium`); without it these tests fail and say so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from report_browser import Browser, Page
from test_report_stories import (
    STORIES,
    Story,
    failed,
    held,
    report_of,
    retried,
    simulated,
    succeeded,
    triaged,
    wide,
)

from flowrunner.events import Usage
from flowrunner.report.html import render_html

MARK = "window.__pwned=1;document.title='pwned'"
# These say what a thing is and come from our own lists; every other text may be anybody's.
FIXED = {
    "status", "outcome", "kind", "prices_date", "started_at", "ended_at", "sent_at", "at",
    "waits_for", "unit", "id", "waited_for", "critical_path",
}  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def canary() -> Iterator[tuple[str, list[str]]]:
    """A server that should never be asked for anything."""
    asked: list[str] = []

    class Canary(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Canary)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def _open(browser: Browser, tmp_path: Path, report: dict[str, Any], **how: Any) -> Page:
    path = tmp_path / "report.html"
    path.write_text(render_html(report), encoding="utf-8", errors="backslashreplace")
    fragment = how.pop("fragment", "")
    return browser.page(**how).open(path.as_uri() + fragment)


def _attacked(value: Any, payload: str, key: str = "") -> Any:
    """The same report with every free text, and every free name, replaced."""
    if isinstance(value, dict):
        held = "value" in value or "beginning" in value
        free = key in {"origin", "inputs", "parameters", "value"} and not held
        return {
            f"{payload}{name}" if free else name: _attacked(item, payload, name)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_attacked(item, payload, key) for item in value]
    return payload if isinstance(value, str) and key not in FIXED else value


def _with_attacked_steps(report: dict[str, Any], payload: str) -> dict[str, Any]:
    """Step ids too, kept alike wherever they are named."""
    names = {step["unit"]: f"{payload}{n}" for n, step in enumerate(report["steps"])}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: renamed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [renamed(item) for item in value]
        return names.get(value, value) if isinstance(value, str) else value

    return renamed(report)  # type: ignore[no-any-return]


def _rich() -> Story:
    """A story with something in every part of the page."""
    story = triaged(Story()).start("reply").send("reply", "Hello", model="house-model")
    story.answer("reply", "Hi", Usage(5, 1), 0.4)
    sources = [{"title": "t", "url": "https://example.com/", "kind": "web"}]
    result = {"text": "Hi", "sources": sources, "files": ["chart.png"], "tool_calls": [{"n": "x"}]}
    story.finish("reply", result=result).warn("odd", "Something odd.", "reply")
    story.send("summary", "again", attempt=2).lose("summary", "reset", "It was reset.")
    story.finish("summary", "unknown", reason="lost", message="Lost.", help="Look.")
    return story.end("held", 8, message="Held.", help="Wait.", result={"a": ["b", {"c": "d"}]})  # type: ignore[arg-type]


PAYLOADS = {
    "script": f"<script>{MARK}</script>",
    "image": f'"><img src=x onerror="{MARK}">',
    "attribute": f"' onmouseover='{MARK}' autofocus onfocus='{MARK}' x='",
    "ends": f"</title></style></script></textarea></svg>--><svg onload={MARK}>",
    "cdata": f"]]><foreignObject><body onload={MARK}>",
    "javascript-url": f"javascript:{MARK}",
    "data-url": f"data:text/html,<script>{MARK}</script>",
    "markdown": "![x](CANARY/img) [y](CANARY/link) <CANARY/auto>",
    "loaded-things": (
        '<img src="CANARY/1"><link rel=stylesheet href="CANARY/2"><script src="CANARY/3"></script>'
        '<iframe src="CANARY/4"></iframe><svg><image href="CANARY/5"/><use href="CANARY/6"/></svg>'
        '<meta http-equiv=refresh content="0;url=CANARY/7"><base href="CANARY/8">'
        "<style>@import 'CANARY/9';*{background:url(CANARY/10)}</style>"
    ),
    "url-with-tricks": 'https://example.com/"onclick="' + MARK,
    "template": "{{ 7*7 }} ${7*7} <%= 7*7 %>",
    "hidden": "a\u202eb\x1b[2J\u200b\U000e0041\x00",
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_attacks_in_every_field_stay_texts(
    name: str, browser: Browser, tmp_path: Path, canary: tuple[str, list[str]]
) -> None:
    address, asked = canary
    payload = PAYLOADS[name].replace("CANARY", address)
    report = _with_attacked_steps(_attacked(report_of(_rich()), payload), payload)
    page = _open(browser, tmp_path, report)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate(
        "for (const e of document.querySelectorAll('*'))"
        " for (const t of ['mouseover', 'focus', 'load', 'error', 'toggle'])"
        " e.dispatchEvent(new Event(t))"
    )
    page.settle()
    assert page.evaluate("window.__pwned === undefined && document.title !== 'pwned'")
    assert page.requests() == [(tmp_path / "report.html").as_uri()]
    assert asked == []
    assert page.complaints() == []
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    bad = "img,iframe,object,embed,image,base,form,meta[http-equiv=refresh],link[rel=stylesheet]"
    assert page.evaluate(f"document.querySelectorAll('{bad}').length") == 0
    links = page.evaluate("[...document.links].map(a => a.protocol)")
    assert set(links) <= {"file:", "http:", "https:"}
    page.close()


@pytest.mark.parametrize("name", STORIES)
def test_our_own_parts_break_no_rule_of_ours(name: str, browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, report_of(STORIES[name]()))
    page.settle()
    assert page.complaints() == []
    assert len(page.requests()) == 1
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "960px"
    page.close()


@pytest.mark.parametrize("width", [320, 400, 768, 1280])
@pytest.mark.parametrize("name", ["retried", "failed", "held", "simulated"])
def test_the_page_never_scrolls_sideways(
    name: str, width: int, browser: Browser, tmp_path: Path
) -> None:
    page = _open(browser, tmp_path, report_of(STORIES[name]()), width=width)
    assert _sideways(page) == []
    page.close()


@pytest.mark.parametrize("text", ["x" * 400, "word " * 80, "中" * 300], ids=["one", "words", "cjk"])
def test_long_texts_in_every_field_wrap(text: str, browser: Browser, tmp_path: Path) -> None:
    report = _with_attacked_steps(_attacked(report_of(_rich()), text), text)
    page = _open(browser, tmp_path, report, width=400)
    assert _sideways(page) == []
    page.close()


def _sideways(page: Page) -> list[str]:
    """The elements that stand out of the page on the right, with everything opened."""
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.settle()
    found: list[str] = page.evaluate("""(() => {
      const room = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= room) return [];
      return [...document.querySelectorAll('body *')]
        .filter(e => !e.closest('.scroll') && e.getBoundingClientRect().right > room + 1)
        .map(e => `${e.tagName}.${e.className.baseVal ?? e.className}`).slice(0, 10);
    })()""")
    return found or (["page"] if page.evaluate(_IS_WIDER) else [])


_IS_WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"

# WCAG 2.2, 1.4.3: 4.5 to 1, or 3 to 1 for large text. Walks every text that is seen.
_CONTRAST = """(() => {
  const rgb = (text) => {
    const parts = text.match(/[\\d.]+/g).map(Number);
    return parts.length < 4 ? [...parts, 1] : parts;
  };
  const light = (colour) => colour.slice(0, 3).map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const bad = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    const seen = e.getClientRects().length && !e.closest('script,[hidden]');
    if (!texts.currentNode.data.trim() || !seen) continue;
    const style = getComputedStyle(e);
    const front = light(rgb(e.namespaceURI.endsWith('svg') ? style.fill : style.color));
    const back = light(behind(e));
    const ratio = (Math.max(front, back) + .05) / (Math.min(front, back) + .05);
    const size = parseFloat(style.fontSize);
    const enough = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const name = `${e.tagName}.${e.className.baseVal ?? e.className}`;
    if (ratio < enough) bad.add(`${name} ${ratio.toFixed(2)}`);
  }
  return [...bad];
})()"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("story", [retried, failed, held, simulated])
def test_every_text_can_be_read(story: Any, dark: bool, browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, report_of(story()), dark=dark)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.settle()
    assert page.evaluate(_CONTRAST) == []
    page.close()


def test_dark_is_dark(browser: Browser, tmp_path: Path) -> None:
    colours = []
    for dark in (False, True):
        page = _open(browser, tmp_path, report_of(succeeded()), dark=dark)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert colours == ["rgb(246, 245, 241)", "rgb(21, 21, 20)"]


def test_it_reads_without_a_script(browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, report_of(failed()), script=False)
    text = page.evaluate("document.body.innerText")
    for part in ("Failed", "did not match the shape", "What happened", "flowrunner resume"):
        assert part in text
    # A browser lays out steps off the screen only when they come near: they are in no innerText.
    opened = page.evaluate("document.querySelector('.step[open] .step-body').textContent")
    assert "Choose the team for" in opened
    assert "Search" not in text
    assert page.evaluate(
        "[...document.querySelectorAll('button')].every(b => !b.checkVisibility())"
    )
    page.close()


def test_a_link_to_a_step_opens_it(browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, report_of(succeeded()), fragment="#step-reply")
    is_open = "document.getElementById('step-reply').closest('details').open"
    assert page.evaluate(is_open)
    page.close()
    page = _open(browser, tmp_path, report_of(succeeded()))
    assert not page.evaluate(is_open)
    page.evaluate("document.querySelector('.picture a[href=\"#step-reply\"]').dispatchEvent("
                  "new MouseEvent('click', {bubbles: true, cancelable: true}))")  # fmt: skip
    page.settle()
    assert page.evaluate(is_open)
    page.close()


_SHOWN = """
[...document.querySelectorAll('.step')].filter(s => !s.hidden)
  .map(s => s.querySelector('.step-name').textContent)
"""


def _press(page: Page, look: str) -> None:
    page.evaluate(f"document.querySelector('[data-filter={look}]').click()")


def _type(page: Page, words: str) -> None:
    page.evaluate(f"(b => {{ b.value = '{words}'; b.dispatchEvent(new Event('input')); }})(search)")


def _sort(page: Page, order: str) -> None:
    page.evaluate(f"(b => {{ b.value = '{order}'; b.dispatchEvent(new Event('change')); }})(sort)")


def test_chips_search_and_sort(browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, report_of(retried()))
    assert page.evaluate(_SHOWN) == ["summary", "triage", "bug_report", "reply"]
    _press(page, "skipped")
    assert page.evaluate(_SHOWN) == ["bug_report"]
    _press(page, "retried")
    assert page.evaluate(_SHOWN) == ["reply"]
    _press(page, "all")
    _type(page, "rate_limit_exceeded")
    assert page.evaluate(_SHOWN) == ["reply"]
    _type(page, "nothing like this")
    assert page.evaluate(_SHOWN) == []
    assert not page.evaluate("document.getElementById('no-step').hidden")
    _type(page, "")
    _sort(page, "time")
    assert page.evaluate(_SHOWN) == ["reply", "summary", "triage", "bug_report"]
    _sort(page, "cost")
    assert page.evaluate(_SHOWN) == ["reply", "triage", "summary", "bug_report"]
    _sort(page, "order")
    assert page.evaluate(_SHOWN) == ["summary", "triage", "bug_report", "reply"]
    page.close()


def test_the_keyboard_reaches_everything(browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, report_of(failed()))
    key = {"key": "/", "code": "Slash", "text": "/", "windowsVirtualKeyCode": 191}
    page.call("Input.dispatchKeyEvent", type="keyDown", **key)
    page.call("Input.dispatchKeyEvent", type="keyUp", **key)
    assert page.evaluate("document.activeElement.id") == "search"
    unreachable = page.evaluate(
        "[...document.querySelectorAll('a[href],button,summary,input,select,.scroll')]"
        ".filter(e => e.tabIndex < 0).length"
    )
    assert unreachable == 0
    nameless = page.evaluate(
        "[...document.querySelectorAll('a[href],button,summary,input,select')]"
        ".filter(e => !(e.textContent.trim() || e.ariaLabel)).length"
    )
    assert nameless == 0
    page.close()


def test_the_result_is_copied_as_json(browser: Browser, tmp_path: Path) -> None:
    story = Story().begin().end("succeeded", 0, result={"a": "x\u202ey\U000e0041", "b": [1]})  # type: ignore[arg-type]
    page = _open(browser, tmp_path, report_of(story))
    copied = page.evaluate("JSON.parse(document.getElementById('result-json').textContent)")
    assert copied == {"a": "x\u202ey\U000e0041", "b": [1]}
    page.close()


def test_two_thousand_steps_open(browser: Browser, tmp_path: Path) -> None:
    page = _open(browser, tmp_path, report_of(wide(2000)))
    assert page.evaluate("document.querySelectorAll('.step').length") == 2000
    _press(page, "failed")
    assert len(page.evaluate(_SHOWN)) == 20
    assert page.complaints() == []
    page.close()
