"""A graph in Graphviz' language, for those who have Graphviz."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrunner.report.graphs.nodes import Graph, Node

_HEAD = (
    "  compound=true;",
    '  node [shape=box, style=rounded, fontname="sans-serif"];',
    "  edge [arrowsize=0.7];",
    '  fontname="sans-serif";',
)


def to_dot(graph: Graph) -> str:
    """A directed graph; steps with others inside are clusters."""
    lines = [f"digraph {_quoted(graph.name)} {{", *_HEAD]
    lines += [*_nodes(graph.nodes, "  "), *_edges(graph.nodes, "  "), "}"]
    return "".join(f"{line}\n" for line in lines)


def _nodes(nodes: Sequence[Node], gap: str) -> Iterator[str]:
    for node in nodes:
        label = _label([node.id, node.what, *node.notes])
        if not node.is_group:
            style = ', style="rounded,dashed"' if node.is_conditional else ""
            yield f"{gap}{node.key} [label={label}{style}];"
            continue
        yield from (f"{gap}subgraph cluster_{node.key} {{", f"{gap}  label={label};")
        for number, (case, below) in enumerate(node.lists):
            if case is None:
                yield from _nodes(below, f"{gap}  ")
                continue
            yield f"{gap}  subgraph cluster_{node.key}_{number} {{"
            yield f"{gap}    label={_label([case])};"
            yield from _nodes(below, f"{gap}    ")
            yield f"{gap}  }}"
        yield f"{gap}}}"


def _edges(nodes: Sequence[Node], gap: str) -> Iterator[str]:
    known = {node.id: node for node in nodes}
    for node in nodes:
        for name in node.waits_for:
            above = known[name]
            ends = [f"ltail=cluster_{above.key}"] if above.is_group else []
            ends += [f"lhead=cluster_{node.key}"] if node.is_group else []
            more = f" [{', '.join(ends)}]" if ends else ""
            yield f"{gap}{_end(above, last=True)} -> {_end(node, last=False)}{more};"
        for _, below in node.lists:
            yield from _edges(below, gap)


def _end(node: Node, *, last: bool) -> str:
    """A step that stands for a cluster in an edge, which Graphviz draws between steps only."""
    while node.is_group:
        _, below = node.lists[-1 if last else 0]
        node = below[-1 if last else 0]
    return node.key


def _label(parts: Sequence[str]) -> str:
    return _quoted("\n".join(parts)).replace("\n", "\\n")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
