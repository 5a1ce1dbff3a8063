"""Servers of one run: what is taken out of a request that one does not know, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from flowrunner import catalog
from flowrunner.engine.servers import Server

BODY: dict[str, Any] = {
    "model": "m",
    "input": "hi",
    "include": ["web_search_call.action.sources", "reasoning.encrypted_content"],
    "max_output_tokens": 8000,
    "store": False,
    "tools": [{"type": "web_search"}],
}


def fitted(**supports: Any) -> dict[str, Any]:
    return Server("local", "http://127.0.0.1:1/v1", None, supports=supports).fitted(BODY)


def test_a_server_that_knows_everything_is_sent_everything() -> None:
    assert fitted() == BODY


@pytest.mark.parametrize(
    ("supports", "gone"),
    [
        ({"store": False}, {"store"}),
        ({"max_output_tokens": False, "include": False}, {"max_output_tokens", "include"}),
        ({"include": ("message.output_text.logprobs",)}, {"include"}),
        ({"tools": ("function",)}, set()),
    ],
)
def test_what_a_server_does_not_know_is_not_sent(supports: Any, gone: set[str]) -> None:
    assert fitted(**supports).keys() == BODY.keys() - gone


def test_of_a_list_what_is_known_is_kept() -> None:
    left = fitted(include=("reasoning.encrypted_content",))
    assert left["include"] == ["reasoning.encrypted_content"]


def test_a_server_comes_back_out_of_a_journal() -> None:
    server = Server("a", "http://x/v1", "A_KEY", {"m": {"input": 1}}, {"store": False}, "a name")
    frozen = {name: getattr(server, name) for name in server.__slots__}
    assert Server.thaw({**frozen, "from_the_future": 1}) == server


@pytest.mark.parametrize("name", catalog.provider_kinds())
def test_every_kind_of_server_speaks_of_fields_and_tools_that_exist(name: str) -> None:
    kind = catalog.provider_kind(name)
    schema = catalog.load_schema("project")["$defs"]["provider"]["properties"]
    assert kind.supports.keys() <= schema["supports"]["properties"].keys()
    assert set(schema["kind"]["enum"]) == set(catalog.provider_kinds())
    tools = kind.supports.get("tools", ())
    assert isinstance(tools, tuple)
    assert set(tools) <= {tool["type"] for tool in catalog.table("tools")}
    include = kind.supports.get("include", ())
    assert isinstance(include, bool) or set(include) <= set(catalog.include_keys())
