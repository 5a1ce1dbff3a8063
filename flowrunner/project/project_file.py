"""`flowrunner.yaml` at the top of a project: read, checked like a workflow, as one frozen value.

What the environment and the command line say on top is left to `settings`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowrunner.catalog import Supports
from flowrunner.diagnostics import Diagnostic, Finding, Route, in_order
from flowrunner.events import JSON
from flowrunner.language.document import Document, read
from flowrunner.language.forms import plain
from flowrunner.language.schema import check_shape
from flowrunner.language.workflow import Limits, read_duration
from flowrunner.language.workflow.modifiers import read_money
from flowrunner.language.workflow.parts import Money
from flowrunner.project.folders import PROJECT_FILE
from flowrunner.project.project_checks import check_project
from flowrunner.secrets import without_keys

_AFTER_COLON = re.compile(
    r"""(?xi) (?: \b (?: api_?key | authorization | key | password | secret | token )
    | key_env (?! ["']? \s* : \s* ["']? (?-i: [A-Z][A-Z0-9_]* ) (?: [\s"',}] | $ )) )
    ["']? \s* : \s* (?P<value> "[^"]*" | '[^']*' | [^\s,}]+ )"""
)
_IN_ADDRESS = re.compile(r"//(?P<value>[^/\s@]+)@|https?://[^\s?#]*[?#](?P<query>[^\s\"']+)")
_OTHER_FIXES = ("not-a-file", "root")  # their advice is for workflows


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """One provider as the file has it; None where it says nothing."""

    base_url: str | None = None
    key_env: str | None = None
    kind: str | None = None
    auth: str | None = None
    api_version: str | None = None
    supports: Supports = field(default_factory=dict)
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """What `flowrunner.yaml` says; an empty one says nothing.

    `defaults` are API parameters. `prices` are US dollars per 1,000,000 tokens by model: `input`,
    `output` and perhaps `cached_input`. `lines` has the line of each thing that can be set, by its
    dotted name. `warnings` are diagnostics.
    """

    path: Path
    model: str | None = None
    defaults: Mapping[str, JSON] = field(default_factory=dict)
    budget: Money | None = None
    confirm_above_usd: float | None = None
    limits: Limits = field(default_factory=Limits)
    provider: str | None = None
    providers: Mapping[str, ProviderEntry] = field(default_factory=dict)
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()

    def source(self, name: str) -> str:
        """Where a thing was said: `/project/flowrunner.yaml:3`."""
        line = self.lines.get(name)
        return str(self.path) if line is None else f"{self.path}:{line}"


def open_project_file(project: Path) -> tuple[ProjectFile | None, list[Diagnostic]]:
    """The project file at the top of a project, as `read_project_file` gives it; one that is not
    there says nothing."""
    path = project / PROJECT_FILE
    if not path.is_symlink() and not path.exists():
        return ProjectFile(path), []
    below = path.is_relative_to(Path.cwd())
    return read_project_file(path, os.path.relpath(path) if below else str(path))


def read_project_file(path: Path, shown: str) -> tuple[ProjectFile | None, list[Diagnostic]]:
    """The project file at a path and everything that is to say about it, sorted by place.

    `shown` is the path as messages show it. The file is None where any diagnostic is an error; one
    with nothing but comments in it is a file that says nothing. No diagnostic shows a key.
    """
    document, of_file = read(path, shown)
    if {each.code for each in of_file} == {"empty"}:
        return ProjectFile(path), []
    findings: list[Finding] = []
    if document is not None:
        shape = check_shape(document, "project")
        findings = [*shape, *_new_causes(check_project(document.value), shape)]
    said = [document.diagnose(each) for each in findings] if document else []
    found = in_order(_for_project(each) for each in (*of_file, *said))
    if document is None or any(each.severity == "error" for each in found):
        return None, found
    return replace(_build(path, document), warnings=tuple(found)), found


def _new_causes(findings: Iterable[Finding], shape: list[Finding]) -> list[Finding]:
    refused = {each.route for each in shape}
    return [
        each
        for each in findings
        if not any(each.route[:end] in refused for end in range(1, len(each.route) + 1))
    ]


def _for_project(found: Diagnostic) -> Diagnostic:
    """A diagnostic in words for this file, and without what may be a key."""
    message = found.message.replace("a file holds one workflow", "a project file is one")
    message = message.replace("workflow file", "project file")
    help_ = None if found.code in _OTHER_FIXES else found.help
    line = found.source_line
    return replace(
        found,
        message=_without_keys(message),
        help=None if help_ is None else _without_keys(help_),
        source_line=None if line is None else _without_keys(_AFTER_COLON.sub(_starred, line)),
    )


def _without_keys(text: str) -> str:
    """The text with stars in the place of what looks like a key or password; columns stay."""
    return _IN_ADDRESS.sub(_starred, without_keys(text))


def _starred(match: re.Match[str]) -> str:
    start, end = match.span(match.lastgroup or 0)
    begin = match.start()
    return f"{match[0][: start - begin]}{'*' * (end - start)}{match[0][end - begin :]}"


def _build(path: Path, document: Document) -> ProjectFile:
    value = plain(document.value)
    limits = value.get("limits", {})
    above = read_money(value.get("confirm_above"))
    return ProjectFile(
        path,
        model=value.get("model"),
        defaults=value.get("defaults", {}),
        budget=read_money(value.get("budget")),
        confirm_above_usd=above.stop_at_usd if above else None,
        limits=Limits(limits.get("at_once"), _seconds(limits.get("timeout"))),
        provider=value.get("provider"),
        providers={name: _provider(each) for name, each in value.get("providers", {}).items()},
        prices=_prices(value),
        lines=_lines(document),
    )


def _seconds(written: str | None) -> float | None:
    return None if written is None else read_duration(written)


def _prices(written: Mapping[str, JSON]) -> dict[str, dict[str, float]]:
    return {
        name: {kind: float(price) for kind, price in each.items()}
        for name, each in written.get("prices", {}).items()
    }


def _provider(written: Mapping[str, JSON]) -> ProviderEntry:
    base_url = written.get("base_url")
    return ProviderEntry(
        base_url=None if base_url is None else base_url.strip().rstrip("/"),
        key_env=written.get("key_env"),
        kind=written.get("kind"),
        auth=written.get("auth"),
        api_version=written.get("api_version"),
        supports={
            key: tuple(known) if isinstance(known, list) else known
            for key, known in written.get("supports", {}).items()
        },
        prices=_prices(written),
    )


def _lines(document: Document) -> dict[str, int]:
    """The line of every key at the top, and of every key one below it."""
    routes: list[Route] = []
    for key, below in document.value.items():
        routes.append((key,))
        routes += [(key, inner) for inner in below] if isinstance(below, Mapping) else []
    return {".".join(map(str, route)): document.place(route, "key").line for route in routes}
