"""Broken files by the thousand: mutants of the gallery and the case files, each read and checked.

`python tests/mutate.py --count 10000 [--seed N]` prints what was found. Whatever the file, reading
it raises nothing, ends, and says where in the file each mistake stands, in all four forms.
`--only N` makes one mutant again; `--keep FOLDER` writes those that fail there.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml

from flowrunner.diagnostics import RULES, Diagnostic, Form, render
from flowrunner.language.document import parse
from flowrunner.language.load import load
from flowrunner.project.project_file import read_project_file
from flowrunner.project.providers import known_providers

TOP = Path(__file__).resolve().parent.parent
TODAY = date(2026, 11, 22)
HANGS_AFTER = 60  # seconds; a mutant takes some hundredths

SIGNS = [
    *"{}[]()|>&*!%@`'\"#:,-?~\\/$.=+",
    *["{{", "}}", "{%", "%}", "{#", "#}", ": ", " #", "- ", "---\n", "...\n", "<<: ", "|\n", ">\n"],
    *["{{ ", " }}", "{% if ", "{% endif %}", "{% for x in ", "{% raw %}", "{%- ", "!!set ", "&a "],
    *["steps.", "inputs.", "previous.", "item.", "first(", "default(", "|join", "|length", "[0]"],
    *["not ", " and ", " or ", " == ", " in ", " if ", " else ", "''", "null", "true", "~", "\n"],
]
HIDDEN = [
    *"\u200b\u200c\u200d\u2060\ufeff\u00ad\u00a0\u3000\u202e\u2066\u2028\u2029\x85\ufe0f\u0455\u0430",
    *"\x00\x01\x07\x08\x0b\x0c\x1b\x7f\t\r\ud800\udfff\ufffd\uffff\U000e0041\U0001f600\u0301",
]
NUMBERS = [
    *["0", "-1", "1e3", "1_000", "0x1F", "010", "1:30", ".inf", "-.inf", ".nan", "1e400", "-0.0"],
    *["9" * 30, "9" * 300, "9" * 5000, "0." + "1" * 400, "1e" + "9" * 20, "+1", "1.", "١٢٣"],
]
VALUES: list[Any] = [
    *[None, True, False, 0, 1, -1, 7, 0.5, -2.5, 1e308, 10**30, 2**63, "", " ", "\n", "x", "ä日本"],
    *["yes", "no", "12", "3.10", "2026-02-30", "5m", "5 minutes", "-1 USD", "$5", "null", "a: b"],
    *[
        "{{ inputs.x }}",
        "{{ steps.a.text }}",
        "{{ steps }}",
        "{{",
        "{% if %}",
        "{{ item }}",
        "{{ x.y",
    ],
    *[
        "{{ steps['a'] }}",
        "{{ a.__class__ }}",
        "{{ range(10**9) }}",
        "steps.a.output",
        "inputs",
        "../x",
    ],
    *[
        "a\0b",
        "/".join("n" * 300 for _ in range(20)),
        "n" * 300,
        "/etc/passwd",
        "parts/ask.md",
        "parts/greet.yaml",
        "*.png",
        "http://x",
        "\x1b[31m",
        "\u202e",
    ],
    *[[], {}, [None], [[]], [{}], {"": ""}, {"type": "text"}, {"list": {}}, {"fields": {}}],
    *[["a", "a"], {"a": None}, {"id": "x"}, [1, "x", None, {}], {"type": ["a", "b"]}, "x" * 3000],
    *[{"env": "HOME"}, {"stop_at": "1 USD"}, {"until": "true", "at_most": 3}, {"file": "x.png"}],
    *[{"$ref": "#"}, {"type": "object", "properties": {}}, {"anyOf": []}, {"prompt": "x"}],
]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken file: its number, the file that it was made from, what was done, its bytes."""

    number: int
    origin: Path
    done: tuple[str, ...]
    content: bytes

    def __str__(self) -> str:
        return f"mutant {self.number} of {self.origin.as_posix()} ({', '.join(self.done)})"


# Files to start from


def gallery(top: Path = TOP) -> list[Path]:
    """The workflow files that mutants are made from, relative to the top of the repository."""
    folders = ("workflows", "tests/cases/ok", "tests/cases/err", "tests/cases/err/parts")
    return [
        path.relative_to(top)
        for folder in folders
        for path in sorted((top / folder).glob("*.yaml"))
    ]


@cache
def _text(path: Path) -> str:
    return (TOP / path).read_bytes().decode("utf-8", "replace")


@cache
def _value(path: Path) -> Any:
    document, _ = parse(_text(path), path.name)
    return None if document is None else document.value


def mutant(seed: int, number: int, files: list[Path]) -> Mutant:
    """The mutant of that number: the same for the same seed, whatever was made before it."""
    dice = random.Random(f"{seed}:{number}")
    origin = dice.choice(files)
    if dice.random() < 0.35 and isinstance(_value(origin), dict):
        done, text = _with_other_values(dice, origin, files)
    else:
        done, text = _with_other_text(dice, origin, files)
    content = text.encode("utf-8", "surrogatepass")
    if dice.random() < 0.03:
        done, content = [*done, "bytes"], _other_bytes(dice, content)
    return Mutant(number, origin, tuple(done), content)


# Mutations of the text


def _with_other_text(dice: random.Random, origin: Path, files: list[Path]) -> tuple[list[str], str]:
    text = _text(origin)
    done = []
    for _ in range(dice.choice([1, 1, 1, 2, 2, 3, 5])):
        name, change = dice.choice(TEXT_CHANGES)
        text = change(dice, text, files)
        done.append(name)
    return done, text


def _at_lines(change: Callable[[random.Random, list[str]], None]) -> Callable[..., str]:
    def changed(dice: random.Random, text: str, _: list[Path]) -> str:
        lines = text.split("\n")
        change(dice, lines)
        return "\n".join(lines)

    return changed


def _any(dice: random.Random, lines: list[str]) -> int:
    return dice.randrange(len(lines))


def _delete_lines(dice: random.Random, lines: list[str]) -> None:
    at = _any(dice, lines)
    del lines[at : at + dice.choice([1, 1, 2, 4])]


def _repeat_lines(dice: random.Random, lines: list[str]) -> None:
    at = _any(dice, lines)
    lines[at:at] = lines[at : at + dice.choice([1, 1, 2, 6])] * dice.choice([1, 1, 1, 30])


def _swap_lines(dice: random.Random, lines: list[str]) -> None:
    one, other = _any(dice, lines), _any(dice, lines)
    lines[one], lines[other] = lines[other], lines[one]


def _indent_lines(dice: random.Random, lines: list[str]) -> None:
    at = _any(dice, lines)
    deeper = dice.choice([" ", "  ", "    ", "\t", " " * 80, ""])
    for number in range(at, min(at + dice.choice([1, 1, 3, 9]), len(lines))):
        lines[number] = deeper + (
            lines[number] if deeper else lines[number][dice.choice([1, 2, 4]) :]
        )


def _join_lines(dice: random.Random, lines: list[str]) -> None:
    at = _any(dice, lines)
    lines[at : at + 2] = ["".join(lines[at : at + 2])]


def _insert(dice: random.Random, text: str, piece: str) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] + piece + text[at:]


def _insert_sign(dice: random.Random, text: str, _: list[Path]) -> str:
    return _insert(dice, text, dice.choice(SIGNS))


def _insert_hidden(dice: random.Random, text: str, _: list[Path]) -> str:
    return _insert(dice, text, dice.choice(HIDDEN) * dice.choice([1, 1, 1, 3]))


def _replace_spans(
    pattern: str, choose: Callable[[random.Random, list[str]], str]
) -> Callable[..., str]:
    """A change that puts something else in the place of one match."""

    def changed(dice: random.Random, text: str, _: list[Path]) -> str:
        found = list(re.finditer(pattern, text))
        if not found:
            return text
        span = dice.choice(found)
        other = choose(dice, [each.group() for each in found])
        return text[: span.start()] + other + text[span.end() :]

    return changed


def _mistype(dice: random.Random, words: list[str]) -> str:
    word = dice.choice(words)
    at = dice.randrange(len(word))
    return dice.choice([word[:at] + word[at + 1 :], word[:at] + "x" + word[at:], word.upper(), ""])


def _nest(dice: random.Random, text: str, _: list[Path]) -> str:
    depth = dice.choice([5, 63, 64, 65, 200, 20_000])
    opening, closing = dice.choice(
        [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("(", ")"), ("{{ (", ") }}"),
         ("{% if x %}", "{% endif %}"), ("not ", ""), ("a.", ""), ("[0]", ""), ("- ", "\n")]
    )  # fmt: skip
    closing = closing if dice.random() < 0.7 else ""
    return _insert(dice, text, opening * depth + dice.choice(["", "x", "1"]) + closing * depth)


def _cut(dice: random.Random, text: str, _: list[Path]) -> str:
    at = dice.randrange(len(text) + 1)
    return dice.choice(
        [text[:at], text[:at], text[at:], text[:at] + text[at + dice.randrange(40) :]]
    )


def _splice(dice: random.Random, text: str, files: list[Path]) -> str:
    other = _text(dice.choice(files))
    one, two = dice.randrange(len(text) + 1), dice.randrange(len(other) + 1)
    return text[:one] + other[two : two + dice.choice([20, 200, 5000])] + text[one:]


def _splice_lines(dice: random.Random, text: str, files: list[Path]) -> str:
    lines, others = text.split("\n"), _text(dice.choice(files)).split("\n")
    at, start = _any(dice, lines), _any(dice, others)
    lines[at:at] = others[start : start + dice.choice([1, 2, 5, 50])]
    return "\n".join(lines)


def _line_ends(dice: random.Random, text: str, _: list[Path]) -> str:
    return dice.choice([text.replace("\n", "\r\n"), text.replace("\n", "\r"), "\ufeff" + text])


def _lengthen(dice: random.Random, text: str, _: list[Path]) -> str:
    at = dice.randrange(len(text) + 1)
    piece = text[at : at + dice.choice([1, 3, 30])]
    return text[:at] + piece * dice.choice([10, 300, 2000]) + text[at:]


WORDS = r"[A-Za-z_][A-Za-z_0-9]*"

TEXT_CHANGES: list[tuple[str, Callable[[random.Random, str, list[Path]], str]]] = [
    ("lines deleted", _at_lines(_delete_lines)),
    ("lines repeated", _at_lines(_repeat_lines)),
    ("lines swapped", _at_lines(_swap_lines)),
    ("lines indented", _at_lines(_indent_lines)),
    ("lines joined", _at_lines(_join_lines)),
    ("sign inserted", _insert_sign),
    ("sign inserted", _insert_sign),
    ("hidden character inserted", _insert_hidden),
    ("word exchanged", _replace_spans(WORDS, lambda dice, words: dice.choice(words))),
    ("word mistyped", _replace_spans(WORDS, _mistype)),
    ("word to number", _replace_spans(r"\w+", lambda dice, _: dice.choice(NUMBERS))),
    ("sign exchanged", _replace_spans(r"[^\w\s]", lambda dice, _: dice.choice(SIGNS))),
    ("template mistyped", _replace_spans(r"\{\{[^}]*\}\}", _mistype)),
    ("nested", _nest),
    ("cut", _cut),
    ("spliced", _splice),
    ("lines spliced", _splice_lines),
    ("line ends", _line_ends),
    ("lengthened", _lengthen),
]


def _other_bytes(dice: random.Random, content: bytes) -> bytes:
    kind = dice.randrange(4)
    if kind == 0:
        return dice.randbytes(dice.choice([1, 10, 300]))
    if kind == 1:
        return content.decode("utf-8", "replace").encode(
            dice.choice(["utf-16", "utf-16-be", "utf-7"])
        )
    at = dice.randrange(len(content) + 1)
    return content[:at] + dice.randbytes(dice.choice([1, 2, 8])) + content[at + kind - 2 :]


# Mutations of the value


def _with_other_values(
    dice: random.Random, origin: Path, files: list[Path]
) -> tuple[list[str], str]:
    value = json.loads(json.dumps(_value(origin)))
    done = []
    for _ in range(dice.choice([1, 1, 2, 3])):
        name, change = dice.choice(VALUE_CHANGES)
        change(dice, value, files)
        done.append(name)
    if dice.random() < 0.2:
        return [*done, "as JSON"], json.dumps(value, indent=dice.choice([None, 2]))
    width = dice.choice([40, 100, 10_000])
    return done, yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=width)


def _slots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place that holds a value: the collection and the key or position."""
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, below in pairs:
        yield value, key
        yield from _slots(below)


def _slot(dice: random.Random, value: Any) -> tuple[Any, Any]:
    return dice.choice(list(_slots(value)) or [({"x": 0}, "x")])


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _replace(dice: random.Random, value: Any, _: list[Path]) -> None:
    above, key = _slot(dice, value)
    above[key] = _copy(dice.choice(VALUES))


def _remove(dice: random.Random, value: Any, _: list[Path]) -> None:
    above, key = _slot(dice, value)
    del above[key]


def _rename(dice: random.Random, value: Any, _: list[Path]) -> None:
    above, key = _slot(dice, value)
    other = dice.choice([key for _, key in _slots(value)] or ["x"])
    if isinstance(above, dict):
        name = _mistype(dice, [str(key) or "x"]) if dice.random() < 0.5 else str(other)
        above[name] = above.pop(key)


def _transplant(dice: random.Random, value: Any, files: list[Path]) -> None:
    other = value if dice.random() < 0.5 else _value(dice.choice(files))
    from_above, from_key = _slot(dice, other)
    taken = _copy(from_above[from_key])
    above, key = _slot(dice, value)
    if isinstance(above, dict) and dice.random() < 0.6:
        above[str(from_key)] = taken
    else:
        above[key] = taken


def _wrap(dice: random.Random, value: Any, _: list[Path]) -> None:
    above, key = _slot(dice, value)
    for _ in range(dice.choice([1, 1, 2, 60])):
        above[key] = dice.choice([[above[key]], {"a": above[key]}, {"steps": [above[key]]}])


def _stretch(dice: random.Random, value: Any, _: list[Path]) -> None:
    lists = [above[key] for above, key in _slots(value) if isinstance(above[key], list)]
    if lists:
        chosen = dice.choice(lists)
        chosen.extend(_copy(chosen[: dice.choice([1, 3])] * dice.choice([1, 2, 40])))


VALUE_CHANGES: list[tuple[str, Callable[[random.Random, Any, list[Path]], None]]] = [
    ("value replaced", _replace),
    ("value replaced", _replace),
    ("value removed", _remove),
    ("key renamed", _rename),
    ("value transplanted", _transplant),
    ("value transplanted", _transplant),
    ("value wrapped", _wrap),
    ("list stretched", _stretch),
]


# What must hold of each


@dataclass(slots=True)
class Bench:
    """A copy of the repository's files in which mutants stand beside what they name."""

    top: Path
    codes: Counter[str] = field(default_factory=Counter)
    sound: int = 0
    slowest: tuple[float, str] = (0.0, "")

    @classmethod
    def at(cls, top: Path) -> Bench:
        for folder in ("workflows", "tests/cases"):
            shutil.copytree(TOP / folder, top / folder)
        return cls(top)

    def fault(self, mutant: Mutant) -> str | None:
        """What is wrong with what is said of a mutant, or None."""
        path = self.top / mutant.origin.with_name("a_mutant.yaml")
        path.write_bytes(mutant.content)
        began = time.process_time()
        try:
            workflow, found = load(path, "a_mutant.yaml", today=TODAY, providers=self._providers())
            return self._look_at(mutant, workflow is None, found)
        except Exception:  # whatever it is, it is what this looks for
            return traceback.format_exc()
        finally:
            took = time.process_time() - began
            self.slowest = max(self.slowest, (took, str(mutant)))
            path.unlink()

    def _providers(self) -> Any:
        file, _ = read_project_file(self.top / "tests/cases/flowrunner.yaml", "flowrunner.yaml")
        assert file is not None
        return known_providers(file)

    def _look_at(self, mutant: Mutant, refused: bool, found: list[Diagnostic]) -> str | None:
        self.codes.update({each.code for each in found})
        self.sound += not found
        if refused != any(each.severity == "error" for each in found):
            return "the workflow is usable and has errors, or neither"
        for each in found:
            fault = self._misplaced(mutant, each) or _unreadable(each)
            if fault:
                return f"{fault}: {each}"
        return _badly_rendered(found)

    def _misplaced(self, mutant: Mutant, found: Diagnostic) -> str | None:
        place = found.place
        if place.path == "a_mutant.yaml":
            lines = _lines(mutant.content)
        else:
            beside = (self.top / mutant.origin).parent / place.path
            lines = _lines(beside.read_bytes())
        if not 1 <= place.line <= len(lines):
            return "no such line"
        line = lines[place.line - 1]
        if found.source_line is not None and "\ufffd" not in line and found.source_line != line:
            return "another source line"
        if place.column < 1 or place.length < 1 or place.column > len(line) + 1:
            return "no such column"
        if place.column + place.length - 1 > max(len(line), place.column):
            return "longer than the line"
        return None


def _lines(content: bytes) -> list[str]:
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


MACHINERY = re.compile(
    r"<class|object at 0x|Traceback|jinja2|jsonschema|NoneType|\bdict\b|(Type|Value)Error|\bNone\b"
)


def _unreadable(found: Diagnostic) -> str | None:
    """Whether a sentence is none, or shows the machinery where the author's own words do not."""
    if found.code not in RULES:
        return "no such rule"
    words = f"{found.message} {found.help or ''}"
    shown = MACHINERY.search(re.sub(r"`[^`]*`", "", words))
    if shown and shown.group() not in (found.source_line or ""):
        return f"`{shown.group()}` shows the machinery"
    if not found.message.strip() or any(
        len(line) > 1_400 for line in render([found], "concise").split("\n")
    ):
        return "not a sentence that can be read"
    return None


def _badly_rendered(found: list[Diagnostic]) -> str | None:
    for form in get_args(Form):
        for colour in (False, True):
            text = render(found, form, colour=colour)
            bare = re.sub(r"\x1b\[[0-9;]*m", "", text) if colour else text
            if not set(re.findall(r"[\x00-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", bare)) <= {
                "\n"
            }:
                return f"control characters in the form {form}"
            text.encode("utf-8")
    json.loads(render(found, "json"))
    return None


# The command


def _arguments() -> argparse.Namespace:
    words = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    words.add_argument("--count", type=int, default=1000, help="how many mutants (default 1000)")
    words.add_argument("--seed", type=int, default=1, help="which mutants (default 1)")
    words.add_argument("--only", type=int, metavar="N", help="the mutant of that number alone")
    words.add_argument("--keep", type=Path, metavar="FOLDER", help="where to write those that fail")
    return words.parse_args()


def run(seed: int, numbers: range, keep: Path | None) -> int:
    """Make and load the mutants; print the figures and give back how many failed."""
    files = gallery()
    failed = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.at(Path(folder))
        for number in numbers:
            one = mutant(seed, number, files)
            faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
            fault = bench.fault(one)
            faulthandler.cancel_dump_traceback_later()
            if fault is not None:
                failed += 1
                print(f"{one}: {fault}", flush=True)
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{seed}-{number}.yaml").write_bytes(one.content)
    took, slow = bench.slowest
    seconds = time.monotonic() - began
    print(f"{len(numbers)} mutants of {len(files)} files, seed {seed}, in {seconds:.0f}s")
    print(f"{bench.sound} still sound, {len(bench.codes)} of {len(RULES)} rules met")
    print(f"slowest: {took:.2f}s of CPU, {slow}")
    print(f"{failed} failed")
    return failed


def main() -> None:
    chosen = _arguments()
    numbers = range(chosen.count) if chosen.only is None else range(chosen.only, chosen.only + 1)
    sys.exit(1 if run(chosen.seed, numbers, chosen.keep) else 0)


if __name__ == "__main__":
    main()
