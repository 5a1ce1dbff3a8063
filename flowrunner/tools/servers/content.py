"""What a call of a server's tool gave, as an answer: texts joined, pictures as parts of the API.

Getting it from the server is left to `connection`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flowrunner.events import JSON
from flowrunner.tools.answer import CAP_BYTES, CAP_BYTES_OF_PARTS, ToolAnswer, failed
from flowrunner.visible import one_line

_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")


def answer_of(result: Mapping[str, Any], facts: Mapping[str, JSON]) -> ToolAnswer:
    """The answer for a result of `tools/call` as the protocol writes it."""
    parts = [_part(block) for block in result.get("content") or []]
    if not parts and result.get("structuredContent") is not None:
        parts = [_text(json.dumps(result["structuredContent"], ensure_ascii=False))]
    text = "\n".join(part["text"] for part in parts if part["type"] == "input_text")
    if len(text.encode("utf-8", "replace")) > CAP_BYTES:
        return failed("the server answered with more than 1 MiB of text", facts)
    if result.get("isError"):
        return failed(f"the tool failed: {text}" if text.strip() else "the tool failed", facts)
    if all(part["type"] == "input_text" for part in parts):
        return ToolAnswer(True, text, facts=facts)
    if sum(len(str(part)) for part in parts) > CAP_BYTES_OF_PARTS:
        return failed("the server answered with more than 16 MiB of pictures and files", facts)
    return ToolAnswer(True, parts, facts=facts, is_parts=True)


def _part(block: Mapping[str, Any]) -> dict[str, Any]:
    match block.get("type"):
        case "text":
            return _text(str(block.get("text", "")))
        case "image" if block.get("mimeType") in _PICTURES:
            url = f"data:{block['mimeType']};base64,{block.get('data', '')}"
            return {"type": "input_image", "image_url": url}
        case "resource":
            return _resource(block.get("resource") or {})
        case "resource_link":
            name = block.get("title") or block.get("name") or "a resource"
            return _text(f"[{one_line(str(name))}: {one_line(str(block.get('uri', '')))}]")
    mime = f" ({one_line(str(block['mimeType']))})" if block.get("mimeType") else ""
    return _text(
        f"[{one_line(str(block.get('type', 'content')))}{mime}, which cannot be passed on]"
    )


def _resource(resource: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(resource.get("text"), str):
        return _text(resource["text"])
    mime = str(resource.get("mimeType") or "application/octet-stream")
    if mime in _PICTURES:
        return {
            "type": "input_image",
            "image_url": f"data:{mime};base64,{resource.get('blob', '')}",
        }
    if mime == "application/pdf":
        name = str(resource.get("uri") or "").rpartition("/")[2][:100] or "file.pdf"
        data = f"data:{mime};base64,{resource.get('blob', '')}"
        return {"type": "input_file", "filename": one_line(name), "file_data": data}
    return _text(f"[a resource ({one_line(mime)}), which cannot be passed on]")


def _text(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text.replace("\0", "\ufffd")}
