"""Nothing unescaped gets into a page: by construction, and held here against attacks."""

from __future__ import annotations

import ast
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.report.html import markup
from flowrunner.report.html.markup import Markup, element, escape, link, several

_MODULE = "flowrunner.report.html.markup"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def _read(piece: Markup) -> _Reader:
    reader = _Reader()
    reader.feed(piece.source)
    reader.close()
    return reader


@given(st.text())
def test_no_text_becomes_an_element(text: str) -> None:
    reader = _read(element("p", "", text))
    assert [tag for tag, _ in reader.tags if tag != "span"] == ["p"]
    assert reader.text == markup.visible(text)


@given(st.text())
def test_no_text_leaves_an_attribute(text: str) -> None:
    reader = _read(element("p", {"title": text, "class": "a"}, "x"))
    assert reader.tags == [("p", {"title": markup.visible(text), "class": "a"})]


def test_only_this_module_makes_markup() -> None:
    with pytest.raises(TypeError):
        Markup("<script>", object())


def test_no_other_module_builds_html_by_hand() -> None:
    folder = Path(markup.__file__).parent
    for path in folder.glob("*.py"):
        if path.name == "markup.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
        made = [n for n in calls if getattr(n.func, "id", "") == "Markup"]
        assert not made, f"{path.name} makes markup itself"
        taken = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == _MODULE]
        assert not [a.name for n in taken for a in n.names if a.name.startswith("_")], path.name
        raw = [n for n in calls if getattr(n.func, "id", "") in {"own_style", "own_script"}]
        for call in raw:
            assert ast.unparse(call.args[0]).startswith("_own_file("), path.name


@pytest.mark.parametrize("name", ["script", "style", "iframe", "img", "object", "form", "P", "p "])
def test_elements_outside_the_list_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is made here"):
        element(name, "", "x")


@pytest.mark.parametrize(
    "name", ["onclick", "ONLOAD", "style", "src", "srcdoc", "action", "xlink:href", "a b", 'x"y']
)
def test_attributes_that_could_act_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is made here"):
        element("p", {name: "x"}, "x")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "http://",
        "https://good.example\u202e/moc",
        "https://a b",
        "http://[broken",
        "\x01javascript:alert(1)",
    ],
)
def test_only_web_addresses_become_links(url: str) -> None:
    reader = _read(link(url))
    assert [tag for tag, _ in reader.tags if tag == "a"] == []
    assert reader.text == markup.visible(url)
    with pytest.raises(ValueError, match="a link leads"):
        element("a", {"href": url}, "x")


def test_a_link_is_shown_in_full_and_tells_nobody_where_it_came_from() -> None:
    url = "https://example.com/a?b=1&c=%22#d"
    reader = _read(link(url))
    ((tag, attributes),) = reader.tags
    assert tag == "a"
    assert attributes["href"] == url
    assert attributes["rel"] == "noopener noreferrer"
    assert reader.text == url


def test_hidden_characters_are_marked() -> None:
    reader = _read(element("p", "", "a\u202eb"))
    assert reader.text == "a\\u202eb"
    assert reader.tags[1] == (
        "span",
        {"class": "hidden-character", "title": "U+202E, a character that would not be seen"},
    )


def test_hidden_characters_in_a_drawing_are_plain_escapes() -> None:
    assert element("text", "", "a\u202eb").source == "<text>a\\u202eb</text>"
    assert element("title", "", "\x1b[2J").source == "<title>\\x1b[2J</title>"


def test_values_of_attributes() -> None:
    made = element("input", {"hidden": True, "disabled": False, "id": None, "size": 3, "max": 1.5})
    assert made.source == '<input hidden size="3" max="1.5">'
    with pytest.raises(TypeError):
        element("p", {"title": ["x"]})


def test_children_of_all_kinds() -> None:
    assert several("a<", None, 3, ["b", [element("br")]]).source == "a&lt;3b<br>"


def test_a_script_of_ours_cannot_hold_its_own_end() -> None:
    with pytest.raises(ValueError, match="its own end"):
        markup.own_script("'</script>'")


def test_escape_covers_quotes() -> None:
    assert escape("\"'<&>") == "&quot;&#x27;&lt;&amp;&gt;"
