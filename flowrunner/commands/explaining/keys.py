"""Every key of our files by its dotted name, as the JSON Schemas describe it.

The schemas are the one source: for editors, for checks and for this. How an entry is shown is left
to `key_texts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from flowrunner.catalog import load_schema, parameters
from flowrunner.events import JSON
from flowrunner.language.schema.validating import verbs

PROJECT = "flowrunner.yaml"
TESTS = "test.yaml"
_FILES = {"project": PROJECT, "test": TESTS}
"""What the names of keys begin with that are none of workflow files, by their schema."""

_DEEPEST = 6
_DEFAULT = re.compile(r"\s*Default: ([^.]*(?:\.[^ ][^.]*)*)\.")
_CLOSED = ("steps", "otherwise", "cases", "list", "fields", "columns")
_KINDS = {"string": "a text", "number": "a number", "boolean": "`true` or `false`"}
_SHAPES = ("shape", "input")


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its names from the top of its file, and the part of the schema that describes it.

    `file` is the schema it comes from. `verbs` are the verbs of the steps that may have it,
    `around` the schema of the mapping that holds it, `parent` the key whose value that mapping is,
    or has.
    """

    path: tuple[str, ...]
    schema: Mapping[str, Any]
    file: str = "workflow"
    verbs: tuple[str, ...] = ()
    around: Mapping[str, Any] | None = None
    parent: Key | None = None

    @property
    def name(self) -> str:
        """`step.retry.attempts`, `limits.at_once`; in other files with the name of the file in
        front."""
        dotted = ".".join(self.path)
        return dotted if self.file == "workflow" else f"{_FILES[self.file]}:{dotted}"

    @property
    def meaning(self) -> str:
        return _DEFAULT.sub("", str(self.schema.get("description", ""))).strip()

    @property
    def default(self) -> str | None:
        found = _DEFAULT.search(str(self.schema.get("description", "")))
        return found[1] if found else None

    @property
    def kind(self) -> str:
        """What the value is, in words."""
        plain = _KINDS.get(str(self.schema.get("type")), "any value")
        return str(self.schema.get("title", plain))

    @property
    def inside(self) -> tuple[str, ...]:
        """The keys of the mapping that the value is, or holds."""
        if self.is_closed:
            return ()
        return tuple(_properties(self.schema, self.file))

    @property
    def is_closed(self) -> bool:
        """Whether what stands inside it is told elsewhere: steps, or shapes."""
        return self.file == "workflow" and self.path[-1] in _CLOSED

    @property
    def is_needed(self) -> bool:
        """Whether its mapping does not go without it."""
        return self.path[-1] in (self.around or {}).get("required", ())

    @property
    def is_parameter(self) -> bool:
        """Whether it is a field of the API's request, sent as it stands."""
        in_request = self.path[0] in ("step", "defaults") and len(self.path) == 2
        return in_request and self.path[1] in parameters() - {"prompt", "input", "tools"}

    @property
    def holds_names(self) -> bool:
        """Whether the keys inside it stand behind names of the author's own: `inputs.NAME.type`."""
        is_open = isinstance(self.schema.get("additionalProperties"), Mapping)
        return is_open and "properties" not in self.schema

    def holds_list(self, name: str) -> bool:
        """Whether a key inside it stands in the entries of a list."""
        return "items" in self.schema and name not in self.schema.get("properties", {})

    @property
    def examples(self) -> tuple[JSON, ...]:
        return tuple(self.schema.get("examples", ()))

    @property
    def examples_inside(self) -> tuple[JSON, ...]:
        """Examples of what stands behind each name, or in each entry, of its value."""
        below = self.schema.get("additionalProperties" if self.holds_names else "items")
        found = _resolved(below, self.file) if isinstance(below, Mapping) else {}
        return tuple(found.get("examples", ()))


@cache
def all_keys() -> Mapping[str, Key]:
    """Every key of workflow files, of `flowrunner.yaml` and of files of tests, by its name."""
    found: dict[str, Key] = {}
    files = (_of_files(file) for file in _FILES)
    for key in (*_of_files("workflow"), *_of_steps(), *chain.from_iterable(files)):
        found.setdefault(key.name, key)
    return found


def _of_files(file: str) -> Iterator[Key]:
    schema = load_schema(file)
    for name, below in _properties(schema, file).items():
        yield from _walk(Key((name,), below, file, (), schema), frozenset())


def _of_steps() -> Iterator[Key]:
    """The keys of steps: of each, which verbs it goes with."""
    holders: dict[str, list[str]] = {}
    defined: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
    for verb, name in verbs().items():
        step = load_schema("workflow")["$defs"][name]
        for key, below in _properties(step, "workflow").items():
            defined.setdefault(key, (below, step))
            if _goes_with(key, verb):
                holders.setdefault(key, []).append(verb)
    for key, (below, step) in defined.items():
        found = Key(("step", key), below, "workflow", tuple(holders.get(key, ())), step)
        yield from _walk(found, frozenset())


def _goes_with(key: str, verb: str) -> bool:
    return key == verb or key not in verbs()


def _walk(key: Key, above: frozenset[str]) -> Iterator[Key]:
    """A key and those inside it; what says the same as something above it is the same again."""
    yield key
    said = str(key.schema.get("description"))
    if len(key.path) >= _DEEPEST or key.is_closed or said in above:
        return
    for name, below in _properties(key.schema, key.file).items():
        around = _around(key.schema, name, key.file)
        inner = Key((*key.path, name), below, key.file, key.verbs, around, key)
        yield from _walk(inner, above | {said})


def _around(schema: Mapping[str, Any], name: str, file: str) -> Mapping[str, Any]:
    """The part of a schema that has the key among its properties."""
    return next(part for part in _parts(schema, file) if name in part.get("properties", {}))


def _properties(schema: Mapping[str, Any], file: str) -> dict[str, Mapping[str, Any]]:
    """The keys that a schema knows: its own, those under conditions, those of entries."""
    found: dict[str, Mapping[str, Any]] = {}
    for part in _parts(schema, file):
        for name, below in part.get("properties", {}).items():
            # Of a key that is told twice the second says more: it is that of one verb or kind.
            if isinstance(below, Mapping) and "title" not in found.get(name, {}):
                found[name] = _resolved(below, file)
    return found


def _parts(schema: Mapping[str, Any], file: str, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    schema = _resolved(schema, file)
    yield schema
    if depth > _DEEPEST:
        return
    below = [schema.get(name) for name in ("then", "else", "items", "additionalProperties")]
    for part in (*schema.get("allOf", ()), *below):
        # The fields of a shape are whatever its author calls them.
        is_field = depth and isinstance(part, Mapping) and _name_of(part) in _SHAPES
        if isinstance(part, Mapping) and not is_field:
            yield from _parts(part, file, depth + 1)


def _name_of(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _resolved(schema: Mapping[str, Any], file: str) -> Mapping[str, Any]:
    """A part of a schema without its reference; what stands beside the reference counts first."""
    if "$ref" not in schema:
        return schema
    target = load_schema(file)["$defs"][_name_of(schema)]
    return {**_resolved(target, file), **{k: v for k, v in schema.items() if k != "$ref"}}
