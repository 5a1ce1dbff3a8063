"""What was asked and what was answered, taken out of API bodies for people to read.

Bodies are read as they are: unknown items and fields are shown under their own names, never lost.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from flowrunner.catalog import media
from flowrunner.events import JSON
from flowrunner.language.attachments import FileMark
from flowrunner.report.bounds import Bounds
from flowrunner.responses.artefacts import artefacts
from flowrunner.responses.brought import read_brought

_MOST_PICTURES = 2
_PICTURE_VALUES = 2
_SHOWN_APART = {"input", "instructions", "tools", "text"}


@dataclass(frozen=True, slots=True)
class Holder:
    """Holds values of one step within the report's bounds."""

    bounds: Bounds
    see: str

    def hold(self, value: JSON) -> dict[str, JSON]:
        """A value that is there."""
        return self.bounds.hold(value, self.see)

    def hold_some(self, value: JSON) -> dict[str, JSON] | None:
        """A value that may be missing: None stays None."""
        return None if value is None else self.hold(value)


def asked(
    request: JSON, holder: Holder, filled: dict[str, JSON] | None = None
) -> dict[str, JSON] | None:
    """The `asked` of a step from the body of its last request, with the places of its texts that
    came out of values, where they are known."""
    if not isinstance(request, dict):
        return None
    text = request.get("text")
    rest = {key: value for key, value in request.items() if key not in _SHOWN_APART}
    if isinstance(text, dict):
        beyond_schema = {key: value for key, value in text.items() if key != "format"}
        rest |= {"text": beyond_schema} if beyond_schema else {}
    return {
        "instructions": holder.hold_some(request.get("instructions")),
        "messages": [
            {"role": role, "content": holder.hold(content)}
            for role, content in _messages(request.get("input"))
        ],
        "filled": filled or {},
        "attached": attached(request.get("input")),
        "tools": [_tool_name(tool) for tool in request.get("tools") or ()],
        "output_schema": holder.hold_some(_schema(text)),
        "parameters": {key: holder.hold(value) for key, value in rest.items()},
    }


def answered(result: JSON, response: JSON, holder: Holder) -> dict[str, JSON] | None:
    """The `answered` of a step from its result and its last Response; None if there is nothing."""
    given = result if isinstance(result, dict) else {}
    text = _text(given, response)
    told: dict[str, JSON] = {
        "text": holder.hold_some(text),
        "output": holder.hold(given.get("output")) if given.get("has_output") else None,
        "refusal": refusal(response),
        "incomplete": _incomplete(response),
        "sources": [source for source in given.get("sources") or () if isinstance(source, dict)],
        "files": [str(name) for name in given.get("files") or ()],
        "pictures": _pictures(response, holder.bounds),
        "brought": {name: holder.hold(value) for name, value in read_brought(response).items()},
    }
    return told if any(value not in (None, [], {}) for value in told.values()) else None


def _pictures(response: JSON, bounds: Bounds) -> list[str]:
    """The first small pictures of a Response, as data URLs; others are seen in their files."""
    if bounds.value is None or not isinstance(response, dict):
        return []
    contents = [each.content for each in artefacts(response) if each.content is not None]
    small = [each for each in contents if len(each) <= bounds.value * _PICTURE_VALUES]
    kinds = [media.picture_type(each[: media.HEAD_BYTES]) for each in small]
    shown = [(kind, each) for kind, each in zip(kinds, small, strict=True) if kind is not None]
    return [
        f"data:{kind};base64,{base64.b64encode(content).decode()}"
        for kind, content in shown[:_MOST_PICTURES]
    ]


def output_text(response: JSON) -> str | None:
    """All `output_text` parts of a Response joined; None without any."""
    texts = [part.get("text") for part in _parts(response) if part.get("type") == "output_text"]
    return "".join(text for text in texts if isinstance(text, str)) if texts else None


def refusal(response: JSON) -> str | None:
    """What the model said when it refused (Responses API: content part `refusal`)."""
    said = [part.get("refusal") for part in _parts(response) if part.get("type") == "refusal"]
    return "".join(str(text) for text in said) if said else None


def _text(given: dict[str, JSON], response: JSON) -> str | None:
    error = given.get("error")
    partial = error.get("partial") if isinstance(error, dict) else None
    for text in (given.get("text"), partial, output_text(response)):
        if isinstance(text, str):
            return text
    return None


def _incomplete(response: JSON) -> str | None:
    details = response.get("incomplete_details") if isinstance(response, dict) else None
    reason = details.get("reason") if isinstance(details, dict) else None
    return None if reason is None else str(reason)


def _parts(response: JSON) -> list[dict[str, JSON]]:
    if not isinstance(response, dict) or not isinstance(response.get("output"), list):
        return []
    contents = [
        item.get("content")
        for item in response["output"]
        if isinstance(item, dict) and item.get("type") == "message"
    ]
    return [
        part
        for content in contents
        if isinstance(content, list)
        for part in content
        if isinstance(part, dict)
    ]


def _messages(given: JSON) -> list[tuple[str, JSON]]:
    if given is None:
        return []
    if not isinstance(given, list):
        return [("user", given)]
    return [_message(item) for item in given]


def _message(item: JSON) -> tuple[str, JSON]:
    if not isinstance(item, dict):
        return "user", item
    if item.get("type", "message") != "message" or "role" not in item:
        return str(item.get("type", "item")), item
    content = item.get("content")
    texts = _only_texts(content) if isinstance(content, list) else None
    return str(item["role"]), content if texts is None else "\n\n".join(texts)


def _only_texts(content: list[JSON]) -> list[str] | None:
    """The texts of a message that holds nothing else, but for what is told as attached."""
    rest = [part for part in content if _attached(part) is None]
    texts = [
        part.get("text")
        for part in rest
        if isinstance(part, dict) and part.get("type") in {"input_text", "output_text"}
    ]
    readable = [text for text in texts if isinstance(text, str)]
    return readable if len(readable) == len(rest) else None


def attached(given: JSON) -> list[dict[str, JSON]]:
    """The files and addresses that stand in the input of a request, in their order."""
    items = given if isinstance(given, list) else []
    contents = [item.get("content") for item in items if isinstance(item, dict)]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    found = [_attached(part) for part in parts]
    return [each for each in found if each is not None]


def _attached(part: JSON) -> dict[str, JSON] | None:
    if not isinstance(part, dict) or part.get("type") not in {"input_image", "input_file"}:
        return None
    detail = part.get("detail")
    shown = {"detail": detail if isinstance(detail, str) else None}
    mark = FileMark.in_part(part)
    if mark is not None:
        return {"name": mark.name, "media_type": mark.media_type, "bytes": mark.size, **shown}
    url = part.get("image_url") or part.get("file_url")
    if isinstance(url, str) and url.startswith(("https://", "http://")):
        return {"name": url, "media_type": None, "bytes": None, **shown}
    return None


def _tool_name(tool: JSON) -> str:
    if not isinstance(tool, dict):
        return str(tool)
    name = tool.get("name") or tool.get("server_label")
    kind = str(tool.get("type", "tool"))
    return kind if name is None else f"{name} ({kind})"


def _schema(text: JSON) -> JSON:
    form = text.get("format") if isinstance(text, dict) else None
    return form.get("schema", form) if isinstance(form, dict) else None
