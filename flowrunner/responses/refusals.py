"""What a refusal means: its class, and the sentence that tells a person what to do.

Counting and waiting is left to `retry`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, TypeAlias

from flowrunner import catalog
from flowrunner.diagnostics import did_you_mean
from flowrunner.responses.decisions import Asked, GiveUp
from flowrunner.responses.outcome import Refused

Class: TypeAlias = Literal[
    "quota", "key", "too-large", "locked", "busy", "mcp-server", "rate-limit", "server", "final"
]

CONTAINER_GONE = "container is gone"
CALLS_OPEN = "calls are open"
"""Stand for the codes of refusals that name a container which is no more, or calls that nobody
replied to; the API gives none."""

_LONGEST = 600
_TOO_LARGE = re.compile(r"request too large|Limit:? (\d+), Requested:? (\d+)", re.IGNORECASE)
_KEY_LIKE = re.compile(r"\b(?:sk|sess|pk|key)-[\w*.…-]{4,}")
_MODEL = re.compile(r"model [`'\"]([^`'\"]+)[`'\"]|[`'\"]([^`'\"]+)[`'\"] (?:is not|does not)")
_CONTAINER = re.compile(r"\bcontainer\b.*\b(?:is expired|has expired|not found)", re.IGNORECASE)
_OPEN = re.compile(r"\bno tool output found for\b", re.IGNORECASE)
_MCP_LABEL = re.compile(r"MCP server:? ?[`'\"]([^`'\"]+)[`'\"]", re.IGNORECASE)
# Seen beside the documented family (`catalog`): accounts without a way to pay.
_MORE_QUOTA_CODES = frozenset({"billing_hard_limit_reached", "billing_not_active"})


@cache
def _quota_words() -> frozenset[str]:
    final = next(entry for entry in catalog.table("errors") if entry.get("abort_run"))
    return frozenset({*final["type"], *final["code"], *_MORE_QUOTA_CODES})


@cache
def passing_codes() -> frozenset[str]:
    """Values of `response.error.code` after which asking again can help: those of the API, and the
    codes of its errors, which a stream that fails ends in too."""
    entries = catalog.table("errors")
    found = [e["response_error_code"] for e in entries if e["retry"] and "response_error_code" in e]
    passing = {word for word, status in _STATUS_BY_WORD.items() if status == 429 or status >= 500}
    return frozenset(code for codes in found for code in codes) | passing


def is_quota(code: str | None, kind: str | None = None) -> bool:
    """Whether an error code or type says that the money is used up, which no waiting cures."""
    return code in _quota_words() or kind in _quota_words()


def classify(refused: Refused) -> Class:
    """The class of a refusal (the table `errors` of the catalogue): by status, code, message."""
    status, error = _status(refused), refused.error
    if status == 402 or is_quota(error.code, error.type):
        return "quota"
    if status == 429:
        return "too-large" if _is_too_large(error.message) else "rate-limit"
    if status >= 500:
        return "server"
    if error.code == "conversation_locked" and status in (200, 400):
        return "locked"
    return _CLASS_BY_STATUS.get(status, "final")


def _status(refused: Refused) -> int:
    """The status of a refusal. Where an error came under 200, as in a stream, it is the one that
    the error would have come with; some servers write that for its code."""
    status, error = refused.http_status, refused.error
    if status >= 300:
        return status
    for word in (error.code or "", error.type or ""):
        if _STATUS_AS_CODE.fullmatch(word):
            return int(word)
        if word in _STATUS_BY_WORD or word in passing_codes():
            return _STATUS_BY_WORD.get(word, 500)
    return status


_STATUS_AS_CODE = re.compile("[45][0-9][0-9]")
_STATUS_BY_WORD = {
    "invalid_api_key": 401,
    "authentication_error": 401,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "too_many_requests": 429,
    "slow_down": 429,
    "resource_unavailable": 429,
    "internal_server_error": 500,
    "model_error": 500,
    "server_is_overloaded": 503,
    "service_unavailable": 503,
    "overloaded_error": 503,
}
_CLASS_BY_STATUS: dict[int, Class] = {
    401: "key",
    408: "busy",
    409: "busy",
    424: "mcp-server",
}


def _is_too_large(message: str) -> bool:
    match = _TOO_LARGE.search(message)
    return match is not None and (match[1] is None or float(match[2]) > float(match[1]))


def facts(refused: Refused) -> str:
    """Status, code, parameter and request id of a refusal, for the end of a sentence."""
    parts = [f"HTTP {refused.http_status}"]
    parts += [f"code `{refused.error.code}`"] if refused.error.code else []
    parts += [f"parameter `{refused.error.param}`"] if refused.error.param else []
    parts += [f"request id {refused.request_id}" if refused.request_id else "no request id"]
    return ", ".join(parts)


def give_up(refused: Refused, asked: Asked) -> GiveUp:
    """The end of a request that was refused for good, or once too often."""
    kind = classify(refused)
    if kind == "key":
        return _key(refused, asked)
    if kind == "mcp-server":
        return _mcp_server(refused, asked)
    if kind == "quota":
        lead, reason = f"{asked.host} says that the quota or credit of this key is used up", "quota"
    elif kind == "rate-limit":
        lead, reason = f"{asked.host} limits how much may be asked at a time", "rate-limit"
    elif kind == "server":
        lead, reason = f"{asked.host} has a fault of its own", "server-error"
    else:
        lead, reason = f"{asked.host} refused the request", "api-error"
    return GiveUp(
        reason=reason,  # type: ignore[arg-type]
        message=_one_line(f"{lead}: {refused.error.message} ({facts(refused)})"),
        help=_help(refused, asked),
        stops_run=kind == "quota",
        code=_code(refused) if kind == "final" else None,
    )


def _code(refused: Refused) -> str | None:
    message = refused.error.message
    if _CONTAINER.search(message):
        return CONTAINER_GONE
    return CALLS_OPEN if _OPEN.search(message) else refused.error.code


def _key(refused: Refused, asked: Asked) -> GiveUp:
    # The API's own sentence repeats the ends of the key: it is told only where it says more.
    code = refused.error.code
    if asked.key_name is None:
        return _without_key(refused, asked)
    says_more = code not in (None, "invalid_api_key", "invalid_issuer")
    said = f": {refused.error.message}" if says_more else ""
    return GiveUp(
        reason="key",
        message=_one_line(
            f"{asked.host} refused the key in `{asked.key_name}`{said} ({facts(refused)})"
        ),
        help=f"check that `{asked.key_name}` holds a whole, valid key of this provider, "
        "then `flowrunner resume`",
        stops_run=True,
    )


def _without_key(refused: Refused, asked: Asked) -> GiveUp:
    said = f"{asked.host} wants a key, and none is set for it"
    return GiveUp(
        reason="key",
        message=_one_line(f"{said}: {refused.error.message} ({facts(refused)})"),
        help="name the variable that holds the key as `key_env` of this provider in "
        "`flowrunner.yaml`, then `flowrunner resume`",
        stops_run=True,
    )


def _mcp_server(refused: Refused, asked: Asked) -> GiveUp:
    match = _MCP_LABEL.search(refused.error.message)
    labels = (match[1],) if match else asked.mcp_servers
    named = " or ".join(f"`{label}`" for label in labels) or "of this step"
    return GiveUp(
        reason="mcp-server",
        message=_one_line(
            f"{asked.host} could not reach the MCP server {named}: "
            f"{refused.error.message} ({facts(refused)})"
        ),
        help="check that the server runs and that its `server_url` and `authorization` are right, "
        "then `flowrunner resume`",
    )


_ACCEPT = ", then `flowrunner resume --accept-changes`"
"""How a run goes on whose file was edited: it holds to the file it began with otherwise."""

_HELP_BY_CLASS: dict[Class, str] = {
    "quota": "add credit or raise the limit in the provider's billing settings, then "
    "`flowrunner resume`",
    "rate-limit": "`flowrunner resume` later, with a smaller `--at-once`: finished steps are kept",
    "too-large": "this one request is too large: shorten its prompt or lower `max_output_tokens`"
    f"{_ACCEPT}",
    "server": "`flowrunner resume` later: finished steps are kept and not paid for again",
}
_HELP_BY_CODE = {
    "unknown_parameter": "remove {param} from the step, or check its spelling" + _ACCEPT,
    "unsupported_parameter": "remove {param} from the step: this model does not take it" + _ACCEPT,
    "unsupported_value": "change {param}: this model does not take that value" + _ACCEPT,
    "invalid_value": "change the value of {param}" + _ACCEPT,
    "invalid_type": "change the value of {param}" + _ACCEPT,
    "context_length_exceeded": f"shorten the input or choose a model with a larger window{_ACCEPT}",
    "invalid_json_schema": f"change the `output` or `schema` of the step{_ACCEPT}",
    "previous_response_not_found": "the response to continue was not stored: write `store: true` "
    f"on that step{_ACCEPT}",
    "invalid_encrypted_content": "the replayed reasoning belongs to another model or account: "
    "run the step above again",
    "conversation_locked": "another request uses this conversation: `flowrunner resume` when it is "
    "done",
}
_HELP_BY_STATUS = {
    400: f"change what the message names in the step{_ACCEPT}",
    403: "check that the project of the key may use this model, and from this country, then "
    "`flowrunner resume`",
    404: "check the end of the base URL (`/v1`), the model and the ids in the step; where the file "
    f"was edited{_ACCEPT.removeprefix(', then')}",
    405: "check the base URL: it must end before `/responses`",
    408: "`flowrunner resume` later",
    409: "another request changes the same thing: `flowrunner resume` when it is done",
    413: f"send less: shorten the input or attach smaller files{_ACCEPT}",
    422: f"change what the message names in the step{_ACCEPT}",
}


def _help(refused: Refused, asked: Asked) -> str:
    kind, error = classify(refused), refused.error
    if kind in _HELP_BY_CLASS:
        return _HELP_BY_CLASS[kind]
    if error.code == "model_not_found" or error.param == "model":
        return _help_with_model(error.message, asked)
    if error.code in _HELP_BY_CODE:
        param = f"`{error.param}`" if error.param else "what the message names"
        return _HELP_BY_CODE[error.code].format(param=param)
    if 300 <= refused.http_status < 400:
        return "set the base URL to the address that the server redirects to, if you trust it"
    return _HELP_BY_STATUS.get(refused.http_status, _HELP_BY_STATUS[400])


def _help_with_model(message: str, asked: Asked) -> str:
    if asked.models is not None:
        return f"check `model`: there it is {asked.models}{_ACCEPT}"
    match = _MODEL.search(message)
    name = asked.model or (match and (match[1] or match[2]))
    near = did_you_mean(name, catalog.model_names()) if name else None
    if name is None or near == name or near is None:
        return f"check the spelling of `model`, and that the project of the key may use it{_ACCEPT}"
    return f"did you mean `model: {near}`? Correct it{_ACCEPT}"


def _one_line(text: str) -> str:
    line = _KEY_LIKE.sub("***", " ".join(text.split()))
    line = f"T{line[1:]}" if line.startswith("the ") else line
    if len(line) <= _LONGEST:
        return line
    # The facts at the end are worth more than the middle of a long message.
    return f"{line[: _LONGEST - 300]} … {line[-290:]}"
