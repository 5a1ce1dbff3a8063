"""What the model says: reasoning before, the message at the end, what the message cites.

What it has found out before it speaks is left to `hosted`.
"""

from __future__ import annotations

import json
import math
from typing import Any

from flowrunner.simulator.generate import generate
from flowrunner.simulator.state.items import Item, item_id
from flowrunner.simulator.state.sealed import seal
from flowrunner.simulator.tokens import cut_to_tokens, text_tokens
from flowrunner.simulator.turn import Turn

_LOGPROBS = "message.output_text.logprobs"
_LONGEST_TOLD = 80
_TOLD = ("function_call_output", "custom_tool_call_output")


def reasoning_item(turn: Turn, place: str = "") -> Item:
    """What the model thought: sealed always, told in words when `reasoning.summary` asks."""
    reasoning = turn.body.get("reasoning") or {}
    asked = reasoning.get("summary") or reasoning.get("generate_summary")
    about = f" about “{turn.subject.quote}”" if turn.subject.quote else ""
    text = f"**Simulated reasoning**\n\nNo model thought{about}."
    name = item_id("reasoning", turn.names, place)
    return {
        "id": name,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}] if asked else [],
        "encrypted_content": seal(turn.seed, turn.model, {"reasoning": name}),
    }


def compaction_item(turn: Turn) -> Item:
    """All that was said, in one item that only the server can read."""
    name = item_id("compaction", turn.names, "")
    return {
        "id": name,
        "type": "compaction",
        "encrypted_content": seal(turn.seed, turn.model, {"about": turn.subject.quote}),
    }


def message_item(turn: Turn, content: dict[str, Any], status: str) -> Item:
    """A `message` item with one part."""
    return {
        "id": item_id("message", turn.names, ""),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [content],
    }


def text_part(turn: Turn, text: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """The text of a message; its log probabilities where they are asked for."""
    whole = [note for note in annotations if note.get("end_index", 0) <= len(text)]
    logprobs = _logprobs(turn, text) if _LOGPROBS in turn.include else []
    return {"type": "output_text", "text": text, "annotations": whole, "logprobs": logprobs}


def is_plain(turn: Turn) -> bool:
    """Whether the message may say anything: no JSON is asked for."""
    return bool(_format(turn)["type"] == "text")


def answer_text(turn: Turn) -> str:
    """What the message says. Raises BadSchema where no value fits the schema that is asked for."""
    wanted = _format(turn)
    quote = turn.subject.quote
    if wanted["type"] == "json_schema":
        value = generate(wanted["schema"], turn.asked, turn.subject)
        return json.dumps(value, ensure_ascii=False)
    if wanted["type"] == "json_object":
        return json.dumps({"simulated": True, "about": quote}, ensure_ascii=False)
    about = f"It was asked: “{quote}”" if quote else "It was asked nothing."
    return f"[simulated] No model wrote this answer. {about}{_told(turn)}"


def _format(turn: Turn) -> dict[str, Any]:
    return (turn.body.get("text") or {}).get("format") or {"type": "text"}


def _told(turn: Turn) -> str:
    """What the client's tools answered, for a message that comes after it."""
    outputs = [item["output"] for item in turn.since_user if item["type"] in _TOLD]
    texts = [text if isinstance(text, str) else json.dumps(text) for text in outputs]
    told = ["“" + " ".join(text.split())[:_LONGEST_TOLD] + "”" for text in texts]
    if not told or turn.subject.quote in {text.strip("“”") for text in told}:
        return ""
    return f" Tools answered: {', '.join(told)}."


def _logprobs(turn: Turn, text: str) -> list[dict[str, Any]]:
    count = turn.body.get("top_logprobs") or 0
    tokens, rest = [], text
    while rest:
        token = cut_to_tokens(rest, 1)
        tokens.append(token)
        rest = rest[len(token) :]
    assert len(tokens) == text_tokens(text)
    return [_logprob(turn, token, place, count) for place, token in enumerate(tokens)]


def _logprob(turn: Turn, token: str, place: int, count: int) -> dict[str, Any]:
    chance = (1 + turn.asked.roll(f"chance {place}", 99)) / 100
    best = {"token": token, "logprob": math.log(chance), "bytes": _bytes(token)}
    others = [
        {"token": f"~{rank}", "logprob": math.log(chance) - rank, "bytes": _bytes(f"~{rank}")}
        for rank in range(1, count)
    ]
    return {**best, "top_logprobs": [best, *others][:count]}


def _bytes(token: str) -> list[int]:
    return list(token.encode("utf-8", "replace"))
