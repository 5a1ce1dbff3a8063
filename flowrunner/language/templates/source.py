"""A template's text as Jinja's syntax tree, with places counted in characters of the text.

The lexer hands the parser offsets where it expects line numbers, so every part of the tree knows
where it begins. What the parts mean is left to the compiler; refusals in words are in `syntax`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

from jinja2 import Environment, TemplateSyntaxError
from jinja2 import nodes as ast
from jinja2.lexer import Lexer, TokenStream
from jinja2.parser import Parser

MAX_TOKENS = 50_000
MARKS = ("{{", "{%", "{#")
BEGINS = frozenset({"variable_begin", "block_begin", "comment_begin", "raw_begin"})
ENDS = frozenset({"variable_end", "block_end", "comment_end", "raw_end"})

_SPREAD = (ast.BinExpr, ast.Compare, ast.Concat, ast.CondExpr, ast.Operand, ast.Pair)
"""Parts that are all of what they hold; Jinja places them anywhere in it, or nowhere."""

_LINE_END = re.compile(r"\r\n|\r")
_OPENING = {"(", "[", "{"}
_CLOSING = {")", "]", "}"}


class Token(NamedTuple):
    """One word or sign of a template: its kind (Jinja's name), text and place."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class TooManyTokens(Exception):
    """A template has more words and signs than any real one."""


class _OffsetLexer(Lexer):
    """Jinja's lexer, giving the offset of every token in place of its line."""

    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        offset = count = 0
        try:
            for _, kind, text in super().tokeniter(source, name, filename, state):
                offset = source.index(text, offset)
                yield offset, kind, text
                offset += len(text)
                count += 1
                if count > MAX_TOKENS:
                    raise TooManyTokens
        except TemplateSyntaxError as error:
            error.lineno = offset
            raise


@dataclass(frozen=True)
class _Replay:
    """A lexer for the parser that gives the tokens which were read already."""

    tokens: Sequence[Token]

    def tokenize(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> TokenStream:
        del source, state
        recorded = ((token.start, token.kind, token.text) for token in self.tokens)
        return TokenStream(_LEXER.wrap(recorded, name, filename), name, filename)


class _ReplayEnvironment(Environment):
    """Jinja's settings of all templates, with a lexer of ours. It compiles and runs nothing."""

    replay: _Replay

    @property
    def lexer(self) -> Any:
        return self.replay

    def with_tokens(self, tokens: Sequence[Token]) -> _ReplayEnvironment:
        """The same settings, for the parser of these tokens."""
        other = copy(self)
        other.replay = _Replay(tokens)
        return other


_ENVIRONMENT = _ReplayEnvironment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
_LEXER = _OffsetLexer(_ENVIRONMENT)


@dataclass(frozen=True)
class Source:
    """The text of a template or expression.

    Jinja reads it with `\\n` for every line end (`clean`); places are given in the text as it is.
    `expression` says that the text is one bare expression.
    """

    text: str
    expression: bool = False
    tokens: list[Token] = field(default_factory=list, compare=False, repr=False)
    """All tokens but white space, as far as `lex` was read; `syntax.read` reads all."""

    @cached_property
    def clean(self) -> str:
        return _LINE_END.sub("\n", self.text)

    @cached_property
    def _joints(self) -> tuple[list[int], list[int]]:
        """Offsets of the clean text behind each shortened line end, and what was cut before."""
        cuts = [len(match[0]) - 1 for match in _LINE_END.finditer(self.text)]
        ends = [match.end() for match in _LINE_END.finditer(self.text)]
        removed = list(accumulate(cuts))
        return [end - cut for end, cut in zip(ends, removed, strict=True)], removed

    def place(self, offset: int) -> int:
        """The offset in the text of an offset in the clean text."""
        if "\r" not in self.text:
            return offset
        joints, removed = self._joints
        index = bisect_right(joints, offset)
        return offset + (removed[index - 1] if index else 0)

    def original(self, start: int, length: int) -> str:
        """A part of the clean text as it stands in the text."""
        return self.text[self.place(start) : self.place(start + length)]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """A part of the clean text as start and length in the text, inside it and not empty."""
        first = min(self.place(start), max(len(self.text) - 1, 0))
        return first, max(self.place(min(end, len(self.clean))) - first, min(1, len(self.text)))

    def texts(self) -> Iterator[tuple[int, str]]:
        """The text around the templates, each part with its start; what is `raw` is left out."""
        if not self.tokens and not self.expression:
            yield 0, self.text
        is_raw = False
        for token in self.tokens:
            if token.kind in {"raw_begin", "raw_end"}:
                is_raw = token.kind == "raw_begin"
            elif token.kind == "data" and not is_raw:
                yield self.place(token.start), token.text

    def lex(self) -> Iterator[Token]:
        """Fill `tokens`, one by one. Raises TemplateSyntaxError with an offset as its line."""
        state = "variable" if self.expression else None
        for start, kind, text in _LEXER.tokeniter(self.clean, None, None, state):
            if kind != "whitespace":
                token = Token(kind, text, start)
                self.tokens.append(token)
                yield token

    def parse(self) -> ast.Template | ast.Expr:
        """The syntax tree of the tokens read, with offsets as line numbers.

        An expression must be all of the text. Raises TemplateSyntaxError, with an offset as its
        line.
        """
        parser = Parser(_ENVIRONMENT.with_tokens(self.tokens), self.clean)
        if not self.expression:
            return ast.Template(parser.subparse(), lineno=0)
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateSyntaxError("trailing", parser.stream.current.lineno)
        return tree

    @cached_property
    def _starts(self) -> list[int]:
        return [token.start for token in self.tokens]

    def token_at(self, offset: int) -> tuple[int, Token]:
        """The token that begins at an offset, or the nearest before it, and its position."""
        position = max(bisect_right(self._starts, offset) - 1, 0)
        return position, self.tokens[position]

    def _closing(self, position: int) -> int:
        """The end of the bracket that opens at a position among the tokens."""
        depth = 0
        for place in range(position, len(self.tokens)):
            token = self.tokens[place]
            if token.kind == "operator":
                depth += (token.text in _OPENING) - (token.text in _CLOSING)
                if depth == 0:
                    return token.end
        return self.tokens[-1].end

    def extent(self, part: ast.Node) -> tuple[int, int]:
        """Where a part of the tree begins and ends in the clean text."""
        extents = [self.extent(child) for child in part.iter_child_nodes()]
        if not isinstance(part, _SPREAD):
            extents.append(self._own_extent(part))
        return min(start for start, _ in extents), max(end for _, end in extents)

    def _own_extent(self, part: ast.Node) -> tuple[int, int]:
        position, token = self.token_at(part.lineno)
        follower = self.tokens[position + 1] if position + 1 < len(self.tokens) else token
        if isinstance(part, ast.Call | ast.List | ast.Dict) or token.text == "[":
            return token.start, self._closing(position)
        if isinstance(part, ast.Getattr):
            return token.start, follower.end
        if isinstance(part, ast.Filter) and follower.text == "(":
            return token.start, self._closing(position + 1)
        if isinstance(part, ast.Test):
            return token.start, follower.end
        return token.start, token.end

    def span_of(self, part: ast.Node) -> tuple[int, int]:
        """Where a part of the tree stands in the text, as start and length."""
        start, end = self.extent(part)
        return self.span(self._balanced(start, end), end)

    def _balanced(self, start: int, end: int) -> int:
        """The start of an extent with the round brackets that are closed in it: the parser drops
        those that only group."""
        first = position = bisect_right(self._starts, start) - 1
        depth = 0
        while position < len(self.tokens) and self.tokens[position].start < end:
            token = self.tokens[position]
            if token.kind == "operator":
                depth += (token.text in _OPENING) - (token.text in _CLOSING)
            if depth < 0 and first > 0 and self.tokens[first - 1].text == "(":
                first, depth = first - 1, depth + 1
            position += 1
        return min(start, self.tokens[first].start)

    def own_span(self, part: ast.Node) -> tuple[int, int]:
        """Where the last word of a part stands: the field of a path, the name of a filter."""
        position, token = self.token_at(part.lineno)
        if token.text in {".", "["} and position + 1 < len(self.tokens):
            token = self.tokens[position + 1]
        return self.span(token.start, token.end)


def path_text(part: ast.Node) -> str:
    """How a template writes a path, such as `steps.a.output['due date'][0]`; '' for other parts."""
    if isinstance(part, ast.Name):
        return part.name
    if isinstance(part, ast.Getattr):
        owner = path_text(part.node)
        return f"{owner}.{part.attr}" if owner else ""
    if isinstance(part, ast.Getitem):
        owner = path_text(part.node)
        return f"{owner}{_index_text(part.arg)}" if owner else ""
    return ""


def _index_text(index: ast.Node) -> str:
    key = constant_key(index)
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    return "[…]" if key is None else f"[{key!r}]"


def constant_key(index: ast.Node) -> str | int | None:
    """The literal name or whole number of an index, or None where it is worked out at run time."""
    if isinstance(index, ast.Neg) and isinstance(index.node, ast.Const):
        number = index.node.value
        return -number if isinstance(number, int) and not isinstance(number, bool) else None
    if isinstance(index, ast.Const) and isinstance(index.value, str | int):
        return None if isinstance(index.value, bool) else index.value
    return None
