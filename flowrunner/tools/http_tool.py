"""`call_http`: a request as a tool: arguments into its query or body, JSON or a text back.

Which addresses may be reached is left to `reach` and the wire's guard.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode, urljoin, urlsplit

from flowrunner import json_text
from flowrunner.errors import EnvironmentFault
from flowrunner.events import JSON
from flowrunner.language.tools import HttpTool, MissingSecret
from flowrunner.tools.answer import ToolAnswer, failed
from flowrunner.tools.reach import Secrets, Unreachable, open_wire, origin_of, parts_of, shown
from flowrunner.tools.words import NotText, text_of
from flowrunner.visible import one_line
from flowrunner.wire import (
    NotSent,
    Secret,
    Unsendable,
    Wire,
    WireFault,
    WireReply,
    WireRequest,
)

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 3
_TOLD_CHARACTERS = 2000
"""How much of a refusal's body is told to the model."""


async def call_http(
    kind: HttpTool,
    arguments: Mapping[str, JSON],
    *,
    environ: Mapping[str, str],
    timeout_s: float,
) -> ToolAnswer:
    """Send the request once; `timeout_s` is for all of it.

    Only a GET follows redirects, at most three, to its own host and to listed ones; headers go with
    it as long as scheme, host and port stay the same. `sent` among the facts says of a request
    without an answer whether a byte of it may have left. Proxies are read from `environ`.
    """
    secrets = Secrets(environ)
    try:
        call = _prepared(kind, arguments, secrets, asyncio.get_running_loop().time() + timeout_s)
        wire = open_wire(kind.hosts, environ)
    except (MissingSecret, Unreachable, EnvironmentFault) as fault:
        return failed(str(fault), {"sent": False})
    try:
        answer = await _answer(wire, kind, call)
    finally:
        await wire.aclose()
    scrubber = secrets.scrubber()
    return replace(
        answer,
        output=scrubber.scrub_json(answer.output),
        error=None if answer.error is None else scrubber.scrub(answer.error),
    )


@dataclass(frozen=True, slots=True)
class _Call:
    url: str
    headers: Mapping[str, str | Secret]
    content: bytes
    until_s: float


def _prepared(
    kind: HttpTool, arguments: Mapping[str, JSON], secrets: Secrets, until_s: float
) -> _Call:
    """Raises MissingSecret, Unreachable."""
    url, headers = secrets.text(kind.url), secrets.headers(kind.headers)
    parts = parts_of(url)
    if kind.method == "GET":
        query = urlencode(list(_pairs(arguments)), quote_via=quote)
        joined = "&".join(filter(None, (parts.query, query)))
        return _Call(parts._replace(query=joined, fragment="").geturl(), headers, b"", until_s)
    content = json.dumps(arguments, ensure_ascii=False).encode("utf-8", "replace")
    if "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/json"
    return _Call(url, headers, content, until_s)


def _pairs(arguments: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
    """The query of arguments: a list repeats its name, null is left out, an object is JSON."""
    for name, value in arguments.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                yield name, _whole(item if isinstance(item, str) else json.dumps(item))


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


async def _answer(wire: Wire, kind: HttpTool, call: _Call) -> ToolAnswer:
    for _ in range(_MOST_REDIRECTS + 1):
        try:
            reply = await _exchange(wire, kind.method, call)
        except WireFault as fault:
            return failed(fault.message, {"sent": not isinstance(fault, NotSent)})
        except Unsendable as fault:
            return failed(fault.message, {"sent": False})
        facts: dict[str, JSON] = {"http_status": reply.status}
        if reply.status not in _REDIRECTS:
            return _read(reply, facts)
        try:
            call = _led_on(kind, call, reply)
        except Unreachable as fault:
            return failed(str(fault), facts)
    return failed(f"the answer is one redirect after another, more than {_MOST_REDIRECTS}", facts)


async def _exchange(wire: Wire, method: str, call: _Call) -> WireReply:
    left_s = round(max(call.until_s - asyncio.get_running_loop().time(), 0), 2)
    return await wire.exchange(WireRequest(method, call.url, call.headers, call.content, left_s))


def _led_on(kind: HttpTool, call: _Call, reply: WireReply) -> _Call:
    """The request that a redirect asks for. Raises Unreachable where it is not followed."""
    url = urljoin(call.url, reply.headers.get("location", ""))
    told = f"the answer is a redirect (status {reply.status}) to `{shown(url)}`"
    if kind.method != "GET":
        raise Unreachable(f"{told}, which only a GET follows")
    try:
        origin = origin_of(url)
    except Unreachable as fault:
        raise Unreachable(f"{told}, which is not followed: {fault}") from None
    hosts = {host.lower().strip("[]") for host in kind.hosts}
    places = {origin[1], f"{origin[1]}:{origin[2]}"}
    if origin[1] != urlsplit(call.url).hostname and places.isdisjoint(hosts):
        raise Unreachable(f"{told}, whose host is not among the `hosts` of the tool")
    headers = call.headers if origin == origin_of(call.url) else {}
    return replace(call, url=url, headers=headers)


def _read(reply: WireReply, facts: dict[str, JSON]) -> ToolAnswer:
    mime, _, more = reply.headers.get("content-type", "").lower().partition(";")
    mime = one_line(mime.strip()[:80])
    facts |= {"content_type": mime} if mime else {}
    try:
        text = _text(reply.content, more)
    except NotText:
        what = f"{len(reply.content):,} bytes of `{mime or 'an unknown kind'}`, which is no text"
        return failed(f"the answer (status {reply.status}) is {what}", facts)
    if reply.status >= 400:
        begin = text[:_TOLD_CHARACTERS].strip()
        more_told = f":\n{begin}" if begin else ", without a word"
        return failed(f"the server answered with status {reply.status}{more_told}", facts)
    if mime == "application/json" or mime.endswith("+json"):
        try:
            return ToolAnswer(True, json_text.parse(text), facts=facts)
        except json_text.NotJson:
            pass
    return ToolAnswer(True, text, facts=facts)


def _text(content: bytes, parameters: str) -> str:
    """The body as text, in the encoding it says it has. Raises NotText."""
    named = [part.partition("=") for part in parameters.split(";")]
    charset = next((value.strip(' "') for key, _, value in named if key.strip() == "charset"), "")
    if charset in ("iso-8859-1", "latin-1", "windows-1252", "us-ascii"):
        content = content.decode("cp1252", "replace").encode()
    return text_of(content)
