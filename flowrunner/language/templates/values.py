"""The values a template sees: JSON, records that load when read, and the empty value.

Nothing here has methods or attributes that a template could reach: looking up an item is all there
is. What operators and functions do with values is left to the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from flowrunner.language.shapes import words
from flowrunner.language.templates.faults import TemplateFault, known_words, near_miss


@dataclass(frozen=True, slots=True)
class Empty:
    """The value of what is skipped, failed, null or not there; falsy, and a fault when printed.

    `why` is `skipped`, `failed`, `null`, `missing`, `round` (there was none before), `unset`,
    `else` or a phrase of its own; `what` names the thing, such as `steps.reply`.
    """

    why: str
    what: str

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> NoReturn:
        raise empty_fault(self, self.what)

    def __format__(self, spec: str) -> NoReturn:
        raise empty_fault(self, self.what)


class Record(Mapping[str, Any]):
    """A named value with a closed set of fields, each given or loaded when it is first read.

    A field that is callable is its own loader: called without arguments at most once.
    `unprintable` says what to write instead of the record as a whole; None prints it as JSON.
    Functions that walk a list leave out records that are `passed_over`, such as failed items.
    """

    __slots__ = ("_fields", "name", "passed_over", "unprintable")

    def __init__(
        self,
        name: str,
        fields: Mapping[str, Any | Callable[[], Any]],
        *,
        unprintable: str | None = None,
        passed_over: bool = False,
    ) -> None:
        self.name = name
        self.unprintable = unprintable
        self.passed_over = passed_over
        self._fields = dict(fields)

    def __getitem__(self, key: str) -> Any:
        value = self._fields[key]
        if callable(value):
            value = self._fields[key] = value()
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Record({self.name})"


def is_empty(value: Any) -> bool:
    """Whether a value is null or an Empty, which are one thing."""
    return value is None or isinstance(value, Empty)


def is_number(value: Any) -> bool:
    """Whether a value is a number; `true` and `false` are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_list(value: Any) -> bool:
    """Whether a value is a list; a text is none."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def found(value: Any) -> str:
    """What a value is, for the end of a sentence: "the number `3`", "a list", "nothing".

    A text is not shown: it may be secret.
    """
    if isinstance(value, str):
        return "a text"
    return "nothing" if isinstance(value, Empty) else words.found(value)


def named(name: str) -> str:
    """An expression as a message shows it: itself in backticks, or "this" where it is too long."""
    if name.startswith("an item of "):
        return name
    return f"`{name}`" if name and len(name) <= 60 and "\n" not in name else "this value"


def empty_fault(value: Any, name: str) -> TemplateFault:
    """The fault of using null or an Empty, read as the expression `name`, where a value must be."""
    why, what = (value.why, value.what) if isinstance(value, Empty) else ("null", name)
    shown = name if named(name) != "this value" else "…"
    fix = f"write `default({shown}, '…')` or `first({shown}, …)`"
    if why == "else":
        fix = "write `else ''` at its end"
    reason = "it has no value" if why == "null" and what == name else _reason(why, what)
    return TemplateFault("maybe-empty", f"{named(name)} is empty: {reason}", fix)


def _reason(why: str, what: str) -> str:
    parts = what.split(".")
    step = f"the step `{parts[1]}`" if parts[0] == "steps" and len(parts) > 1 else f"`{what}`"
    sentences = {
        "skipped": f"{step} was skipped",
        "failed": f"{step} failed",
        "null": f"`{what}` has no value",
        "missing": f"`{what}` is not there",
        "round": "there was no round before this one",
        "unset": f"`{what}` was not set, because its branch was not taken",
        "else": "its condition is not met, and it has no `else`",
    }
    return sentences.get(why, why)


def look_up(target: Any, key: Any, name: str, missing: Callable[[], Any] | None = None) -> Any:
    """The item of a value: a field of an object, an item of a list, a character of a text.

    `name` is how the template writes `target`. Where there is no such item, `missing` gives the
    value; without it a fault `undefined` is raised. Items of what is empty are empty.
    """
    if isinstance(target, Mapping):
        return _field(target, key, name, missing)
    if isinstance(target, Empty):
        return target
    if target is None:
        return Empty("null", name)
    if is_number(key) and (isinstance(target, str) or is_list(target)):
        return _item(target, key, name, missing)
    raise no_field(key, name, found(target))


def _field(
    target: Mapping[Any, Any], key: Any, name: str, missing: Callable[[], Any] | None
) -> Any:
    if not isinstance(key, str):
        raise TemplateFault(
            "wrong-type", f"{named(name)} is an object: its fields have names, not {found(key)}"
        )
    if key in target:
        return target[key]
    if missing is not None and not isinstance(target, Record):
        return missing()
    raise undefined_field(name, key, [str(known) for known in target])


def _item(target: Any, key: Any, name: str, missing: Callable[[], Any] | None) -> Any:
    if not isinstance(key, int):
        raise TemplateFault(
            "wrong-type", f"{named(name)} is a list: its items have whole numbers, not {found(key)}"
        )
    if -len(target) <= key < len(target):
        return target[key]
    if missing is not None:
        return missing()
    count = len(target)
    unit = "character" if isinstance(target, str) else "item"
    has = f"{count} {unit}{'' if count == 1 else 's'}"
    raise TemplateFault(
        "undefined",
        f"{named(name)} has {has}, so there is no {unit} `[{key}]`",
        f"the first {unit} is `[0]`, the last is `[-1]`",
    )


def undefined_field(name: str, key: str, known: Sequence[str]) -> TemplateFault:
    """The fault of reading a field that an object does not have."""
    near = near_miss(key, known)
    if name in {"steps", "inputs"}:
        kind = name.removesuffix("s")
        listing = known_words(known, "the", kind)
        return TemplateFault("undefined", f"there is no {kind} `{key}`{near}", listing)
    listing = known_words(known, "its", "field")
    return TemplateFault("undefined", f"{named(name)} has no field `{key}`{near}", listing)


def no_field(key: Any, name: str, kind: str) -> TemplateFault:
    """The fault of reading a field of a value that has none, which is `kind` ("a list", …)."""
    if not isinstance(key, str):
        return TemplateFault("wrong-type", f"{named(name)} is {kind} and has no items")
    fix = None
    if "list" in kind:
        fix = f"take one item first, such as `[0]`, loop over it, or use `map(attribute='{key}')`"
    return TemplateFault("wrong-type", f"{named(name)} is {kind} and has no field `{key}`", fix)
