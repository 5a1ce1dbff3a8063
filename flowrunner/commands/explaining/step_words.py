"""One step in plain English: when it runs, what it does, what comes of it.

The words follow from the checked workflow alone, so that the same file is always told the same way.
How steps are listed is left to `in_words`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from flowrunner.events import JSON
from flowrunner.language.forms import Form, Leaf, text_of
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import Shape, alternatives
from flowrunner.language.tools import CallTool
from flowrunner.language.workflow import (
    Approve,
    Branch,
    CallWorkflow,
    Command,
    Fail,
    ForEach,
    Money,
    Repeat,
    SetValues,
    Step,
    Steps,
    Stop,
    Verb,
    Write,
)
from flowrunner.report.figures import count, counted, duration, money

_LONGEST = 72
_KINDS = {
    "number": "a number",
    "integer": "a whole number",
    "yes_no": "yes or no",
    "date": "a date",
    "file": "a file",
    "files": "files",
    "table": "a table",
    "json": "JSON",
    "any": "anything",
}


def brief(text: str) -> str:
    """A text in quotation marks, on one line, its end cut off where it is long."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + '…'}”"


def listed(words: Iterable[str]) -> str:
    """`a, b and c`."""
    return alternatives(words, "and").replace("`", "")


def shape_words(shape: Shape) -> str:
    """What a value looks like: `a whole number`, `billing, bug or other`, `a list of …`."""
    if shape.kind == "choice":
        return alternatives(shape.choices).replace("`", "")
    if shape.kind == "list" and shape.item is not None:
        return f"a list, each entry {shape_words(shape.item)}"
    if shape.kind == "object":
        return f"an object with {listed(name for name, _ in shape.fields)}"
    return _KINDS.get(shape.kind, "text")


def sentences(step: Step) -> list[str]:
    """What is to be said of a step, without the steps inside it."""
    return [f"{', '.join([*_when(step), _deed(step.verb)])}.", *_outcome(step), *_care(step)]


def _when(step: Step) -> list[str]:
    found = []
    if step.waits_for:
        found.append(f"after {listed(step.waits_for)}")
    if step.for_each is not None:
        found.append(_for_each(step.for_each))
    if step.condition is not None:
        found.append(f"only if `{step.condition_text}`")
    if step.repeat is not None:
        found.append(_repeat(step, step.repeat))
    return found


def _for_each(loop: ForEach) -> str:
    pace = "" if loop.at_once is None else f", {count(loop.at_once)} at a time"
    return f"once for each `{loop.as_name}` of `{loop.text}`{pace}"


def _repeat(step: Step, repeat: Repeat) -> str:
    route = (*step.route, "repeat", "until")
    until = next((leaf.source for leaf in step.leaves if leaf.route == route), None)
    goal = f"until `{until}`" if until else "round after round"
    return f"{goal}, {counted(repeat.at_most, 'round')} at most"


def _deed(verb: Verb) -> str:
    """What the step does, as the end of a sentence."""
    return _DEEDS[type(verb)](verb) if type(verb) in _DEEDS else "does nothing that can be told"


def _ask(prompt: Prompt) -> str:
    model = prompt.model or "the model that the project or the command line names"
    parts = [f"asks {model}"]
    if prompt.continues is not None:
        parts.append(f"going on from {prompt.continues.step}")
    said = _message(prompt.parameters.get("input"))
    attached = len(prompt.attach)
    parts += [f"with {counted(attached, 'attachment')}"] if attached else []
    return " ".join(parts) + (f": {brief(said)}" if said else "")


def _message(asked: Form) -> str:
    """What is asked: the text, or that of the last message."""
    if isinstance(asked, Leaf):
        return asked.source
    if isinstance(asked, Mapping):
        return _message(asked.get("content", asked.get("text")))
    if isinstance(asked, list):
        return next((said for said in map(_message, reversed(asked)) if said), "")
    return text_of(asked) or ""


def _command(command: Command) -> str:
    words = " ".join(word.source if isinstance(word, Leaf) else word for word in command.argv)
    given = f" with {_source(command.stdin)} on its input" if command.stdin is not None else ""
    effect = "may change things outside" if command.changes_things else "changes nothing outside"
    return f"runs the command `{words}`{given}, which {effect}"


def _source(form: Form) -> str:
    if isinstance(form, Leaf):
        return brief(form.source)
    return f"a list of {len(form)}" if isinstance(form, list) else "values"


def _call(call: CallWorkflow) -> str:
    given = f" with {listed(call.arguments)}" if call.arguments else ""
    return f"runs the workflow `{call.path}`{given}"


def _call_tool(call: CallTool) -> str:
    given = f" with {listed(call.with_)}" if call.with_ else ""
    effect = "may change things outside" if call.tool.changes_things else "changes nothing outside"
    return f"calls the tool {call.name}{given}, which {effect}"


def _branch(branch: Branch) -> str:
    return f"goes one of {counted(_ways(branch), 'way')}, by `{branch.on.source.text.strip()}`"


def _ways(branch: Branch) -> int:
    return len(branch.cases) + (branch.otherwise is not None)


_DEEDS: Mapping[type, Callable[..., str]] = {
    Prompt: _ask,
    Command: _command,
    CallWorkflow: _call,
    CallTool: _call_tool,
    Branch: _branch,
    Write: lambda verb: f"writes {brief(verb.template.source.text)}",
    SetValues: lambda verb: f"works out {listed(verb.values)}",
    Steps: lambda _: "does the steps below",
    Approve: lambda verb: f"asks a person: {brief(verb.text.source.text)}",
    Stop: lambda verb: f"ends the run here, as a success: {brief(verb.text.source.text)}",
    Fail: lambda verb: f"ends the run here, as a failure: {brief(verb.text.source.text)}",
}


def _outcome(step: Step) -> list[str]:
    """What the step's answer looks like, and where it is kept."""
    found = []
    verb = step.verb
    if isinstance(verb, Prompt | Command | CallTool) and verb.output is not None:
        found.append(f"Its answer is {_fields(verb.output)}.")
    elif isinstance(verb, Prompt | Command) and verb.schema is not None:
        found.append("Its answer follows a JSON Schema.")
    if isinstance(verb, Prompt):
        found += _of_prompt(verb)
    if isinstance(verb, Approve):
        found.append("Nothing below goes on before somebody agrees.")
    if step.save_to is not None:
        found.append(f"It is saved to `{step.save_to.source.text}`.")
    return found


def _fields(shape: Shape) -> str:
    if shape.kind != "object":
        return shape_words(shape)
    return "; ".join(f"{name}: {shape_words(below)}" for name, below in shape.fields)


def _of_prompt(prompt: Prompt) -> list[str]:
    found = []
    names = tool_names(prompt)
    if names:
        found.append(f"The model may use {listed(names)}.")
    if prompt.parameters.get("conversation") is not None:
        found.append("It speaks in a conversation that the API keeps.")
    if prompt.is_background:
        found.append("It is answered in the background.")
    return found


def tool_names(prompt: Prompt) -> list[str]:
    """The tools of a prompt, by the names or types under which the API knows them."""
    tools = prompt.parameters.get("tools")
    named = [_tool_name(tool) for tool in tools] if isinstance(tools, list) else []
    return [name for name in named if name]


def _tool_name(tool: JSON) -> str:
    if not isinstance(tool, Mapping):
        return text_of(tool) or ""
    return str(tool.get("name") or tool.get("server_label") or tool.get("type") or "")


def _care(step: Step) -> list[str]:
    """What happens where something goes wrong, costs or takes long."""
    found = []
    if step.retry.attempts > 1:
        found.append(f"It has {counted(step.retry.attempts, 'attempt')} at a good answer.")
    if step.on_error == "continue" and step.for_each is None:
        found.append("If it fails, the run goes on.")
    if step.on_error == "stop" and step.for_each is not None:
        found.append("If one of them fails, nothing new is begun.")
    if step.repeat is not None and step.repeat.or_fail:
        found.append("It fails when the rounds are used up.")
    if step.budget is not None:
        found.append(f"It may spend {budget_words(step.budget)}.")
    if step.timeout_s is not None:
        found.append(f"It may take {duration(step.timeout_s)}.")
    if step.reuse:
        found.append("The answer of an earlier run to the very same request may stand in.")
    return found


def budget_words(budget: Money) -> str:
    """A budget as the end of a sentence."""
    parts = []
    if budget.stop_at_usd is not None:
        parts.append(f"{money(budget.stop_at_usd)} at most")
    if budget.tokens is not None:
        parts.append(f"{count(budget.tokens)} tokens at most")
    if budget.warn_at_usd is not None:
        parts.append(f"warning from {money(budget.warn_at_usd)} on")
    return ", ".join(parts)
