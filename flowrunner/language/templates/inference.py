"""The shape of every expression of a template, and what its parts are needed for but are not.

Knows the names in scope and the paths that an `if` around asks about. Tags are read by `analysis`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from jinja2 import nodes as ast

from flowrunner.language.shapes import ANY, MISSING, Shape
from flowrunner.language.templates.comparing import comparison_faults
from flowrunner.language.templates.expressions import flat, undefined_name
from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.functions import FUNCTIONS, STATES
from flowrunner.language.templates.mentions import constant_path
from flowrunner.language.templates.operators import need_number
from flowrunner.language.templates.results import NEEDS, SIGNATURES, Use, first_present
from flowrunner.language.templates.source import Source, constant_key, path_text
from flowrunner.language.templates.typed import (
    INTEGER,
    NUMBER,
    TEXT,
    YES_NO,
    Typed,
    field_names,
    field_of,
    item_of,
    joined,
    optional,
    present,
)
from flowrunner.language.templates.values import named, no_field, undefined_field

Names: TypeAlias = dict[str, Shape]


@dataclass
class Inference:
    """Works out shapes with those of all names, and collects what does not fit."""

    source: Source
    roots: Mapping[str, Shape]
    names: Names = field(default_factory=dict)
    """What `set` and `for` have named where the walk stands."""
    tested: frozenset[str] = frozenset()
    """Paths that an `if` around here asks about."""
    shielded: int = 0
    """Inside how many `first(…)` and `default(…)` the walk stands."""
    faults: list[TemplateFault] = field(default_factory=list)

    def note(self, fault: TemplateFault, span: tuple[int, int]) -> None:
        self.faults.append(fault.placed(span))

    @contextmanager
    def under(self, tests: Iterable[ast.Node]) -> Iterator[None]:
        """Walk what is reached only after these tests were asked."""
        before = self.tested
        asked = {path_text(part) for test in tests for part in _paths(test)}
        self.tested = before | asked
        try:
            yield
        finally:
            self.tested = before

    @contextmanager
    def shield(self, wanted: bool = True) -> Iterator[None]:
        """Walk arguments that may be empty without fault, if `wanted`."""
        self.shielded += wanted
        try:
            yield
        finally:
            self.shielded -= wanted

    def check_present(self, part: ast.Node, value: Typed) -> None:
        if not value.may_be_empty or self.shielded:
            return
        if isinstance(part, ast.CondExpr) and part.expr2 is None:
            message = f"{named(value.name)} is empty where its condition is not met"
            fault = TemplateFault("maybe-empty", message, "write `else ''` at its end")
        else:
            shown = value.name if named(value.name) != "this value" else "…"
            fix = f"write `default({shown}, '…')`, or test it with `if` first"
            fault = TemplateFault("maybe-empty", f"{named(value.name)} may be empty", fix)
        self.note(fault, self.source.span_of(part))

    def check_printable(self, part: ast.Node, value: Typed) -> None:
        self.check_present(part, value)
        self.check_whole(part, value, "printed")

    def check_whole(self, part: ast.Node, value: Typed, used: str = "used") -> None:
        """Note what cannot be printed or handed on as a whole: files, and what a step offers."""
        path = constant_path(part)
        if path[:1] in {("steps",), ("previous",)} and len(path) == 2 and value.shape.fields:
            offered = field_names(value.shape)
            fix = f"{_DO[used]} what it offers, such as `{value.name}.{offered[0]}`"
        elif value.shape.kind == "file":
            fix = f"{_DO[used]} `{value.name}.text`, or attach it with `attach:`"
        elif item_of(value.shape).kind == "file":
            loop = f"{{% for file in {value.name} %}}"
            fix = f"write `map({value.name}, 'name')`" if used == "used" else ""
            fix = fix or f"loop over it, as in `{loop}`"
        else:
            return
        message = f"{named(value.name)} cannot be {used} as a whole"
        self.note(TemplateFault("wrong-type", message, fix), self.source.span_of(part))

    def check_stand_ins(self, parts: Sequence[ast.Node], values: Sequence[Typed]) -> None:
        """A file that something else may stand in for fits no place that takes both."""
        if len({value.shape.kind for value in values}) > 1:
            for part, value in zip(parts, values, strict=True):
                if "file" in {value.shape.kind, item_of(value.shape).kind}:
                    self.check_whole(part, value)

    def check_list(self, part: ast.Node, value: Typed) -> None:
        if value.group in {"list", "unknown"}:
            self.check_present(part, value)
            return
        fix = None
        if value.group == "object":
            fix = f"for names and values write `items({value.name})`"
        elif value.shape.kind == "text":
            fix = f"to take a text apart write `split({value.name}, ',')`"
        message = f"a list is needed here: {named(value.name)} is {value.kind}"
        self.note(TemplateFault("wrong-type", message, fix), self.source.span_of(part))

    def check_number(self, part: ast.Node, value: Typed, sign: str) -> None:
        if value.group in {"number", "unknown"}:
            self.check_present(part, value)
            return
        example = "" if value.group == "text" else []
        try:
            need_number(sign, example)
        except TemplateFault as fault:
            message = f"`{sign}` needs numbers: {named(value.name)} is {value.kind}"
            self.note(TemplateFault("wrong-type", message, fault.help), self.source.span_of(part))

    def type_of(self, part: ast.Node) -> Typed:
        """What is known of an expression; what is wrong inside it is noted."""
        rule = _RULES.get(type(part), Inference.type_of_arithmetic)
        typed = rule(self, part)
        start, length = span = self.source.span_of(part)
        name = path_text(part) or self.source.text[start : start + length]
        shape = present(typed.shape) if name in self.tested else typed.shape
        return replace(typed, name=name, shape=shape, span=span)

    def shape_of(self, part: ast.Node) -> Shape:
        return self.type_of(part).shape

    def type_of_constant(self, part: ast.Const) -> Typed:
        return _literal(part.value)

    def type_of_name(self, part: ast.Name) -> Typed:
        known = {**self.roots, **self.names}
        if part.name in known:
            return Typed(known[part.name])
        if part.name == "null":
            return _literal(None)
        self.note(undefined_name(part.name, list(known)), self.source.own_span(part))
        return Typed(ANY)

    def type_of_path(self, part: ast.Getattr | ast.Getitem) -> Typed:
        owner = self.type_of(part.node)
        if isinstance(part, ast.Getattr):
            return self.field(part, owner, part.attr)
        if isinstance(part.arg, ast.Slice):
            for bound in part.arg.iter_child_nodes():
                self.type_of(bound)
            return Typed(owner.shape)
        key = constant_key(part.arg)
        if key is not None:
            return self.field(part, owner, key)
        self.type_of(part.arg)
        return Typed(item_of(owner.shape) if owner.group == "list" else ANY)

    def field(self, part: ast.Getattr | ast.Getitem, owner: Typed, key: str | int) -> Typed:
        """What is known of one field or item of a value."""
        found = self.field_shape(owner, key)
        if isinstance(found, TemplateFault):
            self.note(found, self.source.own_span(part))
            return Typed(ANY)
        return Typed(optional(found) if owner.may_be_empty else found)

    def field_shape(self, owner: Typed, key: str | int) -> Shape | TemplateFault:
        if owner.group == "unknown":
            return ANY
        if isinstance(key, int):
            if owner.group == "list":
                return item_of(owner.shape)
            return TEXT if owner.group == "text" else no_field(key, owner.name, owner.kind)
        if owner.group != "object":
            return no_field(key, owner.name, owner.kind)
        return field_of(owner.shape, key) or self.missing_field(owner, key)

    def missing_field(self, owner: Typed, key: str) -> TemplateFault:
        parts = owner.name.split(".")
        if key == "output" and parts[0] in {"steps", "previous"} and len(parts) == 2:
            return TemplateFault(
                "undefined",
                f"the step `{parts[1]}` has no `output`",
                f"declare `output:` in the step `{parts[1]}`, or use `{owner.name}.text`",
            )
        return undefined_field(owner.name, key, field_names(owner.shape))

    def type_of_sequence(self, part: ast.List | ast.Tuple) -> Typed:
        items = tuple(self.type_of(item) for item in part.items)
        shape = Shape("list", item=joined(item.shape for item in items))
        return Typed(shape, items=items, literal=MISSING if items else ())

    def type_of_mapping(self, part: ast.Dict) -> Typed:
        pairs = [(self.type_of(pair.key).literal, self.shape_of(pair.value)) for pair in part.items]
        if not all(isinstance(key, str) for key, _ in pairs):
            return Typed(ANY)
        return Typed(Shape("object", fields=tuple(dict(pairs).items())))

    def type_of_negation(self, part: ast.Not) -> Typed:
        self.type_of(part.node)
        return Typed(YES_NO)

    def type_of_choice(self, part: ast.And | ast.Or) -> Typed:
        sides = flat(part)
        shapes = []
        for position, side in enumerate(sides):
            with self.under(sides[:position]):
                shapes.append(self.shape_of(side))
        if isinstance(part, ast.And):
            return Typed(joined(shapes))
        shape = joined(present(side) for side in shapes)
        return Typed(optional(shape) if Typed(shapes[-1]).may_be_empty else shape)

    def type_of_inline_if(self, part: ast.CondExpr) -> Typed:
        self.type_of(part.test)
        with self.under([part.test]):
            value = self.shape_of(part.expr1)
            if part.expr2 is None:
                return Typed(optional(value))
            return Typed(joined([value, self.shape_of(part.expr2)]))

    def type_of_comparison(self, part: ast.Compare) -> Typed:
        left = self.type_of(part.expr)
        for operand in part.ops:
            right = self.type_of(operand.expr)
            for fault in comparison_faults(operand.op, left, right):
                self.note(fault, self.source.span_of(part))
            left = right
        return Typed(YES_NO)

    def type_of_arithmetic(self, part: ast.BinExpr) -> Typed:
        left, right = self.type_of(part.left), self.type_of(part.right)
        if part.operator == "+" and "list" in {left.group, right.group}:
            self.check_list(part.left, left)
            self.check_list(part.right, right)
            return Typed(Shape("list", item=joined([item_of(left.shape), item_of(right.shape)])))
        self.check_number(part.left, left, part.operator)
        self.check_number(part.right, right, part.operator)
        if part.operator == "+" and "unknown" in {left.group, right.group}:
            return Typed(ANY)
        whole = left.shape.kind == right.shape.kind == "integer" and part.operator != "/"
        return Typed(INTEGER if whole else NUMBER)

    def type_of_sign(self, part: ast.Neg | ast.Pos) -> Typed:
        value = self.type_of(part.node)
        self.check_number(part.node, value, part.operator)
        return Typed(value.shape if value.group == "number" else NUMBER)

    def type_of_concatenation(self, part: ast.Concat) -> Typed:
        for piece in part.nodes:
            self.check_printable(piece, self.type_of(piece))
        return Typed(TEXT)

    def type_of_filter(self, part: ast.Filter) -> Typed:
        assert part.node is not None
        return self.apply(part.name, part, part.node, part.args)

    def type_of_call(self, part: ast.Call) -> Typed:
        assert isinstance(part.node, ast.Name)
        if part.node.name == "first":
            with self.shield():
                values = [self.type_of(argument) for argument in part.args]
            self.check_stand_ins(part.args, values)
            return Typed(first_present(values))
        return self.apply(part.node.name, part, part.args[0], part.args[1:])

    def apply(
        self,
        name: str,
        part: ast.Filter | ast.Call,
        subject: ast.Expr,
        arguments: Sequence[ast.Expr],
    ) -> Typed:
        """What is known of the result of a function, and whether its values suit it."""
        places = [option.name for option in FUNCTIONS[name].options]
        written = dict(zip(places, arguments, strict=False))
        written |= {str(option.key): option.value for option in part.kwargs}
        with self.shield(name == "default"):
            value = self.type_of(subject)
            options = {option: self.type_of(argument) for option, argument in written.items()}
        signature = SIGNATURES[name]
        if value.group not in {*signature.takes, "unknown"}:
            takes = NEEDS[signature.takes]
            message = f"`{name}` needs {takes}: {named(value.name)} is {value.kind}"
            self.note(TemplateFault("wrong-type", message), self.source.span_of(subject))
            return Typed(ANY)
        if not signature.may_be_empty:
            self.check_present(subject, value)
        if name == "default":
            fallback = options.get("fallback", Typed(TEXT, literal=""))
            self.check_stand_ins([subject, written.get("fallback", subject)], [value, fallback])
        elif name == "tojson":
            self.check_whole(subject, value)
        attribute = self.attribute(value, options.get("attribute"), written.get("attribute"))
        self.check_selection(name, options, attribute, part)
        return Typed(signature.gives(Use(value, options, attribute)))

    def attribute(
        self, value: Typed, option: Typed | None, written: ast.Expr | None
    ) -> Shape | None:
        """The shape of the field of the items that a function goes by."""
        if option is None or written is None:
            return None
        if not isinstance(option.literal, str):
            return ANY
        owner = Typed(item_of(value.shape), "an item of the list")
        for key in option.literal.split("."):
            found = self.field_shape(owner, int(key) if key.isdecimal() else key)
            if isinstance(found, TemplateFault):
                self.note(found, self.source.span_of(written))
                return ANY
            owner = Typed(found, key)
        return owner.shape

    def check_selection(
        self,
        name: str,
        options: Mapping[str, Typed],
        attribute: Shape | None,
        part: ast.Filter | ast.Call,
    ) -> None:
        """Whether the field that `selectattr` or `share` looks at can have the value it wants."""
        wanted, operator = options.get("value"), "=="
        if name in {"selectattr", "rejectattr"}:
            test = options.get("test")
            operator = test.literal if test is not None and isinstance(test.literal, str) else ""
        if wanted is None or attribute is None:
            return
        compared = Typed(attribute, str(options["attribute"].literal))
        for fault in comparison_faults(operator, compared, wanted):
            self.note(fault, self.source.span_of(part))

    def type_of_test(self, part: ast.Test) -> Typed:
        with self.shield(part.name in STATES):
            left = self.type_of(part.node)
        for argument in part.args:
            for fault in comparison_faults(part.name, left, self.type_of(argument)):
                self.note(fault, self.source.span_of(part))
        return Typed(YES_NO)


_DO = {"printed": "print", "used": "write"}

_RULES: Mapping[type, Callable[[Inference, Any], Typed]] = {
    ast.Const: Inference.type_of_constant,
    ast.Name: Inference.type_of_name,
    ast.Getattr: Inference.type_of_path,
    ast.Getitem: Inference.type_of_path,
    ast.List: Inference.type_of_sequence,
    ast.Tuple: Inference.type_of_sequence,
    ast.Dict: Inference.type_of_mapping,
    ast.Not: Inference.type_of_negation,
    ast.And: Inference.type_of_choice,
    ast.Or: Inference.type_of_choice,
    ast.CondExpr: Inference.type_of_inline_if,
    ast.Compare: Inference.type_of_comparison,
    ast.Neg: Inference.type_of_sign,
    ast.Pos: Inference.type_of_sign,
    ast.Concat: Inference.type_of_concatenation,
    ast.Filter: Inference.type_of_filter,
    ast.Call: Inference.type_of_call,
    ast.Test: Inference.type_of_test,
}


def _literal(value: Any) -> Typed:
    if value is None:
        return Typed(Shape("any", optional=True), literal=None)
    kinds = {bool: YES_NO, str: TEXT, int: INTEGER, float: NUMBER}
    return Typed(kinds[type(value)], literal=value)


def _paths(test: ast.Node) -> Iterator[ast.Node]:
    """All paths and names in a test."""
    if isinstance(test, ast.Name | ast.Getattr | ast.Getitem):
        yield test
    for kind in (ast.Name, ast.Getattr, ast.Getitem):
        yield from test.find_all(kind)
