"""Requests as tools: what is sent, what comes back, where they may not go, what is never shown."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from wire_server import Peer, RawServer, Received, reply

from flowrunner.language.tools import EnvName, HttpTool
from flowrunner.tools import ToolAnswer, call_http

TOKEN = "sk-shop-0123456789"


def call(kind: HttpTool, arguments: Any = None, **environ: str) -> ToolAnswer:
    return asyncio.run(call_http(kind, arguments or {}, environ=environ, timeout_s=20))


def tool(server: RawServer, path: str = "/rate", **more: Any) -> HttpTool:
    more = {"method": "GET", "hosts": ("127.0.0.1",), **more}
    return HttpTool(url=server.url + path, **more)


def answering(body: Any, status: str = "200 OK", *headers: str) -> Any:
    return lambda peer, request: peer.send(reply(body, status, *headers))


def test_arguments_of_a_get_become_its_query() -> None:
    with RawServer(answering({"rate": 1.5})) as server:
        arguments = {
            "currency": "€ & £#?", "days": 3, "exact": True, "no": None, "of": ["a", "b"],
            "deep": {"x": 1},
        }  # fmt: skip
        answer = call(tool(server, "/rate?v=2#part"), arguments)
    assert answer.output == {"rate": 1.5}
    assert answer.facts["http_status"] == 200
    assert server.requests[0].path == (
        "/rate?v=2&currency=%E2%82%AC%20%26%20%C2%A3%23%3F&days=3&exact=true&of=a&of=b"
        "&deep=%7B%22x%22%3A%201%7D"
    )
    assert server.requests[0].body == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_arguments_of_other_methods_become_a_json_body(method: str) -> None:
    with RawServer() as server:
        call(tool(server, method=method), {"name": "Ü\ud800", "n": [1]})
    received = server.requests[0]
    assert received.method == method
    assert json.loads(received.body) == {"name": "Ü?", "n": [1]}
    assert received.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "headers", "output"),
    [
        (b'{"a": [1]}', (), {"a": [1]}),
        (b"not JSON", (), "not JSON"),
        (b'{"a":1,"a":2}', (), '{"a":1,"a":2}'),
        (b"", (), ""),
    ],
)
def test_json_is_a_value_and_what_is_none_is_a_text(
    body: bytes, headers: tuple[str, ...], output: Any
) -> None:
    with RawServer(answering(body, "200 OK", *headers)) as server:
        assert call(tool(server)).output == output


def plain(content: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


@pytest.mark.parametrize(
    ("content", "kind", "output"),
    [
        ("Grüße".encode(), "text/plain", "Grüße"),
        ("Grüße".encode("latin-1"), "text/plain; charset=ISO-8859-1", "Grüße"),
        (b'{"a":1}', "text/plain", '{"a":1}'),
        (b'{"a":1}', "application/problem+json; charset=utf-8", {"a": 1}),
    ],
)
def test_a_text_comes_in_the_encoding_it_says(content: bytes, kind: str, output: Any) -> None:
    with RawServer(lambda peer, request: peer.send(plain(content, kind))) as server:
        assert call(tool(server)).output == output


def test_what_is_no_text_is_told() -> None:
    image = plain(b"\x89PNG\0\xff", "image/png")
    with RawServer(lambda peer, request: peer.send(image)) as server:
        answer = call(tool(server))
    assert answer.error == "the answer (status 200) is 6 bytes of `image/png`, which is no text"


def test_a_refusal_is_told_with_the_beginning_of_its_body() -> None:
    with RawServer(answering(b"no such order" + b"!" * 5000, "404 Not Found")) as server:
        answer = call(tool(server))
    assert not answer.ok
    assert str(answer.error).startswith("the server answered with status 404:\nno such order!!!")
    assert len(str(answer.error)) < 2100
    assert answer.facts["http_status"] == 404


def test_a_secret_is_sent_in_its_header_and_shown_nowhere() -> None:
    def echo(peer: Peer, request: Received) -> None:
        status = "401 No" if "bad" in request.path else "200 OK"
        peer.send(reply({"you sent": request.headers["authorization"]}, status))

    with RawServer(echo) as server:
        headers = {"Authorization": EnvName("SHOP_TOKEN"), "X-Plain": "yes"}
        good = call(tool(server, headers=headers), SHOP_TOKEN=TOKEN)
        bad = call(tool(server, "/bad", headers=headers), SHOP_TOKEN=TOKEN)
    assert server.requests[0].headers["authorization"] == TOKEN
    assert server.requests[0].headers["x-plain"] == "yes"
    assert good.output == {"you sent": "***"}
    assert TOKEN not in f"{good} {bad}"
    assert "***" in str(bad.error)


def test_a_secret_that_no_header_can_hold_is_not_shown_either() -> None:
    with RawServer() as server:
        answer = call(tool(server, headers={"A": EnvName("T")}), T=TOKEN + "\n")
    assert "its value contains a line break" in str(answer.error)
    assert TOKEN not in str(answer)
    assert answer.facts == {"sent": False}
    assert server.connections == 0


def test_a_secret_that_is_not_set() -> None:
    answer = call(HttpTool("GET", "https://a.example", {"A": EnvName("SHOP_TOKEN")}))
    assert answer.error == "the environment variable `SHOP_TOKEN` is not set"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://10.0.0.1/x?key=v", "leads to the address `10.0.0.1`, which is not public"),
        ("https://169.254.169.254/latest/meta-data", "`169.254.169.254`, which is not public"),
        ("https://[::ffff:10.0.0.1]/", "which is not public"),
        ("https://2852039166/", "leads to the address `169.254.169.254`, which is not public"),
        ("https://localhost/", "leads to the address `127.0.0.1`, which is not public"),
        ("http://127.0.0.1:9/", "leads to the address `127.0.0.1`, which is not public"),
        ("http://example.com/?key=v", "`http://example.com` is not encrypted"),
        ("http://2130706433/", "is not encrypted"),
        ("http://localhost.example.com/", "is not encrypted"),
        ("https://user:word@example.com/", "the URL holds a user name"),
        ("https://example.com\\@127.0.0.1/", "the URL is not one of the form"),
        ("https://exa\tmple.com/", "the URL is not one of the form"),
        ("file:///etc/passwd", "the URL is not one of the form"),
        ("gopher://example.com/", "the URL is not one of the form"),
        ("https:///x", "the URL is not one of the form"),
        ("https://[::1", "the URL is not one of the form"),
    ],
)
def test_where_a_request_may_not_go(url: str, told: str) -> None:
    answer = call(HttpTool("GET", url))
    assert told in str(answer.error)
    assert "key=v" not in str(answer)
    assert answer.facts == {"sent": False}


def led_to(place: str, status: str = "302 Found") -> Any:
    def script(peer: Peer, request: Received) -> None:
        if request.path.startswith("/rate"):
            peer.send(reply(b"", status, f"Location: {place}"))
        else:
            peer.send(reply({"path": request.path}))

    return script


def test_a_redirect_within_the_host_is_followed_with_its_headers() -> None:
    with RawServer(led_to("/new?x=1")) as server:
        answer = call(tool(server, headers={"A": EnvName("T")}), {"q": 1}, T=TOKEN)
    assert answer.output == {"path": "/new?x=1"}
    assert server.requests[1].headers["a"] == TOKEN


def test_a_redirect_to_another_port_or_host_takes_no_header_along() -> None:
    with RawServer() as other:
        kind = {"hosts": ("127.0.0.1", "localhost"), "headers": {"A": EnvName("T"), "B": "b"}}
        for place in (f"http://127.0.0.1:{other.port}/", f"http://localhost:{other.port}/"):
            with RawServer(led_to(place)) as server:
                assert call(tool(server, **kind), T=TOKEN).ok
    assert len(other.requests) == 2
    assert not any({"a", "b"} & {*request.headers} for request in other.requests)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("https://evil.example/x?t=secret", "to `https://evil.example`, whose host is not among"),
        ("http://localhost/", "`http://localhost`, whose host is not among the `hosts`"),
        ("//evil.example/x", "which is not followed: `http://evil.example` is not encrypted"),
        ("http://evil.example/", "which is not followed: `http://evil.example` is not encrypted"),
        ("file:///etc/passwd", "which is not followed: the URL is not one of the form"),
        ("http://a:b@127.0.0.1/", "which is not followed: the URL holds a user name"),
        ("http://169.254.169.254/", "is not encrypted"),
    ],
)
def test_a_redirect_elsewhere_is_told_and_not_followed(place: str, told: str) -> None:
    with RawServer(led_to(place)) as server:
        answer = call(tool(server))
    assert told in str(answer.error)
    assert "t=secret" not in str(answer.error)
    assert len(server.requests) == 1
    assert answer.facts["http_status"] == 302


def test_only_a_get_follows_redirects_and_not_for_ever() -> None:
    with RawServer(led_to("/new")) as server:
        answer = call(tool(server, method="POST"))
        assert "which only a GET follows" in str(answer.error)
    with RawServer(led_to("/rate")) as server:
        assert "one redirect after another" in str(call(tool(server)).error)
        assert len(server.requests) == 4


def flood(peer: Peer, request: Received) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    while True:
        peer.send(b"x" * 65536)


def bomb(peer: Peer, request: Received) -> None:
    peer.send(reply(gzip.compress(b"\0" * (64 << 20)), "200 OK", "Content-Encoding: gzip"))


@pytest.mark.parametrize("script", [flood, bomb])
def test_an_answer_without_end_is_left(script: Any) -> None:
    with RawServer(script) as server:
        answer = call(tool(server))
    assert answer.error == "the reply is bigger than 1 MiB"
    assert answer.facts == {"sent": True}


def test_a_server_that_hangs_is_left() -> None:
    async def run(kind: HttpTool) -> ToolAnswer:
        return await call_http(kind, {}, environ={}, timeout_s=0.3)

    with RawServer(lambda peer, request: peer.hang()) as server:
        answer = asyncio.run(run(tool(server)))
    assert str(answer.error).endswith("within 0.3 s")
    assert answer.facts == {"sent": True}


def test_nobody_listens_or_what_answers_is_no_http() -> None:
    with RawServer(lambda peer, request: peer.send(b"SSH-2.0-x\r\n\r\n")) as server:
        assert "is not HTTP" in str(call(tool(server)).error)
        server.stop_listening()
        answer = call(tool(server))
    assert str(answer.error).startswith("nobody listens at")
    assert answer.facts == {"sent": False}


def test_no_cookie_is_kept() -> None:
    with RawServer(answering({}, "200 OK", "Set-Cookie: a=b")) as server:
        for _ in range(2):
            call(tool(server))
    assert not any("cookie" in request.headers for request in server.requests)


def test_of_a_url_that_is_secret_only_the_host_is_ever_shown() -> None:
    def lead(peer: Peer, request: Received) -> None:
        peer.send(reply(b"", "302 Found", "Location: https://other.example/hook/T0/SECRET"))

    with RawServer(lead) as server:
        kind = HttpTool("GET", EnvName("HOOK"), hosts=("127.0.0.1",))
        answers = [
            call(kind, HOOK=server.url + "/hook/T0/SECRET?k=SECRET"),
            call(kind, HOOK="http://hooks.example/hook/T0/SECRET"),
            call(kind, HOOK="https://10.0.0.1/hook/T0/SECRET"),
            call(kind, HOOK="SECRET"),
        ]
    assert all(not answer.ok for answer in answers)
    assert "SECRET" not in str(answers)
