"""All that is wrong with a template as far as the shapes of its values tell, before anything runs.

Every branch is read, taken or not, and every mistake found once. Expressions are left to
`inference`, comparisons to `comparing`, what functions give to `results`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from jinja2 import nodes as ast

from flowrunner.language.shapes import Shape
from flowrunner.language.templates.constants import constant_faults
from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.inference import Inference, Names
from flowrunner.language.templates.parsed import Expression, Template, Value
from flowrunner.language.templates.statements import LOOP_FIELDS
from flowrunner.language.templates.typed import (
    INTEGER,
    TEXT,
    YES_NO,
    item_of,
    joined,
    optional,
)

Purpose: TypeAlias = Literal["text", "condition", "list", "value"]


def analyse(
    parsed: Template | Expression | Value,
    roots: Mapping[str, Shape],
    used_as: Purpose = "text",
    under: Iterable[Expression] = (),
) -> list[TemplateFault]:
    """What is wrong with a template whose names have these shapes, in reading order.

    `roots["steps"]` is an object of the steps that can be seen, each an object of what it offers.
    `used_as` says what the value is for: `text` is printed, `list` is looped over, `value` is
    handed on as JSON. `under` are the decisions that are asked before it: what they test is there.
    """
    whole = parsed.parsed if isinstance(parsed, Value) else parsed
    inference = Inference(whole.source, roots)
    with inference.under(test.tree for test in under):
        if isinstance(whole.tree, ast.Template):
            _read_all(inference, whole.tree.body)
        else:
            _read_for(inference, whole.tree, used_as)
    found = inference.faults
    found += [
        fault
        for fault in constant_faults(whole.source, whole.tree)
        if not any(_overlap(fault, other) for other in found)
    ]
    once = {(fault.code, fault.message): fault for fault in reversed(found)}
    return sorted(once.values(), key=lambda fault: fault.start)


def _overlap(one: TemplateFault, other: TemplateFault) -> bool:
    """Whether two faults stand at the same words, so that they have one cause."""
    return one.start < other.start + other.length and other.start < one.start + one.length


def shape_of(parsed: Template | Expression | Value, roots: Mapping[str, Shape]) -> Shape:
    """The shape of what a template gives where its names have these shapes; faults are passed over.

    A text that is more than one expression is text, whatever stands in it.
    """
    whole = parsed.parsed if isinstance(parsed, Value) else parsed
    if isinstance(whole.tree, ast.Template):
        return TEXT
    return Inference(whole.source, roots).type_of(whole.tree).shape


def names_in(parsed: Template | Expression | Value) -> frozenset[str]:
    """Every name that a template uses, also those that it sets itself."""
    whole = parsed.parsed if isinstance(parsed, Value) else parsed
    own = {whole.tree.name} if isinstance(whole.tree, ast.Name) else set()
    return frozenset(own | {name.name for name in whole.tree.find_all(ast.Name)})


def _read_for(inference: Inference, part: ast.Expr, used_as: Purpose) -> None:
    """An expression, and whether it suits what it is for."""
    value = inference.type_of(part)
    if used_as == "text":
        inference.check_printable(part, value)
    elif used_as == "list":
        inference.check_list(part, value)
    elif used_as == "value":
        inference.check_whole(part, value)


def _read_all(inference: Inference, statements: Sequence[ast.Node]) -> None:
    for part in statements:
        _STATEMENTS[type(part)](inference, part)


def read_output(inference: Inference, part: ast.Output) -> None:
    for piece in part.nodes:
        if not isinstance(piece, ast.TemplateData):
            inference.check_printable(piece, inference.type_of(piece))


def read_if(inference: Inference, part: ast.If) -> None:
    before = inference.names
    ends: list[Names] = []
    asked: list[ast.Node] = []
    for branch in (part, *part.elif_):
        asked.append(branch.test)
        with inference.under(asked[:-1]):
            inference.type_of(branch.test)
        with inference.under(asked):
            ends.append(_read_branch(inference, branch.body, before))
    with inference.under(asked):
        ends.append(_read_branch(inference, part.else_, before))
    inference.names = _merged(ends)


def _read_branch(inference: Inference, body: Sequence[ast.Node], before: Names) -> Names:
    """The names after a branch that begins with those of `before`."""
    inference.names = dict(before)
    _read_all(inference, body)
    return inference.names


def read_for_loop(inference: Inference, part: ast.For) -> None:
    items = inference.type_of(part.iter)
    inference.check_list(part.iter, items)
    before = inference.names
    inference.names = dict(before)
    _bind(inference, part.target, item_of(items.shape))
    asked: list[ast.Node] = []
    if part.test is not None:
        inference.type_of(part.test)
        asked.append(part.test)
    inference.names["loop"] = _LOOP
    with inference.under(asked):
        _read_all(inference, part.body)
    _read_branch(inference, part.else_, before)
    inference.names = before


def read_assignment(inference: Inference, part: ast.Assign) -> None:
    _bind(inference, part.target, inference.type_of(part.node).shape)


def read_assigned_block(inference: Inference, part: ast.AssignBlock) -> None:
    before = inference.names
    _read_branch(inference, part.body, before)
    inference.names = before
    _bind(inference, part.target, TEXT)


def _bind(inference: Inference, target: ast.Node, shape: Shape) -> None:
    """Give a name its shape, or the names of a list those of its items."""
    if isinstance(target, ast.Name):
        inference.names[target.name] = shape
        inference.tested = frozenset(
            path for path in inference.tested if not _below(path, target.name)
        )
    elif isinstance(target, ast.Tuple):
        for part in target.items:
            _bind(inference, part, item_of(shape))


_STATEMENTS: Mapping[type, Callable[[Inference, Any], None]] = {
    ast.Output: read_output,
    ast.If: read_if,
    ast.For: read_for_loop,
    ast.Assign: read_assignment,
    ast.AssignBlock: read_assigned_block,
}

_LOOP = Shape(
    "object",
    fields=tuple((name, YES_NO if name in {"first", "last"} else INTEGER) for name in LOOP_FIELDS),
)


def _below(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}["))


def _merged(ends: Sequence[Names]) -> Names:
    """The names after an `if`: those that not every branch sets may be empty."""
    merged = {}
    for name in dict.fromkeys(name for names in ends for name in names):
        shapes = [names[name] for names in ends if name in names]
        shape = joined(shapes)
        merged[name] = shape if len(shapes) == len(ends) else optional(shape)
    return merged
