"""A graph in Mermaid's language, which GitHub, GitLab and many editors draw by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrunner.report.graphs.nodes import Graph, Node

_LONGEST = 60
_ENTITIES = str.maketrans({sign: f"#{ord(sign)};" for sign in "#%{}`\\"}) | str.maketrans(
    {'"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;"}
)
"""Also `%` and braces: Mermaid looks for its directives anywhere in the text."""


def to_mermaid(graph: Graph) -> str:
    """A flowchart from top to bottom. Nothing of a label is read as anything but text."""
    lines = ["flowchart TD", *_nodes(graph.nodes, "  "), *_edges(graph.nodes, "  ")]
    return "".join(f"{line}\n" for line in [f"%% {_words(graph.name)}", *lines])


def _nodes(nodes: Sequence[Node], gap: str) -> Iterator[str]:
    for node in nodes:
        parts = [node.id, node.what, *node.notes]
        label = "<br/>".join(map(_words, parts))
        if not node.is_group:
            left, right = ("{{", "}}") if node.what in ("approve", "stop", "fail") else ("[", "]")
            yield f'{gap}{node.key}{left}"{label}"{right}'
            continue
        yield f'{gap}subgraph {node.key}["{label}"]'
        for number, (case, below) in enumerate(node.lists):
            if case is None:
                yield from _nodes(below, f"{gap}  ")
            else:
                yield f'{gap}  subgraph {node.key}_{number}["{_words(case)}"]'
                yield from _nodes(below, f"{gap}    ")
                yield f"{gap}  end"
        yield f"{gap}end"


def _edges(nodes: Sequence[Node], gap: str) -> Iterator[str]:
    keys = {node.id: node.key for node in nodes}
    for node in nodes:
        line = "-.->" if node.is_conditional else "-->"
        yield from (f"{gap}{keys[name]} {line} {node.key}" for name in node.waits_for)
        for _, below in node.lists:
            yield from _edges(below, gap)


def _words(text: str) -> str:
    short = text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
    return short.translate(_ENTITIES)
