"""Writes `docs/reference/`: what the schemas, the rules, the case files and the commands say.

    python docs/generate.py

Nothing is told here that is told elsewhere: `explain`, editors and these pages have one source. A
test holds the pages against what this would write.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from flowrunner.cli.entry import SECTIONS, flowrunner
from flowrunner.commands.explaining.key_texts import example, where
from flowrunner.commands.explaining.keys import Key, all_keys
from flowrunner.commands.explaining.rules import mistakes
from flowrunner.commands.explaining.statuses import STATUSES
from flowrunner.diagnostics import RULES
from flowrunner.language.formatting.dumping import to_yaml
from flowrunner.language.formatting.order import STEP_KEYS
from flowrunner.language.schema.validating import verbs
from flowrunner.language.templates import meter
from flowrunner.language.templates.functions import FUNCTIONS
from flowrunner.language.templates.lists import MAX_DOTS, TESTS
from flowrunner.visible import visible

HERE = Path(__file__).resolve().parent
CASES = HERE.parent / "tests" / "cases"
MADE = "<!-- Made by docs/generate.py: change what it is made from. -->"
PART = "<!-- part of a file -->"
"""Stands above a block of YAML that is no whole file; `explain` has the same, and tests hold it."""

_SCOPES = {
    "inputs.NAME": "an input of the file",
    "steps.NAME": "a step above: its `.text`, its `.output` and the rest of the table below",
    "item": "the entry of the `for_each` around; `as: invoice` calls it `invoice`",
    "position": "the number of that entry, from 1",
    "previous": "the steps of the round before, inside `repeat`; empty in the first",
    "run.id, run.date, run.started_at, run.time_zone": "the run itself",
}
_OFFERS = {
    ".text": "the text of the answer; what a command printed; what `write` wrote",
    ".output": "the values of the declared `output`; what `set` names; the result of a `workflow`",
    ".status, .error": "how it ended; with `.error.kind`, `.error.message`, `.error.partial`",
    ".usage, .cost_usd": (
        "tokens and US dollars of all its requests; `.usage.input_tokens`, `.output_tokens`, "
        "`.cached_tokens`, `.reasoning_tokens`, `.total_tokens`"
    ),
    ".response_id, .request_id": "the ids of its last answer",
    ".sources": "what was cited, each with `.title`, `.url`, `.kind`",
    ".files": "what it made and saved",
    ".tool_calls": "the calls of tools on the way",
    ".response": "the raw object of the API",
    ".results, .failed": (
        "with `for_each`: what came of each item, all or those that failed; each offers the above, "
        "and `.input`, `.position`, `.ok`, and `.steps` where there are steps inside"
    ),
    ".outputs, .texts": "with `for_each`: the `.output` or `.text` of the items that went well",
    ".rounds, .reached": "with `repeat`: how many, and whether the condition held",
}


def pages() -> dict[str, str]:
    """Every page by its name in `docs/reference/`."""
    return {
        "workflow.md": workflow_page(),
        "templates.md": templates_page(),
        "project.md": other_page("project", "flowrunner.yaml", _ABOUT_PROJECT),
        "tests.md": other_page("test", "Files of tests", _ABOUT_TESTS),
        "errors.md": errors_page(),
        "exit-statuses.md": statuses_page(),
        "commands.md": commands_page(),
    }


_ABOUT_WORKFLOW = (
    "Every key of a workflow file: what it means, what it takes, what holds where it is not "
    "written. `flowrunner explain KEY` says the same in the terminal, and editors while you write."
)
_ABOUT_FIELDS = (
    "They are sent to the Responses API as they stand, under its own names; in a step with a "
    "prompt, or under `defaults` for all of them."
)
_ABOUT_PROJECT = (
    "What all workflows of a project share; it stands at the top of a repository, and is optional."
)
_ABOUT_TESTS = (
    "Cases of one workflow, in a file called `NAME.test.yaml`; `flowrunner test` runs them."
)


def workflow_page() -> str:
    """The language: the file, its steps by what they are for, then what they may carry."""
    top = [key for key in _of("workflow") if len(key.path) == 1]
    steps = {key.path[1]: key for key in _of("workflow") if _is_of_step(key)}
    ordered = [steps[name] for name in STEP_KEYS if name in steps]
    does = [key for key in ordered if key.path[1] in verbs()]
    own = [key for key in ordered if key not in does and not key.is_parameter]
    sent = [key for key in ordered if key not in does and key.is_parameter]
    parts = (
        ("The file", top, None),
        ("What a step does", does, "A step has exactly one of these."),
        ("What a step may have", own, "They nest, from the outside in, in the order of this page."),
        ("Fields of the API", sent, _ABOUT_FIELDS),
    )
    lines = _head("The workflow file", _ABOUT_WORKFLOW)
    for title, keys, about in parts:
        lines += [f"## {title}", "", *([about, ""] if about else [])]
        for key in keys:
            lines += _key(key, 3)
    return _text(lines)


def other_page(file: str, title: str, about: str) -> str:
    """A file that is no workflow."""
    lines = _head(title, about)
    for key in _of(file):
        if len(key.path) == 1:
            lines += _key(key, 2)
    return _text(lines)


def _of(file: str) -> list[Key]:
    return [key for key in all_keys().values() if key.file == file]


def _is_of_step(key: Key) -> bool:
    return key.path[0] == "step" and len(key.path) == 2


def _key(key: Key, level: int) -> list[str]:
    """One key with those inside it, as a table."""
    name = key.path[-1]
    facts = [f"*{where(key)}*", key.kind]
    if key.default is not None:
        facts.append(f"default {key.default}")
    if key.is_needed:
        facts.append("needed")
    lines = [f"{'#' * level} `{name}`", "", key.meaning, "", " · ".join(facts), ""]
    deepest = len(key.path) + (1 if key.path == ("defaults",) else 9)  # the rest is told of steps
    inside = [each for each in _of(key.file) if _is_inside(each, key) if len(each.path) <= deepest]
    if inside:
        rows = [(f"`{_dotted(each, key)}`", each.meaning, _value(each)) for each in inside]
        lines += [*_table(("key", "means", "takes"), rows), ""]
    return [*lines, PART, "", "```yaml", *to_yaml(example(key)).splitlines(), "```", ""]


def _is_inside(key: Key, outer: Key) -> bool:
    return len(key.path) > len(outer.path) and key.path[: len(outer.path)] == outer.path


def _dotted(key: Key, outer: Key) -> str:
    return ".".join(key.path[len(outer.path) :])


def _value(key: Key) -> str:
    default = f"; default {key.default}" if key.default is not None else ""
    return f"{key.kind}{default}{'; needed' if key.is_needed else ''}"


def templates_page() -> str:
    """What may be written between braces, and in `if`, `for_each`, `until` and `branch`."""
    about = (
        "Texts of steps are templates: what stands between `{{` and `}}` is filled in. `if`, "
        "`for_each`, `until` and `branch` hold such an expression without braces. What comes out "
        "of data is never filled in a second time. The list of functions is closed; each is "
        "bounded in time and size."
    )
    lines = _head("Templates and expressions", about)
    lines += ["## Names", "", *_table(("name", "is"), _coded(_SCOPES)), ""]
    lines += ["## What a step offers", "", *_table(("field", "is"), _coded(_OFFERS)), ""]
    lines += ["## Functions", "", "Each may be written `name(value, …)` or `value|name(…)`.", ""]
    rows = [(f"`{function.form}`", function.about) for function in FUNCTIONS.values()]
    lines += [*_table(("function", "gives"), rows), ""]
    tests = ", ".join(f"`{name}`" for name in TESTS)
    lines += [
        "## Tests",
        "",
        "After `is`, and as the second argument of `selectattr` and `rejectattr`:",
        "",
        f"{tests}.",
        "",
        "## Bounds",
        "",
        (
            f"One rendering goes through at most {meter.MAX_ROUNDS:,} rounds of all its loops "
            f"together, makes no text of more than {meter.MAX_TEXT:,} characters, and reads and "
            f"writes at most {meter.MAX_WORK:,} on the way; what needs more ends with "
            f"`template-limit`. An `attribute` holds at most {MAX_DOTS} dots."
        ),
    ]
    return _text(lines)


def _coded(table: Mapping[str, str]) -> list[tuple[str, str]]:
    return [
        (", ".join(f"`{name}`" for name in names.split(", ")), meaning)
        for names, meaning in table.items()
    ]


def errors_page() -> str:
    """Every mistake that can be found in a file, as the case files have it."""
    about = (
        "Each mistake has a name, which stands in brackets behind `error` or `warning`. All of a "
        "file are found at once, before anything is sent. For each: what holds, a file with the "
        "mistake, what is printed, and how it is mended."
    )
    lines = _head("Mistakes", about)
    for code, rule in RULES.items():
        lines += [f"## {code}", "", rule, "", *_case(code), *_mend(code)]
    return _text(lines)


def _case(code: str) -> Iterator[str]:
    """The file that shows a mistake, and what is printed; both as tests have them."""
    source = next((path for path in _sources(code) if path.exists()), None)
    if source is None:  # a folder, a pipe and 16 MiB stand in no repository
        return
    wrong = _shown(source)
    if wrong is not None:
        yield from ("<!-- a mistake -->", "", "```yaml", *wrong, "```", "")
    said = source.with_suffix(".out").read_text(encoding="utf-8").rstrip("\n").split("\n\n")
    first = next(one for one in said if f"[{code}]" in one).splitlines()
    more = len(said) - 1
    yield from ("```text", *map(visible, first), "```", "")
    if more and wrong is not None:
        yield from (f"And {more} more of that file, each at its own place.", "")


def _sources(code: str) -> Iterator[Path]:
    yield CASES / "err" / f"{code}.yaml"
    yield CASES.parent / "cases_project" / f"{code}.yaml"
    yield CASES.parent / "cases_tests" / f"{code}.yaml"


def _shown(path: Path) -> list[str] | None:
    """A file as lines; None where it is long, or made of what nobody can see."""
    try:
        lines = path.read_bytes().decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None
    plain = all(visible(line) == line and not line.startswith("```") for line in lines)
    return lines if plain and len(lines) <= 40 else None


def _mend(code: str) -> Iterator[str]:
    mistake = mistakes()[code]
    right = mistake.right.rstrip("\n").splitlines()
    if mistake.kind == "words":
        yield from (f"Instead of {mistake.wrong.strip()}: {' '.join(right)}.", "")
    else:
        yield from ("Without it:", "", PART, "", "```yaml", *right, "```", "")


def statuses_page() -> str:
    """What a command ends with, for scripts."""
    about = "What the shell, cron and CI see when a command ends. Of several, the gravest counts."
    rows = [(str(int(status)), meaning, advice) for status, (meaning, advice) in STATUSES.items()]
    lines = _head("Exit statuses", about)
    return _text([*lines, *_table(("status", "means", "then"), rows)])


def commands_page() -> str:
    """Every command as click has it."""
    about = (
        "Most options have a twin in the environment, which counts where the option is not given. "
        "stdout carries the result and nothing else; all that is for people goes to stderr."
    )
    lines = _head("Commands", about)
    group = click.Context(flowrunner, info_name="flowrunner")
    for section, commands in SECTIONS.items():
        lines += [f"## {section}", ""]
        for name in commands:
            command = flowrunner.get_command(group, name)
            assert command is not None
            lines += _command(name, command)
    return _text(lines)


def _command(name: str, command: click.Command) -> list[str]:
    ctx = click.Context(command, info_name=name)
    usage = " ".join(["flowrunner", name, *command.collect_usage_pieces(ctx)])
    lines = [f"### {name}", "", "```text", usage, "```", "", *_paragraphs(command.help or "")]
    rows = [_option(each, ctx) for each in command.params if isinstance(each, click.Option)]
    if rows:
        lines += [*_table(("option", "means", "environment"), rows), ""]
    return lines


def _option(option: click.Option, ctx: click.Context) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    takes = "" if option.is_flag else f" `{_takes(option, ctx)}`"
    default = f" Default: `{option.default}`." if option.show_default else ""
    twin = f"`{option.envvar}`" if option.envvar else ""
    return f"{names}{takes}", f"{option.help}{default}", twin


def _takes(option: click.Option, ctx: click.Context) -> str:
    if option.metavar is not None:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return "NUMBER" if isinstance(option.type, click.IntRange) else option.make_metavar(ctx)


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a help; those whose lines click leaves alone as they stand."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield from ("```text", *paragraph.splitlines()[1:], "```", "")
        else:
            yield from (paragraph, "")


def _head(title: str, about: str) -> list[str]:
    return [MADE, f"# {title}", "", about, ""]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> None:
    folder = HERE / "reference"
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
