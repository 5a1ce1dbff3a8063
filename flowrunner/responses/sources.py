"""Where an answer has its knowledge from: pages and files that it cites, or that tools looked at.

Reads any JSON that the client let through without raising; what else a response brought is left to
`brought`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowrunner.events import JSON

_FILE_NOTES = ("file_citation", "container_file_citation")


def read_sources(items: Iterable[Mapping[str, Any]]) -> tuple[dict[str, JSON], ...]:
    """The sources of a response, each once: pages that it cites, pages that a search consulted,
    files. `{"title", "url", "kind"}`, kind `cited`, `consulted` or `file`; a file has an empty
    `url`, and its `file_id` beside it (Responses API: `annotations`, `web_search_call`,
    `file_search_call`)."""
    listed = list(items)
    found: dict[str, dict[str, JSON]] = {}
    for title, url, kind in [*_cited(listed), *_consulted(listed)]:
        if url:
            found.setdefault(url, {"title": title, "url": url, "kind": kind})
    for title, file_id in [*_cited_files(listed), *_searched_files(listed)]:
        key = file_id or title
        if key:
            entry = {"title": title, "url": "", "kind": "file", "file_id": file_id}
            found.setdefault(f"file {key}", entry)
    return tuple(found.values())


def notes(items: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """What stands beside the texts of a response."""
    for item in items:
        if item.get("type") == "message":
            for part in _mappings(item.get("content")):
                yield from _mappings(part.get("annotations"))


def _cited(items: list[Mapping[str, Any]]) -> Iterator[tuple[str | None, str | None, str]]:
    for note in notes(items):
        if note.get("type") == "url_citation":
            yield _string(note.get("title")), _string(note.get("url")), "cited"


def _consulted(items: list[Mapping[str, Any]]) -> Iterator[tuple[str | None, str | None, str]]:
    for item in items:
        if item.get("type") == "web_search_call":
            action = item.get("action")
            action = action if isinstance(action, Mapping) else {}
            looked = [*_mappings(action.get("sources")), *_mappings(item.get("results")), action]
            for source in looked:
                yield _string(source.get("title")), _string(source.get("url")), "consulted"


def _cited_files(items: list[Mapping[str, Any]]) -> Iterator[tuple[str | None, str | None]]:
    for note in notes(items):
        if note.get("type") in _FILE_NOTES:
            yield _string(note.get("filename")), _string(note.get("file_id"))


def _searched_files(items: list[Mapping[str, Any]]) -> Iterator[tuple[str | None, str | None]]:
    for item in items:
        if item.get("type") == "file_search_call":
            for chunk in _mappings(item.get("results")):
                yield _string(chunk.get("filename")), _string(chunk.get("file_id"))


def _string(value: JSON) -> str | None:
    return value if isinstance(value, str) else None


def _mappings(value: JSON) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
