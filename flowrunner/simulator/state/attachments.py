"""Whether the images and files that a request gives to the model can be read at all.

Each rule raises the Refusal that the API answers with. Files themselves are left to `files`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flowrunner.simulator import envelope
from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.state.files import Files

_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,(.*)", re.DOTALL)
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_IMAGE = "a base64-encoded data URL with an image MIME type (e.g. "
_IMAGE += "'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU=')"
_FILE = "a base64-encoded data URL with a MIME type (e.g. "
_FILE += "'data:application/pdf;base64,ZmlsZSBieXRlcyBoZXJl')"


def check_attachments(body: dict[str, Any], files: Files) -> None:
    """Raise Refusal for what is no image or file, or is not there."""
    for part, param in _parts(body.get("input")):
        name = part.get("file_id")
        if name is not None and files.find(name) is None:
            message = f"File with id '{name}' not found."
            raise Refusal(message, f"{param}.file_id", "invalid_value")
        _CHECKS[part["type"]](part, param)
    for index, tool in enumerate(body.get("tools") or ()):
        container = tool.get("container")
        names = (container.get("file_ids") or ()) if isinstance(container, dict) else ()
        for place, name in enumerate(names):
            if files.find(name) is None:
                param = f"tools[{index}].container.file_ids[{place}]"
                raise Refusal(f"File with id '{name}' not found.", param, "invalid_value")


def _parts(given: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Each part with an image or a file, and the API's spelling of its place."""
    for index, item in enumerate(given if isinstance(given, list) else ()):
        for name in ("content", "output"):
            parts = item.get(name)
            for place, part in enumerate(parts if isinstance(parts, list) else ()):
                if isinstance(part, dict) and part.get("type") in _CHECKS:
                    yield part, f"input[{index}].{name}[{place}]"


def _check_image(part: dict[str, Any], param: str) -> None:
    url = part.get("image_url")
    if url is None:
        if part.get("file_id") is None:
            raise envelope.missing_parameter(f"{param}.image_url")
        return
    if url.startswith(("http://", "https://")):
        return
    param = f"{param}.image_url"
    found = _DATA.fullmatch(url)
    if found is None:
        if not url.startswith("data:"):
            message = f"Invalid '{param}'. Expected a valid URL, but got a value with an invalid "
            raise Refusal(f"{message}format.", param, "invalid_value")
        raise _expected(param, _IMAGE, "an invalid base64-encoded value")
    if found[1] not in _IMAGES:
        raise _expected(param, _IMAGE, f"unsupported MIME type '{found[1]}'")
    if not found[2]:
        raise _expected(param, _IMAGE, "empty base64-encoded bytes")


def _check_file(part: dict[str, Any], param: str) -> None:
    data = part.get("file_data")
    if data is None:
        if part.get("file_id") is None and part.get("file_url") is None:
            raise envelope.missing_parameter(f"{param}.file_id")
        return
    if not part.get("filename"):
        raise envelope.missing_parameter(f"{param}.filename")
    found = _DATA.fullmatch(data)
    if found is None:
        raise _expected(f"{param}.file_data", _FILE, "an invalid base64-encoded value")
    if not found[2]:
        raise _expected(f"{param}.file_data", _FILE, "empty base64-encoded bytes")


def _expected(param: str, wanted: str, found: str) -> Refusal:
    return Refusal(
        f"Invalid '{param}'. Expected {wanted}, but got {found}.", param, "invalid_value"
    )


_CHECKS = {"input_image": _check_image, "input_file": _check_file}
