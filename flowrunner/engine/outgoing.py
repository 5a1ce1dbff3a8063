"""Requests as they leave: the bytes of files in the place of their marks, inline or as uploads.

The journal keeps the request with its marks, and each upload as an event of its own. Which files a
step attaches is left to `attaching`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner.catalog import media
from flowrunner.engine.asking import Errand, ask
from flowrunner.engine.ports import Ports, Stop
from flowrunner.engine.servers import Server
from flowrunner.events import JSON, Address, FileUploaded
from flowrunner.language.attachments import FileMark
from flowrunner.language.tools import MissingSecret, with_secrets
from flowrunner.project.attachable import Attachable, ChangedFile, Located
from flowrunner.project.files import UnreadableFile
from flowrunner.responses.multipart import form
from flowrunner.responses.outcome import Refused, Told
from flowrunner.responses.retry import GiveUp

INLINE_BYTES = 4 * 1024 * 1024
"""The largest file that is sent within a request; larger ones are uploaded first."""
INLINE_BYTES_IN_ALL = 16 * 1024 * 1024
"""The most that the files within one request hold together; the largest are uploaded first."""
KEPT_S = 7 * 86_400
"""For how long the provider keeps an upload (Responses API: files, `expires_after`)."""

_MARGIN_S = 3_600.0
_UPLOAD_TIMEOUT_S = 600.0


def to_upload(marks: Iterable[FileMark]) -> frozenset[str]:
    """Which of the files of one request are uploaded rather than sent inline, by their hashes."""
    sizes = {mark.sha256: mark.size for mark in marks}
    uploaded = {sha256 for sha256, size in sizes.items() if size > INLINE_BYTES}
    rest = sum(size for sha256, size in sizes.items() if sha256 not in uploaded)
    for sha256 in sorted(sizes.keys() - uploaded, key=lambda each: (-sizes[each], each)):
        if rest <= INLINE_BYTES_IN_ALL:
            break
        uploaded.add(sha256)
        rest -= sizes[sha256]
    return frozenset(uploaded)


@dataclass(slots=True)
class Outgoing:
    """Fills in the requests of one run. `located` are the files that its steps attached, by their
    hashes, `uploads` what was uploaded to whom (see `FileUploaded`)."""

    ports: Ports
    stop: Stop
    located: dict[str, Located] = field(default_factory=dict)
    uploads: dict[tuple[str, str, str], FileUploaded] = field(default_factory=dict)
    _locks: dict[tuple[str, str, str], asyncio.Lock] = field(default_factory=dict)

    async def filled(
        self, server: Server, body: dict[str, JSON], address: Address, left_s: float
    ) -> dict[str, JSON] | GiveUp:
        """The request to a server with its files and the secrets of its MCP servers; why it cannot
        be sent where one is gone.

        Raises Stopped when the run is ended meanwhile.
        """
        try:
            body = with_secrets(body, self.ports.environ)
        except MissingSecret as fault:
            return GiveUp("mcp-server", str(fault), f"set `{fault.name}`, then `flowrunner resume`")
        marks = list(FileMark.all_in(body.get("input")))
        if not marks:
            return body
        uploaded = to_upload(marks)
        fields: dict[str, dict[str, JSON]] = {}
        for mark in marks:
            if str(mark) in fields:
                continue
            try:
                file = await asyncio.to_thread(self._read, mark)
            except UnreadableFile as fault:
                return _gone(mark, fault)
            if mark.sha256 not in uploaded:
                fields[str(mark)] = {"inline": await asyncio.to_thread(data_url, mark, file)}
                continue
            found = await self._uploaded(_Upload(server, mark, file, address), left_s)
            if isinstance(found, GiveUp):
                return found
            fields[str(mark)] = {"file_id": found}
        return {**body, "input": filled_input(body.get("input"), fields)}

    def _read(self, mark: FileMark) -> Attachable:
        located = self.located.get(mark.sha256)
        if located is None:
            raise UnreadableFile("is not at hand any more")
        return located.read()

    async def _uploaded(self, wanted: _Upload, left_s: float) -> str | GiveUp:
        """The id of an upload that will last for a while; a file is uploaded by one step only."""
        async with self._locks.setdefault(wanted.key, asyncio.Lock()):
            known = self.uploads.get(wanted.key)
            if known is not None and known.expires_at > self.ports.clock.now() + _MARGIN_S:
                return known.file_id
            return await self._upload(wanted, min(left_s, _UPLOAD_TIMEOUT_S))

    async def _upload(self, wanted: _Upload, left_s: float) -> str | GiveUp:
        name = wanted.mark.name
        errand = Errand(
            "POST", "files", f"an upload of `{name}`", form=wanted.form(), timeout_s=left_s
        )
        server = wanted.server
        told = await ask(errand, server.provider, self.ports, self.stop, server.asked)
        if isinstance(told, Refused):
            said = f"`{name}` could not be uploaded: {told.error.message}"
            return GiveUp("api-error", said, "this provider may have no `/files`: attach less")
        if isinstance(told, GiveUp):
            return told
        event = self._event(wanted, told)
        if event is None:
            said = f"`{name}` was uploaded, but the server named no file: it answered otherwise"
            return GiveUp("api-error", said, "ask the provider whether it offers `/files`")
        await self.ports.journal.append(event)
        self.uploads[wanted.key] = event
        return event.file_id

    def _event(self, wanted: _Upload, told: Told) -> FileUploaded | None:
        said: Mapping[str, Any] = told.value if isinstance(told.value, dict) else {}
        file_id, expires_at = said.get("id"), said.get("expires_at")
        if not isinstance(file_id, str) or not file_id:
            return None
        now = self.ports.clock.now()
        is_time = isinstance(expires_at, int | float) and not isinstance(expires_at, bool)
        return FileUploaded(
            at=now,
            address=wanted.address,
            sha256=wanted.mark.sha256,
            file_id=self.ports.scrubber.scrub(file_id),
            provider=wanted.server.who,
            purpose=wanted.purpose,
            name=self.ports.scrubber.scrub(wanted.mark.name),
            size=wanted.mark.size,
            expires_at=float(expires_at) if is_time and expires_at else now + KEPT_S,
        )


@dataclass(frozen=True, slots=True)
class _Upload:
    """A file that a request at an address wants to have at a server."""

    server: Server
    mark: FileMark
    file: Attachable
    address: Address

    @property
    def purpose(self) -> str:
        return "vision" if media.is_image(self.mark.media_type) else "user_data"

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.mark.sha256, self.server.who, self.purpose)

    def form(self) -> tuple[bytes, str]:
        fields = {
            "purpose": self.purpose,
            "expires_after[anchor]": "created_at",
            "expires_after[seconds]": str(KEPT_S),
        }
        return form(fields, self.mark.name, self.mark.media_type, self.file.content)


def filled_input(items: JSON, fields: Mapping[str, dict[str, JSON]]) -> list[JSON]:
    """The input of a request with `inline` data or a `file_id` in the place of each mark."""
    return [
        {**item, "content": [_filled_part(part, fields) for part in item["content"]]}
        if isinstance(item, dict) and isinstance(item.get("content"), list)
        else item
        for item in items
    ]


def _filled_part(part: JSON, fields: Mapping[str, dict[str, JSON]]) -> JSON:
    mark = FileMark.in_part(part)
    if mark is None:
        return part
    found = fields[str(mark)]
    if "file_id" in found:
        kept = {key: value for key, value in part.items() if key not in _REPLACED}
        return {**kept, **found}
    name = "image_url" if part.get("type") == "input_image" else "file_data"
    return {**part, name: found["inline"]}


_REPLACED = ("image_url", "file_data", "filename")


def data_url(mark: FileMark, file: Attachable) -> str:
    """The bytes of a file as they stand in a request."""
    return f"data:{mark.media_type};base64,{base64.b64encode(file.content).decode()}"


def _gone(mark: FileMark, fault: UnreadableFile) -> GiveUp:
    changed = isinstance(fault, ChangedFile)
    fix = "`flowrunner resume --accept-changes` goes on with what is there now"
    return GiveUp(
        "file",
        f"`attach`: `{mark.name}` {fault}",
        fix if changed else "put the file back, then `flowrunner resume`",
    )
