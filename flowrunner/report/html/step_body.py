"""All that is known of one step: asked, answered, numbers, attempts, why, raw.

The line above it, filters and sorting are left to `steps`.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner.events import JSON
from flowrunner.report.brought import TITLES, tier_line
from flowrunner.report.figures import attached_words, counted, duration
from flowrunner.report.html.markup import (
    Child,
    Markup,
    element,
    link,
    picture,
    several,
    side_file,
)
from flowrunner.report.html.nesting import approval, reused
from flowrunner.report.html.pieces import facts, icon, moment, price, prose, raw, tokens_line
from flowrunner.report.html.values import filled_text, raw_json, readable, short
from flowrunner.report.tool_calls import call_line

TROUBLE = ("failed", "unknown")
_OUTCOME_LOOKS = {
    "lost": "unknown",
    "open": "unknown",
    "pending": "waiting",
    "refused": "failed",
    "not_sent": "failed",
}


@dataclass(frozen=True, slots=True)
class Telling:
    """How a step is told on this page; `brief` leaves out what `flowrunner show` tells as well."""

    simulated: bool
    pretty: bool
    show: str
    brief: bool = False


def step_parts(position: int, step: JSON, telling: Telling) -> list[Child]:
    """What stands behind the line of a step."""
    parts: list[Child] = [
        element("p", "describe", step["describe"]) if step["describe"] else None,
        trouble(step),
        reused(step),
        _part("Approval", approval(step["approval"])),
        _part("Asked", _asked(step["asked"])),
        _part("Answered", _answered(step["answered"])),
    ]
    if telling.brief:
        more = several("Everything else about this step: ", raw(f"{telling.show} {step['unit']}"))
        return [*parts, element("p", "soft", more)]
    return [
        *parts,
        _part("Tools", _tool_calls(step["tool_calls"])),
        _part("Numbers", _numbers(step, telling)),
        _part("Attempts", _attempts(step["attempts"])),
        _part("Why", _why(step)),
        _part("Raw", _raw(position, step, telling)),
    ]


def trouble(step: JSON) -> Markup | None:
    """Why a step is not done, and what to do; None where it is."""
    if not step["message"] or step["status"] == "succeeded":
        return None
    return element(
        "div",
        "trouble" if step["status"] in TROUBLE else "remark",
        element("p", "", prose(step["message"])),
        advice(step),
        element("p", "place", step["place"]) if step["place"] else None,
    )


def advice(step: JSON) -> Markup | None:
    """What a person can do about a step."""
    if not step["help"]:
        return None
    return element("p", "try", element("b", "", "Try"), " ", prose(step["help"]))


def _part(title: str, body: Child) -> Markup | None:
    if body is None:
        return None
    return element("div", "part", element("h3", "", title), element("div", "part-body", body))


def _asked(asked: JSON) -> Child:
    if asked is None:
        return None
    held = asked["instructions"]
    messages = [("instructions", "instructions", held)] if held else []
    for position, message in enumerate(asked["messages"]):
        messages.append((message["role"], str(position), message["content"]))
    filled = asked["filled"]
    told: list[Child] = [
        _message(role, content, filled.get(name) or ()) for role, name, content in messages
    ]
    if filled:
        told.append(element("p", "fine", element("span", "filled", "Marked"), _LEGEND))
    told += _listed("Attached", [raw(attached_words(each)) for each in asked["attached"]])
    if asked["tools"]:
        told.append(element("p", "soft", "Tools: ", ", ".join(asked["tools"])))
    if asked["output_schema"]:
        shape = element("summary", "", "The shape that was asked for")
        told.append(element("details", "fold", shape, readable(asked["output_schema"])))
    return several(*told)


_LEGEND = " is what was filled in."


def _message(role: str, content: JSON, filled: JSON) -> Markup:
    text = content.get("value")
    body = filled_text(text, filled) if filled and isinstance(text, str) else readable(content)
    return element("div", "message", element("p", "role", role), body)


def _answered(answered: JSON) -> Child:
    if answered is None:
        return None
    told: list[Child] = []
    if answered["refusal"] is not None:
        told.append(element("p", "remark", "The model refused: ", answered["refusal"]))
    if answered["incomplete"] is not None:
        why = raw(answered["incomplete"])
        told.append(element("p", "remark", "The answer is not whole: ", why))
    given = answered["output"] or answered["text"]
    if given is not None:
        told.append(element("div", "message answer", readable(given)))
    told += _sources(answered["sources"])
    told += [picture(url, "A picture of the answer") for url in answered["pictures"]]
    told += _listed("Files", [side_file(name) for name in answered["files"]])
    told += _brought(answered["brought"])
    return several(*told)


def _brought(brought: JSON) -> list[Child]:
    """What came beside the text, folded: it may be long."""
    return [
        element("details", "fold", element("summary", "", TITLES[name]), readable(held))
        for name, held in brought.items()
    ]


_LOOKS_OF_CALLS = {
    "succeeded": "succeeded",
    "failed": "failed",
    "denied": "cancelled",
    "refused": "failed",
    "open": "unknown",
}


def _tool_calls(calls: JSON) -> Child:
    if not calls:
        return None
    return element("ol", "attempts", *(_tool_call(one) for one in calls))


def _tool_call(one: JSON) -> Markup:
    told: list[Child] = [element("p", "role", "Arguments"), readable(one["arguments"])]
    if one["output"] is not None:
        told += [element("p", "role", "Output"), readable(one["output"])]
    details = element("details", "fold", element("summary", "", raw(call_line(one))), *told)
    changes = "changes things" if one["changes_things"] else None
    shown = [element("span", "", each) for each in (moment(one["began_at"]), changes) if each]
    return element(
        "li",
        "",
        icon(_LOOKS_OF_CALLS[one["outcome"]]),
        several(details, element("p", "", prose(one["sentence"]))),
        element("p", "fine dotted", *shown),
    )


def _sources(sources: JSON) -> list[Child]:
    entries = []
    for source in sources:
        title, url = source.get("title") or source.get("file_id"), source.get("url")
        named = f"{title} " if title else None
        entries.append(several(named, link(str(url)) if url else None))
    return _listed("Sources", entries)


def _listed(title: str, entries: list[Markup]) -> list[Child]:
    if not entries:
        return []
    lines = [element("li", "", entry) for entry in entries]
    return [element("p", "role", title), element("ol", "plain", *lines)]


def _numbers(step: JSON, telling: Telling) -> Child:
    numbers = step["numbers"]
    if not numbers["calls"]:
        return None
    told: list[tuple[str, Child]] = [
        ("Tokens", tokens_line(numbers)),
        ("Cost", price(numbers, telling.simulated)),
        ("Time", _time(step)),
        ("Started", moment(step["started_at"])),
        ("Service tier", tier_line(numbers)),
        ("Provider", numbers["provider"]),
    ]
    ids = {
        "Model asked": "model_asked",
        "Model served": "model_served",
        "Request id": "request_id",
        "Response id": "response_id",
        "Client request id": "client_request_id",
    }
    told += [(word, raw(numbers[key])) for word, key in ids.items() if numbers[key]]
    return facts(told, "facts fine")


def _time(step: JSON) -> str | None:
    answer, whole = step["numbers"]["elapsed_s"], step["elapsed_s"]
    if whole is None:
        return None if answer is None else duration(answer)
    if answer is None or len(step["attempts"]) < 2:
        return duration(whole)
    return f"{duration(whole)}, of which the last answer {duration(answer)}"


def _attempts(attempts: JSON) -> Child:
    if not attempts:
        return None
    return element("ol", "attempts", *(_attempt(one) for one in attempts))


def _attempt(one: JSON) -> Markup:
    took = duration(one["elapsed_s"]) if one["elapsed_s"] is not None else None
    waited = f"then a pause of {duration(one['wait_s'])}" if one["wait_s"] is not None else None
    tries = f"try {one['attempt']} at a good answer" if one["attempt"] > 1 else None
    turn = f"turn {one['turn']}" if one["turn"] > 1 else None
    request = raw(one["request_id"]) if one["request_id"] else None
    details = [moment(one["sent_at"]), took, tries, turn, waited, request]
    shown = [element("span", "", detail) for detail in details if detail is not None]
    look = _OUTCOME_LOOKS.get(one["outcome"], "succeeded" if one["accepted"] else "cancelled")
    sentence = element("p", "", prose(one["sentence"]))
    return element("li", "", icon(look), sentence, element("p", "fine dotted", *shown))


def _why(step: JSON) -> Child:
    why = step["why"]
    values = [(entry["name"], short(entry["value"])) for entry in why["values"]]
    shown = facts(values, "facts rows") if values else None
    return several(element("p", "", prose(why["sentence"])), shown)


def _raw(position: int, step: JSON, telling: Telling) -> Child:
    asked, told = step["asked"], []
    if asked and asked["parameters"]:
        label = counted(len(asked["parameters"]), "more parameter")
        rows = facts([(name, short(v)) for name, v in asked["parameters"].items()], "facts rows")
        told.append(element("details", "raw", element("summary", "", label), rows))
    for name, word in (("request", "Request body"), ("response", "Response body")):
        held = step["raw"][name]
        if held is not None:
            told.append(raw_json(held, f"{name}-{position}", word, telling.pretty))
    return several(*told) if told else None
