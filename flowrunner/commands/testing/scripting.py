"""What a script of replies answers: the parts of a Response that the simulator then completes.

Which case a request belongs to is told by its run, which step by its address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner.commands.testing.standing_in import nth
from flowrunner.events import JSON
from flowrunner.language.shapes import WRAPPER
from flowrunner.language.testing import Case, Reply, names_of
from flowrunner.language.workflow import Workflow
from flowrunner.recordings.replaying import address_of
from flowrunner.simulator import Refusal


@dataclass(slots=True)
class Scripts:
    """The scripts of many runs, and the workflows, by the ids of the runs. It is called on the
    simulator's thread."""

    cases: dict[str, tuple[Case, Workflow]] = field(default_factory=dict)
    _asked: dict[tuple[str, str], int] = field(default_factory=dict)

    def reply(self, request_id: str | None, body: dict[str, Any]) -> dict[str, Any] | str | None:
        """What a request is answered; None leaves it to the simulator. Raises Refusal."""
        run = (request_id or "").partition("/")[0]
        at = address_of({"x-client-request-id": request_id or ""})
        known = self.cases.get(run)
        if known is None or at is None:
            return None
        case, workflow = known
        name = next((each for each in names_of(workflow, at[0]) if each in case.replies), None)
        if name is None:
            return None
        count = self._asked.get((run, at[0]), 0)
        self._asked[run, at[0]] = count + 1
        return _answer(nth(case.replies[name], count + 1), body, f"{at[0]}.{count}")


def _answer(reply: Reply, body: Mapping[str, Any], name: str) -> dict[str, Any] | str:
    value = reply.value
    match reply.kind:
        case "text":
            return str(value)
        case "output":
            return json.dumps(_wrapped(value, body), ensure_ascii=False)
        case "refusal":
            return _message(name, {"type": "refusal", "refusal": str(value)})
        case "incomplete":
            text = {"type": "output_text", "text": str(value), "annotations": []}
            reason = {"incomplete_details": {"reason": "max_output_tokens"}}
            return {"status": "incomplete", **reason, **_message(name, text, "incomplete")}
        case "call":
            return {"output": [_call(value, name)]}
        case "error":
            said = value.get("message", "The script of a test refuses this request.")
            raise Refusal(said, code=value.get("code"), status=value["status"])
    return dict(value)


def _wrapped(value: JSON, body: Mapping[str, Any]) -> JSON:
    """The value in the object that carries a root which is no object."""
    schema = ((body.get("text") or {}).get("format") or {}).get("schema") or {}
    is_wrapper = list(schema.get("properties") or ()) == [WRAPPER]
    is_wrapped = isinstance(value, dict) and list(value) == [WRAPPER]
    return {WRAPPER: value} if is_wrapper and not is_wrapped else value


def _message(name: str, part: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    item = {"id": f"msg_{_letters(name)}", "type": "message", "role": "assistant"}
    return {"output": [{**item, "status": status, "content": [part]}]}


def _call(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {
        "id": f"fc_{_letters(name)}",
        "type": "function_call",
        "call_id": f"call_{_letters(name)}",
        "name": value["name"],
        "arguments": json.dumps(value.get("arguments", {}), ensure_ascii=False),
        "status": "completed",
    }


def _letters(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)
