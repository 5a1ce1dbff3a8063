"""A request without what differs from run to run, and the key by which it is found again.

Ids of responses stand for the requests that they answered; files for their hashes; how an answer
is delivered plays no part. What is secret is masked, so that a recording holds none of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner.events import JSON
from flowrunner.language.attachments import FileMark
from flowrunner.secrets import MASK, Scrubber

UPLOADED = "file-replayed-"
"""What the id of an upload begins with that a replay makes; the hash of the file follows."""

_DELIVERY = frozenset({"stream", "stream_options", "background"})
_FILE_FIELDS = ("image_url", "file_data", "file_id")
_PASSWORDS = frozenset({"authorization", "headers"})
_ACCOUNT = re.compile(
    r"\b(?:org-[A-Za-z0-9]{16,}|proj_[A-Za-z0-9]{16,}|(?:sk|sess)-[A-Za-z0-9_-]{16,})"
)
_RUN = "{run.id}"


@dataclass(slots=True)
class Canon:
    """How the requests of one run become comparable. `run` is its id, which a prompt may name;
    `answered` learns which request each response was the answer to, by their ids and keys."""

    scrubber: Scrubber
    run: str
    answered: dict[str, str] = field(default_factory=dict)

    def request(self, body: Mapping[str, JSON]) -> dict[str, JSON]:
        """The canonical form of the body of a paid request."""
        kept = {name: value for name, value in body.items() if name not in _DELIVERY}
        if isinstance(kept.get("input"), list):
            kept["input"] = [_without_id(item) for item in kept["input"]]
        if isinstance(kept.get("previous_response_id"), str):
            before = self.answered.get(kept["previous_response_id"])
            kept["previous_response_id"] = f"the answer to {before or 'an unrecorded request'}"
        if kept.get("conversation") is not None:
            kept["conversation"] = "a conversation"
        if isinstance(kept.get("tools"), list):
            kept["tools"] = [_without_passwords(tool) for tool in kept["tools"]]
        found: dict[str, JSON] = self._without_run(self.clean(_without_bytes(kept)))
        return found

    def clean(self, value: JSON) -> JSON:
        """A value without secrets, and without what names the account at the provider."""
        return _without_account(self.scrubber.scrub_json(value))

    def _without_run(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(self.run, _RUN) if self.run else value
        if isinstance(value, dict):
            return {name: self._without_run(below) for name, below in value.items()}
        return [self._without_run(below) for below in value] if isinstance(value, list) else value


def key_of(path: str, request: Mapping[str, JSON]) -> str:
    """What finds a canonical request again: the same for the same words, whatever their order."""
    text = json.dumps([path, request], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _without_id(item: JSON) -> JSON:
    """An item of the history; its id says nothing that its content does not."""
    if not isinstance(item, dict) or item.get("type") == "item_reference":
        return item
    return {name: value for name, value in item.items() if name != "id"}


def _without_passwords(tool: JSON) -> JSON:
    if not isinstance(tool, dict) or tool.get("type") != "mcp":
        return tool
    return {name: MASK if name in _PASSWORDS else value for name, value in tool.items()}


def _without_account(value: JSON) -> JSON:
    if isinstance(value, str):
        return _ACCOUNT.sub(MASK, value)
    if isinstance(value, dict):
        return {name: _without_account(below) for name, below in value.items()}
    return [_without_account(below) for below in value] if isinstance(value, list) else value


def _without_bytes(value: JSON) -> JSON:
    """The value with the hash of each file in its place, however the file was sent."""
    if isinstance(value, list):
        return [_without_bytes(below) for below in value]
    if not isinstance(value, dict):
        return value
    sent = next((name for name in _FILE_FIELDS if _hash_of(value.get(name))), None)
    if sent is not None:
        rest = {name: each for name, each in value.items() if name not in (sent, "filename")}
        return {**rest, "file": f"sha256:{_hash_of(value[sent])}"}
    return {
        name: _short(below) if name == "encrypted_content" else _without_bytes(below)
        for name, below in value.items()
    }


def _hash_of(value: JSON) -> str | None:
    """The hash of the file that a text is: a mark, a data URL, an upload of a replay."""
    if not isinstance(value, str):
        return None
    if value.startswith(UPLOADED):
        return value.removeprefix(UPLOADED)
    mark = FileMark.read(value)
    if mark is not None:
        return mark.sha256
    if not value.startswith("data:") or ";base64," not in value[:200]:
        return None
    try:
        return hashlib.sha256(base64.b64decode(value.partition(";base64,")[2])).hexdigest()
    except (binascii.Error, ValueError):
        return None


def _short(sealed: JSON) -> JSON:
    """What nobody can read is told by its hash."""
    if not isinstance(sealed, str):
        return sealed
    return f"sha256:{hashlib.sha256(sealed.encode('utf-8', 'replace')).hexdigest()}"
