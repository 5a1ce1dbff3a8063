"""What a run is going to do: the workflow, its inputs, the settings; and which steps may start.

A plan is frozen into the journal before the first step and thawed from it by a resume. Doing it
is left to `run`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flowrunner.catalog import Supports
from flowrunner.engine.ports import Shelf
from flowrunner.engine.reuse import Reuse
from flowrunner.engine.servers import Server, providers_named
from flowrunner.errors import UsageError
from flowrunner.events import JSON, StepStatus
from flowrunner.language.request import Prompt
from flowrunner.language.tools import CallTool, WorkflowTool
from flowrunner.language.workflow import CallWorkflow, Money, Step, Workflow
from flowrunner.responses.retry import OnUnknown

DEFAULT_AT_ONCE = 16
DEFAULT_STEP_TIMEOUT_S = 900.0
"""A reasoning request may well take more than ten minutes (FACTS: HTTP, timeouts)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What was decided outside the file. `above` are API parameters of the command line and the
    environment, which outrank the file's, `below` those that the file outranks; None elsewhere
    means that the file decides. `file_limits` are those of the project file: requests at once,
    seconds. `recheck`, `asks_held` and `failed_only` are a resume's own: what is done is compared
    with what would be done now; what is held is asked for once more; what neither failed nor hangs
    on what did is left alone. `reuse_from` is the one run that results are taken from, `force` the
    steps (by their place in the file, or "all") that take none; `until` the only step of the file
    that is wanted, with those that it waits for. `waits` says whether somebody waits for responses
    in the background, `cancels_background` that a signal cancels them; both count for one process.

    `provider` is where a step goes for which no file names another of `others`; with
    `only_provider` all steps go there, whatever the files say. `supports` is what `provider` knows
    of the API, `models` what a model is called by there.

    `records_to` is the recording that the run leaves, `replays` the one that answers in the place
    of the network; `moment` is then when that was made, in Unix seconds, of which templates are
    told as the start of the run.

    `tries` is the one unit that is run by itself, with what the run `tries_with` gave to it.
    """

    provider: str
    base_url: str
    key_name: str | None
    simulated: bool
    above: Mapping[str, JSON] = field(default_factory=dict)
    at_once: int | None = None
    timeout_s: float | None = None
    on_unknown: OnUnknown | None = None
    below: Mapping[str, JSON] = field(default_factory=dict)
    file_limits: tuple[int | None, float | None] = (None, None)
    budget: Money | None = None
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reuse: bool = False
    reuse_from: str | None = None
    force: tuple[str, ...] = ()
    until: str | None = None
    recheck: bool = False
    asks_held: bool = False
    failed_only: bool = False
    others: Mapping[str, Server] = field(default_factory=dict)
    only_provider: bool = False
    supports: Supports = field(default_factory=dict)
    models: str | None = None
    waits: bool = True
    cancels_background: bool = False
    records_to: str | None = None
    replays: str | None = None
    moment: float | None = None
    tries: str | None = None
    tries_with: str | None = None

    def server(self, named: str | None) -> Server:
        """Where a step goes for which the files name this provider, or none."""
        is_bound = self.only_provider or (self.simulated and self.replays is None)
        other = None if named is None or is_bound else self.others.get(named)
        if other is not None:
            return replace(other, is_elsewhere=True)
        return Server(
            provider=self.provider,
            base_url=self.base_url,
            key_name=self.key_name,
            prices=self.prices,
            supports=self.supports,
            models=self.models,
            is_simulated=self.simulated,
        )

    def reusing(self, shelf: Shelf | None) -> Reuse:
        """How results of earlier runs are taken; what was simulated takes none."""
        return Reuse(None if self.simulated else shelf, self.reuse, self.force)


@dataclass(frozen=True, slots=True)
class Plan:
    """One run before it begins. `run` is its id, `started_at` Unix time of its first start."""

    run: str
    started_at: float
    workflow: Workflow
    inputs: Mapping[str, JSON]
    settings: Settings

    @property
    def moment(self) -> float:
        """The start of the run as its templates are told it."""
        return self.started_at if self.settings.moment is None else self.settings.moment

    @property
    def at_once(self) -> int:
        """How many requests may be under way at the same time."""
        in_project = self.settings.file_limits[0]
        limits = self.workflow.limits
        return self.settings.at_once or limits.at_once or in_project or DEFAULT_AT_ONCE

    @property
    def timeout_s(self) -> float | None:
        """Seconds after which the run is ended, or None."""
        in_project = self.settings.file_limits[1]
        return self.settings.timeout_s or self.workflow.limits.timeout_s or in_project

    @property
    def providers(self) -> frozenset[str]:
        """The names of the providers that its steps ask."""
        own = self.settings.provider
        named = providers_named(self.workflow, own)
        return frozenset(self.settings.server(name).provider for name in named)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the file that are wanted, in its order."""
        return tuple(step for step in self.workflow.steps if step.id in self._wanted)

    @property
    def left_out(self) -> tuple[Step, ...]:
        """The steps of the file that are not wanted."""
        return tuple(step for step in self.workflow.steps if step.id not in self._wanted)

    @property
    def _wanted(self) -> frozenset[str]:
        return needed(self.workflow, self.settings.until)

    @property
    def wants_reuse(self) -> bool:
        """Whether any step may take the result of an earlier run."""
        return self.settings.reuse or may_reuse(self.workflow)

    def on_unknown(self, step: Step) -> OnUnknown:
        """What follows a lost answer of a step: the command line decides, then the file."""
        return self.settings.on_unknown or step.on_unknown

    def frozen(self, project: Path) -> dict[str, str]:
        """What the journal keeps, so that a run folder is complete.

        Where the workflow stands is kept relative to the project, which may be moved.
        """
        settings = asdict(self.settings)
        return {
            "place": json.dumps(self._place(project)),
            "workflow": self.workflow.document.text,
            "files": json.dumps(dict(self.workflow.files), ensure_ascii=False),
            "inputs": json.dumps(dict(self.inputs), ensure_ascii=False),
            "settings": json.dumps(settings, ensure_ascii=False),
            "graph": json.dumps(graph(self.workflow), ensure_ascii=False),
        }

    def file(self, project: Path) -> tuple[str, str]:
        """Which file is run: its folder, relative to the project, and its name."""
        return _file_at(self._place(project))

    def _place(self, project: Path) -> dict[str, str]:
        folder = os.path.relpath(self.workflow.folder, project)
        return {"folder": folder, "shown": self.workflow.shown}


def thaw_file(place: str) -> tuple[str, str]:
    """Which file a run was of, as `Plan.file` has it, from what `frozen` made of its place."""
    return _file_at(json.loads(place))


def _file_at(place: Mapping[str, str]) -> tuple[str, str]:
    return place["folder"], Path(place["shown"]).name


def needed(workflow: Workflow, until: str | None) -> frozenset[str]:
    """The steps of a file that must run for one of them to end; None: all of them."""
    if until is None:
        return frozenset(step.id for step in workflow.steps)
    found = {until}
    for step in reversed(workflow.steps):  # a step waits for none below it
        if step.id in found:
            found |= set(step.waits_for)
    return frozenset(found)


def check_models(plan: Plan) -> None:
    """Raises UsageError naming the prompt steps for which nobody names a model."""
    if "model" in plan.settings.above or "model" in plan.settings.below:
        return
    without = [
        step.id
        for step in every_step(plan.workflow)
        if isinstance(step.verb, Prompt)
        and step.verb.model is None
        and "prompt" not in step.verb.parameters
        and "model" not in step.verb.request
    ]
    if without:
        steps = ", ".join(f"`{step}`" for step in without)
        raise UsageError(
            f"{plan.workflow.shown}: no model is named for {steps}",
            help="write `defaults: { model: gpt-6-luna }` in the file, or give `--model`",
        )


def check_storing(plan: Plan) -> None:
    """Raises UsageError naming the steps that need a stored response where the project says that
    none is stored."""
    if plan.settings.below.get("store") is not False:
        return
    steps = [step for step in every_step(plan.workflow) if isinstance(step.verb, Prompt)]
    named = ", ".join(
        f"`{step.id}`"
        for step in steps
        if isinstance(step.verb, Prompt)
        and step.verb.is_background
        and "store" not in step.verb.parameters
    )
    if named:
        raise UsageError(
            f"{plan.workflow.shown}: a response in the background must be stored, and "
            f"`flowrunner.yaml` says `store: false`; asked for by {named}",
            help="write `store: true` in the step, or `delivery: direct`",
        )


def every_step(workflow: Workflow) -> Iterator[Step]:
    """The steps of a workflow, those inside others and those of the files it calls included."""
    waiting = list(reversed(workflow.steps))
    while waiting:
        step = waiting.pop()
        yield step
        for _, steps in reversed(step.lists):
            waiting += reversed(steps)
        for called in _called(step):
            yield from every_step(called)


def _called(step: Step) -> Iterator[Workflow]:
    """The workflows that a step calls, or that its tools are."""
    if isinstance(step.verb, CallWorkflow):
        yield step.verb.workflow
    tools = step.verb.tools if isinstance(step.verb, Prompt) else {}
    one = [step.verb.tool] if isinstance(step.verb, CallTool) else []
    for tool in [*tools.values(), *one]:
        if isinstance(tool.kind, WorkflowTool):
            yield tool.kind.workflow


def gives_secrets(step: Step) -> bool:
    """Whether a step, or one inside it, calls a workflow with a secret input. What the secret is
    is known only when the call is made, by each process anew."""
    if isinstance(step.verb, CallWorkflow):
        called = step.verb.workflow
        return any(known.secret for known in called.inputs) or any(map(gives_secrets, called.steps))
    return any(gives_secrets(inner) for _, steps in step.lists for inner in steps)


def may_reuse(workflow: Workflow) -> bool:
    """Whether a file itself wants results of earlier runs for any of its steps."""
    return any(step.reuse for step in every_step(workflow))


def graph(workflow: Workflow) -> dict[str, JSON]:
    """The steps and what they wait for, for pictures of the run."""
    return {"steps": [_drawn(step, workflow) for step in workflow.steps]}


def _drawn(step: Step, workflow: Workflow) -> dict[str, JSON]:
    inside = [_drawn(inner, workflow) for _, steps in step.lists for inner in steps]
    return {
        "id": step.id,
        "verb": step.verb_name,
        "line": workflow.document.place((*step.route, "id")).line,
        "describe": step.describe,
        "waits_for": list(step.waits_for),
        "condition": step.condition_text,
        "for_each": None if step.for_each is None else step.for_each.text,
        "inside": inside,
    }


@dataclass(frozen=True, slots=True)
class Skip:
    """A step is not run because of another: `message` says of which."""

    reason: str
    message: str


Start: TypeAlias = Literal["go", "wait", "never"] | Skip


def may_start(step: Step, status_of: Callable[[str], StepStatus | None]) -> Start:
    """Whether a step may start, by the table of skipped and failed steps of the language.

    `status_of` says how a step ended that may be mentioned here; None while it has not.
    """
    waits = [status_of(name) for name in step.waits_for]
    if "cancelled" in waits:
        return "never"
    if any(status in (None, "running", "waiting", "unknown") for status in waits):
        return "wait"
    for name in dict.fromkeys([*step.waits_for, *step.needs, *sorted(step.unguarded)]):
        status = status_of(name)
        if status == "failed" and (name in step.unguarded or name in step.needs):
            return Skip("failed-mention", f"the step `{name}` failed")
        if status == "skipped" and name in step.unguarded:
            return Skip("skipped-mention", f"the step `{name}` was skipped")
    return "go"


def thaw_settings(text: str) -> Settings:
    """The settings of a frozen run. What a resume decides for itself is not taken over."""
    frozen = json.loads(text)
    budget = frozen.pop("budget")
    others = {name: Server.thaw(other) for name, other in frozen.pop("others", {}).items()}
    force = tuple(frozen.pop("force", ()))
    money = None if budget is None else Money(**budget)
    settings = Settings(**frozen, budget=money, force=force, others=others)
    settings = replace(settings, recheck=False, asks_held=False, failed_only=False)
    return replace(settings, waits=True, cancels_background=False)
