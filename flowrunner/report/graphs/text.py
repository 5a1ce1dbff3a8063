"""A graph as a tree of lines, each step with what it waits for; ASCII where no more is shown."""

from __future__ import annotations

from collections.abc import Sequence

from flowrunner.report.graphs.nodes import Graph, Node

_LINES = ("├─ ", "└─ ", "│  ", "←")
_ASCII = ("|- ", "`- ", "|  ", "<-")


def to_lines(graph: Graph, *, utf8: bool) -> list[str]:
    """One line a step, below the name of the workflow."""
    signs = _LINES if utf8 else _ASCII
    return [graph.name, *_tree(graph.nodes, "", signs)]


def _tree(nodes: Sequence[Node], before: str, signs: tuple[str, str, str, str]) -> list[str]:
    lines: list[str] = []
    for position, node in enumerate(nodes):
        is_last = position == len(nodes) - 1
        lines.append(f"{before}{signs[1] if is_last else signs[0]}{_line(node, signs[3])}")
        inside = before + ("   " if is_last else signs[2])
        for number, (case, below) in enumerate(node.lists):
            if case is None:
                lines += _tree(below, inside, signs)
                continue
            ends = number == len(node.lists) - 1
            lines.append(f"{inside}{signs[1] if ends else signs[0]}{case}:")
            lines += _tree(below, inside + ("   " if ends else signs[2]), signs)
    return lines


def _line(node: Node, arrow: str) -> str:
    waits = [f"{arrow} {', '.join(node.waits_for)}"] if node.waits_for else []
    return "  ".join([node.id, node.what, *node.notes, *waits])
