"""Templates as functions: every part of the syntax tree becomes one that computes its value.

Here is what all parts share: the rendering they belong to, mistakes, names, places, nesting. The
parts themselves are in `statements`, `expressions` and `calls`; mentions and types elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from jinja2 import nodes as ast

from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.meter import Meter
from flowrunner.language.templates.source import Source, path_text
from flowrunner.language.templates.values import Empty

MAX_DEPTH = 60
"""Parts of a template inside one another."""


class Run:
    """One rendering: the values it sees, the names it has set, what it has written and used up.

    `filled` are the places among what was written that came out of values: start and length.
    """

    __slots__ = ("filled", "length", "meter", "names", "parts", "scope")

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.scope = scope
        self.names: dict[str, Any] = {}
        self.parts: list[str] = []
        self.filled: list[tuple[int, int]] = []
        self.length = 0
        self.meter = Meter()

    def write(self, text: str, *, is_value: bool) -> None:
        """Add a piece to what was written. Raises TemplateFault where that is too much."""
        self.meter.output(len(text))
        if is_value and text:
            self.filled.append((self.length, len(text)))
        self.length += len(text)
        self.parts.append(text)


Code: TypeAlias = Callable[[Run], Any]
"""One part of a template, ready to be computed."""


Rule: TypeAlias = Callable[["Compiler", Any], Code]
"""How one kind of part becomes code. Raises TemplateFault where it holds a mistake."""


@dataclass
class Compiler:
    """Compiles one source by rules for kinds of parts; collects every mistake on the way."""

    source: Source
    statements: Mapping[type, Rule]
    expressions: Mapping[type, Rule]
    stored: frozenset[str] = frozenset()
    """All names that the template sets anywhere."""
    faults: list[TemplateFault] = field(default_factory=list)
    depth: int = 0
    shielded: int = 0
    """Inside how many `first(…)` and `default(…)` compiling stands."""

    def compile(self, tree: ast.Template | ast.Expr) -> Code:
        """The code of a whole tree; it may be run only where `faults` stays empty."""
        self.stored = frozenset(
            name.name for name in tree.find_all(ast.Name) if name.ctx == "store"
        )
        if isinstance(tree, ast.Template):
            return self.body(tree.body)
        return self.expression(tree)

    def fault(
        self,
        code: str,
        message: str,
        part: ast.Node,
        help: str | None = None,  # noqa: A002
    ) -> TemplateFault:
        return TemplateFault(code, message, help, *self.source.own_span(part))

    @contextmanager
    def deeper(self, part: ast.Node) -> Iterator[None]:
        """Compile one level further in; keep the mistake that is found there, and go on."""
        self.depth += 1
        try:
            if self.depth > MAX_DEPTH:
                raise self.fault("template-limit", "this template is nested too deeply", part)
            yield
        except TemplateFault as fault:
            if fault.code == "template-limit":
                raise
            self.faults.append(fault)
        finally:
            self.depth -= 1

    @contextmanager
    def shield(self, wanted: bool = True) -> Iterator[None]:
        """Compile arguments that may be empty or missing without fault, if `wanted`."""
        self.shielded += wanted
        try:
            yield
        finally:
            self.shielded -= wanted

    def body(self, statements: Sequence[ast.Node]) -> Code:
        """The code of statements, one after another."""
        codes = [self.statement(part) for part in statements]
        if len(codes) == 1:
            return codes[0]

        def run_all(run: Run) -> None:
            for code in codes:
                code(run)

        return run_all

    def statement(self, part: ast.Node) -> Code:
        """The code of one statement."""
        return self._code(self.statements, part, "this tag is off")

    def expression(self, part: ast.Node) -> Code:
        """The code of one expression."""
        return self._code(self.expressions, part, "this is not possible in a template")

    def _code(self, rules: Mapping[type, Rule], part: ast.Node, refusal: str) -> Code:
        with self.deeper(part):
            rule = rules.get(type(part))
            if rule is None:
                raise self.fault("template-off", refusal, part)
            return rule(self, part)
        return nothing  # type: ignore[unreachable]  # mistakes leave `deeper` quietly

    def naming(self, part: ast.Node) -> Callable[[], str]:
        """How the template writes a part, worked out once when it is first needed."""
        known: list[str] = []  # a cache of functools costs more than all the rest of this

        def name() -> str:
            if not known:
                known.append(path_text(part) or self.written(part))
            return known[0]

        return name

    def written(self, part: ast.Node) -> str:
        """A part as the source has it."""
        start, length = self.source.span_of(part)
        return self.source.text[start : start + length]

    def placing(self, part: ast.Node) -> Callable[[TemplateFault], TemplateFault]:
        """What gives a fault at run time the place of a part."""
        return lambda fault: fault.placed(self.source.span_of(part))


def nothing(run: Run) -> Any:
    """The code of `null`, and of parts that hold a mistake."""
    del run


def shielded(code: Code) -> Code:
    """The same code, with an Empty where it finds something empty."""

    def shield(run: Run) -> Any:
        try:
            return code(run)
        except TemplateFault as fault:
            if fault.code != "maybe-empty":
                raise
            return Empty(fault.message.partition(": ")[2], "this")

    return shield
