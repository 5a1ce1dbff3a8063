"""The error envelopes of ordered faults, as the API words them for a status or a code.

The envelopes of requests that are really wrong are left to `envelope`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowrunner.simulator.envelope import error_envelope, type_of

_BY_STATUS = {
    400: ("Your request was malformed.", None),
    401: ("Incorrect API key provided.", "invalid_api_key"),
    403: ("Country, region, or territory not supported", "unsupported_country_region_territory"),
    404: ("The requested model does not exist.", "model_not_found"),
    408: ("The request timed out.", None),
    409: ("The resource was changed by another request.", None),
    424: ("Error retrieving tool list from MCP server.", None),
    429: ("Rate limit reached. Please try again later.", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request.", "server_error"),
    502: ("Bad gateway.", None),
    503: ("The server is currently overloaded. Please try again later.", "server_is_overloaded"),
    504: ("The request timed out upstream.", None),
}
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_QUOTA_CODES = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
)
_BUSY = (
    "Another process is currently operating on this conversation. Please retry in a few seconds."
)
_FAST = "Slow down: your traffic grew too fast."
_BY_CODE = {
    **dict.fromkeys(_QUOTA_CODES, (_QUOTA, "insufficient_quota")),
    "conversation_locked": (_BUSY, "invalid_request_error"),
    "slow_down": (_FAST, "rate_limit_error"),
    "invalid_api_key": ("Incorrect API key provided.", "invalid_request_error"),
    "model_not_found": ("The requested model does not exist.", "invalid_request_error"),
    "context_length_exceeded": (
        "Your input exceeds the context window of this model.",
        "invalid_request_error",
    ),
}


def error_of(status: int, ordered: Mapping[str, Any]) -> dict[str, Any]:
    """The error body for a status, with the fields that were ordered in place of the usual ones."""
    message, code = _BY_STATUS.get(status, ("The request failed.", None))
    kind = type_of(status)
    if ordered.get("code") in _BY_CODE:
        message, kind = _BY_CODE[ordered["code"]]
    body = error_envelope(message, type=kind, code=code)
    body["error"] |= ordered
    return body


_STATUS_OF = {"rate_limit_exceeded": 429, "server_is_overloaded": 503, "slow_down": 503}


def stream_error(ordered: Mapping[str, Any]) -> dict[str, Any]:
    """The error that a stream tells of, in fields that the API would have put into an envelope."""
    status = _STATUS_OF.get(str(ordered.get("code")), 500)
    told: dict[str, Any] = error_of(status, ordered)["error"]
    return told
