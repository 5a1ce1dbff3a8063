"""Building the steps of a file, those inside others too: the verb, then the keys around it.

Who waits for whom is left to `lifting`, the requests of prompt steps to `prompts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from flowrunner.diagnostics import Route
from flowrunner.events import JSON
from flowrunner.language.forms import Form, Leaf, has_template, leaves, text_of
from flowrunner.language.request import Prompt
from flowrunner.language.templates import Expression, Template
from flowrunner.language.tools import CallTool, Tool, callable_tools
from flowrunner.language.workflow.called import Open, open_called
from flowrunner.language.workflow.modifiers import (
    read_condition,
    read_for_each,
    read_money,
    read_on_error,
    read_on_unknown,
    read_repeat,
    read_retry,
    read_reuse,
)
from flowrunner.language.workflow.parts import (
    Approve,
    Branch,
    CallWorkflow,
    Command,
    Fail,
    SetValues,
    Step,
    Steps,
    Stop,
    Unbuilt,
    Verb,
    Write,
)
from flowrunner.language.workflow.prompts import (
    build_prompt,
    is_prompt,
    offered_tools,
    prompt_leaves,
    read_continue,
    read_output,
    read_provider,
    read_schema,
)
from flowrunner.language.workflow.reader import Reader, mapping, texts, whole

_TEXT_VERBS: Mapping[str, Callable[[Template], Verb]] = {
    "write": Write,
    "approve": Approve,
    "stop": Stop,
    "fail": Fail,
}


_Built: TypeAlias = tuple[Verb, list[Leaf]]


class StepBuilder:
    """Builds steps under the defaults of their file."""

    def __init__(
        self,
        reader: Reader,
        defaults: Mapping[str, Any],
        parameters: Mapping[str, Form],
        open_workflow: Open,
    ) -> None:
        self.reader = reader
        self.defaults = defaults
        self.parameters = parameters
        self.open_workflow = open_workflow
        self.timeout_s = reader.duration(defaults, "timeout", ("defaults",))

    def build(self, steps: JSON, route: Route) -> tuple[Step, ...]:
        """The steps of a list at a route; () for what is no list."""
        built: list[Step] = []
        for at, fields in enumerate(steps if isinstance(steps, list) else []):
            built.append(self.build_step(mapping(fields), (*route, at), built))
        return _told_of_children(built)

    def build_step(
        self, fields: Mapping[str, Any], route: Route, above: Sequence[Step] = ()
    ) -> Step:
        for_each, of_list = read_for_each(self.reader, fields, route)
        verb, found = self.build_verb(fields, route, above)
        condition, of_condition = read_condition(self.reader, fields, route)
        repeat, of_repeat = read_repeat(self.reader, fields, route)
        saved = self.reader.leaf(fields.get("save_to"), (*route, "save_to"))
        name = fields.get("id")
        asks = self.defaults if isinstance(verb, Prompt) else {}
        timeout_s = self.reader.duration(fields, "timeout", route)
        return Step(
            id=name if isinstance(name, str) else "",
            route=route,
            verb=verb,
            describe=text_of(fields.get("describe")),
            condition=condition,
            needs=texts(fields.get("needs")),
            timeout_s=self.timeout_s if timeout_s is None and asks else timeout_s,
            retry=read_retry(fields.get("retry", asks.get("retry"))),
            on_error=read_on_error(fields.get("on_error"), for_each),
            on_unknown=read_on_unknown(fields.get("on_unknown", asks.get("on_unknown")), verb),
            save_to=saved.parsed if saved and isinstance(saved.parsed, Template) else None,
            for_each=for_each,
            repeat=repeat,
            budget=read_money(fields.get("budget")),
            reuse=read_reuse(fields.get("reuse")),
            accept_risk=text_of(fields.get("accept_risk")),
            leaves=(*of_list, *found, *of_condition, *of_repeat, *([saved] if saved else [])),
        )

    def build_verb(self, fields: Mapping[str, Any], route: Route, above: Sequence[Step]) -> _Built:
        if is_prompt(fields):
            parent = _parent(fields, above)
            prompt = build_prompt(self.reader, fields, route, self.parameters, parent)
            named = read_provider(fields) or read_provider(self.defaults)
            prompt = replace(self.with_tools(prompt, fields, parent), provider=named)
            return prompt, prompt_leaves(prompt)
        for key, build in _VERBS.items():
            if key in fields:
                return build(self, fields, route) or (Unbuilt(), [])
        return Unbuilt(), []

    def with_tools(
        self, prompt: Prompt, fields: Mapping[str, Any], parent: Prompt | None
    ) -> Prompt:
        """The step with the tools that it offers, which stand where its `tools` come from."""
        tools: Mapping[str, Tool]
        if "tools" in fields:
            tools = offered_tools(fields["tools"], self.reader.tools)
        elif parent is not None and "tools" in parent.parameters:
            tools = parent.tools
        else:
            tools = offered_tools(self.defaults.get("tools"), self.reader.tools)
        may_change = prompt.may_change_things or any(map(_changes_things, tools.values()))
        turns = whole(fields.get("max_turns", self.defaults.get("max_turns")))
        max_turns = turns or prompt.max_turns
        return replace(prompt, tools=tools, max_turns=max_turns, may_change_things=may_change)

    def text(self, fields: Mapping[str, Any], route: Route) -> _Built | None:
        key = next(key for key in _TEXT_VERBS if key in fields)
        written = self.reader.leaf(fields[key], (*route, key))
        if written is None or not isinstance(written.parsed, Template):
            return None
        return _TEXT_VERBS[key](written.parsed), [written]

    def values(self, fields: Mapping[str, Any], route: Route) -> _Built | None:
        if not isinstance(fields["set"], Mapping):
            return None
        values = mapping(self.reader.form(fields["set"], (*route, "set"), "value"))
        return SetValues(values), list(leaves(values))

    def group(self, fields: Mapping[str, Any], route: Route) -> _Built | None:
        steps = self.build(fields["steps"], (*route, "steps"))
        return (Steps(steps), []) if steps else None

    def branch(self, fields: Mapping[str, Any], route: Route) -> _Built | None:
        on = self.reader.expression(fields["branch"], (*route, "branch"), "branch")
        cases = tuple(
            (case, self.build(steps, (*route, "cases", case)))
            for case, steps in mapping(fields.get("cases")).items()
        )
        rest = fields.get("otherwise")
        otherwise = None if rest is None else self.build(rest, (*route, "otherwise"))
        if on is None or not isinstance(on.parsed, Expression):
            return None
        return Branch(on.parsed, cases, otherwise), [on]

    def command(self, fields: Mapping[str, Any], route: Route) -> _Built | None:
        written = fields["run"] if isinstance(fields["run"], list) else []
        words = [self.word(word, (*route, "run", at)) for at, word in enumerate(written)]
        if not words or None in words:
            return None
        argv = tuple(word for word in words if word is not None)
        stdin = self.reader.form(fields.get("stdin"), (*route, "stdin"), "value")
        command = Command(
            argv=argv,
            stdin=stdin,
            output=read_output(self.reader, fields, route),
            changes_things=fields.get("changes_things") is not False,
            env=texts(fields.get("env")),
            schema=read_schema(self.reader, fields, route),
        )
        return command, [*leaves(list(argv)), *leaves(stdin)]

    def word(self, written: JSON, route: Route) -> Leaf | str | None:
        """A word of a command; None for what is no text or cannot be read."""
        text = text_of(written)
        if text is None or not has_template(text):
            return text
        return self.reader.leaf(text, route)

    def call(self, fields: Mapping[str, Any], route: Route) -> _Built | None:
        path = fields["workflow"]
        called = open_called(self.reader, path, (*route, "workflow"), self.open_workflow)
        if called is None:
            return None
        workflow, output = called
        kinds = {known.name: known.shape.kind for known in workflow.inputs}
        arguments = self.arguments(fields, route, kinds)
        return CallWorkflow(path, workflow, arguments, output), list(leaves(arguments))

    def tool(self, fields: Mapping[str, Any], route: Route) -> _Built | None:
        """A call of a declared tool; None for a name that nothing can be called by."""
        name = text_of(fields["call"])
        tool = None if name is None else callable_tools(self.reader.tools).get(name)
        if name is None or tool is None:
            return None
        kinds = {} if tool.takes is None else {key: each.kind for key, each in tool.takes.fields}
        arguments = self.arguments(fields, route, kinds)
        return CallTool(tool, name, arguments), list(leaves(arguments))

    def arguments(
        self, fields: Mapping[str, Any], route: Route, kinds: Mapping[str, str]
    ) -> Mapping[str, Form]:
        """What stands under `with`, numbers as they are spelled where text is taken (`3.10`)."""
        written = {
            name: text_of(value) if kinds.get(name) in _SPELLED and text_of(value) else value
            for name, value in mapping(fields.get("with")).items()
        }
        return mapping(self.reader.form(written, (*route, "with"), "value"))


def _changes_things(tool: Tool) -> bool:
    return tool.changes_things


def _parent(fields: Mapping[str, Any], above: Sequence[Step]) -> Prompt | None:
    """The prompt step above that a step continues, where there is one."""
    continues = read_continue(fields)
    if continues is None:
        return None
    found = (step.verb for step in above if step.id == continues.step)
    return next((verb for verb in found if isinstance(verb, Prompt)), None)


def _told_of_children(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps of a list, those that others of it continue knowing so."""
    prompts = [step.verb for step in steps if isinstance(step.verb, Prompt)]
    parents = {verb.continues.step for verb in prompts if verb.continues is not None}
    return tuple(
        replace(step, verb=replace(step.verb, is_continued=True))
        if step.id in parents and isinstance(step.verb, Prompt)
        else step
        for step in steps
    )


_SPELLED = ("text", "date", "choice", "file")

_VERBS: Mapping[str, Callable[[StepBuilder, Mapping[str, Any], Route], _Built | None]] = {
    **dict.fromkeys(_TEXT_VERBS, StepBuilder.text),
    "set": StepBuilder.values,
    "branch": StepBuilder.branch,
    "run": StepBuilder.command,
    "workflow": StepBuilder.call,
    "call": StepBuilder.tool,
    "steps": StepBuilder.group,
}
