"""A key goes into its header and nowhere else."""

from __future__ import annotations

import copy
import dataclasses
import json

import pytest

from flowrunner.wire import Endpoint, Secret

KEY = Secret("sk-canary-1234567890")


def test_a_secret_never_shows_itself() -> None:
    shown = (
        f"{KEY} {KEY!r} {KEY!s:>10} {KEY:>5} "
        + str([KEY])
        + f"{({'a': KEY},)}"
        + "-".join(map(str, [KEY, KEY]))
    )
    assert "canary" not in shown
    assert "***" in shown
    assert KEY.reveal() == "sk-canary-1234567890"


def test_a_secret_cannot_be_written_down() -> None:
    with pytest.raises(TypeError):
        json.dumps(KEY)
    with pytest.raises(TypeError, match="not written down"):
        KEY.__reduce__()


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("ä") != Secret("a")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert not Secret("")
    assert copy.deepcopy(KEY) is copy.copy(KEY) is KEY


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ("bearer", "Authorization", "Bearer sk-canary-1234567890"),
        ("api-key", "api-key", "sk-canary-1234567890"),
    ],
)
def test_the_key_stands_in_the_header_of_its_provider(auth: str, name: str, value: str) -> None:
    endpoint = Endpoint("openai", "https://a.test/v1", KEY, auth, {"X-Team": "a"})  # type: ignore[arg-type]
    headers = endpoint.request_headers()
    assert headers == {"X-Team": "a", name: Secret(value)}
    assert "canary" not in repr(endpoint) + repr(headers) + repr(dataclasses.asdict(endpoint))


def test_without_a_key_there_is_no_such_header() -> None:
    assert Endpoint("local", "http://127.0.0.1:1/v1").request_headers() == {}


@pytest.mark.parametrize("base", ["https://a.test/v1", "https://a.test/v1/"])
@pytest.mark.parametrize("path", ["responses", "/responses"])
def test_urls_join_at_one_slash(base: str, path: str) -> None:
    assert Endpoint("a", base).url(path) == "https://a.test/v1/responses"
