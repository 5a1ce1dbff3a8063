"""Whole processes side by side: flowrunner against scripts written by hand; prints ratios.

    pip install aiohttp && python tests/benchmarks/whole.py [--rounds N]

Everything that a user gets is on: checks, journal, report. The scripts of `rivals/` do nothing but
ask. Each figure is the best of so many rounds, taken in turns, since machines are noisy; only
ratios count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from serving import serve

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Taken:
    """What a process took: seconds on the wall, of CPU, and its peak of memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def take(words: list[str], folder: str, environ: dict[str, str]) -> Taken:
    began = time.perf_counter()
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{words[:3]} ended with {process.returncode}: {said[-2000:]}")
    return Taken(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def wide(calls: int, at_once: int) -> str:
    listed = json.dumps(list(range(calls)))
    return (
        "flowrunner: 1\nname: Wide\ndefaults: { model: gpt-6-luna }\n"
        f"limits: {{ at_once: {at_once} }}\nsteps:\n"
        f"  - id: ask\n    for_each: {listed}\n    at_once: {at_once}\n"
        '    prompt: "Say done {{ item }}."\n'
    )


def chain(calls: int) -> str:
    text = "flowrunner: 1\nname: Chain\ndefaults: { model: gpt-6-luna }\nsteps:\n"
    for number in range(calls):
        told = f"{{{{ steps.s{number - 1}.text }}}}" if number else ""
        text += f'  - {{ id: s{number}, prompt: "Say done {number}. {told}" }}\n'
    return text


class Bench:
    """One server, one folder, and how long each process took at its best."""

    def __init__(self, port: str, folder: str, rounds: int) -> None:
        self.port = port
        self.folder = folder
        self.rounds = rounds

    def ours(self, text: str, delay_ms: int) -> Taken:
        Path(self.folder, "flow.yaml").write_text(text, encoding="utf-8")
        words = [sys.executable, "-m", "flowrunner", "run", "flow.yaml", "--yes"]
        environ = {"OPENAI_BASE_URL": self.url(delay_ms), "OPENAI_API_KEY": "sk-bench"}
        return take(words, self.folder, environ)

    def rival(self, name: str, calls: int, at_once: int, delay_ms: int) -> Taken:
        script = str(HERE / "rivals" / f"by_{name}.py")
        words = [sys.executable, script, self.url(delay_ms), str(calls), str(at_once)]
        return take(words, self.folder, {})

    def url(self, delay_ms: int) -> str:
        return f"http://127.0.0.1:{self.port}/{delay_ms}/v1"

    def table(self, what: str, text: str, calls: int, at_once: int, delay_ms: int) -> None:
        """All contestants in turns, the best round of each, ratios to flowrunner."""
        names = ["flowrunner", "aiohttp", "httpx", "openai"]
        if calls * bool(delay_ms) > at_once or (delay_ms and at_once > 500):
            names.remove("httpx")  # its pool is quadratic: it takes minutes or fails
        best: dict[str, Taken] = {}
        for _ in range(self.rounds):
            for name in names:
                taken = (
                    self.ours(text, delay_ms)
                    if name == "flowrunner"
                    else self.rival(name, calls, at_once, delay_ms)
                )
                if name not in best or taken.wall_s < best[name].wall_s:
                    best[name] = taken
        print(f"\n{what}")
        own = best["flowrunner"]
        for name, taken in best.items():
            print(
                f"  {name:<11} {taken.wall_s:6.2f} s  {taken.cpu_s:6.2f} s CPU  "
                f"{taken.peak_mb:4.0f} MB   flowrunner ÷ this: {own.wall_s / taken.wall_s:.2f}",
                flush=True,
            )


def start_up(rounds: int, folder: str) -> None:
    """CPU of commands that send nothing, in multiples of a bare interpreter."""

    def cpu(*words: str) -> float:
        return min(take([sys.executable, *words], folder, {}).cpu_s for _ in range(rounds * 3))

    Path(folder, "flow.yaml").write_text(chain(3), encoding="utf-8")
    bare = cpu("-c", "pass")
    print(f"\nstart-up, CPU ÷ python -c pass ({bare * 1000:.0f} ms)")
    for words in (["--version"], ["--help"], ["validate", "flow.yaml"]):
        print(f"  {' '.join(words):<20} {cpu('-m', 'flowrunner', *words) / bare:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        assert server.stdout is not None
        try:
            bench = Bench(server.stdout.readline().strip(), folder, options.rounds)
            bench.table("1,000 × 500 ms, 1,000 at once", wide(1000, 1000), 1000, 1000, 500)
            bench.table(
                "1,000 × 500 ms, 100 at once (ideal 5.0 s)", wide(1000, 100), 1000, 100, 500
            )
            bench.table("1,000 × 0 ms, 16 at once", wide(1000, 16), 1000, 16, 0)
            bench.table("a chain of 3, 0 ms", chain(3), 3, 1, 0)
            start_up(options.rounds, folder)
        finally:
            server.terminate()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    main()
