"""Documents as a reader plays them: files are saved and changed, commands are run, in their order.

What a page may hold, each recognised by the line above its block:

- "Save this as `PATH`:" and a block of any language: that file is there from then on.
- "In `PATH`, change …:" and a ```diff block: its lines with `-` become those with `+` for good.
- a ```console block: what follows each `$ ` is run, and prints the lines below it. `cd` changes the
  folder. `<!-- edit PATH: OLD => NEW -->` above it changes a file for this block alone.
- `<!-- an empty folder -->` on top: the page begins with nothing; else with the gallery.

`<!-- part of a file -->` and `<!-- a mistake -->` stand above blocks of generated pages, whose
sources have tests of their own. Any other ```yaml block stands for itself. A broken file is allowed
where a later block shows what is said of it. Run ids and times are not compared.
"""

from __future__ import annotations

import datetime
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowrunner.diagnostics import render
from flowrunner.language.load import load, load_text
from flowrunner.language.testing import read_tests
from flowrunner.project.project_file import open_project_file

TOP = Path(__file__).resolve().parent.parent
DAY = datetime.date(2026, 11, 22)
EMPTY = "<!-- an empty folder -->"

_FENCE = re.compile(r"^```(?P<kind>\w+)[^\n]*\n(?P<text>.*?)^```$", re.S | re.M)
_SAVE = re.compile(r"Save this as `(?P<path>[^`]+)`:\s*\Z")
_CHANGE = re.compile(r"\bIn `(?P<path>[^`]+)`[^\n]*:\s*\Z")
_HELD_ELSEWHERE = re.compile(r"<!-- (part of a file|a mistake) -->\s*\Z")
_EDIT = re.compile(r"<!-- edit (?P<path>\S+): (?P<old>.*?) => (?P<new>.*?) -->\n")
_EDITS = re.compile(r"(?:<!-- edit [^\n]* -->\n)+\s*\Z")
_COMMAND = re.compile(r"^\$ (?P<words>[^\n]*)\n(?P<printed>(?:(?!\$ )[^\n]*\n)*)", re.M)
_PASSING = [
    (r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN"),
    (r" *\b\d+(\.\d+)?m?s\b", " TIME"),
    (r"\d+ [A-Z][a-z]{2} \d{4}, \d\d:\d\d:\d\d UTC", "WHEN"),
    (r"\b(req|resp|msg)_[0-9a-f]{16,}", r"\1_ID"),
]


def lasting(text: str) -> str:
    """What is printed without what differs from run to run."""
    for pattern, word in _PASSING:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@dataclass(frozen=True)
class Printed:
    """One command of a page, what the page says that it prints, and what it prints."""

    command: str
    said: str
    found: str

    @property
    def is_true(self) -> bool:
        return lasting(self.said) == lasting(self.found)


@dataclass
class Reader:
    """Somebody who does what a page says, in `folder`; `program` is what `flowrunner` means."""

    folder: Path
    program: Sequence[str]
    printed: list[Printed] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unshown: dict[Path, str] = field(default_factory=dict)
    _here: Path = Path()

    def __post_init__(self) -> None:
        self._here = self.folder

    def play(self, text: str) -> str:
        """Do all that a page says; the page with what was printed in the place of what it says."""
        if EMPTY not in text:
            shutil.copytree(TOP / "workflows", self.folder / "workflows")
        played, end = [], 0
        for block in _FENCE.finditer(text):
            before = text[end : block.start()]
            played += [before, self._block(block, before)]
            end = block.end()
        self.faults += [f"nothing shows this mistake:\n{said}" for said in self.unshown.values()]
        return "".join([*played, text[end:]])

    def _block(self, block: re.Match[str], before: str) -> str:
        kind, text = block["kind"], block["text"]
        if saved := _SAVE.search(before):
            self._save(self._here / saved["path"], text)
        elif kind == "diff" and (changed := _CHANGE.search(before)):
            self._change(self._here / changed["path"], text)
        elif kind == "console":
            edits = _EDITS.search(before)
            return self._console(text, edits[0] if edits else "")
        elif kind == "yaml" and not _HELD_ELSEWHERE.search(before):
            self.faults += filter(None, [self._said_of_block(text)])
        return block[0]

    def _save(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if path.suffix in (".yaml", ".yml"):
            self._look(path)

    def _look(self, path: Path) -> None:
        """Note what is wrong with a file, until a command shows it."""
        said = self._said_of(path)
        self.unshown.pop(path, None)
        if said:
            self.unshown[path] = said

    def _change(self, path: Path, text: str) -> None:
        """Put a difference into a file."""
        lines = text.splitlines()
        old = [line[1:] for line in lines if line[:1] in "- "]
        new = [line[1:] for line in lines if line[:1] in "+ "]
        there = path.read_text(encoding="utf-8")
        before = "\n".join(old) + "\n"
        if there.count(before) != 1:
            self.faults.append(f"{path.name} does not hold once:\n{before}")
        self._save(path, there.replace(before, "".join(f"{line}\n" for line in new)))

    def _console(self, text: str, edits: str) -> str:
        kept: dict[Path, str] = {}
        for edit in _EDIT.finditer(edits):
            path = self._here / edit["path"]
            there = path.read_text(encoding="utf-8")
            kept.setdefault(path, there)
            if edit["old"] not in there:
                self.faults.append(f"{edit['path']} does not hold: {edit['old']}")
            path.write_text(there.replace(edit["old"], edit["new"]), encoding="utf-8")
        commands = list(_COMMAND.finditer(text))
        if "".join(command[0] for command in commands) != text:
            self.faults.append(f"lines of no command in:\n{text}")
        told = "".join(map(self._run, commands))
        for path, there in kept.items():
            path.write_text(there, encoding="utf-8")
        return f"```console\n{told}```"

    def _run(self, command: re.Match[str]) -> str:
        program, *words = shlex.split(command["words"])
        if program == "cd":
            self._here = self._here / words[0]
            return command[0]
        assert program == "flowrunner", program
        found = subprocess.run(
            [*self.program, *words],
            cwd=self._here,
            env={"PATH": os.environ["PATH"], "COLUMNS": "100", "PYTHONUTF8": "1", "LOGNAME": "ada"}
            | {
                name: os.environ[name]
                for name in ("PYTHONPATH", "SYSTEMROOT")
                if name in os.environ
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        ).stdout
        self.printed.append(Printed(command["words"], command["printed"], found))
        for path in list(self.unshown):
            shown = os.path.relpath(path, self._here)
            if re.search(rf"^{re.escape(shown)}:\d+:\d+: (error|warning|hint)", found, re.M):
                del self.unshown[path]
        # What a command wrote itself counts as saved.
        for path in [path for path in self.unshown if path.exists()]:
            self._look(path)
        shown = found.strip("\n").rstrip()
        return f"$ {command['words']}\n" + (f"{shown}\n" if shown else "")

    def _said_of(self, path: Path) -> str:
        if path.name == "flowrunner.yaml":
            return render(open_project_file(path.parent)[1])
        if path.name.endswith(".test.yaml"):
            return render(read_tests(path, path.name, today=DAY)[1])
        return render(load(path, path.name, today=DAY)[1])

    def _said_of_block(self, text: str) -> str:
        """What is wrong with a block that stands for itself, in a folder that holds the gallery."""
        folder = self.folder / ".blocks"
        if not folder.exists():
            shutil.copytree(TOP / "workflows", folder / "workflows")
        if "flowrunner_test:" in text:
            path = folder / "workflows" / "tests" / "block.test.yaml"
            path.write_text(text, encoding="utf-8")
            return self._said_of(path)
        if "flowrunner:" not in text:
            (folder / "flowrunner.yaml").write_text(text, encoding="utf-8")
            return render(open_project_file(folder)[1])
        return render(load_text(text, "block.yaml", self._here, today=DAY)[1])


def pages() -> Iterator[Path]:
    """Every document of the project."""
    yield TOP / "README.md"
    yield from sorted((TOP / "docs").rglob("*.md"))
