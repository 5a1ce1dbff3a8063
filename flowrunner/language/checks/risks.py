"""Steps in which text from elsewhere could make a model send private data away unasked.

Three things make that possible together, and each is said here of tools, not of what they are used
for. What a person is asked about before each call cannot leave unseen, so it does not count as a
way out.

    private    what the model can look up by itself and the world cannot: documents (`file_search`),
               what lies behind a sign-in, this machine (programs, functions, a shell, a screen)
    untrusted  text that others may have written: pages, documents, answers of servers, a screen
    outbound   a way out without a question: live search, a server's tools that do more than read,
               declared tools that change things under `ask: never`, a container with network
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from flowrunner.diagnostics import Finding
from flowrunner.language.forms import Form, Leaf
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import alternatives
from flowrunner.language.tools import (
    CallTool,
    CommandTool,
    ComputerTool,
    CustomTool,
    HttpTool,
    McpTool,
    PythonTool,
    ShellTool,
    Tool,
    WorkflowTool,
    env_names,
)
from flowrunner.language.workflow import CallWorkflow, Command, Step, Workflow
from flowrunner.language.workflow.reader import mapping

_SEARCHES = ("web_search", "web_search_preview")
_BY_URL = ("file_url", "image_url")

Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Risks:
    """Who brings which of the three: names of tools, or of what else stands in the step."""

    private: Names = ()
    untrusted: Names = ()
    outbound: Names = ()

    def __add__(self, other: Risks) -> Risks:
        return Risks(
            _once(self.private + other.private),
            _once(self.untrusted + other.untrusted),
            _once(self.outbound + other.outbound),
        )

    @property
    def are_complete(self) -> bool:
        """Whether all three come together."""
        return bool(self.private and self.untrusted and self.outbound)

    def named(self, name: str) -> Risks:
        """The same under one name, for a tool that stands for several things."""
        return Risks(*((name,) if each else () for each in self._three()))

    def _three(self) -> tuple[Names, Names, Names]:
        return self.private, self.untrusted, self.outbound


def check_risks(workflow: Workflow) -> Iterator[Finding]:
    """Prompt steps with all three that do not say why that is well."""
    for step in workflow.all_steps():
        risks = risks_of(step.verb) if isinstance(step.verb, Prompt) else Risks()
        if risks.are_complete and not step.accept_risk:
            yield _trifecta(workflow, step, risks)
        elif step.accept_risk and not risks.are_complete:
            message = f"`{step.id}` brings no risk that has to be accepted"
            route = (*step.route, "accept_risk")
            yield Finding("trifecta", message, route, "take `accept_risk` out", "hint", aim="key")


def _trifecta(workflow: Workflow, step: Step, risks: Risks) -> Finding:
    key = "tools" if "tools" in workflow.written(step) else "id"
    private, untrusted, outbound = (
        alternatives(names, "and") for names in (risks.private, risks.untrusted, risks.outbound)
    )
    return Finding(
        "trifecta",
        f"text from elsewhere could make `{step.id}` send private data away: it reaches private "
        f"data ({private}), reads what others write ({untrusted}), and can send without asking "
        f"({outbound})",
        (*step.route, key),
        "give two steps each a part of these tools, let a person be asked (`ask: always`, "
        "`require_approval: always`), or write `accept_risk:` with the reason why it is well",
        aim="key",
    )


def risks_of(prompt: Prompt) -> Risks:
    """What the tools of a prompt step bring, and what its input fetches."""
    found = Risks()
    listed = prompt.parameters.get("tools")
    for each in listed if isinstance(listed, list) else []:
        found += risks_of_object(mapping(each))
    for tool in dict.fromkeys(tool.name for tool in prompt.tools.values()):
        found += risks_of_tool(next(each for each in prompt.tools.values() if each.name == tool))
    if _fetches(prompt.parameters.get("input")):
        found += Risks(untrusted=("input",))
    if any(_is_written_address(each.file.source) for each in prompt.attach):
        found += Risks(untrusted=("attach",))
    return found


def risks_of_object(tool: Mapping[str, Any]) -> Risks:
    """What a tool brings that the API runs itself, as its object says."""
    kind = str(tool.get("type", ""))
    if kind.startswith(_SEARCHES):
        return Risks(untrusted=(kind,), outbound=(kind,) if _is_live(tool) else ())
    if kind == "file_search":
        return Risks(private=(kind,), untrusted=(kind,))
    if kind == "mcp":
        return _of_server(tool)
    container = tool.get("environment" if kind == "shell" else "container")
    if kind in ("code_interpreter", "shell") and _has_network(container):
        return Risks(untrusted=(kind,), outbound=(kind,))
    return Risks()


def _is_live(search: Mapping[str, Any]) -> bool:
    """Whether it opens pages that it chooses: words can leave in the address of a page."""
    limited = mapping(search.get("filters")).get("allowed_domains")
    return search.get("external_web_access") is not False and not limited


def _has_network(container: Form) -> bool:
    return mapping(mapping(container).get("network_policy")).get("type") == "allowlist"


def _of_server(tool: Mapping[str, Any]) -> Risks:
    label = str(tool.get("server_label", "mcp"))
    name = (label,)
    signs_in = any(tool.get(key) for key in ("authorization", "headers"))
    is_private = signs_in or any(tool.get(key) for key in ("connector_id", "tunnel_id"))
    only_reads = mapping(tool.get("allowed_tools")).get("read_only") is True
    is_free = not only_reads and _asks_too_little(tool.get("require_approval"))
    return Risks(name if is_private else (), name, name if is_free else ())


def _asks_too_little(approval: Form) -> bool:
    """Whether tools that do more than read may be called without a person."""
    if isinstance(approval, Mapping):
        free = mapping(approval.get("never"))
        return bool(free) and free.get("read_only") is not True
    return approval == "never"


def risks_of_tool(tool: Tool) -> Risks:
    """What a declared tool brings."""
    name = (tool.name,)
    kind = tool.kind.runs if isinstance(tool.kind, CustomTool) else tool.kind
    out = name if tool.changes_things and tool.ask == "never" else ()
    match kind:
        case CommandTool() | PythonTool():
            return Risks(private=name, outbound=out)
        case HttpTool():
            return Risks(name if env_names(tool) else (), name, out)
        case McpTool():
            is_private = kind.command is not None or env_names(tool)
            return Risks(name if is_private else (), name, out)
        case ComputerTool() | ShellTool():
            return Risks(name, name, out)
        case WorkflowTool():
            inside = risks_of_workflow(kind.workflow).named(tool.name)
            return inside if tool.ask == "never" else Risks(inside.private, inside.untrusted)
    return Risks()


def risks_of_workflow(workflow: Workflow) -> Risks:
    """What all steps of a file bring together: what comes out of one goes into others."""
    found = Risks()
    for step in workflow.all_steps():
        verb = step.verb
        if isinstance(verb, Prompt):
            found += risks_of(verb)
        elif isinstance(verb, CallTool):
            found += risks_of_tool(verb.tool)
        elif isinstance(verb, Command):
            out = (step.id,) if verb.changes_things else ()
            found += Risks(private=(step.id,), outbound=out)
        elif isinstance(verb, CallWorkflow):
            found += risks_of_workflow(verb.workflow)
    return found


def _fetches(form: Form) -> bool:
    """Whether an input names files or images by address, which others may have written."""
    if isinstance(form, Mapping):
        return any(_is_address(form.get(key)) for key in _BY_URL) or any(
            _fetches(below) for below in form.values()
        )
    return isinstance(form, list) and any(_fetches(below) for below in form)


def _is_address(form: Form) -> bool:
    if isinstance(form, Leaf):
        return not form.source.startswith("data:")
    return isinstance(form, str) and _is_written_address(form)


def _is_written_address(text: str) -> bool:
    return text.strip().startswith(("http:", "https:"))


def _once(names: Names) -> Names:
    return tuple(dict.fromkeys(names))
