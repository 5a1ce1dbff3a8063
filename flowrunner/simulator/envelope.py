"""How the API says no: the error envelope and the sentences in it, in the API's own words.

When to say no is left to `validation`, `strict`, `rules` and `faults`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class Refusal(Exception):
    """A request that the API does not accept (Responses API: `error`)."""

    def __init__(
        self,
        message: str,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.status = status
        self.headers = headers

    def envelope(self) -> dict[str, Any]:
        """The body of the reply: `{"error": {message, type, param, code}}`."""
        return error_envelope(
            self.message, type=type_of(self.status), param=self.param, code=self.code
        )


def type_of(status: int) -> str:
    """The `type` that the API writes into an envelope of this HTTP status."""
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


def error_envelope(
    message: str,
    *,
    type: str,  # noqa: A002 - the API's name
    param: str | None = None,
    code: str | None = None,
) -> dict[str, Any]:
    """The error body of the API, all four fields present."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def spell(route: Iterable[str | int]) -> str:
    """A route into the body as the API writes `param`: `input[0].content[2].text`."""
    text = ""
    for part in route:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def unknown_parameter(param: str) -> Refusal:
    return Refusal(f"Unknown parameter: '{param}'.", param, "unknown_parameter")


def missing_parameter(param: str) -> Refusal:
    return Refusal(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def invalid_type(param: str | None, expected: Sequence[str], found: object) -> Refusal:
    """The value is of the wrong JSON type; `expected` holds JSON Schema type names."""
    names = list(dict.fromkeys(_ARTICLES[name] for name in expected if name != "null"))
    wanted = names[0] if len(names) == 1 else f"one of {any_of(names)}"
    what = f" for '{param}'" if param else ""
    message = f"Invalid type{what}: expected {wanted}, but got {kind(found)} instead."
    return Refusal(message, param, "invalid_type")


def invalid_value(param: str, supported: Sequence[object], found: object) -> Refusal:
    """The value is none of those that are allowed."""
    shown = [_quoted(value) for value in supported if value is not None]
    listed = all_of(shown)
    verb = "Supported values are" if len(shown) > 1 else "Value must be"
    return Refusal(f"Invalid value: {_quoted(found)}. {verb}: {listed}.", param, "invalid_value")


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit and what was found: a number, or how many characters, elements or properties."""

    side: str
    """`minimum` or `maximum`."""
    limit: float
    found: float


def out_of_range(param: str, number: str, bound: Bound) -> Refusal:
    """A number past a limit; `number` is `integer` or `decimal`, as the field is declared."""
    low = bound.side == "minimum"
    message = f"Invalid '{param}': {number} {'below' if low else 'above'} {bound.side} value. "
    message += f"Expected a value {'>=' if low else '<='} {bound.limit}, "
    message += f"but got {bound.found} instead."
    code = "below_min_value" if low else "above_max_value"
    return Refusal(message, param, f"{number}_{code}")


def wrong_length(param: str, thing: str, bound: Bound) -> Refusal:
    """A string or array that is too long or too short; `thing` is `string` or `array`."""
    above = bound.side == "maximum"
    fault = "too long" if above else "too short"
    if thing == "array" and not above and bound.found == 0:
        message = f"Invalid '{param}': empty array. Expected an array with minimum length "
        return Refusal(
            f"{message}{bound.limit}, but got an empty array instead.", param, "empty_array"
        )
    a = "an" if thing == "array" else "a"
    message = f"Invalid '{param}': {thing} {fault}. Expected {a} {thing} with {bound.side} length "
    message += f"{bound.limit}, but got {a} {thing} with length {bound.found} instead."
    code = f"{thing}_above_max_length" if above else f"{thing}_below_min_length"
    return Refusal(message, param, code)


def too_many_properties(param: str, bound: Bound) -> Refusal:
    message = f"Invalid '{param}': too many properties. Expected an object with at most "
    message += f"{bound.limit} properties, but got an object with {bound.found} properties instead."
    return Refusal(message, param, "object_above_max_properties")


def wrong_pattern(param: str, pattern: str) -> Refusal:
    message = f"Invalid '{param}': string does not match pattern. "
    message += f"Expected a string that matches the pattern '{pattern}'."
    return Refusal(message, param, "invalid_value")


_ARTICLES = {
    "string": "a string",
    "number": "a decimal",
    "integer": "an integer",
    "boolean": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def kind(value: object) -> str:
    """A JSON value's type with its article, as the API writes it: `an object`."""
    return next((name for types, name in _KINDS if isinstance(value, types)), "null")


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
)


def all_of(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, and c`."""
    return _joined(words, "and")


def any_of(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b, or c`."""
    return _joined(words, "or")


def _joined(words: Sequence[str], word: str) -> str:
    if len(words) < 3:
        return f" {word} ".join(words)
    return f"{', '.join(words[:-1])}, {word} {words[-1]}"


def _quoted(value: object) -> str:
    text = str(value) if isinstance(value, str | int | float) else kind(value)
    return f"'{text if len(text) <= 100 else text[:100] + '…'}'"
