"""3,080 questions sorted into 77 intents in one run: wall time and memory of its process.

`python tests/benchmarks/bank_questions.py TABLE` runs the gallery's workflow over a table with the
columns `text` and `category`, such as the test set of BANKING77, against a simulator in a process
of its own, journal and report and all. Without TABLE the shipped sample is repeated to 3,080 rows.
Wanted: under 60 s and 300 MB.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GALLERY = Path(__file__).resolve().parent.parent.parent / "workflows"
SAMPLE = GALLERY / "inputs" / "bank_questions_sample.csv"
ROWS = 3080
FLOWRUNNER = (sys.executable, "-m", "flowrunner")


def long_table(folder: Path) -> Path:
    """The shipped sample, repeated to the length of the real test set."""
    with (GALLERY / "inputs" / "bank_questions_sample.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        head, *rows = csv.reader(file)
    table = folder / "questions.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows[number % len(rows)] for number in range(ROWS))
    return table


def serve() -> tuple[subprocess.Popen[str], str]:
    """A simulator in another process, and its base URL."""
    server = subprocess.Popen(
        [*FLOWRUNNER, "simulator", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    for line in server.stdout:
        if found := re.search(r"http://[^\s\"']+", line):
            return server, found[0].rstrip("/.")
    raise SystemExit("the simulator did not start")


def measure(table: Path, folder: Path, base_url: str) -> None:
    """Run the workflow, its progress into a file, and print what it took."""
    shutil.copytree(GALLERY, folder / "workflows", ignore=shutil.ignore_patterns("out", ".*"))
    environ = os.environ | {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "sk-bench"}
    words = ("run", "workflows/bank_questions.yaml", "-i", f"questions={table}")
    with (folder / "progress.txt").open("w+", encoding="utf-8") as progress:
        began = time.perf_counter()
        run = subprocess.Popen(
            [*FLOWRUNNER, *words], cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=progress
        )
        assert run.stdout is not None
        result = run.stdout.read().decode()
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        progress.seek(0)
        lines = progress.readlines()
    print("".join(lines[-3:]), result, sep="")
    megabytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    print(f"exit {run.returncode}: {wall:.1f} s wall, {megabytes:.0f} MB at most")
    print(f"cpu {used.ru_utime:.1f} s user, {used.ru_stime:.1f} s system")
    on_disk = sum(path.stat().st_size for path in folder.glob(".flowrunner/**/*") if path.is_file())
    print(f"{on_disk / 1e6:.0f} MB on disk, {len(lines)} lines of progress")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".git").mkdir()
        table = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else long_table(folder)
        server, base_url = serve()
        try:
            measure(table, folder, base_url)
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
