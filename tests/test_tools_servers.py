"""Servers of tools: official ones, one of our own, and a raw one that misbehaves to order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from test_tools_programs import lives
from wire_server import Peer, RawServer, Received, reply

from flowrunner.language.tools import EnvName, McpTool
from flowrunner.tools import ToolAnswer
from flowrunner.tools.child import Patience
from flowrunner.tools.servers import Listing, McpServer
from flowrunner.tools.servers.listing import make_listing

HERE = Path(__file__).resolve().parent
PATIENCE = Patience(grace_s=1, linger_s=0.2)
T = TypeVar("T")
LIMIT_S = 60.0


def server(kind: McpTool, **environ: str) -> McpServer:
    environ = {"PATH": os.environ["PATH"], **environ}
    return McpServer(kind, folder=HERE, environ=environ, patience=PATIENCE)


def raw(mode: str = "", allowed: tuple[str, ...] = ("act", "echo"), **more: Any) -> McpTool:
    command = (sys.executable, str(HERE / "mcp_raw_server.py"), mode)
    return McpTool(allowed, command=command, **more)


def with_server(kind: McpTool, use: Callable[[McpServer], Awaitable[T]], **environ: str) -> T:
    async def run() -> T:
        one = server(kind, **environ)
        try:
            return await use(one)
        finally:
            await one.aclose()

    return asyncio.run(run())


def act(mode: str, say: str = "hello", **more: Any) -> ToolAnswer:
    timeout_s = more.pop("timeout_s", LIMIT_S)
    return with_server(
        raw(mode, **more.pop("kind", {})),
        lambda one: one.call("act", {"say": say}, timeout_s),
        **more,
    )


def test_the_allowed_tools_are_listed_and_called() -> None:
    async def use(one: McpServer) -> tuple[Listing, ToolAnswer]:
        return await one.list_tools(LIMIT_S), await one.call("act", {"say": "hi"}, LIMIT_S)

    listing, answer = with_server(raw(), use)
    assert listing.fault is None
    assert [tool["name"] for tool in listing.tools] == ["act", "echo"]
    assert listing.tools[0]["description"] == "Says it again"
    assert listing.tools[0]["inputSchema"]["properties"] == {"say": {"type": "string"}}
    assert answer == ToolAnswer(True, "hi", facts={"server": "raw 1"})


def test_a_tool_that_was_not_allowed_is_not_called() -> None:
    answer = with_server(raw(), lambda one: one.call("secret", {}, LIMIT_S))
    assert answer.error == "the tool `secret` is not among the `allowed_tools`"


def test_a_tool_that_the_server_does_not_have() -> None:
    listing = with_server(raw("", ("gone",)), lambda one: one.list_tools(LIMIT_S))
    assert listing.fault == ("the server has no tool `gone`; its tools: `act`, `echo`, `secret`")
    answer = with_server(raw("", ("gone",)), lambda one: one.call("gone", {}, LIMIT_S))
    assert answer.error == listing.fault


def test_the_hash_is_over_what_a_model_is_told_of_the_allowed_tools() -> None:
    one = {"name": "a", "description": "d", "inputSchema": {"type": "object"}}
    other = {**one, "name": "b"}
    digest = make_listing([one, other], ["a"]).digest
    assert digest == make_listing([{**one, "_meta": {"x": 1}}, {"name": "c"}], ["a"]).digest
    assert make_listing([one, other], ["a", "b"]).digest == (
        make_listing([other, one], ["b", "a"]).digest
    )
    for change in ({"description": "e"}, {"inputSchema": {}}, {"title": "t"}):
        assert make_listing([{**one, **change}], ["a"]).digest != digest


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("failed", "the tool failed: no such order"),
        ("crash", "ended with exit status 3: out of ideas, without an answer"),
        ("flood", "wrote a line of more than 16 MiB and was ended, without an answer"),
        ("big", "the server answered with more than 1 MiB of text"),
        ("early", "ended with exit status 1: no configuration found, without an answer"),
        ("long", "the descriptions of the server's tools are longer than 1 MiB"),
    ],
)
def test_every_failure_is_an_answer(mode: str, told: str) -> None:
    kind = {"allowed": ("act", "echo")}
    answer = act(mode, kind=kind)
    assert not answer.ok
    assert str(answer.error).endswith(told)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")
def test_death_by_a_signal_is_told() -> None:
    assert "was ended by signal 9 (SIGKILL" in str(act("kill").error)


@pytest.mark.parametrize("mode", ["hang", "silent"])
def test_a_server_that_says_nothing_is_not_waited_for(mode: str) -> None:
    answer = act(mode, timeout_s=3)
    assert answer.error == "the server had not answered after 3 s"


@pytest.mark.parametrize("mode", ["junk", "many", "stderr", "ask", "slow-schema"])
def test_what_else_a_server_says_does_no_harm(mode: str) -> None:
    answer = act(mode)
    assert answer.output == ("fine" if mode == "slow-schema" else "hello")
    assert len(str(answer.facts.get("stderr", ""))) <= 4000


def test_structured_content_without_a_text_is_json() -> None:
    assert act("structured").output == '{"a": [1]}'


def test_pictures_and_files_are_content_parts() -> None:
    answer = act("parts")
    assert answer.is_parts
    assert answer.output == [
        {"type": "input_text", "text": "look:"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_text", "text": "[audio (audio/wav), which cannot be passed on]"},
        {"type": "input_text", "text": "[x: file:///x]"},
        {"type": "input_text", "text": "inside"},
        {
            "type": "input_file",
            "filename": "c.pdf",
            "file_data": "data:application/pdf;base64,AAAA",
        },
        {
            "type": "input_text",
            "text": "[a resource (application/octet-stream), which cannot be passed on]",
        },
    ]


def test_a_server_that_changes_what_it_says_is_not_called_any_more() -> None:
    async def use(one: McpServer) -> list[ToolAnswer]:
        return [await one.call("act", {"say": "x"}, LIMIT_S) for _ in range(3)]

    first, *later = with_server(raw("change"), use)
    assert first.ok
    for answer in later:
        assert str(answer.error).startswith("the server has changed what it says of its tools")


def test_a_server_that_died_is_started_again() -> None:
    async def use(one: McpServer) -> list[ToolAnswer]:
        return [
            await one.call("act", {}, LIMIT_S),
            await one.call("echo", {"say": "back"}, LIMIT_S),
        ]

    dead, alive = with_server(raw("crash"), use)
    assert not dead.ok
    assert alive.output == "{'say': 'back'}"


def test_many_calls_at_once_share_one_server() -> None:
    async def use(one: McpServer) -> list[ToolAnswer]:
        calls = (one.call("echo", {"say": n}, LIMIT_S) for n in range(50))
        return list(await asyncio.gather(*calls))

    answers = with_server(raw(), use)
    assert [answer.output for answer in answers] == [f"{{'say': {n}}}" for n in range(50)]


def test_the_server_and_all_it_started_end_with_the_run() -> None:
    pids = [int(pid) for pid in str(act("child").output).split()]
    assert len(pids) == 2
    assert not any(map(lives, pids))


def test_a_cancelled_call_leaves_nothing_behind() -> None:
    async def use(one: McpServer) -> None:
        await one.list_tools(LIMIT_S)
        calling = asyncio.create_task(one.call("act", {}, LIMIT_S))
        await asyncio.sleep(0)
        calling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await calling
        assert (await one.call("echo", {}, LIMIT_S)).ok

    with_server(raw("hang"), use)


def test_the_server_sees_the_declared_environment_and_no_other() -> None:
    answer = act(
        "env", kind={"env": ("SHOP_TOKEN",)}, HOME="/", SHOP_TOKEN="token", OPENAI_API_KEY="key"
    )
    assert answer.output == "HOME PATH SHOP_TOKEN"


def test_a_program_that_is_not_there() -> None:
    kind = McpTool(("a",), command=("not-there-at-all",))
    listing = with_server(kind, lambda one: one.list_tools(LIMIT_S))
    assert str(listing.fault).startswith("there is no program `not-there-at-all`")


def test_without_the_extra_a_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise ImportError('not installed')", encoding="utf-8")
    code = f"""
import asyncio, sys, pathlib
sys.path.insert(0, {str(tmp_path)!r})
from flowrunner.language.tools import McpTool
from flowrunner.tools.servers import McpServer
one = McpServer(McpTool(("a",), command=("x",)), folder=pathlib.Path("."), environ={{}})
async def main():
    print((await one.list_tools(60)).fault)
    await one.aclose()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "servers of tools (MCP) need the package `mcp`: install it with "
        "`pip install 'flowrunner[mcp]'`"
    )


def test_flowrunner_does_not_import_the_extra_unless_it_is_needed() -> None:
    code = "import sys, flowrunner.tools.servers; print('mcp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Servers written with the official package.


def test_the_official_clock() -> None:
    program = Path(sys.executable).parent / "mcp-server-time"
    command = (str(program), "--local-timezone", "UTC")
    kind = McpTool(("convert_time",), command=command)
    arguments = {
        "source_timezone": "Asia/Tokyo", "time": "12:00", "target_timezone": "Asia/Kolkata",
    }  # fmt: skip
    answer = with_server(kind, lambda one: one.call("convert_time", arguments, LIMIT_S))
    assert "T08:30:00+05:30" in str(answer.output)
    answer = with_server(kind, lambda one: one.call("convert_time", {"time": 1}, LIMIT_S))
    assert str(answer.error).startswith("the tool failed: ")


OWN = """
import sys
from mcp.server import MCPServer

server = MCPServer("own")

@server.tool()
def add(a: int, b: int) -> int:
    \"\"\"Add two numbers\"\"\"
    return a + b

if len(sys.argv) > 1:
    server.run(transport="streamable-http", port=int(sys.argv[1]))
else:
    server.run()
"""


@pytest.fixture(scope="module")
def own_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = tmp_path_factory.mktemp("own") / "server.py"
    file.write_text(OWN, encoding="utf-8")
    command = [sys.executable, str(file), str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "running on" in line:
                break
        yield f"http://127.0.0.1:{port}/mcp"
        running.terminate()
        running.stderr.read()


def test_an_official_server_over_http(own_url: str) -> None:
    async def use(one: McpServer) -> tuple[Listing, ToolAnswer]:
        return await one.list_tools(LIMIT_S), await one.call("add", {"a": 1, "b": 2}, LIMIT_S)

    listing, answer = with_server(McpTool(("add",), url=own_url, hosts=("127.0.0.1",)), use)
    assert listing.fault is None
    assert listing.tools[0]["description"] == "Add two numbers"
    assert answer.output == "3"


def over_http(kind: McpTool, **environ: str) -> ToolAnswer:
    return with_server(kind, lambda one: one.call("act", {}, LIMIT_S), **environ)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:9/mcp", "leads to the address `127.0.0.1`, which is not public"),
        ("https://169.254.169.254/mcp", "which is not public"),
        ("https://[::ffff:10.0.0.1]/mcp", "which is not public"),
        ("http://example.com/mcp", "is not encrypted"),
    ],
)
def test_where_a_server_may_not_be(url: str, told: str) -> None:
    assert told in str(over_http(McpTool(("act",), url=url)).error)


TOKEN = "sk-desk-0123456789"


def test_a_server_that_refuses_and_the_token_it_was_given() -> None:
    def refuse(peer: Peer, request: Received) -> None:
        peer.send(reply({"you sent": request.headers.get("authorization")}, "401 Unauthorized"))

    with RawServer(refuse) as raw_server:
        kind = McpTool(
            ("act",),
            url=raw_server.url + "/mcp",
            authorization=EnvName("DESK_TOKEN"),
            hosts=("127.0.0.1",),
        )
        answer = over_http(kind, DESK_TOKEN=TOKEN)
        assert raw_server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert answer.error == "the server answered with status 401"
    assert TOKEN not in str(answer)
    missing = over_http(kind)
    assert missing.error == "the environment variable `DESK_TOKEN` is not set"


def test_a_redirect_of_a_server_is_not_followed_elsewhere() -> None:
    with RawServer() as other:
        place = f"Location: http://127.0.0.1:{other.port}/"

        def lead(peer: Peer, request: Received) -> None:
            peer.send(reply(b"", "307 Temporary Redirect", place))

        with RawServer(lead) as raw_server:
            kind = McpTool(("act",), url=raw_server.url + "/mcp", hosts=("127.0.0.1",))
            answer = over_http(kind)
        assert answer.error == (
            f"the server leads to `http://127.0.0.1:{other.port}`, another place, which is not "
            "followed"
        )
        assert other.connections == 0


def flood(peer: Peer, request: Received) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        peer.send(b"x" * 65536)


def junk(peer: Peer, request: Received) -> None:
    peer.send(b"SSH-2.0-x\r\n\r\n")


@pytest.mark.parametrize("script", [flood, junk, lambda peer, request: peer.reset()])
def test_a_server_elsewhere_that_misbehaves(script: Any) -> None:
    with RawServer(script) as raw_server:
        kind = McpTool(("act",), url=raw_server.url + "/mcp", hosts=("127.0.0.1",))
        answer = over_http(kind)
    assert not answer.ok
    assert answer.error


def test_a_run_that_is_cut_off_ends_the_server(tmp_path: Path) -> None:
    """Also where it is cut off again while the server is being ended."""

    async def run() -> list[int]:
        one = server(raw("child"))
        answer = await one.call("act", {}, LIMIT_S)
        closing = asyncio.create_task(one.aclose())
        for _ in range(3):
            await asyncio.sleep(0)
            closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        return [int(pid) for pid in str(answer.output).split()]

    assert not any(map(lives, asyncio.run(run())))
