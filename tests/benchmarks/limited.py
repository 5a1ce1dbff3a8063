"""1,000 steps at once against a server that refuses some: whole and streamed, and what it costs.

`python tests/benchmarks/limited.py [STEPS [A_MINUTE]]` starts a simulator in another process that
takes 200 ms for an answer, allows `A_MINUTE` requests a minute and refuses further ones with 429,
as it does one request in twenty by lot; one stream in thirty tells of a limit after it began. It
prints how long a run takes, how often was asked, and what was paid, which is one answer a step.
"""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from flowrunner.simulator import Call, FaultPlan, Simulator

LATENCY_S = 0.2
FAULTS = [
    {"match": {"chance": 0.05}, "do": {"status": 429, "retry_after": 1}},
    {
        "match": {"chance": 0.033},
        "do": {"stream": {"error": "rate_limit_exceeded", "error_after": 1}},
    },
]


def serve(a_minute: int) -> None:
    """Serve until stdin ends; prints its address first and its books last."""
    plan = FaultPlan.parse(FAULTS)
    with Simulator(faults=plan, requests_a_minute=a_minute, latency_s=LATENCY_S) as simulator:
        print(simulator.base_url, flush=True)
        sys.stdin.read()
    calls = simulator.ledger.calls()
    books = {
        "asked": len(calls),
        "refused": sum(call.status == 429 for call in calls),
        "paid": len(simulator.ledger.paid()),
        "one step at most": max(collections.Counter(map(step_of, calls)).values()),
    }
    print(json.dumps(books))


def step_of(call: Call) -> str:
    """The step whose request it is."""
    return str(call.client_request_id).rpartition("/")[0]


def workflow(steps: int, delivery: str) -> str:
    head = f"flowrunner: 1\nname: Wide\ndefaults: {{ model: gpt-6-luna, delivery: {delivery} }}\n"
    listed = "".join(f"  - {{ id: s{number}, prompt: Say done. }}\n" for number in range(steps))
    return f"{head}limits: {{ at_once: {steps} }}\nsteps:\n{listed}"


def run(steps: int, a_minute: int, delivery: str) -> dict[str, Any]:
    """One run at a server of its own."""
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(a_minute)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "wide.yaml").write_text(workflow(steps, delivery), encoding="utf-8")
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "flowrunner", "run", "wide.yaml"],
            cwd=folder,
            env=os.environ | {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-bench"},
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.perf_counter() - began
    books, _ = server.communicate("")
    told = {"exit": done.returncode, "seconds": round(wall, 1), **json.loads(books)}
    pauses = [line.strip() for line in done.stderr.splitlines() if "pauses for" in line]
    return told | {"pauses told": len(pauses)}


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    a_minute = int(sys.argv[2]) if len(sys.argv) > 2 else 600
    for allowed in (600_000, a_minute):
        for delivery in ("direct", "stream"):
            print(f"{steps} steps, {allowed} a minute, {delivery}: {run(steps, allowed, delivery)}")


if __name__ == "__main__":
    serve(int(sys.argv[2])) if "--serve" in sys.argv else main()
