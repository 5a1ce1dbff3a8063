"""The one table of functions: every name that a template may call, with what it says of itself.

Each may be written `name(value, …)` or `value|name(…)`. What they do is left to `texts`, `lists`
and `numbers`; `first(a, b, …)` and `default` also shield their arguments, which the compiler does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flowrunner.language.templates import lists, numbers, operators, texts
from flowrunner.language.templates.meter import Meter
from flowrunner.language.templates.values import is_empty


@dataclass(frozen=True)
class Function:
    """One function: how it is written, what it does, and the code that is called.

    `run` takes the meter, the value in front of `|` and the options; the names of its options are
    those that templates write.
    """

    form: str
    about: str
    run: Callable[..., Any]

    @property
    def name(self) -> str:
        """The word that templates write."""
        return self.form.partition("(")[0]

    @cached_property
    def options(self) -> tuple[inspect.Parameter, ...]:
        """The options after the value, in order; those without a default are required."""
        return tuple(inspect.signature(self.run).parameters.values())[2:]


def default(meter: Meter, value: Any, /, fallback: Any = "", boolean: Any = False) -> Any:
    """The value, or `fallback` where it is empty (with `boolean` also where it is '' or 0)."""
    meter.spend(1)
    return fallback if is_empty(value) or (boolean and not value) else value


_ALL = (
    Function(
        "first(a, b, …)",
        "The first of its arguments that is not empty; `list|first` is the first item of a list.",
        lists.first_item,
    ),
    Function(
        "default(x, fallback)",
        "`x`, or the fallback where `x` is empty; with a third argument `true` also where it is "
        "`''`, `0`, `false` or `[]`.",
        default,
    ),
    Function("length(x)", "How many items, fields or characters.", lists.length),
    Function(
        "join(list, separator, attribute=…)",
        "The items as one text, or one field of each.",
        lists.join,
    ),
    Function("last(list)", "The last item of a list.", lists.last),
    Function(
        "sum(list, attribute=…)", "The numbers added up, or one field of each item.", lists.total
    ),
    Function("min(list, attribute=…)", "The smallest number or text.", lists.smallest),
    Function("max(list, attribute=…)", "The largest number or text.", lists.largest),
    Function(
        "sort(list, attribute=…, reverse=true)",
        "The list in order of its items or of one field; texts without regard to case.",
        lists.sort,
    ),
    Function(
        "unique(list, attribute=…)", "The list without repetitions; the first stays.", lists.unique
    ),
    Function(
        "map(list, attribute='field', default=…)", "One field of every item.", lists.map_field
    ),
    Function(
        "selectattr(list, 'field', '==', value)",
        "The items whose field compares so (`==` `!=` `<` `<=` `>` `>=` `in` `not in` `contains` "
        "`startswith` `endswith`), or is true where nothing follows.",
        lists.select,
    ),
    Function(
        "rejectattr(list, 'field', '==', value)",
        "The items that `selectattr` leaves out.",
        lists.reject,
    ),
    Function(
        "share(list, 'field', value)",
        "Which part of the items, from 0 to 1, has a field that is true or equal to the value.",
        lists.share,
    ),
    Function("list(x)", "The list itself, as a list of its own.", lists.as_list),
    Function(
        "items(object)", "The names and values of an object, as a list of pairs.", lists.pairs
    ),
    Function(
        "table(rows, columns)", "Rows as a Markdown table, of all or some columns.", lists.table
    ),
    Function(
        "csv(rows, columns)",
        "Rows as CSV, of all or some columns; no cell is taken for a formula.",
        lists.sheet,
    ),
    Function("replace(text, old, new)", "The text with every `old` replaced.", texts.replace),
    Function(
        "split(text, separator)", "The parts of a text; without a separator its words.", texts.split
    ),
    Function("trim(text)", "The text without spaces and line breaks around it.", texts.trim),
    Function("lower(text)", "The text in small letters.", texts.lower),
    Function("upper(text)", "The text in capital letters.", texts.upper),
    Function("title(text)", "The text with every word capitalised.", texts.title),
    Function(
        "capitalize(text)",
        "The text with a capital first letter, the rest small.",
        texts.capitalize,
    ),
    Function("startswith(text, prefix)", "Whether a text begins so.", texts.startswith),
    Function("endswith(text, suffix)", "Whether a text ends so.", texts.endswith),
    Function(
        "contains(x, part)", "Whether a list, object or text has it in it.", operators.contains
    ),
    Function("tojson(x, indent=2)", "Any value as JSON, on one line or indented.", texts.tojson),
    Function(
        "round(x, digits)",
        "The number rounded; without digits a whole number.",
        numbers.round_number,
    ),
    Function(
        "number(x, digits)",
        "The number that a text says; with digits the number written with so many decimals.",
        numbers.number,
    ),
    Function(
        "date(x, 'YYYY-MM-DD')",
        "A date written with YYYY YY MMMM MMM MM M DDDD DDD DD D HH mm ss.",
        numbers.date,
    ),
    Function(
        "days_before(x, n)",
        "The date so many days before `x`; after it where `n` < 0.",
        numbers.days_before,
    ),
)

FUNCTIONS: Mapping[str, Function] = {function.name: function for function in _ALL}
"""By name, in the order in which they are documented."""

STATES = ("defined", "none")
"""Tests that ask whether a value is there at all; the value may be empty without fault."""

INSTEAD: Mapping[str, str] = {
    "attr": "write `x.name` or `x['name']`",
    "avg": "write `sum(x) / length(x)`",
    "batch": "use a `for` loop",
    "cat": "join texts with `~`",
    "concat": "join texts with `~`",
    "count": "write `length`",
    "d": "write `default`",
    "e": "texts are sent as they are; leave it out",
    "escape": "texts are sent as they are; leave it out",
    "filter": "write `selectattr(list, 'field', '==', value)`",
    "float": "write `number`",
    "format": "join texts with `~`, and write numbers with `number(x, digits)`",
    "groupby": "choose each group with `selectattr(list, 'field', '==', value)`",
    "int": "write `number`, or `round` for a whole number",
    "json": "write `tojson`",
    "keys": "write `items(x)`",
    "len": "write `length`",
    "now": "write `run.date`",
    "range": "loop over a list; `loop.index` counts from 1",
    "reject": "write `rejectattr(list, 'field', '==', value)`",
    "safe": "texts are sent as they are; leave it out",
    "select": "write `selectattr(list, 'field', '==', value)`",
    "size": "write `length`",
    "str": "join it to a text with `~`",
    "string": "join it to a text with `~`",
    "strip": "write `trim`",
    "substring": "write `x[0:10]`",
    "to_json": "write `tojson`",
    "truncate": "write `x[:1000]`",
    "values": "write `items(x)`",
}
"""What to write for words that other template languages have."""
