"""Everything that must hold before a change lands, one stage after another.

`python tests/check.py` runs format, lint, types, tests, and a wheel tried in a bare environment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from documents import Reader

TOP = Path(__file__).resolve().parent.parent
TICKET = TOP / "workflows" / "inputs" / "ticket_charge.txt"


def call(*words: str | Path) -> None:
    """Run a program in the top folder; leave with its status where it fails."""
    status = subprocess.run([str(word) for word in words], cwd=TOP, check=False).returncode
    if status:
        sys.exit(f"failed with {status}: {' '.join(map(str, words))}")


def try_wheel() -> None:
    """Build the wheel, install it alone, run the demo elsewhere with a bare environment."""
    with tempfile.TemporaryDirectory() as folder:
        call(sys.executable, "-m", "build", "--quiet", "--outdir", folder, ".")
        (wheel,) = Path(folder).glob("*.whl")
        bare = Path(folder) / "bare"
        venv.create(bare, with_pip=True)
        scripts = bare / ("Scripts" if os.name == "nt" else "bin")
        call(
            scripts / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            wheel,
        )
        done = subprocess.run(
            [scripts / "flowrunner", "demo", str(Path(folder) / "project")],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stderr)
        if done.returncode:
            sys.exit(f"the demo of the installed wheel ended with {done.returncode}")
        read_as_a_newcomer(Path(folder) / "newcomer", scripts / "flowrunner")
        runs = Path(folder) / "project" / ".flowrunner" / "runs"
        latest = runs / (runs / "latest").read_text(encoding="utf-8").strip()
        report = json.loads((latest / "report.json").read_text(encoding="utf-8"))
        assert report["verdict"]["status"] == "succeeded", report["verdict"]
        assert (latest / "report.html").stat().st_size > 1000


def read_as_a_newcomer(folder: Path, program: Path) -> None:
    """Do what the page about the first ten minutes says, with a program that was installed."""
    folder.mkdir()
    reader = Reader(folder, [str(program)])
    reader.play((TOP / "docs" / "first-ten-minutes.md").read_text(encoding="utf-8"))
    wrong = [each for each in reader.printed if not each.is_true]
    for each in wrong:
        print(f"$ {each.command}\n{each.found}")
    if wrong or reader.faults:
        sys.exit("\n".join(["the first ten minutes are not what their page says", *reader.faults]))
    print(f"the first ten minutes: {len(reader.printed)} commands, each as the page says")


def build_pages() -> None:
    """Build the pages of `docs/`: every warning is a mistake, nothing is loaded from elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        call(sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", folder)
        loads = re.compile(
            r"<(?:script|img|iframe|link|source)\b[^>]+(?:src|srcset|href)=[\"'](?:https?:)?//[^>]+"
            r"|(?:@import\s+|url\()\s*[\"']?(?:https?:)?//[^)\s]+"
        )
        pages = [path for path in Path(folder).rglob("*") if path.suffix in (".html", ".css")]
        assert len(pages) > 20, pages
        for page in pages:
            found = loads.search(page.read_text(encoding="utf-8"))
            if found:
                sys.exit(f"{page.name} loads something from elsewhere: {found[0]}")


def main() -> None:
    python = sys.executable
    stages = [
        ("format", lambda: call(python, "-m", "ruff", "format", "--check", ".")),
        ("lint", lambda: call(python, "-m", "ruff", "check", ".")),
        ("types", lambda: call(python, "-m", "mypy")),
        ("tests", lambda: call(python, "-m", "pytest", "-n", "auto")),
        ("pages", build_pages),
        ("wheel", try_wheel),
    ]
    for name, stage in stages:
        began = time.monotonic()
        print(f"== {name}", flush=True)
        stage()
        print(f"== {name} passed in {time.monotonic() - began:.0f}s", flush=True)


if __name__ == "__main__":
    main()
