"""Reading shapes as people write them: `text`, `[a, b]`, `{ list: text }`, `{ type: number, … }`.

What a shape means on the wire and for a value is left to the modules beside this one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.events import JSON
from flowrunner.language.shapes.shape import Kind, Shape
from flowrunner.language.shapes.values import check_value
from flowrunner.language.shapes.words import alternatives, found, quoted

_PLAIN: dict[str, Kind] = {
    "text": "text",
    "number": "number",
    "integer": "integer",
    "yes_no": "yes_no",
    "date": "date",
}
_INPUTS_ONLY: dict[str, Kind] = {"file": "file", "files": "files", "table": "table", "json": "json"}
_LONG_FORMS = ("type", "list", "fields")
_LONG_KEYS = ("describe", "optional", "default", "minimum", "maximum")
_INPUT_KEYS = ("secret", "columns")

# Words of other notations, with what they are called here.
_ELSEWHERE = {
    "string": "text",
    "str": "text",
    "int": "integer",
    "float": "number",
    "double": "number",
    "bool": "yes_no",
    "boolean": "yes_no",
    "datetime": "date",
    "array": "{ list: text }",
    "list": "{ list: text }",
    "object": "{ field: text }",
    "dict": "{ field: text }",
    "map": "{ field: text }",
    "enum": "[one, two]",
    "any": "json",
    "path": "file",
    "csv": "table",
}


def read_shape(
    value: JSON, route: Route, *, for_input: bool = False
) -> tuple[Shape | None, list[Finding]]:
    """The shape that a YAML value declares, and what is wrong with it.

    `route` is where the value stands. `file`, `files`, `table`, `json`, `secret` and `columns`
    belong to inputs (`for_input`). The shape is None where nothing useful could be read.
    """
    reader = _Reader(for_input)
    shape = reader.read(value, route)
    return shape, reader.findings


@dataclass
class _Reader:
    for_input: bool
    findings: list[Finding] = field(default_factory=list)

    def fault(self, route: Route, message: str, help: str | None = None) -> None:  # noqa: A002
        self.findings.append(Finding("shape", message, route, help))

    def key_fault(self, route: Route, message: str, help: str | None = None) -> None:  # noqa: A002
        self.findings.append(Finding("shape", message, route, help, aim="key"))

    def read(self, value: JSON, route: Route) -> Shape | None:
        if isinstance(value, str):
            return self.read_word(value, route)
        if isinstance(value, list):
            return self.read_choices(value, route)
        if isinstance(value, Mapping):
            if any(key in value for key in _LONG_FORMS):
                return self.read_long(value, route)
            if self.lacks_type(value):
                name = f"`{route[-1]}`" if route and isinstance(route[-1], str) else "this shape"
                fix = "write `type: text`, or another kind of value, beside it"
                self.fault((*route, "type"), f"{name} does not say its `type`", fix)
                return None
            return self.read_fields(value, route)
        name = f"`{route[-1]}`" if route and isinstance(route[-1], str) else "this"
        self.fault(
            route,
            f"{name} must be a shape, found {found(value)}",
            "write `text`, `number`, `integer`, `yes_no`, `date`, a list of choices or fields",
        )
        return None

    def lacks_type(self, value: Mapping[str, JSON]) -> bool:
        """Whether a mapping is a long form without its kind, not an object with such fields."""
        known = _PLAIN | _INPUTS_ONLY
        settings = [each for each in value.values() if not isinstance(each, Mapping | list)]
        are_fields = all(isinstance(each, str) and each in known for each in settings)
        return bool(value) and {*value} <= {*_LONG_KEYS, *_INPUT_KEYS} and not are_fields

    def read_word(self, word: str, route: Route) -> Shape | None:
        known = _PLAIN | _INPUTS_ONLY if self.for_input else _PLAIN
        if word in known:
            return Shape(known[word])
        if word in _INPUTS_ONLY:
            self.fault(
                route,
                f"`{word}` is a shape of inputs only",
                "in an output, write out the fields, or use `text`",
            )
            return None
        near = _ELSEWHERE.get(word.lower()) or did_you_mean(word, known)
        meant = f": did you mean `{near}`?" if near else ""
        names = alternatives(known)
        self.fault(
            route,
            f"{quoted(word)} is not a shape{meant}",
            f"a shape is {names}, a list of choices such as `[yes, no]`, or a mapping of fields",
        )
        return None

    def read_choices(self, values: list[JSON], route: Route) -> Shape | None:
        choices: dict[str, None] = {}
        for position, value in enumerate(values):
            choice = _choice(value)
            if choice is None:
                here = (*route, position)
                self.fault(here, f"a choice must be a word or a text, found {found(value)}")
                return None
            if choice in choices:
                self.fault((*route, position), f"the choice `{choice}` stands in this list twice")
            else:
                choices[choice] = None
        if not choices:
            self.fault(
                route,
                "a list of choices needs at least one choice",
                "write `[one, two]`, or `{ list: text }` for a list of texts",
            )
            return None
        only = next(iter(choices))
        if len(choices) == 1 and only in _PLAIN:
            self.fault(
                route,
                f"`[{only}]` is a choice with the only answer `{only}`",
                f"for a list, write `{{ list: {only} }}`",
            )
            return None
        return Shape("choice", choices=tuple(choices))

    def read_fields(self, value: Mapping[str, JSON], route: Route) -> Shape | None:
        if not value:
            self.fault(route, "an object needs at least one field", "write `{ name: text }`")
            return None
        fields = []
        for name, declared in value.items():
            shape = self.read(declared, (*route, name))
            fields.append((name, Shape("any") if shape is None else shape))
        return Shape("object", fields=tuple(fields))

    def read_long(self, value: Mapping[str, JSON], route: Route) -> Shape | None:
        written = [key for key in _LONG_FORMS if key in value]
        if len(written) > 1:
            names = alternatives(written, "and")
            self.key_fault(
                (*route, written[1]), f"a shape has one of {alternatives(_LONG_FORMS)}, not {names}"
            )
            return None
        if not self.holds_long_keys_only(value, written[0], route):
            return None
        shape = self.read_core(written[0], value[written[0]], (*route, written[0]))
        return None if shape is None else self.with_settings(shape, value, route)

    def holds_long_keys_only(self, value: Mapping[str, JSON], form: str, route: Route) -> bool:
        allowed = {form, *_LONG_KEYS, *(_INPUT_KEYS if self.for_input else ())}
        strange = [key for key in value if key not in allowed]
        for key in strange:
            near = did_you_mean(key, allowed - {form})
            if key == "required":
                message = "there is no `required`: a value is required where nothing else is said"
                is_off = value[key] is False
                fix = "write `optional: true`" if is_off else "take it out"
                self.key_fault((*route, key), message, fix)
            elif key in _INPUT_KEYS:
                self.key_fault((*route, key), f"`{key}` belongs to inputs only")
            elif near:
                self.key_fault(
                    (*route, key),
                    f"`{key}` is not a key of a shape with `{form}`: did you mean `{near}`?",
                )
            else:
                self.key_fault(
                    (*route, key),
                    f"`{key}` cannot stand beside `{form}`, which makes this the long form of a "
                    "shape",
                    f"to declare an object with a field named `{form}`, write the fields under "
                    f"`fields:`, as in `fields: {{ {form}: text, {key}: text }}`",
                )
                break
        return not strange

    def read_core(self, form: str, value: JSON, route: Route) -> Shape | None:
        if form == "list":
            item = self.read(value, route)
            return None if item is None else Shape("list", item=item)
        if form == "fields":
            if isinstance(value, Mapping):
                return self.read_fields(value, route)
            self.fault(route, f"`fields` must be a mapping of shapes, found {found(value)}")
            return None
        if isinstance(value, str | list):
            return self.read(value, route)
        self.fault(
            route,
            f"`type` must be the name of a plain shape or a list of choices, found {found(value)}",
            "for a list write `{ list: … }`, for an object `{ fields: { … } }`",
        )
        return None

    def with_settings(self, shape: Shape, value: Mapping[str, JSON], route: Route) -> Shape:
        describe = value.get("describe")
        shape = dataclasses.replace(
            shape,
            describe=describe if isinstance(describe, str) else None,
            optional=self.is_true(value, "optional", route),
            secret=self.is_secret(shape, value, route),
            columns=self.columns(shape, value, route),
        )
        shape = self.with_bounds(shape, value, route)
        return self.with_default(shape, value, route)

    def is_true(self, value: Mapping[str, JSON], key: str, route: Route) -> bool:
        written = value.get(key, False)
        if not isinstance(written, bool):
            self.fault((*route, key), f"`{key}` must be `true` or `false`, found {found(written)}")
        return written is True

    def is_secret(self, shape: Shape, value: Mapping[str, JSON], route: Route) -> bool:
        secret = self.is_true(value, "secret", route)
        if secret and shape.kind != "text":
            self.key_fault((*route, "secret"), "only an input of type `text` can be secret")
            return False
        return secret

    def columns(
        self, shape: Shape, value: Mapping[str, JSON], route: Route
    ) -> tuple[tuple[str, Shape], ...]:
        if "columns" not in value:
            return ()
        here = (*route, "columns")
        if shape.kind != "table":
            self.key_fault(here, "only an input of type `table` has `columns`")
            return ()
        if not isinstance(value["columns"], Mapping):
            written = found(value["columns"])
            self.fault(here, f"`columns` must be a mapping of shapes, found {written}")
            return ()
        read = self.read_fields(value["columns"], here)
        return () if read is None else read.fields

    def with_bounds(self, shape: Shape, value: Mapping[str, JSON], route: Route) -> Shape:
        bounds: dict[str, float | None] = {"minimum": None, "maximum": None}
        for key in bounds:
            if value.get(key) is None:
                continue
            here, bound = (*route, key), value[key]
            if shape.kind not in {"number", "integer"}:
                self.key_fault(here, f"only `number` and `integer` have a `{key}`")
            elif isinstance(bound, bool) or not isinstance(bound, int | float):
                self.fault(here, f"`{key}` must be a number, found {found(bound)}")
            else:
                bounds[key] = bound
        low, high = bounds["minimum"], bounds["maximum"]
        if low is not None and high is not None and low > high:
            here = (*route, "minimum")
            self.fault(here, f"`minimum` is {low}, which is more than the `maximum`, {high}")
        return dataclasses.replace(shape, minimum=low, maximum=high)

    def with_default(self, shape: Shape, value: Mapping[str, JSON], route: Route) -> Shape:
        if "default" not in value:
            return shape
        default = _as_text(value["default"]) if _takes_text(shape) else value["default"]
        here = (*route, "default")
        if default is None:
            return dataclasses.replace(shape, optional=True, default=None)
        if shape.secret:
            self.fault(
                here,
                "a secret input cannot have a `default`: it would stand in the file",
                "give it with `-i` or in a file when the workflow runs",
            )
        names_file = shape.kind == "table" and isinstance(default, str)
        for fault in [] if names_file else check_value(shape, default, "default"):
            self.fault(here, fault)
        return dataclasses.replace(shape, default=default)


def _takes_text(shape: Shape) -> bool:
    return shape.kind in {"text", "date", "choice", "file", "files"}


def _as_text(value: JSON) -> JSON:
    return value if value is None else _choice(value) or value


def _choice(value: JSON) -> str | None:
    """A plain scalar as the text that was written, or None for what is none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(getattr(value, "spelling", value))
    return value if isinstance(value, str) and value else None
