"""What a request may cost, bounded before it is sent. Pure.

What a response did cost is left to `pricing`, what may be sent with the money that is left to
`budget`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flowrunner import catalog
from flowrunner.catalog import Model, media
from flowrunner.engine.pricing import (
    Billed,
    Prices,
    billed_usd,
    most_fees_usd,
    undated,
    window_of,
)
from flowrunner.events import JSON, Usage
from flowrunner.language.attachments import FileMark

PLAIN_OUTPUT_TOKENS = 4_000
EFFORT_TOKENS: Mapping[str, int] = {
    "none": 0,
    "minimal": 1_000,
    "low": 4_000,
    "medium": 16_000,
    "high": 32_000,
    "xhigh": 64_000,
    "max": 96_000,
}
"""What thinking is allowed on top of the answer, by effort (Responses API: `reasoning`)."""

DEFAULT_TOOL_CALLS = 10
"""`max_tool_calls` where a budget is in force and the author set none."""

REQUEST_TOKENS = 100
ITEM_TOKENS = 8
HOSTED_TOOL_TOKENS = 4_000
HOSTED_CALL_TOKENS = 16_000
LOW_IMAGE_TOKENS = 3_000
IMAGE_TOKENS = 50_000
TEXT_FILE_TOKENS = 4_000
PACKED_TOKENS_A_BYTE = 4
"""Allowances beyond text: for a request, an object in it, what the API says to the model about a
hosted tool, what one call of it brings in, an image of low and of any other detail, what
it says of a file that is text, a byte of one whose text is packed in it (PDF, office files)."""

_DEFAULT_EFFORT = "medium"
_READ_BY_MODEL = ("instructions", "input", "tools", "text", "tool_choice")
_FASTER = {"priority", "fast", "ultrafast"}
_LIKELY_ANSWER = 400
_LIKELY_THOUGHT = 0.05
_CHARS_A_TOKEN = 4
_MOST_CHARS_A_TOKEN = 8


@dataclass(frozen=True, slots=True)
class Worst:
    """The most that one request may cost; None where no bound is known, and then a sentence why.

    `assumes` are what the bound leans on beyond the text of the request, in words for people;
    `help` is what to do about what is unknown.
    """

    usd: float | None
    input_tokens: int | None
    output_tokens: int | None
    why_unknown: str | None = None
    help: str | None = None
    model: str | None = None
    assumes: tuple[str, ...] = ()

    @property
    def tokens(self) -> int | None:
        """Input and output together."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why no bound is known, in a sentence, and what to do about it."""

    why: str
    help: str


@dataclass(frozen=True, slots=True)
class Likely:
    """A guess at what one request will cost; `usd` is None where a price is unknown."""

    usd: float | None
    input_tokens: int
    output_tokens: int


def default_max_output_tokens(body: Mapping[str, JSON]) -> int:
    """The `max_output_tokens` that is sent where a budget is in force and the author gave none.

    4,000 and an allowance by reasoning effort, medium where none is asked for; never more than the
    model can write.
    """
    asked = body.get("reasoning")
    effort = asked.get("effort") if isinstance(asked, Mapping) else None
    allowed = EFFORT_TOKENS.get(str(effort), EFFORT_TOKENS[_DEFAULT_EFFORT])
    known = _known(_model_of(body))
    most = known.max_output_tokens if known else None
    return min(PLAIN_OUTPUT_TOKENS + allowed, most or PLAIN_OUTPUT_TOKENS + allowed)


def with_limits(body: Mapping[str, JSON]) -> dict[str, JSON]:
    """The body as it is sent under a budget: with an end to its output and to its hosted calls."""
    limited = dict(body)
    if limited.get("max_output_tokens") is None:
        limited["max_output_tokens"] = default_max_output_tokens(body)
    if _hosted(body) and limited.get("max_tool_calls") is None:
        limited["max_tool_calls"] = DEFAULT_TOOL_CALLS
    return limited


def worst_case(
    body: Mapping[str, JSON],
    prices: Prices | None = None,
    earlier_tokens: int | None = None,
    counted_tokens: int | None = None,
) -> Worst:
    """The most that this body may cost when it is sent once.

    Text counts one token a byte of UTF-8, which no tokenizer of the API exceeds. What the API adds
    by itself (earlier responses, stored prompts, files by id) is bounded by the model's context
    window, or the response before it and all before that by `earlier_tokens`; images, files and
    hosted tools by the allowances above. `counted_tokens` is what a server counted for all that is
    sent. The output is bounded by `max_output_tokens`, else by what the model can write. Rates are
    the dearest that the answer may be billed at: written to the cache, long context, the tier asked
    for or the standard one; the discount of a completion window is not counted on.
    """
    name = _model_of(body)
    counted = _Counted.of(body, earlier_tokens)
    hosted = _hosted(body)
    calls = _most_calls(body) if hosted else 0
    window = _window(name)
    if counted_tokens is not None:
        counted = _Counted(counted_tokens)
    input_tokens = _most_input(counted, hosted, calls, window)
    output_tokens = _most_output(body)
    assumes = counted.sayings(window, calls)
    usd, unknown = None, _unbounded(name, counted, input_tokens, output_tokens)
    if unknown is None:
        tokens = Usage(input_tokens or 0, output_tokens or 0)
        usd, unknown = _priced(body, name or "", tokens, prices or {})
    if usd is not None:
        fees, why = most_fees_usd(name or "", hosted, calls)
        usd = None if fees is None else usd + fees
        unknown = Unknown(why, "take that tool out, or do without the `budget`") if why else None
    why, help_ = (unknown.why, unknown.help) if unknown else (None, None)
    return Worst(usd, input_tokens, output_tokens, why, help_, name, assumes)


def likely(
    body: Mapping[str, JSON], prices: Prices | None = None, counted_tokens: int | None = None
) -> Likely:
    """A best guess at what this body will cost: four characters a token where they are not counted,
    an answer of some hundred tokens with some thought, one call of a hosted tool."""
    name = _model_of(body)
    text = _Counted.of(body)
    hosted = _hosted(body)
    characters = text.characters + text.file_characters
    input_tokens = characters // _CHARS_A_TOKEN + text.objects + (1_000 * text.pictures)
    input_tokens = min(input_tokens, _window(name) or input_tokens)
    input_tokens = input_tokens if counted_tokens is None else counted_tokens
    input_tokens += HOSTED_CALL_TOKENS // 4 * bool(hosted)
    limit = body.get("max_output_tokens") or default_max_output_tokens(body)
    thought = default_max_output_tokens(body) - PLAIN_OUTPUT_TOKENS
    output_tokens = min(int(limit), _LIKELY_ANSWER + int(max(0, thought) * _LIKELY_THOUGHT))
    usage = Usage(input_tokens, output_tokens)
    usd = billed_usd(_billed(body, usage), prices)
    fees, _ = most_fees_usd(name or "", hosted, 1)
    return Likely(None if usd is None or fees is None else usd + fees, input_tokens, output_tokens)


def least_usd(
    body: Mapping[str, JSON], prices: Prices | None = None, counted_tokens: int | None = None
) -> float | None:
    """What this body costs at least: eight characters a token, none of a file, which may be empty
    inside, where they are not counted; all of them from the cache, and one token for an answer.
    None where the price is unknown."""
    read = counted_tokens or _Counted.of(body).characters // _MOST_CHARS_A_TOKEN
    usage = Usage(read, 1, read)
    return billed_usd(_billed(body, usage), prices)


def _billed(body: Mapping[str, JSON], usage: Usage) -> Billed:
    """So many tokens of a request at the rates that it asks for."""
    return Billed(_model_of(body), usage, body.get("service_tier"), window=window_of(body))


def likely_output_tokens(body: Mapping[str, JSON]) -> int:
    """How long the answer will probably be that later steps read, without what was only thought."""
    return min(int(body.get("max_output_tokens") or _LIKELY_ANSWER), _LIKELY_ANSWER)


@dataclass(slots=True)
class _Counted:
    """What a body makes the model read. `unbounded` names what the API adds by itself."""

    tokens: int = REQUEST_TOKENS
    characters: int = 0
    objects: int = 0
    pictures: int = 0
    files: int = 0
    packed_files: int = 0
    file_characters: int = 0
    unbounded: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, body: Mapping[str, JSON], earlier_tokens: int | None = None) -> _Counted:
        counted = cls()
        for name in _READ_BY_MODEL:
            counted.read(body.get(name))
        if body.get("previous_response_id") is not None and earlier_tokens is not None:
            counted.tokens += earlier_tokens
        elif body.get("previous_response_id") is not None:
            counted.unbounded.append("the responses before it")
        if body.get("conversation") is not None and earlier_tokens is not None:
            counted.tokens += earlier_tokens
        elif body.get("conversation") is not None:
            counted.unbounded.append("its conversation")
        if isinstance(body.get("prompt"), Mapping):
            counted.unbounded.append("a stored prompt")
            counted.read(body["prompt"])
        return counted

    def read(self, value: JSON) -> None:
        """Count a value and all below it."""
        if isinstance(value, Mapping):
            self._read_object(value)
        elif isinstance(value, list):
            for below in value:
                self.read(below)
        elif value is not None:
            text = value if isinstance(value, str) else str(value)
            self.tokens += len(text.encode("utf-8", "surrogatepass"))
            self.characters += len(text)

    def _read_object(self, value: Mapping[str, JSON]) -> None:
        self.tokens += ITEM_TOKENS
        self.objects += 1
        kind = value.get("type")
        if kind in ("input_image", "computer_screenshot"):
            self.pictures += 1
            self.tokens += LOW_IMAGE_TOKENS if value.get("detail") == "low" else IMAGE_TOKENS
        elif kind == "input_file":
            self._read_file(value)
        elif kind == "item_reference":
            self.unbounded.append("an item that is sent by its id")
        else:
            for name, below in value.items():
                self.tokens += len(name.encode("utf-8", "surrogatepass"))
                self.characters += len(name)
                self.read(below)

    def _read_file(self, value: Mapping[str, JSON]) -> None:
        """A file: a token a byte of text, more where it is packed beside pictures of its pages."""
        held = value.get("file_data")
        if not isinstance(held, str):
            self.unbounded.append("a file that is sent by its id or address")
            return
        size = _size_of(held)
        is_packed = not media.is_text(held.partition(":")[2].partition(";")[0])
        self.files += not is_packed
        self.packed_files += is_packed
        self.file_characters += size // 2
        allowed = size * PACKED_TOKENS_A_BYTE + IMAGE_TOKENS
        self.tokens += allowed if is_packed else size + TEXT_FILE_TOKENS

    def sayings(self, window: int | None, calls: int) -> tuple[str, ...]:
        said = []
        if self.unbounded and window is not None:
            said.append(f"{_listed(self.unbounded)} at most as long as the model's window")
        if self.pictures:
            said.append(f"at most {IMAGE_TOKENS:,} tokens an image")
        if self.files:
            said.append("at most one token a byte of an attached file")
        if self.packed_files:
            said.append(f"at most {PACKED_TOKENS_A_BYTE} tokens a byte of a PDF or office file")
        if calls:
            said.append(
                f"at most {calls} calls of hosted tools, {HOSTED_CALL_TOKENS:,} tokens each"
            )
        return tuple(said)


def _size_of(held: str) -> int:
    """The bytes that a file holds: one that its mark stands for, a data URL, or base64 alone."""
    mark = FileMark.read(held)
    if mark is not None:
        return mark.size
    encoded = held.partition(",")[2] if held.startswith("data:") else held
    try:
        return len(base64.b64decode(encoded, validate=False))
    except (binascii.Error, ValueError):
        return len(held.encode("utf-8", "surrogatepass"))


def _listed(names: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(names))


def _most_input(
    counted: _Counted, hosted: tuple[str, ...], calls: int, window: int | None
) -> int | None:
    if counted.unbounded and window is None:
        return None
    tokens = counted.tokens
    if window is not None:
        # One pass over the model never reads more than its window: a longer one is refused.
        tokens = window if counted.unbounded else min(tokens, window)
    return tokens + len(hosted) * HOSTED_TOOL_TOKENS + calls * HOSTED_CALL_TOKENS


def _most_output(body: Mapping[str, JSON]) -> int | None:
    asked = body.get("max_output_tokens")
    if isinstance(asked, int) and not isinstance(asked, bool):
        return max(0, asked)
    known = _known(_model_of(body))
    return known.max_output_tokens or None if known else None


def _unbounded(
    name: str | None, counted: _Counted, input_tokens: int | None, output_tokens: int | None
) -> Unknown | None:
    if name is None:
        why = "no model is named in the request, so its price is not known"
        return Unknown(why, "name the `model` of the step")
    if input_tokens is None:
        what = _listed(counted.unbounded)
        why = f"how many tokens are added by {what} is not known for `{name}`"
        return Unknown(why, "send the text itself, or name a model whose window is known")
    if output_tokens is None:
        why = f"how much `{name}` may write is not known"
        return Unknown(why, "give the step `max_output_tokens`")
    return None


def _priced(
    body: Mapping[str, JSON], name: str, tokens: Usage, prices: Prices
) -> tuple[float | None, Unknown | None]:
    """The dearest bill for so many tokens, or why there is none."""
    asked = body.get("service_tier")
    tiers = [asked, None] if asked in _FASTER else [asked]
    given = tokens.input
    ways = [tokens, Usage(given, tokens.output, given), Usage(given, tokens.output, 0, given)]
    bills = [billed_usd(Billed(name, way, tier), prices) for tier in tiers for way in ways]
    known = [bill for bill in bills if bill is not None]
    if len(known) == len(bills):
        return max(known), None
    listed = f"`prices: {{ {name}: {{ input: …, output: … }} }}` in `flowrunner.yaml`"
    if billed_usd(Billed(name, Usage()), prices) is not None:
        why = f"the price of `{name}` on the service tier `{asked}` is not known"
        return None, Unknown(why, f"leave out `service_tier`, or say what it costs: {listed}")
    return None, Unknown(f"the price of `{name}` is not known", f"say what it costs: {listed}")


def _known(name: str | None) -> Model | None:
    return None if name is None else catalog.model(name) or catalog.model(undated(name))


def _window(name: str | None) -> int | None:
    known = _known(name)
    return known.context_window or None if known else None


def _model_of(body: Mapping[str, JSON]) -> str | None:
    name = body.get("model")
    return name if isinstance(name, str) else None


def _hosted(body: Mapping[str, JSON]) -> tuple[str, ...]:
    """The hosted tools that the model may call, each by the name that its price goes by."""
    tools = body.get("tools")
    if not isinstance(tools, list) or body.get("tool_choice") == "none":
        return ()
    found = [tool for tool in tools if isinstance(tool, Mapping)]
    names = [_family(tool) for tool in found if _is_hosted(tool)]
    return tuple(dict.fromkeys(names))


def _is_hosted(tool: Mapping[str, JSON]) -> bool:
    if tool.get("type") == "shell":
        where = tool.get("environment")
        return isinstance(where, Mapping) and where.get("type") != "local"
    return tool.get("type") in catalog.hosted_tools()


def _family(tool: Mapping[str, JSON]) -> str:
    kind = str(tool.get("type"))
    return "web_search" if kind.startswith("web_search") else kind


def _most_calls(body: Mapping[str, JSON]) -> int:
    asked = body.get("max_tool_calls")
    if isinstance(asked, int) and not isinstance(asked, bool):
        return max(0, asked)
    return DEFAULT_TOOL_CALLS
