"""Each bad input that the design names (B1 to B57): the case files that hold what is said of it.

What cannot be a file has its test named here. Monsters are read in a process of their own that may
take little time and memory.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from flowrunner.language.document import parse

TESTS = Path(__file__).parent
CASES = TESTS / "cases"


@dataclass(frozen=True, slots=True)
class Row:
    """Where a row is held: cases of `cases/err`, cases of `cases/ok`, and tests."""

    err: str = ""
    ok: str = ""
    tests: str = ""
    decided: str = ""
    """What the language says otherwise than the table of bad inputs, in one line."""


ROWS = {
    "B1": Row("empty", tests="language_document.test_what_yaml_would_misread_is_refused"),
    "B2": Row("root root-text"),
    "B3": Row("multi-doc"),
    "B4": Row("dup-key", decided="merge keys are refused, so nothing is overridden"),
    "B5": Row("tab"),
    "B6": Row("quote-template"),
    "B7": Row("colon colon-many"),
    "B8": Row("hash", tests="cli_validate.test_strict_counts_warnings"),
    "B9": Row("special-start special-start-negation"),
    "B10": Row("ambiguous-scalar", ok="spellings"),
    "B11": Row("ambiguous-scalar", ok="spellings"),
    "B12": Row("shape", ok="spellings", decided="a date is text until a shape asks for one"),
    "B13": Row("key-type null", ok="spellings", decided="`1`, `1.0` and `true` stay three keys"),
    "B14": Row("key-type"),
    "B15": Row("tag tag-list"),
    "B16": Row("tag-kinds", decided="a timestamp without a tag is text"),
    "B17": Row("alias cycle cycle-list"),
    "B18": Row("merge"),
    "B19": Row("too-complex", tests="bad_inputs.test_a_monster_ends_soon_and_small"),
    "B20": Row("too-deep", tests="bad_inputs.test_a_monster_ends_soon_and_small"),
    "B21": Row(
        tests="language_document.test_what_is_no_file_is_never_read"
        " language_document.test_a_file_beyond_the_limit_is_not_read_whole"
        " bad_inputs.test_a_monster_ends_soon_and_small",
        decided="250,000 keys and values are the limit",
    ),
    "B22": Row("number ambiguous-scalar"),
    "B23": Row(
        "encoding encoding-utf16 encoding-control syntax-half",
        tests="language_document.test_a_byte_order_mark_and_line_ends_change_nothing",
    ),
    "B24": Row("invisible invisible-colon invisible-direction"),
    "B25": Row(
        tests="language_document.test_a_byte_order_mark_and_line_ends_change_nothing"
        " bad_inputs.test_line_ends_of_any_system_are_one_file"
    ),
    "B26": Row("syntax syntax-version syntax-long-key syntax-conflict-marks"),
    "B27": Row("unknown-key unknown-key-elsewhere"),
    "B28": Row(
        "missing no-verb no-model", decided="a model may be named by whoever runs the file: a hint"
    ),
    "B29": Row("id duplicate-id", decided="an id has small letters only, so case cannot differ"),
    "B30": Row("unknown-step unknown-step-twice"),
    "B31": Row("order order-nested"),
    "B32": Row("never-runs never-runs-cases unknown-choice-cases missing-case"),
    "B33": Row("maybe-empty never-runs-cases"),
    "B34": Row("dynamic-step"),
    "B35": Row("wrong-type wrong-type-texts empty-steps empty-prompt"),
    "B36": Row(
        "range range-forms number wrong-type-numbers ambiguous-scalar",
        decided="`max_output_tokens` has no upper limit of its own: the model has, and the budget",
    ),
    "B37": Row("unknown-include unused-include"),
    "B38": Row("tool json-schema", decided="a tool object without an executor is refused as such"),
    "B39": Row("tool", decided="the name of a declared tool is an id"),
    "B40": Row("conflict"),
    "B41": Row("tool"),
    "B42": Row("json-schema json-schema-file json-schema-loop"),
    "B43": Row("metadata metadata-pairs", decided="the runner adds no pairs of its own"),
    "B44": Row(
        "wrong-type-lists template-syntax-match",
        ok="spellings",
        decided="no entries are a success; there is no `range`, and a budget bounds the rest",
    ),
    "B45": Row("range-retry duration duration-forms"),
    "B46": Row("budget budget-forms", decided="schedules stand in `flowrunner.yaml`"),
    "B47": Row("version version-decimal"),
    "B48": Row("template-syntax-match", decided="the language has no regular expressions"),
    "B49": Row("template-syntax template-syntax-names template-syntax-brace undefined-elsewhere"),
    "B50": Row("undefined undefined-inputs undefined-roots"),
    "B51": Row("undefined-inside"),
    "B52": Row("undefined-fields"),
    "B53": Row(
        "wrong-type-files",
        tests="language_templates_rendering.test_values_as_text",
        decided="lists, objects and `yes_no` are printed as JSON, nothing is an error",
    ),
    "B54": Row("empty-prompt empty-prompt-constants"),
    "B55": Row(
        "template-limit template-limit-constants",
        tests="language_templates_safety.test_what_asks_for_too_much_is_refused",
    ),
    "B56": Row("template-off"),
    "B57": Row(tests="responses_items.test_an_answer_that_is_not_json_is_not_repaired"),
}


def test_each_row_is_held() -> None:
    assert list(ROWS) == [f"B{number}" for number in range(1, 58)]
    assert all(row.err or row.tests for row in ROWS.values())


@pytest.mark.parametrize("row", ROWS)
def test_what_holds_a_row_is_there(row: str) -> None:
    for folder, names in (("err", ROWS[row].err), ("ok", ROWS[row].ok)):
        for name in names.split():
            assert (CASES / folder / f"{name}.yaml").is_file(), name
    for name in ROWS[row].tests.split():
        module, test = name.split(".")
        assert test in _tests(module), name


@cache
def _tests(module: str) -> frozenset[str]:
    tree = ast.parse((TESTS / f"test_{module}.py").read_text(encoding="utf-8"))
    return frozenset(each.name for each in tree.body if isinstance(each, ast.FunctionDef))


@pytest.mark.parametrize("path", sorted((CASES / "ok").glob("*.yaml")), ids=lambda path: path.stem)
def test_line_ends_of_any_system_are_one_file(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    written = [text, text.replace("\n", "\r\n"), text.replace("\n", "\r"), "\ufeff" + text]
    read = [parse(each.encode(), "a.yaml")[0] for each in written]
    assert len({document and document.sha256 for document in read}) == 1
    assert all(document and document.value == read[0].value for document in read if read[0])


# Monsters

HEAD = "flowrunner: 1\nname: Monster\ndefaults: { model: gpt-6-luna }\nsteps:\n"


def _write(template: str) -> str:
    return f'{HEAD}  - {{ id: a, write: "{template}" }}\n'


def _laughs() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for above, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{above}'] * 10)}]")
    return "\n".join(lines)


MONSTERS = {
    "brackets": lambda: "a: " + "[" * 100_000,
    "braces": lambda: "a: " + "{a: " * 100_000,
    "dashes": lambda: "- " * 1_000_000,
    "indents": lambda: "".join(" " * depth + "a:\n" for depth in range(3000)),
    "laughs": _laughs,
    "wide list": lambda: "a: [" + "1," * 300_000 + "1]",
    "many keys": lambda: "".join(f"k{number}: 1\n" for number in range(300_000)),
    "20 MB": lambda: "a: " + "x" * 20_000_000,
    "one long text": lambda: _write("x" * 15_000_000),
    "templates": lambda: _write("{{ x }}" * 2_000_000),
    "tags": lambda: _write("{% if 1 %}" * 1_000_000),
    "parentheses": lambda: _write("{{ " + "(" * 1_000_000),
    "operators": lambda: _write("{{ 1" + "+1" * 1_000_000 + " }}"),
    "fields": lambda: _write("{{ run" + ".a" * 1_000_000 + " }}"),
    "powers": lambda: _write("{{ 9**9**9**9 }}"),
    "condition": lambda: f'{HEAD}  - {{ id: a, write: x, if: "{"not " * 1_000_000}1" }}\n',
    "quotes": lambda: "'" * 15_000_000,
    "tabs": lambda: "\t" * 10_000_000 + "a",
    "colons": lambda: "a: " + "b: " * 5_000_000,
    "mistakes": lambda: "a: x: y\n" * 1_000_000,
    "comments": lambda: "# x\n" * 4_000_000,
    "long key": lambda: f"{HEAD}  - {{ id: a, {'k' * 1_000_000}: 1 }}\n",
    "long number": lambda: (
        f"{HEAD}  - {{ id: a, prompt: x, max_output_tokens: {'9' * 5_000_000} }}\n"
    ),
    "choices": lambda: (
        f"{HEAD}  - id: a\n    prompt: x\n    output:\n      a:\n"
        + "".join(f"        - c{number}\n" for number in range(100_000))
    ),
    "NULs": lambda: "\0" * 15_000_000,
    "globs": lambda: f"{HEAD}  - {{ id: a, prompt: x, attach: ['{'**/' * 40}nope'] }}\n",
    "ids": lambda: HEAD + "  - { id: a, write: x }\n" * 2_000,
}

CHILD = """
import resource, sys, datetime
from pathlib import Path
import flowrunner.cli
from flowrunner.diagnostics import render
from flowrunner.language.load import load

resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
resource.setrlimit(resource.RLIMIT_AS, (300_000_000, 300_000_000))
_, found = load(Path(sys.argv[1]), "a.yaml", today=datetime.date(2026, 11, 22))
print(render(found, "concise"))
"""


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="no limits of a process here")
@pytest.mark.parametrize("name", MONSTERS)
def test_a_monster_ends_soon_and_small(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(MONSTERS[name](), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, check=False, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert all(len(line) < 1_400 for line in done.stdout.splitlines())


# Mutants


def test_mutants_are_read_without_a_fault() -> None:
    """A share of `python tests/mutate.py`, which says what must hold of each of them."""
    command = [sys.executable, str(TESTS / "mutate.py"), "--count", "400", "--seed", "26"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "0 failed" in done.stdout
    assert done.stdout.startswith("400 mutants of ")


def test_mutants_are_the_same_for_the_same_seed() -> None:
    import mutate

    files = mutate.gallery()
    once = [mutate.mutant(3, number, files) for number in range(60)]
    assert once == [mutate.mutant(3, number, files) for number in range(60)]
    assert len({each.content for each in once}) > 50
