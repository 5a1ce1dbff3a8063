"""The only way to make HTML here: elements from known names, with every text in them escaped.

A `Markup` can be made by nothing but this module, and plain text becomes markup only by way of
`escape`; so a value that was never escaped cannot reach a page. What a page says is left to others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from html import escape as _escape
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from flowrunner.visible import escape_of, has_hidden, parts, visible

_KEY = object()
_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+=*")
_MARKED = re.compile("[&<>\"']")


class Markup:
    """A finished piece of HTML. Only `flowrunner.report.html.markup` makes one."""

    __slots__ = ("source",)

    def __init__(self, source: str, key: object) -> None:
        if key is not _KEY:
            raise TypeError("only flowrunner.report.html.markup makes markup")
        self.source = source


Child: TypeAlias = Markup | str | int | Iterable["Child"] | None
"""What an element may hold: markup, text (escaped here), nothing, or several of these."""

Attributes: TypeAlias = Mapping[str, object] | str
"""The attributes of an element; a plain text means its class. None and False leave one out, True
writes the name alone, texts are escaped, numbers written; anything else is refused."""

_VOID = frozenset(["br", "col", "hr", "input", "link", "meta"])
_HTML = frozenset(
    [
        "a",
        "abbr",
        "article",
        "aside",
        "b",
        "body",
        "button",
        "caption",
        "code",
        "col",
        "dd",
        "del",
        "details",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "head",
        "header",
        "hr",
        "html",
        "i",
        "input",
        "ins",
        "label",
        "li",
        "link",
        "main",
        "mark",
        "meta",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "section",
        "select",
        "small",
        "span",
        "strong",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "time",
        "title",
        "tr",
        "ul",
        "br",
    ]
)
_SVG = frozenset(
    [
        "svg",
        "g",
        "path",
        "rect",
        "circle",
        "line",
        "polyline",
        "polygon",
        "text",
        "tspan",
        "defs",
        "marker",
        "use",
        "symbol",
    ]
)
_NAMES = _HTML | _SVG
# Where a browser allows no element between the letters, hidden characters are plain escapes.
_TEXT_ONLY = _SVG | {"title", "option"}
_ATTRIBUTE = re.compile(r"(?:aria|data)-[a-z-]+|[a-zA-Z][a-zA-Z0-9-]*")
# None of these may come from here: handlers, style (the page's policy refuses it), loaded things.
_REFUSED = re.compile(r"on.*|style|src|srcset|srcdoc|action|formaction|background|xlink.*|ping")


def escape(text: str) -> str:
    """Text for an element or a quoted attribute, with hidden characters written as escapes."""
    shown = visible(text)
    return _escape(shown, quote=True) if _MARKED.search(shown) else shown


def element(name: str, attributes: Attributes = "", *children: Child) -> Markup:
    """One element. Raises ValueError for a name, an attribute or a link that may not be made."""
    opening = _opening(name, attributes)
    if name in _VOID:
        return Markup(opening, _KEY)
    if name in _TEXT_ONLY:
        children = tuple(visible(child) if isinstance(child, str) else child for child in children)
    return Markup(f"{opening}{_inside(children)}</{name}>", _KEY)


def several(*children: Child) -> Markup:
    """Pieces one after the other."""
    return Markup(_inside(children), _KEY)


def document(head: Markup, body: Markup, language: str = "en") -> Markup:
    """A whole page."""
    page = element("html", {"lang": language}, head, body)
    return Markup(f"<!doctype html>\n{page.source}\n", _KEY)


def own_style(source: str) -> Markup:
    """The page's style sheet: a file of this package, never anything that was read elsewhere."""
    return _raw("style", source)


def own_script(source: str) -> Markup:
    """The page's script: a file of this package, never anything that was read elsewhere."""
    return _raw("script", source)


def own_icon(source: str) -> Markup:
    """The page's icon, an SVG of this package; without one a browser would ask a server for it."""
    encoded = "".join(c if c.isalnum() or c in " -./:=" else f"%{ord(c):02X}" for c in source)
    return Markup(f'<link rel="icon" href="data:image/svg+xml,{encoded}">', _KEY)


def link(url: str) -> Markup:
    """An address, shown in full; one can follow it only if it is http or https."""
    if not is_web_address(url):
        return element("span", "address", url)
    attributes = {"href": url, "rel": "noopener noreferrer", "target": "_blank", "class": "address"}
    return element("a", attributes, url)


def side_file(path: str) -> Markup:
    """A file in the folder of the run, which stands beside the page."""
    parts = path.split("/")
    if parts[0] != "files" or {"", ".", ".."} & set(parts):
        return element("code", "", path)
    address = escape("/".join(quote(part, safe="") for part in parts))
    return Markup(f'<a href="{address}">{escape(path)}</a>', _KEY)


def picture(data_url: str, words: str) -> Markup | None:
    """A picture that the page itself holds; None for anything else."""
    if not _PICTURE.fullmatch(data_url):
        return None
    return Markup(f'<img class="picture" src="{data_url}" alt="{escape(words)}">', _KEY)


def is_web_address(url: str) -> bool:
    """Whether this is an http(s) address with a host, and nothing hidden in it."""
    if has_hidden(url) or any(character.isspace() for character in url):
        return False
    try:
        split = urlsplit(url)
    except ValueError:
        return False
    return split.scheme in {"http", "https"} and bool(split.hostname)


def _opening(name: str, attributes: Attributes) -> str:
    if isinstance(attributes, str):
        return _opening_with_class(name, attributes)
    written = "".join(
        _attribute(key, value)
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return f"<{_checked(name)}{written}>"


@lru_cache(maxsize=1024)
def _opening_with_class(name: str, classes: str) -> str:
    return f"<{_checked(name)}{_attribute('class', classes)}>" if classes else f"<{_checked(name)}>"


def _checked(name: str) -> str:
    if name not in _NAMES:
        raise ValueError(f"no element `{name}` is made here")
    return name


def _attribute(key: str, value: object) -> str:
    _check_attribute(key)
    if value is True:
        return f" {key}"
    text = _number(value) if isinstance(value, int | float) else value
    if not isinstance(text, str):
        raise TypeError(f"`{key}` is neither a text nor a number")
    if key == "href" and not (text.startswith("#") or is_web_address(text)):
        raise ValueError("a link leads into the page or to http(s)")
    return f' {key}="{escape(text)}"'


@lru_cache(maxsize=256)
def _check_attribute(key: str) -> None:
    if not _ATTRIBUTE.fullmatch(key) or _REFUSED.fullmatch(key.lower()):
        raise ValueError(f"no attribute `{key}` is made here")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2f}".rstrip("0").rstrip(".")


def _inside(children: Iterable[Child]) -> str:
    return "".join(map(_piece, children))


def _piece(child: Child) -> str:
    if isinstance(child, str):
        return _text(child)
    if isinstance(child, Markup):
        return child.source
    if child is None:
        return ""
    return str(child) if isinstance(child, int) else _inside(child)


def _text(text: str) -> str:
    if not has_hidden(text):
        return escape(text)
    return "".join(_hidden(piece) if hidden else escape(piece) for hidden, piece in parts(text))


def _hidden(character: str) -> str:
    name = f"U+{ord(character):04X}, a character that would not be seen"
    return f'<span class="hidden-character" title="{name}">{escape_of(character)}</span>'


def _raw(name: str, source: str) -> Markup:
    if re.search(r"</|<!--", source):
        raise ValueError(f"a {name} of this package may not contain its own end")
    return Markup(f"<{name}>{source}</{name}>", _KEY)
