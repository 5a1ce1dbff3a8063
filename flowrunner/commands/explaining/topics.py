"""Which key, rule or exit status a topic means, and what was likely meant by any other word.

What is said of each is left to its own module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from flowrunner.commands.explaining.key_texts import key_lines
from flowrunner.commands.explaining.keys import PROJECT, TESTS, Key, all_keys
from flowrunner.commands.explaining.rules import rule_lines
from flowrunner.commands.explaining.statuses import status_lines
from flowrunner.diagnostics import RULES, did_you_mean
from flowrunner.errors import ExitStatus, UsageError
from flowrunner.language.schema.synonyms import MEANT

_MOST = 3
_ABOUT = {
    PROJECT: "What all workflows of a project share; it stands at the top of a repository.",
    TESTS: "Cases of one workflow, in a file called `NAME.test.yaml`; `flowrunner test` runs them.",
}
"""What the files are for that are no workflows, by what the names of their keys begin with."""
_CASES = (("cases",), ("cases", "expect"))
_FORMS = "a key such as `step.retry`, a rule such as `unknown-key`, an exit status, or a workflow"


def topic_lines(topic: str) -> list[str]:
    """All that a word means here. Raises UsageError, with a suggestion, where that is nothing."""
    word = topic.strip().strip("`").removeprefix("error[").removeprefix("warning[").rstrip("]")
    found: list[list[str]] = []
    if word.isdecimal() and int(word) in list(ExitStatus):
        found.append(status_lines(ExitStatus(int(word))))
    if word in _ABOUT:
        found.append(_contents(word))
    found += [key_lines(key) for key in _shown(keys_for(word))]
    if word in RULES:
        found.append(rule_lines(word))
    if not found:
        raise UsageError(f"there is nothing called `{topic}` to explain", help=_advice(word))
    elsewhere = _elsewhere(keys_for(word))
    return [*_joined(found), *(["", elsewhere] if elsewhere else [])]


def keys_for(word: str) -> list[Key]:
    """The keys that a word names: those whose name ends with it, the one whose whole name it is
    first."""
    name = re.sub(r"^steps\.", "step.", word.replace("[]", ""))
    name = re.sub(rf"^((?:{TESTS}[.:])?)case\.", r"\1cases.", name)
    whole = all_keys().get(re.sub(rf"^({PROJECT}|{TESTS})\.", r"\1:", name))
    if whole is not None and len(whole.path) > 1:
        return [whole]
    ends = (f".{name}", f":{name}")
    found = _distinct(key for key in all_keys().values() if key.name.endswith(ends))
    return [*([] if whole is None else [whole]), *found]


def _distinct(keys: Iterable[Key]) -> Iterator[Key]:
    """The keys that mean different things; of those that mean the same, the one of a step."""
    seen: set[str] = set()
    for key in sorted(keys, key=_nearness):
        if key.meaning not in seen:
            seen.add(key.meaning)
            yield key


def _nearness(key: Key) -> tuple[bool, int, bool, str]:
    return key.file != "workflow", len(key.path), key.path[0] != "step", key.name


def _shown(keys: list[Key]) -> list[Key]:
    """All of a few; of many, those that stand nearest to the top of their file."""
    if keys and len(keys[0].path) == 1:
        return keys[:1]
    if len(keys) <= _MOST:
        return keys
    return [key for key in keys if len(key.path) == len(keys[0].path)][:_MOST]


def _elsewhere(keys: list[Key]) -> str | None:
    more = [key.name for key in keys if key not in _shown(keys)]
    if not more:
        return None
    names = ", ".join(f"`{name}`" for name in more[:12])
    left = f" and {len(more) - 12} more" if len(more) > 12 else ""
    return f"There is also {names}{left}."


def _joined(blocks: list[list[str]]) -> list[str]:
    lines = blocks[0]
    for block in blocks[1:]:
        lines = [*lines, "", *block]
    return lines


def _contents(name: str) -> list[str]:
    """What a file consists of that is no workflow: its keys, of tests those of a case too."""
    own = [key for key in all_keys().values() if key.name.startswith(f"{name}:")]
    top = [key for key in own if len(key.path) == 1 or key.path[:-1] in _CASES]
    shown = {".".join(key.path): key.meaning for key in top}
    width = max(map(len, shown))
    rows = [f"  {dotted:<{width}}  {meaning}" for dotted, meaning in shown.items()]
    return [name, f"  {_ABOUT[name]}", "", *rows]


def _advice(word: str) -> str:
    last = word.rpartition(".")[2]
    if last in MEANT:
        return f"here it is called `{MEANT[last]}`: flowrunner explain {MEANT[last]}"
    short = {key.path[-1] for key in all_keys().values()}
    near = did_you_mean(word, [*all_keys(), *RULES]) or did_you_mean(last, [*short, *RULES])
    return f"did you mean `{near}`?" if near else f"name {_FORMS}"
