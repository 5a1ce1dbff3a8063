"""What steps ask of servers that cannot do it: refused here, so that nothing is lost in silence.

Which server a step goes to is said by `language.providers`, what servers can do by the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.catalog import is_nothing_asked
from flowrunner.diagnostics import Finding, Route
from flowrunner.language.forms import Form
from flowrunner.language.providers import Abilities, Providers, does
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import Step, Workflow
from flowrunner.language.workflow.reader import mapping

_LISTS = ("include", "tools")
_DELIVERED = ("background", "stream")


def check_abilities(workflow: Workflow, providers: Providers) -> Iterator[Finding]:
    """Everything that a step asks for and its provider lacks."""
    for step in workflow.all_steps():
        if isinstance(step.verb, Prompt):
            name = providers.name_for(step.verb.provider)
            if name in providers.known:
                asking = _Asking(workflow, step, step.verb, name, providers.known[name])
                yield from asking.check(providers.below)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One prompt step and the provider that it goes to."""

    workflow: Workflow
    step: Step
    prompt: Prompt
    provider: str
    abilities: Abilities

    def check(self, below: Mapping[str, Any]) -> Iterator[Finding]:
        refused = {refusal.route for refusal in self.workflow.refusals}
        for finding in self._everything(below):
            if finding.route not in refused:
                yield finding

    def _everything(self, below: Mapping[str, Any]) -> Iterator[Finding]:
        parameters = self.prompt.parameters
        for key, value in parameters.items():
            if key not in _LISTS and not is_nothing_asked(key, value):
                yield from self._field(key, self._route(key))
        for key in below.keys() - parameters.keys():
            if not is_nothing_asked(key, below[key]):
                yield from self._of_project(key)
        yield from self._tools(parameters.get("tools"))
        yield from self._include(parameters.get("include"))
        if self._wants_shape():
            shaped = next((key for key in ("output", "schema") if key in self._written), "text")
            yield from self._field("structured_outputs", self._route(shaped))

    @property
    def _written(self) -> Mapping[str, Any]:
        return self.workflow.written(self.step)

    def _route(self, key: str) -> Route:
        """Where a parameter of the step is written: in it, or under `defaults`."""
        if key in self._written:
            return (*self.step.route, key)
        if key == "input":
            said = next((each for each in ("prompt", "prompt_file") if each in self._written), "id")
            return (*self.step.route, said)
        defaults = mapping(mapping(self.workflow.document.value).get("defaults"))
        if key in _DELIVERED and key not in defaults:
            return self._route("delivery")
        return ("defaults", key) if key in defaults else (*self.step.route, "id")

    def _field(self, key: str, route: Route) -> Iterator[Finding]:
        if not does(self.abilities.supports, key):
            called = "shapes of answers" if key == "structured_outputs" else f"`{key}`"
            yield self._lacks(key, called, route, self._taken_out(route, key))

    def _of_project(self, key: str) -> Iterator[Finding]:
        if not does(self.abilities.supports, key):
            route = (*self.step.route, "id")
            fix = f"write `{key}: null` in this step"
            said = f"`{key}`, which the `defaults` of `flowrunner.yaml` hold"
            yield self._lacks(key, said, route, fix)

    def _tools(self, tools: Form) -> Iterator[Finding]:
        for position, tool in enumerate(tools if isinstance(tools, list) else []):
            kind = mapping(tool).get("type")
            if isinstance(kind, str) and not does(self.abilities.supports, "tools", kind):
                route = (*self._route("tools"), position)
                yield self._lacks("tools", f"the tool `{kind}`", route, "take it out of `tools`")

    def _include(self, keys: Form) -> Iterator[Finding]:
        written = mapping(mapping(self.workflow.document.value).get("defaults")).get("include")
        written = self._written.get("include", written)
        for position, key in enumerate(written if isinstance(keys, list) else []):
            if isinstance(key, str) and not does(self.abilities.supports, "include", key):
                route = (*self._route("include"), position)
                said = f"`{key}` in `include`"
                yield self._lacks("include", said, route, "take it out of `include`")

    def _wants_shape(self) -> bool:
        asked = mapping(mapping(self.prompt.parameters.get("text")).get("format"))
        return asked.get("type") == "json_schema"

    def _taken_out(self, route: Route, key: str) -> str:
        return f"write `{key}: null` in this step" if route[0] == "defaults" else "take it out"

    def _lacks(self, key: str, called: str, route: Route, fix: str) -> Finding:
        whose = f" that `{self.step.id}` goes to" if route[0] == "defaults" else ""
        return Finding(
            "unsupported",
            f"the provider `{self.provider}`{whose} does not know {called}: "
            f"{self.abilities.why_not(key)}",
            route,
            f"{fix}, name another `provider`, or, if the server knows it, write "
            f"`supports: {{ {key}: true }}` for it in `flowrunner.yaml`",
            aim="value" if isinstance(route[-1], int) else "key",
        )
