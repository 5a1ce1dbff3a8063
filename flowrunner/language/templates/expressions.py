"""The expressions of a template: literals, names, items, operators.

Every value is looked up by name or as an item of another; every operator pays for its work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import nodes as ast

from flowrunner.language.templates.compiler import Code, Compiler, Rule, Run, nothing
from flowrunner.language.templates.faults import TemplateFault, near_miss
from flowrunner.language.templates.functions import FUNCTIONS
from flowrunner.language.templates.meter import Meter
from flowrunner.language.templates.operators import ARITHMETIC, COMPARISONS, need_number
from flowrunner.language.templates.printing import printed
from flowrunner.language.templates.source import constant_key
from flowrunner.language.templates.values import (
    Empty,
    empty_fault,
    found,
    is_empty,
    is_list,
    look_up,
    named,
)

MAX_SIDES = 200
_OF_ENTRIES = {"item": "`item` is the entry", "position": "`position` is the entry's number"}
"""Conditions in one chain of `and` or `or`."""


def constant(compiler: Compiler, part: ast.Const) -> Code:
    value = part.value
    if isinstance(value, float) and not math.isfinite(value):
        raise compiler.fault("template-limit", "this number is too large", part)
    return lambda _run: value


def name(compiler: Compiler, part: ast.Name) -> Code:
    word = part.name
    if word.startswith("__"):
        raise compiler.fault("template-unsafe", f"`{word}` is no value of a workflow", part)
    stored, place = word in compiler.stored, compiler.placing(part)
    if word == "null" and not stored:
        return nothing

    def load(run: Run) -> Any:
        if word in run.names:
            return run.names[word]
        if word in run.scope:
            return run.scope[word]
        if stored:
            return Empty("unset", word)
        raise place(undefined_name(word, [*run.scope, *run.names]))

    return load


def field(compiler: Compiler, part: ast.Getattr) -> Code:
    if part.attr.startswith("_"):
        fix = None if part.attr.startswith("__") else f"for a field write `['{part.attr}']`"
        message = f"`.{part.attr}` is off: a template sees the fields of values, nothing else"
        raise compiler.fault("template-unsafe", message, part, fix)
    return _item(compiler, part, lambda _run: part.attr)


def subscript(compiler: Compiler, part: ast.Getitem) -> Code:
    if isinstance(part.arg, ast.Slice):
        return _slice(compiler, part, part.arg)
    key = constant_key(part.arg)
    if isinstance(key, str) and key.startswith("__"):
        message = f"`['{key}']` is off: a template sees the fields of values, nothing else"
        raise compiler.fault("template-unsafe", message, part)
    if key is not None:
        return _item(compiler, part, lambda _run: key)
    return _item(compiler, part, compiler.expression(part.arg))


def _item(compiler: Compiler, part: ast.Getattr | ast.Getitem, key: Code) -> Code:
    if isinstance(part.node, ast.Const):
        raise compiler.fault("template-unsafe", "a literal value has no fields", part)
    owner, owner_name = compiler.expression(part.node), compiler.naming(part.node)
    name = compiler.naming(part)
    missing = (lambda: Empty("missing", name())) if compiler.shielded else None

    def read(run: Run) -> Any:
        target, wanted = owner(run), key(run)
        if type(target) is dict and type(wanted) is str and wanted in target:
            return target[wanted]
        try:
            return look_up(target, wanted, owner_name(), missing)
        except TemplateFault as fault:
            raise fault.placed(compiler.source.own_span(part)) from None

    return read


def _slice(compiler: Compiler, part: ast.Getitem, bounds: ast.Slice) -> Code:
    owner, name, place = (
        compiler.expression(part.node),
        compiler.naming(part.node),
        compiler.placing(part),
    )
    codes = [
        nothing if bound is None else compiler.expression(bound)
        for bound in (bounds.start, bounds.stop, bounds.step)
    ]

    def cut(run: Run) -> Any:
        try:
            return _cut(run.meter, owner(run), [code(run) for code in codes], name())
        except TemplateFault as fault:
            raise place(fault) from None

    return cut


def sequence(compiler: Compiler, part: ast.List | ast.Tuple) -> Code:
    codes = [compiler.expression(item) for item in part.items]

    def build(run: Run) -> list[Any]:
        run.meter.new_items(len(codes))
        return [code(run) for code in codes]

    return build


def mapping(compiler: Compiler, part: ast.Dict) -> Code:
    pairs = [
        (compiler.expression(pair.key), compiler.expression(pair.value)) for pair in part.items
    ]
    place = compiler.placing(part)

    def build(run: Run) -> dict[str, Any]:
        run.meter.new_items(len(pairs))
        built = {}
        for key, value in pairs:
            name = key(run)
            if not isinstance(name, str):
                message = f"the name of a field must be a text, found {found(name)}"
                raise place(TemplateFault("wrong-type", message))
            built[name] = value(run)
        return built

    return build


def negation(compiler: Compiler, part: ast.Not) -> Code:
    value = compiler.expression(part.node)
    return lambda run: not value(run)


def both(compiler: Compiler, part: ast.And) -> Code:
    codes = _sides(compiler, part)

    def conjunction(run: Run) -> Any:
        value: Any = True
        for code in codes:
            value = code(run)
            if not value:
                break
        return value

    return conjunction


def either(compiler: Compiler, part: ast.Or) -> Code:
    codes = _sides(compiler, part)

    def disjunction(run: Run) -> Any:
        value: Any = False
        for code in codes:
            value = code(run)
            if value:
                break
        return value

    return disjunction


def inline_if(compiler: Compiler, part: ast.CondExpr) -> Code:
    test, value = compiler.expression(part.test), compiler.expression(part.expr1)
    if part.expr2 is None:
        name = compiler.naming(part)
        return lambda run: value(run) if test(run) else Empty("else", name())
    otherwise = compiler.expression(part.expr2)
    return lambda run: value(run) if test(run) else otherwise(run)


def comparison(compiler: Compiler, part: ast.Compare) -> Code:
    first = compiler.expression(part.expr)
    rest = [(COMPARISONS[operand.op], compiler.expression(operand.expr)) for operand in part.ops]
    place = compiler.placing(part)

    def compare(run: Run) -> bool:
        left = first(run)
        for operator, side in rest:
            right = side(run)
            try:
                if not operator(run.meter, left, right):
                    return False
            except TemplateFault as fault:
                raise place(fault) from None
            left = right
        return True

    return compare


def arithmetic(compiler: Compiler, part: ast.BinExpr) -> Code:
    operator, place = ARITHMETIC[part.operator], compiler.placing(part)
    left, left_name = compiler.expression(part.left), compiler.naming(part.left)
    right, right_name = compiler.expression(part.right), compiler.naming(part.right)

    def calculate(run: Run) -> Any:
        one, other = left(run), right(run)
        try:
            if is_empty(one):
                raise empty_fault(one, left_name())
            if is_empty(other):
                raise empty_fault(other, right_name())
            return operator(run.meter, one, other)
        except TemplateFault as fault:
            raise place(fault) from None

    return calculate


def sign(compiler: Compiler, part: ast.Neg | ast.Pos) -> Code:
    value, name, place = (
        compiler.expression(part.node),
        compiler.naming(part.node),
        compiler.placing(part),
    )
    factor = -1 if isinstance(part, ast.Neg) else 1

    def signed(run: Run) -> Any:
        try:
            return need_number(part.operator, value(run), name()) * factor
        except TemplateFault as fault:
            raise place(fault) from None

    return signed


def concatenation(compiler: Compiler, part: ast.Concat) -> Code:
    pieces = [
        (compiler.expression(side), compiler.naming(side), compiler.placing(side))
        for side in part.nodes
    ]

    def concatenate(run: Run) -> str:
        texts = []
        for value, name, place in pieces:
            try:
                texts.append(printed(run.meter, value(run), name()))
                run.meter.text(len(texts[-1]))
            except TemplateFault as fault:
                raise place(fault) from None
        return "".join(texts)

    return concatenate


def _sides(compiler: Compiler, part: ast.And | ast.Or) -> list[Code]:
    sides = flat(part)
    if len(sides) > MAX_SIDES:
        raise compiler.fault("template-limit", "this condition has too many parts", part)
    return [compiler.expression(side) for side in sides]


def flat(part: ast.And | ast.Or) -> list[ast.Expr]:
    """The sides of a chain such as `a or b or c`, which the parser nests."""
    kind, first = type(part), part.left
    sides = [part.right]
    while isinstance(first, kind):
        sides.append(first.right)
        first = first.left
    return [first, *reversed(sides)]


def _cut(meter: Meter, value: Any, bounds: Sequence[Any], name: str) -> Any:
    """A part of a list or text, paid for."""
    if is_empty(value):
        raise empty_fault(value, name)
    for bound in bounds:
        if not is_empty(bound) and (isinstance(bound, bool) or not isinstance(bound, int)):
            message = f"a part such as `[1:3]` needs whole numbers, found {found(bound)}"
            raise TemplateFault("wrong-type", message)
    start, stop, step = (None if is_empty(bound) else bound for bound in bounds)
    if step == 0 or not (isinstance(value, str) or is_list(value)):
        message = f"{named(name)} is {found(value)}: only a list or text has parts"
        raise TemplateFault("wrong-type", "a step of `0` goes nowhere" if step == 0 else message)
    count = len(range(*slice(start, stop, step).indices(len(value))))
    if isinstance(value, str):
        meter.text(count)
        return value[start:stop:step]
    meter.new_items(count)
    return list(value[start:stop:step])


def undefined_name(name: str, known: Sequence[str]) -> TemplateFault:
    """The fault of a name that stands for nothing."""
    if name in FUNCTIONS:
        function = FUNCTIONS[name]
        message = f"`{name}` is a function, not a value"
        return TemplateFault("undefined", message, f"write `{function.form}`")
    if name in _OF_ENTRIES:
        inside = f"{_OF_ENTRIES[name]} inside a `for_each`; `as: NAME` calls the entry otherwise"
        return TemplateFault("undefined", f"there is no `{name}` here", inside)
    near = near_miss(name, known)
    fix = None if near else f"put quotes around it if it is a text: `'{name}'`"
    return TemplateFault("undefined", f"there is nothing called `{name}` here{near}", fix)


EXPRESSIONS: Mapping[type, Rule] = {
    ast.Const: constant,
    ast.Name: name,
    ast.Getattr: field,
    ast.Getitem: subscript,
    ast.List: sequence,
    ast.Tuple: sequence,
    ast.Dict: mapping,
    ast.Not: negation,
    ast.And: both,
    ast.Or: either,
    ast.CondExpr: inline_if,
    ast.Compare: comparison,
    ast.Neg: sign,
    ast.Pos: sign,
    ast.Concat: concatenation,
    **{kind: arithmetic for kind in ast.BinExpr.__subclasses__() if kind.operator in ARITHMETIC},
}
