"""What a run is going to do: the workflow, its inputs, the settings; and which steps may start.

A plan is frozen into the journal before the first step and thawed from it by a resume. Doing it
is left to `run`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

from flowrunner.errors import UsageError
from flowrunner.events import JSON, StepStatus
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import Step, Workflow

DEFAULT_AT_ONCE = 16
DEFAULT_STEP_TIMEOUT_S = 900.0
"""A reasoning request may well take more than ten minutes (FACTS: HTTP, timeouts)."""

OnUnknown: TypeAlias = Literal["hold", "retry_once"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What was decided outside the file. `above` are API parameters of the command line and the
    environment, which outrank the file's; None elsewhere means that the file decides."""

    provider: str
    base_url: str
    key_name: str
    simulated: bool
    above: Mapping[str, JSON] = field(default_factory=dict)
    at_once: int | None = None
    timeout_s: float | None = None
    on_unknown: OnUnknown | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One run before it begins. `run` is its id, `started_at` Unix time of its first start."""

    run: str
    started_at: float
    workflow: Workflow
    inputs: Mapping[str, JSON]
    settings: Settings

    @property
    def at_once(self) -> int:
        """How many requests may be under way at the same time."""
        return self.settings.at_once or self.workflow.limits.at_once or DEFAULT_AT_ONCE

    @property
    def timeout_s(self) -> float | None:
        """Seconds after which the run is ended, or None."""
        return self.settings.timeout_s or self.workflow.limits.timeout_s

    def on_unknown(self, step: Step) -> OnUnknown:
        """What follows a lost answer of a step: the command line decides, then the file."""
        return self.settings.on_unknown or step.on_unknown

    def frozen(self, project: Path) -> dict[str, str]:
        """What the journal keeps, so that a run folder is complete.

        Where the workflow stands is kept relative to the project, which may be moved.
        """
        settings = asdict(self.settings)
        folder = os.path.relpath(self.workflow.folder, project)
        return {
            "place": json.dumps({"folder": folder, "shown": self.workflow.shown}),
            "workflow": self.workflow.document.text,
            "inputs": json.dumps(dict(self.inputs), ensure_ascii=False),
            "settings": json.dumps(settings | {"above": dict(self.settings.above)}),
            "graph": json.dumps(graph(self.workflow), ensure_ascii=False),
        }


def check_models(plan: Plan) -> Plan:
    """The plan, when every prompt step knows its model. Raises UsageError naming those without."""
    if "model" in plan.settings.above:
        return plan
    without = [
        step.id
        for step in plan.workflow.steps
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
    return plan


def graph(workflow: Workflow) -> dict[str, JSON]:
    """The steps and what they wait for, for pictures of the run."""
    return {
        "steps": [
            {
                "id": step.id,
                "verb": step.verb_name,
                "line": workflow.document.place((*step.route, "id")).line,
                "describe": step.describe,
                "waits_for": list(step.waits_for),
                "condition": step.condition_text,
            }
            for step in workflow.steps
        ]
    }


@dataclass(frozen=True, slots=True)
class Skip:
    """A step is not run because of another: `message` says of which."""

    reason: str
    message: str


Start: TypeAlias = Literal["go", "wait", "never"] | Skip


def may_start(step: Step, standing: Mapping[str, StepStatus]) -> Start:
    """Whether a step may start, by the table of skipped and failed steps of the language.

    `standing` holds the steps that have come to an end, succeeded or otherwise.
    """
    stands = [(name, standing.get(name)) for name in step.waits_for]
    if any(status == "cancelled" for _, status in stands):
        return "never"
    if any(status in (None, "running", "waiting", "unknown") for _, status in stands):
        return "wait"
    for name, status in stands:
        if status == "failed" and (name in step.unguarded or name in step.needs):
            return Skip("failed-mention", f"the step `{name}` failed")
        if status == "skipped" and name in step.unguarded:
            return Skip("skipped-mention", f"the step `{name}` was skipped")
    return "go"


def thaw_settings(text: str, on_unknown: OnUnknown | None) -> Settings:
    """The settings of a frozen run, with what the resuming command decides anew."""
    settings = Settings(**json.loads(text))
    return replace(settings, on_unknown=on_unknown or settings.on_unknown)
