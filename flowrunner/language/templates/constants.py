"""What is wrong with the parts of a template that say the same in every run, found by trying them.

What depends on values is left to `inference`, which knows their shapes.
"""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import nodes as ast

from flowrunner.language.templates.calls import CALLS
from flowrunner.language.templates.compiler import Compiler, Run
from flowrunner.language.templates.expressions import EXPRESSIONS
from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.mentions import is_shield
from flowrunner.language.templates.meter import MAX_WORK
from flowrunner.language.templates.source import Source
from flowrunner.language.templates.statements import STATEMENTS

_WORK = 2_000_000
"""What all constant parts of one template may do while a file is only looked at, in characters."""

_MOST = 500
"""Constant parts of one template that are tried."""


def constant_faults(source: Source, tree: ast.Node) -> list[TemplateFault]:
    """The faults that every run would meet in what is written out, such as `1/0`."""
    run = Run({})
    run.meter.work = MAX_WORK - _WORK
    faults = []
    for (part, guarded), _ in zip(_constants(tree, False), range(_MOST), strict=False):
        fault = _tried(source, part, run)
        if run.meter.work > MAX_WORK:
            break  # whether it is too much is for the run to say
        if fault is not None and not (guarded and fault.code == "maybe-empty"):
            faults.append(fault)
    return faults


def _tried(source: Source, part: ast.Expr, run: Run) -> TemplateFault | None:
    compiler = Compiler(source, STATEMENTS, {**EXPRESSIONS, **CALLS})
    try:
        code = compiler.compile(part)
        if not compiler.faults:
            code(run)
    except TemplateFault as fault:
        return fault.placed(source.span_of(part))
    except (RecursionError, MemoryError):
        return None
    return None


def _constants(part: ast.Node, guarded: bool) -> Iterator[tuple[ast.Expr, bool]]:
    """The largest parts that hold operators or functions and no name, and whether they may be
    empty without fault."""
    if isinstance(part, ast.Const | ast.TemplateData):
        return
    if isinstance(part, ast.Expr) and _is_constant(part):
        yield part, guarded
        return
    for child in part.iter_child_nodes():
        yield from _constants(child, guarded or is_shield(part))


def _is_constant(part: ast.Expr) -> bool:
    called = [call.node for call in part.find_all(ast.Call)]
    called += [part.node] if isinstance(part, ast.Call) else []
    names = [*part.find_all(ast.Name), *([part] if isinstance(part, ast.Name) else [])]
    return all(any(name is callee for callee in called) for name in names)
