"""Files: uploaded, listed, shown, downloaded, removed.

Whether a request may name one is left to `state.attachments`.
"""

from __future__ import annotations

from flowrunner.simulator import envelope
from flowrunner.simulator.backend import Backend
from flowrunner.simulator.envelope import Bound, missing_parameter
from flowrunner.simulator.exchange import Exchange
from flowrunner.simulator.routes import Route
from flowrunner.simulator.state.files import StoredFile
from flowrunner.simulator.state.multipart import Field, read_form
from flowrunner.simulator.state.pages import Paging, page

_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_FIELDS = ("file", "purpose", "expires_after[anchor]", "expires_after[seconds]")
_SHORTEST_S, _LONGEST_S = 3_600, 2_592_000
_PAGING = Paging(limit=10_000, most=10_000)


def _create(backend: Backend, exchange: Exchange) -> None:
    request = exchange.request
    form = read_form(request.headers.get("content-type", ""), request.content)
    for name in form:
        if name not in _FIELDS:
            raise envelope.unknown_parameter(name)
    created_at = int(backend.behaviour.clock())
    life_s = _life(form)
    if "file" not in form or form["file"].filename is None:
        raise missing_parameter("file")
    file = StoredFile(
        id=f"file-{exchange.names.hexadecimal('file', 24)}",
        filename=form["file"].filename,
        purpose=_purpose(form),
        created_at=created_at,
        content=form["file"].content,
        expires_at=None if life_s is None else created_at + life_s,
    )
    backend.files.add(file)
    exchange.answer(200, file.resource())


def _purpose(form: dict[str, Field]) -> str:
    purpose = _text(form, "purpose")
    if purpose is None:
        raise missing_parameter("purpose")
    if purpose not in _PURPOSES:
        raise envelope.invalid_value("purpose", _PURPOSES, purpose)
    return purpose


def _life(form: dict[str, Field]) -> int | None:
    """How many seconds a file is kept; None where it says nothing of it."""
    anchor, text = _text(form, "expires_after[anchor]"), _text(form, "expires_after[seconds]")
    if anchor is None and text is None:
        return None
    if anchor != "created_at":
        raise envelope.invalid_value("expires_after.anchor", ["created_at"], anchor)
    if text is None or not text.isdecimal():
        raise envelope.invalid_type("expires_after.seconds", ["integer"], text)
    seconds = int(text)
    for side, limit, wrong in (
        ("minimum", _SHORTEST_S, seconds < _SHORTEST_S),
        ("maximum", _LONGEST_S, seconds > _LONGEST_S),
    ):
        if wrong:
            bound = Bound(side, limit, seconds)
            raise envelope.out_of_range("expires_after.seconds", "integer", bound)
    return seconds


def _text(form: dict[str, Field], name: str) -> str | None:
    return form[name].content.decode("utf-8", "replace") if name in form else None


def _list(backend: Backend, exchange: Exchange) -> None:
    query = exchange.request.query
    wanted = query.get("purpose", [None])[-1]
    files = [file.resource() for file in backend.files if wanted in (None, file.purpose)]
    exchange.answer(200, page(files, query, _PAGING))


def _retrieve(backend: Backend, exchange: Exchange) -> None:
    exchange.answer(200, backend.files.get(exchange.ids["file_id"]).resource())


def _download(backend: Backend, exchange: Exchange) -> None:
    exchange.content = backend.files.get(exchange.ids["file_id"]).content
    exchange.content_type = "application/octet-stream"


def _delete(backend: Backend, exchange: Exchange) -> None:
    name = exchange.ids["file_id"]
    backend.files.remove(name)
    exchange.answer(200, {"id": name, "object": "file", "deleted": True})


ROUTES = (
    Route("POST", "/v1/files", _create, "files"),
    Route("GET", "/v1/files", _list, "files"),
    Route("GET", "/v1/files/{file_id}", _retrieve, "files"),
    Route("DELETE", "/v1/files/{file_id}", _delete, "files"),
    Route("GET", "/v1/files/{file_id}/content", _download, "files"),
)
