"""Reading a template: the syntax tree, or one plain sentence about why there is none.

Jinja's own messages are not shown. Names of functions and the rules about data are left to the
compiler.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from jinja2 import TemplateSyntaxError
from jinja2 import nodes as ast

from flowrunner.language.shapes.words import quoted
from flowrunner.language.templates.faults import TemplateFault, near_miss
from flowrunner.language.templates.source import BEGINS, ENDS, Source, Token, TooManyTokens

RAW = "braces that are no template go between `{% raw %}` and `{% endraw %}`"

_TAGS = ("for", "if", "set")
_PARTS = {"elif": ("if",), "else": ("if", "for")}
_OFF = {
    "autoescape": "texts are sent as they are; leave it out",
    "block": "write the text where it belongs",
    "break": "choose the items first, with `selectattr(…)`",
    "call": "write the text where it belongs",
    "continue": "choose the items first, with `selectattr(…)`",
    "do": "values cannot be changed; make new ones with `{% set name = … %}`",
    "extends": "use `prompt_file` for a text of its own",
    "filter": "write the filter where the value is printed: `{{ x|upper }}`",
    "from": "use `prompt_file` for a text of its own",
    "import": "use `prompt_file` for a text of its own",
    "include": "use `prompt_file` for a text of its own",
    "macro": "write the text where it belongs, or use a `for` loop",
    "print": "write `{{ … }}`",
    "with": "write `{% set name = … %}`",
}
_CLOSERS = {"variable_begin": "}}", "block_begin": "%}", "comment_begin": "#}"}
_HINTS = {
    "=": "to compare, write `==`",
    "!": "write `not`",
    "&": "write `and`",
    "|": "write `or` between conditions; after `|` stands the name of a function",
    "?": "write `a if condition else b`",
    "AND": "write `and`",
    "OR": "write `or`",
    "NOT": "write `not`",
    "then": "write `a if condition else b`",
    ";": "leave the `;` out",
}
_COMPARE = ("==", "!=", ">=", "<=")
_KEYWORDS = ("and", "or", "not", "in", "is", "if", "else")
_BEFORE_RAW = re.compile(r"\s*([:#/>$@&\\^!%*.,;?<=]|\}|$|[\"'][^\"']*[\"']\s*:|\w+\s*:)")


def read(source: Source) -> ast.Template | ast.Expr:
    """The syntax tree of a source. Raises TemplateFault."""
    reader = _Reader(source)
    try:
        reader.read_tokens()
        return source.parse()
    except TemplateSyntaxError as error:
        raise reader.refusal(error) from None
    except (RecursionError, TooManyTokens):
        raise _limit(source, "this template is too long or nested too deeply") from None
    except ValueError:
        raise _limit(source, "a number in this template is too large") from None


def _limit(source: Source, message: str) -> TemplateFault:
    return TemplateFault("template-limit", message, None, *source.span(0, len(source.clean)))


@dataclass
class _Reader:
    source: Source
    opening: Token | None = None
    """The braces that are open where reading stands."""
    open_tags: list[Token] = field(default_factory=list)

    def read_tokens(self) -> None:
        """Read all tokens and check that braces and tags are closed."""
        for token in self.source.lex():
            if token.kind in BEGINS:
                self.opening = token
                start = len(self.source.tokens)
            elif token.kind in ENDS:
                if self.opening is not None and self.opening.kind == "block_begin":
                    self.check_tag(self.source.tokens[start:-1], self.opening)
                self.opening = None
        if self.opening is not None:
            raise self.unclosed(self.opening)
        if self.open_tags:
            tag = self.open_tags[-1]
            raise self.fault(
                f"`{{% {tag.text} %}}` is never closed", tag, f"add `{{% end{tag.text} %}}`"
            )

    def fault(
        self,
        message: str,
        at: Token,
        help: str | None = None,  # noqa: A002
        code: str = "template-syntax",
    ) -> TemplateFault:
        return TemplateFault(code, message, help, *self.source.span(at.start, at.end))

    def unclosed(self, opening: Token) -> TemplateFault:
        mark = opening.text.rstrip("-+")
        if opening.kind == "raw_begin":
            return self.fault("`{% raw %}` is never closed", opening, "add `{% endraw %}`")
        closer = _CLOSERS[opening.kind]
        return self.fault(f"`{mark}` is never closed", opening, f"add `{closer}`, or: {RAW}")

    def check_tag(self, words: Sequence[Token], opening: Token) -> None:
        """Check the name of a tag and whether it stands inside the tags that it needs."""
        if not words or words[0].kind != "name":
            raise self.fault("a tag begins with `if`, `for` or `set`", opening, RAW)
        tag, name = words[0], words[0].text
        if name in _TAGS:
            if name != "set" or not _assigns(words):
                self.open_tags.append(tag)
        elif name in _PARTS:
            self.check_part(tag)
        elif name.startswith("end") and name[3:] in _TAGS:
            self.close(tag)
        elif name.removeprefix("end") in _OFF:
            name = name.removeprefix("end")
            raise self.fault(f"`{{% {name} %}}` is off", tag, _OFF[name], "template-off")
        else:
            known = [*_TAGS, *_PARTS, *(f"end{known}" for known in _TAGS), "raw", "endraw"]
            message = f"`{quoted(name)[1:-1]}` is not a tag{near_miss(name, known)}"
            raise self.fault(message, tag, f"the tags are `if`, `for`, `set` and `raw`; {RAW}")

    def check_part(self, tag: Token) -> None:
        inside = self.open_tags[-1].text if self.open_tags else None
        if inside not in _PARTS[tag.text]:
            raise self.fault(f"`{{% {tag.text} %}}` stands outside of an `{{% if %}}`", tag)

    def close(self, tag: Token) -> None:
        name = tag.text[3:]
        if not self.open_tags:
            raise self.fault(f"`{{% {tag.text} %}}` closes nothing", tag)
        opened = self.open_tags.pop().text
        if opened != name:
            raise self.fault(
                f"`{{% {tag.text} %}}` stands where `{{% {opened} %}}` is still open",
                tag,
                f"write `{{% end{opened} %}}` before it",
            )

    def refusal(self, error: TemplateSyntaxError) -> TemplateFault:
        """Jinja's refusal in plain words. Its line is an offset here."""
        message = error.message or ""
        at = self.token_at(error.lineno)
        if "end of template" in message:
            return self.breaking_off(at)
        if at is None:
            return self.lexing_refusal(error.lineno)
        if at.kind in BEGINS or at.kind in ENDS:
            return self.missing_expression(at)
        return self.known_refusal(message, at) or self.misplaced(at)

    def known_refusal(self, message: str, at: Token) -> TemplateFault | None:
        """A sentence of its own for some refusals."""
        if message.startswith("can't assign"):
            return self.fault(f"{_shown(at)} is no name that can be set", at)
        if message.startswith("invalid syntax for function call"):
            fix = "named options such as `a=1` come last"
            return self.fault("the options of this call cannot be read", at, fix)
        if at.kind == "string" and not message.startswith(("expected", "unexpected")):
            fix = "write every backslash twice"
            return self.fault(f"{_shown(at)} holds a backslash that means nothing", at, fix)
        return None

    def breaking_off(self, at: Token | None) -> TemplateFault:
        if at is None:
            return self.fault("the expression is empty", Token("operator", " ", 0))
        return self.fault(f"the expression breaks off after {_shown(at)}", at)

    def token_at(self, offset: int) -> Token | None:
        """The token at an offset, if reading came so far."""
        return next((token for token in self.source.tokens if token.start == offset), None)

    def missing_expression(self, at: Token) -> TemplateFault:
        opening = self.opening_before(at)
        if opening is None:
            fix = "put braces around the whole expression, or leave them out"
            return self.fault(f"{_shown(at)} does not belong in an expression", at, fix)
        inner = self.source.clean[opening.end : at.start].strip()
        whole = Token(opening.kind, self.source.clean[opening.start : at.end], opening.start)
        if not inner:
            return self.fault(f"{quoted(whole.text)} holds nothing", whole, RAW)
        return self.fault(f"{quoted(whole.text)} breaks off before its end", whole)

    def opening_before(self, at: Token) -> Token | None:
        before = [
            token for token in self.source.tokens if token.kind in BEGINS and token.start < at.start
        ]
        return before[-1] if before else None

    def misplaced(self, at: Token) -> TemplateFault:
        return self.fault(f"{_shown(at)} does not belong here", at, self.hint(at))

    def hint(self, at: Token) -> str | None:
        """What was probably meant by a sign or word that does not fit."""
        sign = at.text if at.text in _HINTS or at.text in _COMPARE else at.text[:1]
        if sign in _HINTS and at.kind != "string":
            return _HINTS[sign]
        opening = self.opening_before(Token(at.kind, at.text, at.start + 1))
        if opening is not None and _BEFORE_RAW.match(self.source.clean, opening.end):
            return RAW
        if at.kind in {"name", "string"} and at.text not in _KEYWORDS:
            return "join values with `~`, and put quotes around text"
        return RAW if opening is not None else None

    def lexing_refusal(self, offset: int) -> TemplateFault:
        """Why no token can be read at an offset."""
        text = self.source.clean
        sign = Token("operator", text[offset : offset + 1], offset)
        if self.opening is not None and self.is_half_closed(self.opening, offset):
            return self.half_closed(self.opening, offset)
        if self.opening is not None and (
            self.opening.kind in {"comment_begin", "raw_begin"}
            or _CLOSERS[self.opening.kind] not in text[offset:]
        ):
            return self.unclosed(self.opening)
        if sign.text in {"'", '"'}:
            return self.fault(f"the text that begins with {sign.text} is never closed", sign)
        if not sign.text:
            return self.fault("the expression breaks off here", Token("operator", " ", offset - 1))
        if sign.text in ")]}":
            return self.fault(f"`{sign.text}` closes nothing here", sign, self.hint(sign))
        return self.misplaced(sign)

    def is_half_closed(self, opening: Token, offset: int) -> bool:
        ends = self.source.clean[offset : offset + 2]
        return opening.kind == "variable_begin" and ends.startswith("}") and ends != "}}"

    def half_closed(self, opening: Token, offset: int) -> TemplateFault:
        """Two braces that one brace closes."""
        inside = self.source.clean[opening.end : offset].strip()
        shown = f"write `{{{{ {inside} }}}}`" if 0 < len(inside) <= 60 else "write `}}`"
        return self.fault(
            "`{{` needs two braces to close it, found one",
            Token("operator", "}", offset),
            f"{shown}; {RAW}",
        )


def _assigns(words: Sequence[Token]) -> bool:
    """Whether a `set` tag holds the value itself, so that no `endset` follows."""
    return any(word.kind == "operator" and word.text == "=" for word in words)


def _shown(token: Token) -> str:
    return quoted(token.text) if token.kind != "string" else f"the text {quoted(token.text)}"
