"""`graph`: the steps of a workflow as a picture or a tree, from the checked file; nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from flowrunner.commands.checking import load_valid
from flowrunner.commands.viewing import Viewer
from flowrunner.errors import EnvironmentFault, ExitStatus
from flowrunner.platform import write_atomically
from flowrunner.report.graphs import Graph, graph_of, to_dot, to_lines, to_mermaid, to_svg

GraphForm: TypeAlias = Literal["text", "mermaid", "dot", "svg"]

_BY_ENDING: dict[str, GraphForm] = {
    ".svg": "svg",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
}


def draw(path: Path, form: GraphForm | None, output: Path | None, viewer: Viewer) -> ExitStatus:
    """Draw a workflow on stdout or into a file, whose ending says how where nothing else does.

    Raises UsageError and InvalidWorkflow as a run does, EnvironmentFault for a file that cannot be
    written.
    """
    workflow, _ = load_valid(path, viewer.colour, None)
    if form is None:
        form = "text" if output is None else _BY_ENDING.get(output.suffix.lower(), "text")
    text = _drawn(graph_of(workflow), form, utf8=viewer.utf8 or output is not None)
    if output is None:
        viewer.result(text)
        return ExitStatus.DONE
    try:
        write_atomically(output, text.encode(), private=False)
    except OSError as fault:
        why = (fault.strerror or "unknown").lower()
        raise EnvironmentFault(f"`{output}` cannot be written: {why}") from None
    viewer.result(str(output))
    return ExitStatus.DONE


def _drawn(graph: Graph, form: GraphForm, *, utf8: bool) -> str:
    if form == "text":
        return "\n".join(to_lines(graph, utf8=utf8)) + "\n"
    return {"mermaid": to_mermaid, "dot": to_dot, "svg": to_svg}[form](graph)
