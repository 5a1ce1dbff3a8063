"""Where paid requests go and how they say who pays: an address and a key that never shows itself.

Where both come from (environment, `.env`, project file) and whether they make sense is left to
`flowrunner.project`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn
from urllib.parse import urlencode


class Secret:
    """A text that is never printed: `str`, `repr` and formatting give `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. For the header it belongs in, and for nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One provider of the Responses API.

    `base_url` ends before `/responses` (`https://api.openai.com/v1`). `auth` says which header
    carries the key: `Authorization: Bearer …` or `api-key: …` (Azure). `headers` go along with
    every request; their values may be secrets. So does the `query` (Azure: `api-version`).
    """

    name: str
    base_url: str
    key: Secret | None = None
    auth: Literal["bearer", "api-key"] = "bearer"
    headers: Mapping[str, str | Secret] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """The URL of a resource below the base, such as `responses/resp_123`."""
        url = f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"
        if not self.query:
            return url
        return f"{url}{'&' if '?' in path else '?'}{urlencode(self.query)}"

    def request_headers(self) -> dict[str, str | Secret]:
        """The headers of every request to this provider, the one with the key among them."""
        headers = dict(self.headers)
        if self.key is not None and self.auth == "bearer":
            headers["Authorization"] = Secret(f"Bearer {self.key.reveal()}")
        elif self.key is not None:
            headers["api-key"] = self.key
        return headers
