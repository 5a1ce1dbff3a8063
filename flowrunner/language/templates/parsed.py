"""Parsed templates: immutable values that are rendered as often as wanted, each time once through.

What was rendered is never read as a template again: braces that come out of values stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes as ast

from flowrunner.events import JSON
from flowrunner.language.templates.calls import CALLS
from flowrunner.language.templates.compiler import Code, Compiler, Run
from flowrunner.language.templates.expressions import EXPRESSIONS
from flowrunner.language.templates.faults import TemplateFault, first_of
from flowrunner.language.templates.mentions import Mention, MentionReader
from flowrunner.language.templates.printing import plain
from flowrunner.language.templates.source import MARKS, Source
from flowrunner.language.templates.statements import STATEMENTS
from flowrunner.language.templates.syntax import read

_RULES = {**EXPRESSIONS, **CALLS}


class Filled(str):
    """A rendered text that knows which places of it came out of values: start and length of each.

    It is a text like any other; whoever changes it gets one that knows nothing of that.
    """

    __slots__ = ("places",)
    places: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str, places: Sequence[tuple[int, int]]) -> str:
        """The text, with its places where there are any."""
        if not places:
            return text
        filled = cls(text)
        filled.places = tuple(places)
        return filled


@dataclass(frozen=True, eq=False)
class Parsed:
    """What templates and expressions share: their source, tree, code and mentions."""

    source: Source
    tree: ast.Template | ast.Expr
    code: Code
    mentions: tuple[Mention, ...]
    """Every constant path below `steps`, `inputs` and `previous`, in reading order."""

    def run(self, scope: Mapping[str, Any]) -> tuple[Any, Run]:
        """The value of the code, and the rendering it was computed in."""
        run = Run(scope)
        try:
            return self.code(run), run
        except TemplateFault as fault:
            raise fault.placed(self.whole) from None
        except (RecursionError, MemoryError):
            message = "the values of this template are nested too deeply or too large"
            raise TemplateFault("template-limit", message, None, *self.whole) from None

    @property
    def whole(self) -> tuple[int, int]:
        """The span of the whole source."""
        return 0, len(self.source.text)


@dataclass(frozen=True, eq=False)
class Template(Parsed):
    """A text with templates in it."""

    def render(self, scope: Mapping[str, Any]) -> str:
        """The text. Raises TemplateFault where a value is empty, missing, wrong or too large."""
        return "".join(self.run(scope)[1].parts)

    def fill(self, scope: Mapping[str, Any]) -> str:
        """The same text, which knows what of it came out of values. Raises TemplateFault."""
        _, run = self.run(scope)
        return Filled.of("".join(run.parts), run.filled)


@dataclass(frozen=True, eq=False)
class Expression(Parsed):
    """A bare expression, as decision fields hold."""

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """The value as it is in the scope: JSON, a mapping or sequence of it, or an Empty.

        Its truth is that of Python. Raises TemplateFault.
        """
        return self.run(scope)[0]


@dataclass(frozen=True, eq=False)
class Value:
    """A value of `set`, `with` or `result`: a whole `{{ … }}` keeps its type, all else is text."""

    parsed: Template | Expression

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """As those of `Parsed`."""
        return self.parsed.mentions

    def evaluate(self, scope: Mapping[str, Any]) -> JSON:
        """The value as plain JSON of its own; what is empty is null. Raises TemplateFault."""
        if isinstance(self.parsed, Template):
            return self.parsed.render(scope)
        value, run = self.parsed.run(scope)
        try:
            return plain(run.meter, value, self.parsed.source.text.strip())
        except (TemplateFault, RecursionError) as fault:
            raise _as_fault(fault).placed(self.parsed.whole) from None


def _as_fault(error: TemplateFault | RecursionError) -> TemplateFault:
    if isinstance(error, TemplateFault):
        return error
    return TemplateFault("template-limit", "this value is nested too deeply")


def parse_text(source: str) -> Template:
    """Read a text with templates in it. Raises TemplateFault for the first of its mistakes."""
    return Template(*_parse(Source(source)))


def parse_expression(source: str) -> Expression:
    """Read a bare expression; braces around the whole of it are accepted. Raises TemplateFault."""
    inner = _unbraced(source)
    if inner is not None:
        return _parse_bare(inner)
    try:
        return _parse_bare(source)
    except TemplateFault:
        starts = [source.find(mark) for mark in MARKS if mark in source]
        if not starts:
            raise
        message = "an expression stands alone: no text around it, no braces inside it"
        fix = "write it without braces, such as `inputs.kind == 'bug'`"
        raise TemplateFault("template-syntax", message, fix, min(starts), 2) from None


def parse_value(source: str) -> Value:
    """Read a value that keeps its type where it is a whole `{{ expression }}`."""
    inner = _unbraced(source)
    return Value(parse_text(source) if inner is None else _parse_bare(inner))


def _parse_bare(text: str) -> Expression:
    return Expression(*_parse(Source(text, expression=True)))


def _unbraced(text: str) -> str | None:
    """A text that is one whole `{{ … }}` with blanks for its braces; None for any other text.

    The blanks keep every place in the expression where it stands in the text.
    """
    stripped = text.strip()
    if not (stripped.startswith("{{") and stripped.endswith("}}")):
        return None
    source = Source(text)
    read(source)
    signs = [
        token for token in source.tokens if not (token.kind == "data" and token.text.isspace())
    ]
    begins = [token for token in signs if token.kind == "variable_begin"]
    closed = signs[-1].kind == "variable_end" and signs[0].kind == "variable_begin"
    if len(begins) != 1 or not closed:
        return None
    opening = source.place(signs[0].end)
    closing = source.place(signs[-1].start)
    return " " * opening + text[opening:closing] + " " * (len(text) - closing)


def _parse(
    source: Source,
) -> tuple[Source, ast.Template | ast.Expr, Code, tuple[Mention, ...]]:
    if not source.expression and not any(mark in source.text for mark in MARKS):
        return _literal(source)
    tree = read(source)
    reader = MentionReader(source)
    compiler = Compiler(source, STATEMENTS, _RULES)
    try:
        code = compiler.compile(tree)
        reader.read(tree)
    except RecursionError:
        message = "this template is nested too deeply"
        raise TemplateFault("template-limit", message, None, *source.span(0, 1)) from None
    faults = [*compiler.faults, *reader.faults]
    if faults:
        raise first_of(faults)
    return source, tree, code, tuple(sorted(reader.mentions, key=lambda mention: mention.start))


def _literal(
    source: Source,
) -> tuple[Source, ast.Template | ast.Expr, Code, tuple[Mention, ...]]:
    """A text without braces, which needs no reading."""
    text = source.text

    def write(run: Run) -> None:
        run.write(text, is_value=False)

    return source, ast.Template([], lineno=1), write, ()
