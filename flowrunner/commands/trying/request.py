"""The request of a try, caught where it would leave: as JSON, or as a command of curl.

It is made by the same way through the house as one that is sent; nothing leaves.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from flowrunner.engine.ports import Stopped
from flowrunner.events import JSON
from flowrunner.project.providers import Provider
from flowrunner.responses.outcome import Outcome
from flowrunner.secrets import Scrubber

Shown = Literal["request", "curl"]


@dataclass(slots=True)
class Caught:
    """Stands where a provider does and lets nothing leave; `body` is the request that came first,
    `other` says what would be sent before it can be known."""

    body: dict[str, JSON] | None = None
    other: str | None = None

    async def send(self, body: dict[str, Any], **_: Any) -> Outcome:
        """Catch a request. Raises Stopped."""
        self.body = self.body or body
        raise Stopped

    async def compact(self, body: dict[str, Any], **_: Any) -> Outcome:  # noqa: ARG002
        """Raises Stopped."""
        self._before("what was said before is made shorter")

    async def retrieve(self, response_id: str, *, timeout_s: float) -> Outcome:  # noqa: ARG002
        """Raises Stopped."""
        raise Stopped

    async def cancel(self, response_id: str, *, timeout_s: float) -> Outcome:  # noqa: ARG002
        """Raises Stopped."""
        raise Stopped

    async def ask(self, method: str, path: str, **_: Any) -> Any:
        """Raises Stopped."""
        what = "a file is uploaded" if "files" in path else "a conversation is begun"
        self._before(what if method == "POST" else "something is looked up")

    def _before(self, what: str) -> NoReturn:
        self.other = self.other or what
        raise Stopped


def request_text(
    body: Mapping[str, JSON], shown: Shown, provider: Provider, scrubber: Scrubber
) -> str:
    """The request for people: secrets are masked in it, also those that it would carry."""
    text = json.dumps(scrubber.scrub_json(dict(body)), ensure_ascii=False, indent=2)
    return text if shown == "request" else _curl(text, provider, scrubber)


def _curl(text: str, provider: Provider, scrubber: Scrubber) -> str:
    """A command for a POSIX shell. The key is named as a variable, never written; in the quoted
    here-document nothing is read as anything else, whatever stands in it."""
    url = scrubber.scrub(f"{provider.url}/responses")
    if provider.api_version is not None:
        url += f"?api-version={provider.api_version}"
    lines = [f"curl -sS {shlex.quote(url)}", '-H "Content-Type: application/json"']
    if provider.key_name is not None:
        header = "api-key: " if provider.auth == "api-key" else "Authorization: Bearer "
        lines.append(f'-H "{header}${provider.key_name}"')
    lines.append("--data-binary @- <<'REQUEST'")
    return " \\\n  ".join(lines) + f"\n{text}\nREQUEST"
