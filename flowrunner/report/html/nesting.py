"""What stands inside of a step on the page: its items as a table, approvals, where it is from.

The steps inside are told by `steps`, each behind a line of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flowrunner.events import JSON
from flowrunner.report.bounds import compact
from flowrunner.report.figures import count, duration, money
from flowrunner.report.html.markup import Child, Markup, element, several
from flowrunner.report.html.pieces import STATUS_WORDS, icon, moment, price, raw, step_look
from flowrunner.report.units import is_item

_COLUMNS = 6
_LETTERS = 60
_WORST_FIRST = ("failed", "unknown", "waiting", "cancelled", "running", "none", "skipped")

Inner = Mapping[str, Sequence[JSON]]
"""The steps of the page by the unit that they stand in."""

Link = Callable[[JSON], str]
"""The fragment of the page that tells a step."""


def item_table(step: JSON, inner: Inner, link: Link, simulated: bool) -> Markup | None:
    """Items × what became of them and of each step in them, worst first; None without items."""
    items = [one for one in inner.get(step["unit"], ()) if is_item(one["unit"])]
    if not items:
        return None
    items.sort(key=_badness)
    columns = _columns(items, inner)
    heads = ["Item", "", "Status", *columns]
    head = [element("th", {"scope": "col"}, name) for name in heads]
    head += [element("th", {"scope": "col", "class": "number"}, name) for name in ("Time", "Cost")]
    rows = [_row(one, columns, inner, link, simulated) for one in items]
    table = element(
        "table", "items", element("thead", "", element("tr", "", *head)), element("tbody", "", rows)
    )
    attributes = {"class": "scroll", "tabindex": 0, "role": "group", "aria-label": "Items"}
    return element("div", attributes, table, _rest(step, len(items)))


def _badness(item: JSON) -> int:
    look = step_look(item)
    return _WORST_FIRST.index(look) if look in _WORST_FIRST else len(_WORST_FIRST)


def _columns(items: Sequence[JSON], inner: Inner) -> list[str]:
    names = [one["id"] for item in items for one in inner.get(item["unit"], ())]
    return list(dict.fromkeys(names))[:_COLUMNS]


def _row(item: JSON, columns: list[str], inner: Inner, link: Link, simulated: bool) -> Markup:
    by_id = {one["id"]: one for one in inner.get(item["unit"], ())}
    name = element("a", {"href": f"#{link(item)}"}, item["id"])
    took = duration(item["elapsed_s"]) if item["elapsed_s"] is not None else ""
    numbers = item["numbers"]
    cost = price(numbers, simulated).replace("would be about ", "≈ ") if numbers["calls"] else ""
    look = step_look(item)
    return element(
        "tr",
        "",
        element("th", {"scope": "row"}, name),
        element("td", "soft", _entry(item["input"])),
        element("td", "item-status", icon(look), " ", STATUS_WORDS[look]),
        *(_cell(by_id.get(column), link) for column in columns),
        element("td", "number", took),
        element("td", "number", cost),
    )


def _entry(held: JSON) -> str:
    if held is None:
        return ""
    value = held.get("value", held.get("beginning"))
    text = value if isinstance(value, str) else compact(value)
    line = " ".join(text[: 4 * _LETTERS].split())
    return line if len(line) <= _LETTERS else line[: _LETTERS - 1] + "…"


def _cell(step: JSON, link: Link) -> Markup:
    if step is None:
        return element("td", "", "")
    look = step_look(step)
    named = {"href": f"#{link(step)}", "aria-label": f"{step['unit']}: {STATUS_WORDS[look]}"}
    return element("td", "", element("a", named, icon(look)))


def _rest(step: JSON, shown: int) -> Markup | None:
    more = (step["items"] or {}).get("total", 0) - shown
    if more <= 0:
        return None
    return element("p", "soft", f"and {count(more)} more, which are counted and not listed here.")


def approval(given: JSON) -> Child:
    """What was asked of a person, and who said what and when; None where nobody has answered."""
    if given is None or given["granted"] is None:
        return None
    asked = element("div", "text", given["text"])
    word = " agreed" if given["granted"] else " did not agree"
    way = f" ({given['way']})" if given["way"] else ""
    why = element("p", "", "“", given["why"], "”") if given["why"] else None
    who = element("strong", "", given["by"] or "somebody")
    return several(
        asked, element("p", "said", who, word, ", ", moment(given["decided_at"]), way), why
    )


def reused(step: JSON) -> Markup | None:
    """Where a result was taken from, and what that saved; None where it was made here."""
    if not step["reused_from"]:
        return None
    saved = f", saved {money(step['saved_usd'])}" if step["saved_usd"] else ""
    return element("p", "remark", "Reused from ", raw(step["reused_from"]), saved)
