"""The functions that work on lists: choosing, ordering, adding up, writing as a table.

Items that are passed over (failed items of a `for_each`) are left out by all of them but `length`,
`list`, `first` and `last`. Fields are looked up as items, never as attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flowrunner.csv_text import csv_text, inert
from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.meter import Meter
from flowrunner.language.templates.operators import COMPARISONS, Operator, bounded, contains, equal
from flowrunner.language.templates.printing import printed, to_json
from flowrunner.language.templates.texts import endswith, need_text, startswith
from flowrunner.language.templates.values import (
    Empty,
    Record,
    empty_fault,
    found,
    is_empty,
    is_list,
    is_number,
    look_up,
    undefined_field,
)

TESTS: Mapping[str, Operator] = {
    "==": COMPARISONS["eq"],
    "!=": COMPARISONS["ne"],
    "<": COMPARISONS["lt"],
    "<=": COMPARISONS["lteq"],
    ">": COMPARISONS["gt"],
    ">=": COMPARISONS["gteq"],
    "in": COMPARISONS["in"],
    "not in": COMPARISONS["notin"],
    "eq": COMPARISONS["eq"],
    "ne": COMPARISONS["ne"],
    "lt": COMPARISONS["lt"],
    "le": COMPARISONS["lteq"],
    "gt": COMPARISONS["gt"],
    "ge": COMPARISONS["gteq"],
    "contains": contains,
    "startswith": startswith,
    "endswith": endswith,
}
"""Comparisons by the name that `selectattr` and `is` take."""


MAX_DOTS = 10
"""How deep an attribute may reach."""


def need_list(value: Any, name: str) -> Sequence[Any]:
    """The value, which must be a list. `name` is what needs it."""
    if is_list(value):
        items: Sequence[Any] = value
        return items
    if is_empty(value):
        raise empty_fault(value, "")
    fix = None
    if isinstance(value, Mapping):
        fix = "write `items(…)` for the names and values of an object"
    elif isinstance(value, str):
        fix = "write `split(…, ',')` to take a text apart"
    raise TemplateFault("wrong-type", f"`{name}` needs a list, found {found(value)}", fix)


def walk(meter: Meter, value: Any, name: str) -> Iterator[Any]:
    """The items of a list that are not passed over, each paid for."""
    items = need_list(value, name)
    meter.item_visits(len(items))
    return (item for item in items if not (isinstance(item, Record) and item.passed_over))


def attribute_path(attribute: Any) -> tuple[str | int, ...]:
    """The keys of an attribute: a field of an item, dotted for fields of fields."""
    if isinstance(attribute, int) and not isinstance(attribute, bool):
        return (attribute,)
    if not isinstance(attribute, str) or attribute.count(".") > MAX_DOTS:
        raise TemplateFault(
            "wrong-type", f"`attribute` must be the name of a field, found {found(attribute)}"
        )
    return tuple(int(part) if _is_index(part) else part for part in attribute.split("."))


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) < 10


def read_path(
    item: Any, path: tuple[str | int, ...], missing: Callable[[], Any] | None = None
) -> Any:
    """What stands at a path of keys inside an item."""
    name = "an item of the list"
    for key in path:
        item = look_up(item, key, name, missing)
        name = str(key)
    return item


def _attributes(meter: Meter, value: Any, name: str, attribute: Any) -> Iterator[Any]:
    items = walk(meter, value, name)
    if attribute is None:
        return items
    path = attribute_path(attribute)
    return (read_path(item, path) for item in items)


def length(meter: Meter, value: Any, /) -> int:
    meter.spend(1)
    if isinstance(value, str | Mapping):
        return len(value)
    return len(need_list(value, "length"))


def join(meter: Meter, items: Any, /, separator: Any = "", attribute: Any = None) -> str:
    between = need_text(meter, separator, "join")
    texts = []
    for value in _attributes(meter, items, "join", attribute):
        texts.append(printed(meter, value, "an item of the list"))
        meter.text(len(texts[-1]) + len(between))
    return between.join(texts)


def first_item(meter: Meter, items: Any, /) -> Any:
    return _at(meter, items, 0, "first")


def last(meter: Meter, items: Any, /) -> Any:
    return _at(meter, items, -1, "last")


def _at(meter: Meter, items: Any, position: int, name: str) -> Any:
    meter.spend(1)
    listed = need_list(items, name)
    return listed[position] if listed else Empty("the list is empty", name)


def as_list(meter: Meter, value: Any, /) -> list[Any]:
    items = need_list(value, "list")
    meter.new_items(len(items))
    return list(items)


def pairs(meter: Meter, value: Any, /) -> list[list[Any]]:
    if is_empty(value):
        raise empty_fault(value, "")
    if not isinstance(value, Mapping):
        raise TemplateFault("wrong-type", f"`items` needs an object, found {found(value)}")
    meter.new_items(len(value) * 3)
    return [[key, value[key]] for key in value]


def total(meter: Meter, items: Any, /, attribute: Any = None) -> Any:
    result: Any = 0
    for value in _attributes(meter, items, "sum", attribute):
        if is_empty(value):
            raise empty_fault(value, "")
        if not is_number(value):
            raise TemplateFault("wrong-type", f"`sum` needs numbers, found {found(value)}")
        result = bounded(result + value)
    return result


def smallest(meter: Meter, items: Any, /, attribute: Any = None) -> Any:
    ordered = sort(meter, list(_attributes(meter, items, "min", attribute)))
    return ordered[0] if ordered else Empty("the list is empty", "min")


def largest(meter: Meter, items: Any, /, attribute: Any = None) -> Any:
    ordered = sort(meter, list(_attributes(meter, items, "max", attribute)))
    return ordered[-1] if ordered else Empty("the list is empty", "max")


def sort(meter: Meter, items: Any, /, attribute: Any = None, reverse: Any = False) -> list[Any]:
    rows = list(walk(meter, items, "sort"))
    meter.new_items(len(rows))
    path = () if attribute is None else attribute_path(attribute)
    steps = len(rows).bit_length()
    keyed = []
    for row in rows:
        value = read_path(row, path)
        meter.spend(steps * (len(value) if isinstance(value, str) else 1))
        keyed.append((_sort_key(value), row))
    if len({key[0] for key, _ in keyed}) > 1:
        raise TemplateFault(
            "wrong-type", "`sort` needs either numbers or texts, found both in one list"
        )
    keyed.sort(key=lambda pair: pair[0], reverse=bool(reverse))
    return [row for _, row in keyed]


def _sort_key(value: Any) -> tuple[Any, ...]:
    if is_number(value) or isinstance(value, bool):
        return ("number", value)
    if isinstance(value, str):
        return ("text", value.casefold(), value)
    if is_empty(value):
        raise empty_fault(value, "")
    raise TemplateFault(
        "wrong-type",
        f"`sort`, `min` and `max` need numbers or texts, found {found(value)}",
        "name the field to go by, as in `attribute='total'`",
    )


def unique(meter: Meter, items: Any, /, attribute: Any = None) -> list[Any]:
    path = () if attribute is None else attribute_path(attribute)
    seen = set()
    kept = []
    for row in walk(meter, items, "unique"):
        value = read_path(row, path)
        meter.parts(1)
        key = "" if is_empty(value) else to_json(meter, value, "an item of the list")
        if key not in seen:
            seen.add(key)
            kept.append(row)
    meter.new_items(len(kept))
    return kept


def map_field(meter: Meter, items: Any, /, *, attribute: Any, default: Any = None) -> list[Any]:
    missing = None if default is None else lambda: default
    path, values = attribute_path(attribute), []
    for row in walk(meter, items, "map"):
        meter.new_items(1)
        value = read_path(row, path, missing)
        values.append(default if is_empty(value) and default is not None else value)
    return values


def select(
    meter: Meter, items: Any, /, attribute: Any, test: Any = None, value: Any = None
) -> list[Any]:
    return _chosen(meter, items, _test("selectattr", test), (attribute, value), wanted=True)


def reject(
    meter: Meter, items: Any, /, attribute: Any, test: Any = None, value: Any = None
) -> list[Any]:
    return _chosen(meter, items, _test("rejectattr", test), (attribute, value), wanted=False)


def _test(name: str, test: Any) -> Operator:
    if test is None:
        return lambda _meter, value, _other: bool(value)
    if isinstance(test, str) and test in TESTS:
        return TESTS[test]
    raise TemplateFault(
        "wrong-type",
        f"`{name}` compares with `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `not in`, `contains`, "
        f"`startswith` or `endswith`, found {found(test)}",
    )


def _chosen(
    meter: Meter, items: Any, test: Operator, against: tuple[Any, Any], *, wanted: bool
) -> list[Any]:
    attribute, value = against
    path, chosen = attribute_path(attribute), []
    for row in walk(meter, items, "selectattr" if wanted else "rejectattr"):
        field = read_path(row, path)
        if bool(test(meter, field, value)) is wanted:
            meter.new_items(1)
            chosen.append(row)
    return chosen


def share(meter: Meter, items: Any, /, attribute: Any, value: Any = True) -> Any:
    rows = hits = 0
    for field in _attributes(meter, items, "share", attribute):
        rows += 1
        hits += equal(meter, field, value)
    return hits / rows if rows else Empty("the list is empty", "share")


def table(meter: Meter, rows: Any, /, columns: Any = None) -> str:
    listed = list(walk(meter, rows, "table"))
    names = _columns(meter, listed, columns)
    lines = [names, ["---"] * len(names)]
    for row in listed:
        lines.append([_cell(meter, row, name) for name in names])
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    meter.text(len(text))
    return text


def sheet(meter: Meter, rows: Any, /, columns: Any = None) -> str:
    listed = list(walk(meter, rows, "csv"))
    if columns is None and not any(isinstance(row, Mapping) for row in listed):
        listed = [{"value": row} for row in listed]
    names = _columns(meter, listed, columns, "csv")
    lines = [[inert(name) for name in names]]
    for row in listed:
        lines.append([_sheet_cell(meter, row, name) for name in names])
    text = csv_text(lines)
    meter.text(len(text))
    return text


def _sheet_cell(meter: Meter, row: Any, name: str) -> str:
    value = _field(meter, row, name, "csv")
    if is_empty(value):
        return ""
    text = value if isinstance(value, str) else printed(meter, value, name)
    # Quotes are doubled, and a cell is written twice on its way.
    meter.text(len(text) * 4)
    return inert(text) if isinstance(value, str) else text


def _columns(meter: Meter, rows: Sequence[Any], columns: Any, by: str = "table") -> list[str]:
    if columns is not None:
        return [need_text(meter, name, by) for name in need_list(columns, by)]
    names: dict[str, None] = {}
    for row in rows:
        if not isinstance(row, Mapping):
            raise TemplateFault("wrong-type", f"`{by}` needs rows of fields, found {found(row)}")
        meter.item_visits(len(row))
        names.update(dict.fromkeys(row))
    return list(names)


def _cell(meter: Meter, row: Any, name: str) -> str:
    value = _field(meter, row, name, "table")
    if is_empty(value):
        return ""
    text = printed(meter, value, name)
    meter.text(len(text) * 2)
    return " ".join(text.replace("|", "\\|").split("\n"))


def _field(meter: Meter, row: Any, name: str, by: str) -> Any:
    meter.parts(1)
    if not isinstance(row, Mapping):
        raise TemplateFault("wrong-type", f"`{by}` needs rows of fields, found {found(row)}")
    return row[name] if name in row else _absent(row, name)


def _absent(row: Any, name: str) -> Any:
    if isinstance(row, Record):
        raise undefined_field(row.name, name, list(row))
    return None
