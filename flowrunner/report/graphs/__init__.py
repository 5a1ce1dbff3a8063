"""A workflow as a graph, before any run: as text, Mermaid, Graphviz DOT or SVG.

The graph is read off the checked file; a run's own picture is left to `html.graph`.
"""

from __future__ import annotations

from flowrunner.report.graphs.dot import to_dot
from flowrunner.report.graphs.mermaid import to_mermaid
from flowrunner.report.graphs.nodes import Graph, Node, graph_of
from flowrunner.report.graphs.svg import to_svg
from flowrunner.report.graphs.text import to_lines

__all__ = ["Graph", "Node", "graph_of", "to_dot", "to_lines", "to_mermaid", "to_svg"]
