"""The arguments and the description of a Python function, read from its source alone.

The module is parsed and never imported, so that looking at a workflow runs no code of anybody's.
Where the file stands is left to the caller, what annotations mean to `annotations`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from flowrunner.diagnostics import did_you_mean
from flowrunner.language.shapes import ANY, Shape, alternatives
from flowrunner.language.tools.annotations import Types, UnreadableType, types_of
from flowrunner.language.tools.docstrings import Documented, read_docstring

_LONGEST_DEFAULT = 40


@dataclass(frozen=True, slots=True)
class SourceFault:
    """What is wrong with a function: a sentence, a fix, and a span in the characters of the source.

    `start` is None where it is not about one place.
    """

    message: str
    help: str | None = None
    start: int | None = None
    length: int = 1


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes, as an object of arguments, and what it is for.

    `defaulted` are the parameters that Python has a default for.
    """

    is_async: bool
    takes: Shape
    describe: str | None = None
    defaulted: frozenset[str] = frozenset()


def read_signature(
    source: str, function: str, shown: str, declared: Collection[str] = ()
) -> tuple[Signature | None, list[SourceFault]]:
    """The signature of a function at the top of a module, and what is wrong with it.

    Parameters that are `declared` elsewhere need no annotation; their shape is ANY. `shown` is what
    messages call the module.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        return None, [_unreadable(source, shown, fault)]
    found = _functions(module).get(function)
    if found is None:
        return None, [_missing(module, function, shown)]
    return _Reading(source, types_of(module), frozenset(declared)).read(found)


def _functions(module: ast.Module) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {each.name: each for each in module.body if isinstance(each, kinds)}


def _missing(module: ast.Module, function: str, shown: str) -> SourceFault:
    names = [name for name in _functions(module) if not name.startswith("_")]
    near = did_you_mean(function, names)
    meant = f": did you mean `{near}`?" if near else ""
    fix = f"it has {alternatives(names, 'and')}" if names else f"write `def {function}(…):` there"
    return SourceFault(
        f"`{shown}` has no function `{function}` at its top level{meant}", None if near else fix
    )


def _unreadable(source: str, shown: str, fault: BaseException) -> SourceFault:
    message = f"`{shown}` is no Python that can be read"
    if not isinstance(fault, SyntaxError) or fault.lineno is None:
        return SourceFault(message)
    lines = source.split("\n")
    if not 1 <= fault.lineno <= len(lines):
        return SourceFault(f"{message}: line {fault.lineno}")
    before = sum(len(line) + 1 for line in lines[: fault.lineno - 1])
    column = min(max((fault.offset or 1) - 1, 0), len(lines[fault.lineno - 1]))
    return SourceFault(message, "mend its syntax", before + column)


class _Reading:
    """Reads one function; all that is wrong with it is collected."""

    def __init__(self, source: str, types: Types, declared: frozenset[str]) -> None:
        self.lines = source.split("\n")
        self.types = types
        self.declared = declared
        self.faults: list[SourceFault] = []

    def read(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef
    ) -> tuple[Signature | None, list[SourceFault]]:
        self.check_parameters(function)
        said = read_docstring(ast.get_docstring(function))
        defaults = dict(_defaults(function.args))
        fields = [
            (each.arg, self.parameter(each, defaults.get(each.arg), said))
            for each in (*function.args.args, *function.args.kwonlyargs)
        ]
        if self.faults:
            return None, self.faults
        is_async = isinstance(function, ast.AsyncFunctionDef)
        takes = Shape("object", fields=tuple(fields))
        return Signature(is_async, takes, said.about, frozenset(defaults)), []

    def check_parameters(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        taken = function.args
        for each, sign in ((taken.vararg, "*"), (taken.kwarg, "**")):
            if each is not None:
                self.fault(
                    each,
                    f"`{sign}{each.arg}` takes any number of arguments, and a model must be told "
                    "which there are",
                    "write the parameters one by one",
                )
        for each in taken.posonlyargs:
            self.fault(
                each,
                f"`{each.arg}` is taken by position only, and arguments come by name",
                "take the `/` out",
            )
        gives = next((node for node in _own_nodes(function) if _is_yield(node)), None)
        if isinstance(gives, ast.Yield | ast.YieldFrom):
            self.fault(
                gives,
                f"`{function.name}` gives its values one by one, and a tool has one answer",
                "write `return` with a list",
            )

    def parameter(self, taken: ast.arg, default: ast.expr | None, said: Documented) -> Shape:
        shape = self.annotated(taken)
        describe = said.parameters.get(taken.arg) or shape.describe
        if default is None:
            return replace(shape, describe=describe)
        known = _literal(default)
        if known is not None:
            describe = f"{describe or ''} (default: {known})".strip()
        return replace(shape, describe=describe, optional=True)

    def annotated(self, taken: ast.arg) -> Shape:
        if taken.arg in self.declared:
            return ANY
        if taken.annotation is None:
            self.fault(
                taken,
                f"`{taken.arg}` does not say its type",
                f"write `{taken.arg}: str`, or another type, or declare it under `arguments`",
            )
            return ANY
        try:
            return self.types.shape_of(taken.annotation)
        except UnreadableType as fault:
            self.fault(fault.node, f"`{taken.arg}`: {fault.message}", fault.help)
            return ANY

    def fault(self, node: ast.expr | ast.arg, message: str, help: str | None = None) -> None:  # noqa: A002
        start = self.position(node.lineno, node.col_offset)
        is_whole = node.end_lineno == node.lineno and node.end_col_offset is not None
        end = self.position(node.lineno, node.end_col_offset or 0) if is_whole else start + 1
        self.faults.append(SourceFault(message, help, start, max(end - start, 1)))

    def position(self, line: int, column: int) -> int:
        """Where a line and a column in UTF-8 bytes are, in characters of the source."""
        line = min(line, len(self.lines))
        before = sum(len(each) + 1 for each in self.lines[: line - 1])
        within = self.lines[line - 1].encode()[:column].decode(errors="ignore")
        return before + len(within)


def _defaults(taken: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    listed = [*taken.posonlyargs, *taken.args]
    behind = listed[len(listed) - len(taken.defaults) :]
    yield from ((each.arg, default) for each, default in zip(behind, taken.defaults, strict=True))
    for each, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True):
        if default is not None:
            yield each.arg, default


def _literal(default: ast.expr) -> str | None:
    """A default as the model is told of it, or None for what says nothing to it."""
    if not isinstance(default, ast.Constant) or default.value is None or default.value == "":
        return None
    said = str(default.value).lower() if isinstance(default.value, bool) else str(default.value)
    return said if len(said) <= _LONGEST_DEFAULT else None


def _own_nodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function's body, without those of functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, inner):
            waiting += ast.iter_child_nodes(node)


def _is_yield(node: ast.AST) -> bool:
    return isinstance(node, ast.Yield | ast.YieldFrom)
