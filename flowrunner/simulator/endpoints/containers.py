"""The files of containers: those that a simulated code interpreter made, listed and downloaded.

What makes them is left to `state.files`.
"""

from __future__ import annotations

from flowrunner.simulator.backend import Backend
from flowrunner.simulator.exchange import Exchange
from flowrunner.simulator.routes import Route
from flowrunner.simulator.state.pages import Paging, page


def _list(backend: Backend, exchange: Exchange) -> None:
    files = backend.containers.files(exchange.ids["container_id"]).values()
    listed = [file.resource() for file in files]
    exchange.answer(200, page(listed, exchange.request.query, Paging()))


def _retrieve(backend: Backend, exchange: Exchange) -> None:
    exchange.answer(200, backend.containers.file(**exchange.ids).resource())


def _download(backend: Backend, exchange: Exchange) -> None:
    exchange.content = backend.containers.file(**exchange.ids).content
    exchange.content_type = "application/octet-stream"


_FILES = "/v1/containers/{container_id}/files"
ROUTES = (
    Route("GET", _FILES, _list, "containers"),
    Route("GET", f"{_FILES}/{{file_id}}", _retrieve, "containers"),
    Route("GET", f"{_FILES}/{{file_id}}/content", _download, "containers"),
)
