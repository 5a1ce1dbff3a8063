"""What a call costs on the wire: prints a table; a script to run by hand, never a test.

    python tests/benchmarks/wire.py [--calls N] [--at-once N]

Each figure is taken in a process of its own, against a fast fake server in another. Machines are
noisy: only ratios of one table count. Beside flowrunner's wire stands httpx as it comes, where it
survives.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import trustme
from serving import reply, serve

from flowrunner.wire import Wire, WireRequest, WireSettings

BODY = json.dumps({"model": "gpt-5", "input": "x" * 500}).encode()
REPLY = reply(json.dumps({"id": "resp_1", "status": "completed", "text": "y" * 1500}).encode())

Send = Callable[[str], Awaitable[int]]


def rss_kb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024


def server_tls(folder: str | None) -> ssl.SSLContext | None:
    """What the server shows, from the certificates in a folder; None without one."""
    if not folder:
        return None
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(Path(folder) / "server.pem")
    return tls


async def with_client(
    name: str, folder: str | None, use: Callable[[Send], Awaitable[None]]
) -> None:
    trust = ssl.create_default_context()
    if folder:
        trust.load_verify_locations(Path(folder) / "authority.pem")
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json"}
    if name == "wire":
        wire = Wire(WireSettings(at_once=10_000, trust=trust))

        async def send(url: str) -> int:
            return (await wire.exchange(WireRequest("POST", url, headers, BODY, 60.0))).status

        await use(send)
        await wire.aclose()
        return
    async with httpx.AsyncClient(verify=trust, timeout=5.0) as client:

        async def post(url: str) -> int:
            return (await client.post(url, content=BODY, headers=headers)).status_code

        await use(post)


async def cpu(send: Send, url: str, calls: int, at_once: int) -> str:
    """Microseconds of CPU a call."""
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            assert await send(url + "/0") == 200

    await asyncio.gather(*(send(url + "/0") for _ in range(at_once)))
    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return f"{(time.process_time() - before) / calls * 1e6:.0f}"


async def wall(send: Send, url: str, calls: int, at_once: int) -> str:
    """Wall time over the ideal of so many calls of 500 ms, all at once."""
    before = time.perf_counter()
    done = await asyncio.gather(
        *(send(url + "/500") for _ in range(at_once)), return_exceptions=True
    )
    ratio = (time.perf_counter() - before) / 0.5
    failed = sum(result != 200 for result in done)
    return f"{ratio:.2f}" + (f" ({failed} of {at_once} fail)" if failed else "")


async def memory(send: Send, url: str, calls: int, at_once: int) -> str:
    """Kilobytes a call in flight."""
    await send(url + "/0")
    before = rss_kb()
    running = [asyncio.ensure_future(send(url + "/6000")) for _ in range(at_once)]
    await asyncio.sleep(4.5)
    each = (rss_kb() - before) / at_once
    done = await asyncio.gather(*running, return_exceptions=True)
    failed = sum(result != 200 for result in done)
    return f"{each:.1f}" + (f" ({failed} of {at_once} fail)" if failed else "")


MEASURES = {"cpu": cpu, "wall": wall, "memory": memory}


def measure(options: argparse.Namespace, *what: object) -> str:
    """One figure, in a process of its own; why there is none where it dies."""
    command = [sys.executable, __file__, "--measure", *map(str, what)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1][:60]


def write_certificates(folder: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{folder}/authority.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")


def table(options: argparse.Namespace, scheme: str, folder: str) -> None:
    kept = folder if scheme == "https" else ""
    command = [sys.executable, __file__, "--serve", kept]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"{scheme}://127.0.0.1:{server.stdout.readline().strip()}"
        for client in ("wire", "httpx"):
            print(f"\n{client}, {scheme}")
            for number in (1, 16, 256):
                calls = options.calls if client == "wire" or number < 256 else options.calls // 5
                figure = measure(options, "cpu", client, url, kept, calls, number)
                print(f"  µs CPU a call, {number:>3} at once           {figure}")
            for what, unit in (
                ("wall", "wall ÷ ideal of 500 ms"),
                ("memory", "kB a call in flight"),
            ):
                figure = measure(options, what, client, url, kept, 0, options.at_once)
                print(f"  {unit:<24} {options.at_once:>5} at once  {figure}", flush=True)
        server.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=3000, help="calls for each CPU figure")
    parser.add_argument("--at-once", type=int, default=1000, help="calls at once")
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        asyncio.run(serve(lambda: REPLY, server_tls(options.serve)))
    elif options.measure:
        what, client, url, folder, calls, at_once = options.measure

        async def use(send: Send) -> None:
            print(await MEASURES[what](send, url, int(calls), int(at_once)))

        asyncio.run(with_client(client, folder or None, use))
    else:
        with tempfile.TemporaryDirectory() as folder:
            write_certificates(folder)
            for scheme in ("http", "https"):
                table(options, scheme, folder)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    main()
