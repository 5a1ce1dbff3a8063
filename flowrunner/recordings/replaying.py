"""From a recording to replies: the transport of a run that opens no connection.

The same request asked several times gets the reply that was given at the same address, else the
next one; what was never recorded is a miss that says what is nearest. Nothing waits: streams and
answers in the background come whole and at once.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner import json_text
from flowrunner.events import JSON
from flowrunner.recordings.canonical import UPLOADED, Canon, key_of
from flowrunner.recordings.nearest import nearest
from flowrunner.recordings.recording import Entry, Recording
from flowrunner.responses.multipart import file_in
from flowrunner.wire import Answer, Asked, NotSent

_PAID = re.compile(r"/(responses(?:/compact)?)$")
_KNOWN = re.compile(r"/responses/([^/]+)(?:/cancel)?$")
_KEPT_S = 7 * 86_400


@dataclass(slots=True)
class Replay:
    """Answers the requests of one run, whose own `canon` makes them comparable."""

    recording: Recording
    canon: Canon
    shown: str
    _by_key: dict[str, list[Entry]] = field(init=False)
    _by_id: dict[str, Entry] = field(init=False)
    _given: set[int] = field(default_factory=set)
    _begun: int = 0

    def __post_init__(self) -> None:
        self._by_key, self._by_id = {}, {}
        for entry in self.recording.entries:
            self._by_key.setdefault(entry.key, []).append(entry)
            name = entry.reply.get("id")
            if isinstance(name, str):
                self._by_id[name] = entry
                self.canon.answered[name] = entry.key

    def answer(self, asked: Asked) -> Answer:
        """The reply to a request. Raises wire.NotSent `no-recording`."""
        paid = _PAID.search(asked.path)
        if asked.method == "POST" and paid is not None:
            return self._paid(paid[1], asked)
        known = _KNOWN.search(asked.path)
        if known is not None and known[1] in self._by_id:
            return _told(self._by_id[known[1]])
        if asked.method == "POST" and asked.path.endswith("/conversations"):
            self._begun += 1
            return _free({"id": f"conv_replayed_{self._begun}", "object": "conversation"})
        if asked.method == "POST" and asked.path.endswith("/files"):
            return _uploaded(asked)
        for file in self.recording.files:
            if asked.path.endswith(f"/{file.path}") and file.content is not None:
                return Answer(200, file.content, {"content-type": "application/octet-stream"})
        raise self._miss(f"nothing is recorded for {asked.method} `{asked.path}`")

    def _paid(self, path: str, asked: Asked) -> Answer:
        body = json_text.parse_bytes(asked.content)
        request = self.canon.request(body if isinstance(body, dict) else {})
        at = address_of(asked.headers)
        known = self._by_key.get(key_of(path, request), [])
        entry = self._chosen(known, at)
        if entry is not None:
            self._given.add(id(entry))
            return _told(entry)
        if known:
            count = f"{len(known)} time{'s' * (len(known) != 1)}"
            raise self._miss(f"this request was recorded {count}, and is asked once more")
        raise self._miss(nearest(request, at, self._of(path)))

    def _chosen(self, known: list[Entry], at: tuple[str, int, int] | None) -> Entry | None:
        here = next((entry for entry in known if entry.at == at), None)
        left = (entry for entry in known if id(entry) not in self._given)
        return here or next(left, None)

    def _of(self, path: str) -> Iterable[Entry]:
        return (entry for entry in self.recording.entries if entry.path == path)

    def _miss(self, said: str) -> NotSent:
        return NotSent("no-recording", f"`{self.shown}` has no reply: {said}")


def address_of(headers: Mapping[str, str]) -> tuple[str, int, int] | None:
    """Unit, attempt and turn of a paid request, as its client request id names them."""
    _, _, rest = headers.get("x-client-request-id", "").partition("/")
    unit, _, counts = rest.rpartition("/")
    numbers = counts.split(".")
    if not unit or len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        return None
    return unit, int(numbers[0]), int(numbers[1])


def _told(entry: Entry) -> Answer:
    content = json.dumps(entry.reply, ensure_ascii=False).encode("utf-8", "replace")
    return Answer(entry.status, content, {"content-type": "application/json", **entry.headers})


def _free(value: dict[str, JSON]) -> Answer:
    return Answer(200, json.dumps(value).encode(), {"content-type": "application/json"})


def _uploaded(asked: Asked) -> Answer:
    content = file_in(asked.content, asked.headers.get("content-type", ""))
    now = int(time.time())
    told: dict[str, Any] = {
        "id": UPLOADED + hashlib.sha256(content).hexdigest(),
        "object": "file",
        "bytes": len(content),
        "created_at": now,
        "expires_at": now + _KEPT_S,
        "status": "processed",
    }
    return _free(told)
