"""Uploaded files, and files that stand in the containers of a simulated code interpreter.

What may be done with them is left to `endpoints.files` and `endpoints.containers`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.state.items import Item

_MOST_BYTES = 1024 * 1024 * 1024
_IDLE_S = 20 * 60


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One uploaded file."""

    id: str
    filename: str
    purpose: str
    created_at: int
    content: bytes
    expires_at: int | None = None

    def resource(self) -> dict[str, Any]:
        """It as the API shows it."""
        expiry = {} if self.expires_at is None else {"expires_at": self.expires_at}
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            **expiry,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


class Files:
    """Uploaded files: the newest gigabyte. `clock` gives Unix time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all: OrderedDict[str, StoredFile] = OrderedDict()
        self._bytes = 0

    def add(self, file: StoredFile) -> None:
        """Keep a file; the oldest go when they are too large together."""
        self._all[file.id] = file
        self._bytes += len(file.content)
        while self._bytes > _MOST_BYTES and len(self._all) > 1:
            self._drop(next(iter(self._all)))

    def find(self, name: str) -> StoredFile | None:
        """The file of an id, if it is there and has not expired."""
        found = self._all.get(name)
        if found and found.expires_at is not None and found.expires_at <= self._clock():
            self._drop(name)
            return None
        return found

    def get(self, name: str) -> StoredFile:
        """The file of an id. Raises Refusal where there is none."""
        found = self.find(name)
        if found is None:
            raise Refusal(f"No such File object: {name}", "id", status=404)
        return found

    def remove(self, name: str) -> None:
        """Forget a file. Raises Refusal where there is none."""
        self._drop(self.get(name).id)

    def __iter__(self) -> Iterator[StoredFile]:
        return iter([file for name in tuple(self._all) if (file := self.find(name))])

    def _drop(self, name: str) -> None:
        self._bytes -= len(self._all.pop(name).content)


@dataclass(frozen=True, slots=True)
class ContainerFile:
    """One file in a container."""

    id: str
    container_id: str
    path: str
    created_at: int
    content: bytes
    source: str = "assistant"

    def resource(self) -> dict[str, Any]:
        """It as the API shows it."""
        return {
            "id": self.id,
            "object": "container.file",
            "container_id": self.container_id,
            "created_at": self.created_at,
            "bytes": len(self.content),
            "path": self.path,
            "source": self.source,
        }


class Containers:
    """The files of containers, each of which is gone when it was not used for twenty minutes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._used: dict[str, float] = {}
        self._files: dict[str, dict[str, ContainerFile]] = {}

    def note(self, output: Iterable[Item]) -> None:
        """Let stand what an output cites: each file has a content that follows from its name."""
        for item in output:
            if item.get("type") == "code_interpreter_call" and item.get("container_id"):
                self._use(str(item["container_id"]))
            for note in _annotations(item):
                if note.get("type") == "container_file_citation" and note.get("container_id"):
                    self._add(note)

    def check_alive(self, tools: Iterable[dict[str, Any]], given: Any) -> None:
        """Raise Refusal where a tool or an item of the input names a container that is gone."""
        items = given if isinstance(given, list) else ()
        named = [tool.get("container") for tool in tools]
        named += [item.get("container_id") for item in items]
        for name in named:
            used = self._used.get(name) if isinstance(name, str) else None
            if used is not None and used + _IDLE_S <= self._clock():
                raise Refusal("Container is expired.", "input")

    def files(self, container_id: str) -> dict[str, ContainerFile]:
        """The files of a container by id. Raises Refusal where there is none any more."""
        used = self._used.get(container_id)
        if used is None:
            raise Refusal(f"Container with id '{container_id}' not found.", status=404)
        if used + _IDLE_S <= self._clock():
            raise Refusal("Container is expired.", status=404)
        self._use(container_id)
        return self._files.setdefault(container_id, {})

    def file(self, container_id: str, file_id: str) -> ContainerFile:
        """One file. Raises Refusal where there is none."""
        found = self.files(container_id).get(file_id)
        if found is None:
            message = f"File with id '{file_id}' not found in container '{container_id}'."
            raise Refusal(message, status=404)
        return found

    def _use(self, container_id: str) -> None:
        self._used[container_id] = self._clock()

    def _add(self, note: dict[str, Any]) -> None:
        container_id, name = str(note["container_id"]), str(note.get("filename") or "file")
        self._use(container_id)
        file = ContainerFile(
            id=str(note.get("file_id")),
            container_id=container_id,
            path=f"/mnt/data/{name}",
            created_at=int(self._clock()),
            content=f"name,made by\n{name},simulator\n".encode(),
        )
        self._files.setdefault(container_id, {})[file.id] = file


def _annotations(item: Item) -> Iterator[dict[str, Any]]:
    parts = item.get("content")
    for part in parts if isinstance(parts, list) else ():
        notes = part.get("annotations") if isinstance(part, dict) else ()
        yield from (note for note in notes or () if isinstance(note, dict))
