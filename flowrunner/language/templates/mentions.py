"""Which steps and inputs a template mentions, read off its syntax tree as constant paths.

Mentions in branches that are not taken count too. What waits for what is left to the callers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from jinja2 import nodes as ast

from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.functions import STATES
from flowrunner.language.templates.source import Source, constant_key

ROOTS = ("steps", "inputs", "previous")
"""The names that stand only at the root of a constant path."""

_NEXT = {
    "steps": "write `steps.` and the id of a step, such as `steps.reply`",
    "inputs": "write `inputs.` and the name of an input, such as `inputs.ticket`",
    "previous": "write `previous.` and the id of a step, such as `previous.draft`",
}


@dataclass(frozen=True, slots=True)
class Mention:
    """A path that a template reads: `("steps", "triage", "output", "team")`, up to where it stops
    being constant.

    `guarded` says that the template does without the value where it is empty. `start` and `length`
    count characters of the source.
    """

    path: tuple[str | int, ...]
    start: int
    length: int
    guarded: bool


@dataclass(frozen=True)
class _Guards:
    """What makes mentions guarded where reading stands."""

    all: bool = False
    tested: frozenset[tuple[str | int, ...]] = frozenset()
    """Roots with the step or input that an `if` around here tests."""

    def cover(self, path: tuple[str | int, ...]) -> bool:
        states = path[0] in {"steps", "previous"} and path[2:3] in {("status",), ("error",)}
        return self.all or states or path[:2] in self.tested


UNGUARDED = _Guards()


@dataclass
class MentionReader:
    """Reads the mentions of one tree, and the mistakes of using a root as anything else."""

    source: Source
    mentions: list[Mention] = field(default_factory=list)
    faults: list[TemplateFault] = field(default_factory=list)

    def read(self, part: ast.Node, guards: _Guards = UNGUARDED) -> None:
        """Read a part of the tree and all below it."""
        if isinstance(part, ast.Getattr | ast.Getitem | ast.Name):
            self.read_path(part, guards)
        elif isinstance(part, ast.If):
            self.read_if(part, guards)
        elif isinstance(part, ast.CondExpr):
            within = self.tested_by(part.test, guards)
            for side in (part.test, part.expr1, part.expr2):
                if side is not None:
                    self.read(side, within)
        else:
            within = _Guards(True) if is_shield(part) else guards
            for child in part.iter_child_nodes():
                if not (isinstance(part, ast.Call) and child is part.node):
                    self.read(child, within)

    def read_if(self, part: ast.If, guards: _Guards) -> None:
        """Each test guards what it asks about, in its own branch and in those after it."""
        for branch in (part, *part.elif_):
            guards = self.tested_by(branch.test, guards)
            self.read(branch.test, guards)
            for child in branch.body:
                self.read(child, guards)
        for child in part.else_:
            self.read(child, guards)

    def tested_by(self, test: ast.Node, guards: _Guards) -> _Guards:
        """The guards inside an `if` with this test."""
        paths = {constant_path(part)[:2] for part in _all_paths(test)}
        return _Guards(guards.all, guards.tested | {path for path in paths if len(path) == 2})

    def read_path(self, part: ast.Getattr | ast.Getitem | ast.Name, guards: _Guards) -> None:
        links = list(_links(part))
        root = links[0]
        for link in links[1:]:
            if isinstance(link, ast.Getitem) and constant_key(link.arg) is None:
                self.read(link.arg, guards)
        if not isinstance(root, ast.Name):
            self.read(root, guards)
        elif root.name in ROOTS:
            self.mention(root, links[1:], guards)

    def mention(self, root: ast.Name, links: list[ast.Node], guards: _Guards) -> None:
        path = constant_path(links[-1] if links else root)
        if len(path) == 1 or not isinstance(path[1], str):
            self.faults.append(self.dynamic(root, links))
            return
        span = self.source.span_of(links[len(path) - 2])
        self.mentions.append(Mention(path, *span, guards.cover(path)))

    def dynamic(self, root: ast.Name, links: list[ast.Node]) -> TemplateFault:
        if root.ctx == "store":
            message = f"`{root.name}` cannot be set to something else"
            return TemplateFault(
                "dynamic-step", message, "choose another name", *self.source.span_of(root)
            )
        if links:
            message = f"what stands in the brackets after `{root.name}` must be a literal name"
        else:
            message = f"`{root.name}` cannot be used as a whole"
        place = self.source.span_of(links[0] if links else root)
        return TemplateFault("dynamic-step", message, _NEXT[root.name], *place)


def _all_paths(test: ast.Node) -> Iterator[ast.Getattr | ast.Getitem]:
    if isinstance(test, ast.Getattr | ast.Getitem):
        yield test
    yield from test.find_all(ast.Getattr)
    yield from test.find_all(ast.Getitem)


def constant_path(part: ast.Node) -> tuple[str | int, ...]:
    """The constant beginning of a path, with its root; () where the root is no name."""
    root, *links = _links(part)
    if not isinstance(root, ast.Name):
        return ()
    path: list[str | int] = [root.name]
    for link in links:
        key = link.attr if isinstance(link, ast.Getattr) else _key(link)
        if key is None:
            break
        path.append(key)
    return tuple(path)


def constant_paths(tree: ast.Node) -> list[tuple[str | int, ...]]:
    """Every constant path of a tree that is not the beginning of another, whatever its root."""
    found = dict.fromkeys(constant_path(part) for part in _all_paths(tree))
    return [
        path
        for path in found
        if path and not any(other[: len(path)] == path for other in found if other != path)
    ]


def is_shield(part: ast.Node) -> bool:
    """Whether the values inside a part may be empty without fault."""
    if isinstance(part, ast.Call):
        return isinstance(part.node, ast.Name) and part.node.name in {"first", "default"}
    if isinstance(part, ast.Filter):
        return part.name == "default"
    return isinstance(part, ast.Test) and part.name in STATES


def _links(part: ast.Node) -> Iterator[ast.Node]:
    """The links of a path from its root: the root, and each step below it."""
    chain = [part]
    while isinstance(part, ast.Getattr | ast.Getitem):
        part = part.node
        chain.append(part)
    return reversed(chain)


def _key(link: ast.Node) -> str | int | None:
    return constant_key(link.arg) if isinstance(link, ast.Getitem) else None
