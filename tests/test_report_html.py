"""The page as text: small, whole, in the order a person looks, the same for the same report."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from test_report_stories import (
    RUN,
    STORIES,
    Story,
    bare,
    failed,
    held,
    report_of,
    simulated,
    succeeded,
    wide,
    with_tools,
)

from flowrunner.report.html import render_html

VOID = {"meta", "link", "input", "br", "hr", "col"}


class _Tree(HTMLParser):
    """Checks that elements close in order and ids are unique."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.fragments: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.attributes |= set(given)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for key in ("href", "data-copy", "data-save", "aria-labelledby"):
            value = given.get(key)
            if value and not value.startswith(("http", "data:")):
                self.fragments.append(value.removeprefix("#"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _tree(page: str) -> _Tree:
    tree = _Tree()
    tree.feed(page)
    tree.close()
    return tree


@pytest.mark.parametrize("name", STORIES)
def test_a_page_is_well_formed_and_leads_nowhere_else(name: str) -> None:
    tree = _tree(render_html(report_of(STORIES[name]())))
    assert tree.open == []
    assert len(tree.ids) == len(set(tree.ids))
    assert set(tree.fragments) <= set(tree.ids)
    assert not [a for a in tree.attributes if a.startswith("on") or a in {"style", "src"}]


def test_the_policy_names_the_hashes_of_our_own_style_and_script() -> None:
    page = render_html(report_of(bare()))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    for name in ("style", "script"):
        (text,) = re.findall(f"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src &#x27;sha256-{digest}&#x27;" in policy
    for part in ("default-src &#x27;none&#x27;", "img-src data:", "base-uri &#x27;none&#x27;"):
        assert part in policy
    assert "unsafe" not in policy


def test_an_empty_report_is_small() -> None:
    assert len(render_html(report_of(bare())).encode()) <= 60_000


def test_a_page_of_many_steps_stays_openable() -> None:
    page = render_html(report_of(wide(2000)))
    assert page.count('<details class="step ') == 2000
    assert len(page.encode()) < 8_000_000
    assert page.count(" open data-looks") == 10


def test_parts_stand_in_the_order_a_person_looks() -> None:
    page = render_html(report_of(succeeded()))
    wanted = ["<h1>", 'id="result"', 'id="graph"', 'id="steps"', 'id="timeline"', 'id="money"']
    places = [page.index(part) for part in [*wanted, 'id="provenance"']]
    assert places == sorted(places)


def test_a_failure_and_what_to_do_stand_before_everything_else() -> None:
    page = render_html(report_of(failed()))
    top = page[: page.index('id="graph"')]
    assert "did not match the shape you asked for" in top
    assert "workflows/ticket_triage.yaml:36" in top
    assert "choose billing, bug or other" in top
    assert f"flowrunner resume {RUN}" in top
    assert re.search(r'<details class="step look-failed" open ', page)


def test_a_simulated_run_wears_a_ribbon() -> None:
    page = render_html(report_of(simulated()))
    assert "Simulated." in page
    assert "would be about $0.00033" in page
    assert "Simulated." not in render_html(report_of(succeeded()))


def test_possibly_billed_requests_are_named_with_their_ids() -> None:
    page = render_html(report_of(held()))
    assert "Not in the sum, and possibly billed:" in page
    assert f"{RUN}.reply.1.1.1" in page


def test_the_title_says_how_it_ended() -> None:
    assert f"<title>Failed: Ticket triage · {RUN}</title>" in render_html(report_of(failed()))


def test_citations_become_links_only_to_the_web() -> None:
    sources = [
        {"title": "Charges", "url": "https://example.com/charges?a=1&b=2", "kind": "web"},
        {"title": "Evil", "url": "javascript:alert(1)", "kind": "web"},
        {"url": None},
    ]
    story = Story().begin().start("summary").finish(
        "summary", result={"text": "See the sources.", "sources": sources, "files": ["a.png"]}
    )  # fmt: skip
    page = render_html(report_of(story))
    assert 'href="https://example.com/charges?a=1&amp;b=2" rel="noopener noreferrer"' in page
    assert 'href="javascript' not in page
    assert "javascript:alert(1)" in page


def test_what_was_cut_says_where_it_is_whole() -> None:
    story = Story(inputs={"ticket": "word " * 40_000}).begin()
    page = render_html(report_of(story))
    assert "The whole value is 200 kB and was cut here." in page
    assert f"flowrunner show {RUN}" in page


def test_deep_json_is_shown_without_deep_recursion() -> None:
    value: object = "bottom"
    for _ in range(150):
        value = {"in": [value]}
    story = Story(inputs={"deep": value}).begin()
    assert "bottom" in render_html(report_of(story))


def test_calls_of_tools_stand_beside_what_was_asked() -> None:
    page = render_html(report_of(with_tools()))
    assert "Ada agreed: it was late." in page
    assert "&lt;b&gt;sent&lt;/b&gt;" in page
    assert "<b>sent</b>" not in page
