"""1,000 steps of 500 ms at once in one run: the whole process against the ideal of 0.5 s.

`python tests/benchmarks/fan_out.py [STEPS]` starts a server of its own in another process, runs a
workflow whose steps do not depend on one another, journal and report and all, and prints ratios.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from serving import serve

SECONDS = 0.5


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    text = "flowrunner: 1\nname: Wide\ndefaults: { model: gpt-6-luna }\n"
    text += f"limits: {{ at_once: {steps} }}\nsteps:\n"
    text += "".join(f"  - {{ id: s{n}, prompt: Say done. }}\n" for n in range(steps))
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "wide.yaml").write_text(text, encoding="utf-8")
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "flowrunner", "run", "wide.yaml"],
                cwd=folder,
                env=os.environ
                | {
                    "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/{SECONDS * 1000:.0f}/v1",
                    "OPENAI_API_KEY": "sk-bench",
                },
                capture_output=True,
                text=True,
                check=False,
            )
            wall = time.perf_counter() - began
            (report,) = Path(folder).glob(".flowrunner/runs/*/report.json")
            run = json.loads(report.read_text(encoding="utf-8"))["verdict"]["elapsed_s"]
    finally:
        server.kill()
        server.wait()
    print(done.stderr.splitlines()[-3:])
    print(f"exit {done.returncode}")
    print(f"the run: {run:.2f} s, {run / SECONDS:.2f} times the ideal")
    print(f"the whole process: {wall:.2f} s, {wall / SECONDS:.2f} times the ideal")


if __name__ == "__main__":
    asyncio.run(serve()) if "--serve" in sys.argv else main()
