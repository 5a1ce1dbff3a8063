"""The tags of a template, and the text between them: printing, `if`, `for`, `set`.

Names set inside a loop or a `set` block end with it; those set inside an `if` do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import nodes as ast

from flowrunner.language.templates.compiler import Code, Compiler, Rule, Run
from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.lists import need_list
from flowrunner.language.templates.meter import STEP
from flowrunner.language.templates.printing import printed
from flowrunner.language.templates.values import empty_fault, found, is_empty, is_list


def output(compiler: Compiler, part: ast.Output) -> Code:
    codes = [_piece(compiler, piece) for piece in part.nodes]

    def write_all(run: Run) -> None:
        for code in codes:
            code(run)

    return codes[0] if len(codes) == 1 else write_all


def _piece(compiler: Compiler, piece: ast.Expr) -> Code:
    if not isinstance(piece, ast.TemplateData):
        return _printed(compiler, piece)
    text = compiler.source.original(piece.lineno, len(piece.data))

    def write(run: Run) -> None:
        run.write(text, is_value=False)

    return write


def _printed(compiler: Compiler, piece: ast.Expr) -> Code:
    value = compiler.expression(piece)
    name, place = compiler.naming(piece), compiler.placing(piece)

    def write_value(run: Run) -> None:
        try:
            run.write(printed(run.meter, value(run), name()), is_value=True)
        except TemplateFault as fault:
            raise place(fault) from None

    return write_value


def condition(compiler: Compiler, part: ast.If) -> Code:
    branches = [part, *part.elif_]
    tests = [(compiler.expression(branch.test), compiler.body(branch.body)) for branch in branches]
    otherwise = compiler.body(part.else_)

    def choose(run: Run) -> None:
        for test, body in tests:
            if test(run):
                body(run)
                return
        otherwise(run)

    return choose


def assignment(compiler: Compiler, part: ast.Assign) -> Code:
    bind = _target(compiler, part.target)
    value = compiler.expression(part.node)
    return lambda run: bind(run.names, value(run))


def assigned_block(compiler: Compiler, part: ast.AssignBlock) -> Code:
    if part.filter is not None:
        fix = "write the function where the value is printed"
        raise compiler.fault("template-off", "a `set` block takes no function", part, fix)
    bind, body = _target(compiler, part.target), compiler.body(part.body)

    def capture(run: Run) -> None:
        outer, outer_names, run.parts = run.parts, run.names, []
        run.names = dict(outer_names)
        try:
            body(run)
            text = "".join(run.parts)
        finally:
            run.parts, run.names = outer, outer_names
        run.meter.text(len(text))
        bind(run.names, text)

    return capture


def _target(compiler: Compiler, target: ast.Node) -> Callable[[dict[str, Any], Any], None]:
    """What puts a value under the name, or the parts of a list under the names."""
    if isinstance(target, ast.Name):
        name = target.name
        if name.startswith("__"):
            raise compiler.fault("template-unsafe", f"`{name}` cannot be set", target)
        return lambda names, value: names.__setitem__(name, value)
    if not isinstance(target, ast.Tuple):
        raise compiler.fault("template-off", "only a name can be set", target)
    binds = [_target(compiler, part) for part in target.items]
    place = compiler.placing(target)

    def bind_parts(names: dict[str, Any], value: Any) -> None:
        if not is_list(value) or len(value) != len(binds):
            message = f"{len(binds)} names need a list of {len(binds)} items, found "
            count = f"one of {len(value)}" if is_list(value) else found(value)
            raise place(TemplateFault("wrong-type", message + count))
        for bind, item in zip(binds, value, strict=True):
            bind(names, item)

    return bind_parts


def loop(compiler: Compiler, part: ast.For) -> Code:
    if part.recursive:
        raise compiler.fault("template-off", "`recursive` loops are off", part)
    items_of, bind = _items(compiler, part), _target(compiler, part.target)
    body, otherwise = compiler.body(part.body), compiler.body(part.else_)
    cost, place = _cost(part.body), compiler.placing(part.iter)
    counts = any(name.name == "loop" for piece in part.body for name in piece.find_all(ast.Name))

    def repeat(run: Run) -> None:
        outer = run.names
        try:
            items = items_of(run)
            for position, item in enumerate(items):
                run.meter.round(cost + len(outer))
                run.names = {**outer}
                bind(run.names, item)
                if counts:
                    run.names["loop"] = _loop_fields(position, len(items))
                body(run)
        except TemplateFault as fault:
            raise place(fault) from None
        finally:
            run.names = outer
        if not items:
            otherwise(run)

    return repeat


def _cost(body: Sequence[ast.Node]) -> int:
    """What one round costs at least: so much for every part of the body."""
    return STEP * (1 + sum(1 + sum(1 for _ in part.find_all(ast.Node)) for part in body))


def _items(compiler: Compiler, part: ast.For) -> Callable[[Run], Sequence[Any]]:
    """What gives the items of a loop, those for which its test holds."""
    value, name = compiler.expression(part.iter), compiler.naming(part.iter)
    if part.test is None:
        return lambda run: _loop_items(value(run), name())
    test, bind = compiler.expression(part.test), _target(compiler, part.target)
    cost = _cost([part.test])

    def chosen(run: Run) -> list[Any]:
        outer, kept = run.names, []
        for item in _loop_items(value(run), name()):
            run.meter.round(cost + len(outer))
            run.names = {**outer}
            bind(run.names, item)
            if test(run):
                kept.append(item)
        run.names = outer
        return kept

    return chosen


def _loop_items(value: Any, name: str) -> Sequence[Any]:
    if is_empty(value):
        raise empty_fault(value, name)
    return need_list(value, "for")


def _loop_fields(position: int, length: int) -> dict[str, Any]:
    return {
        "index": position + 1,
        "index0": position,
        "first": position == 0,
        "last": position == length - 1,
        "length": length,
        "revindex": length - position,
        "revindex0": length - position - 1,
    }


LOOP_FIELDS = tuple(_loop_fields(0, 1))

STATEMENTS: Mapping[type, Rule] = {
    ast.Output: output,
    ast.If: condition,
    ast.Assign: assignment,
    ast.AssignBlock: assigned_block,
    ast.For: loop,
}
