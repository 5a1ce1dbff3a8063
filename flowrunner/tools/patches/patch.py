"""`call_patch`: one operation of the API's `apply_patch`: a file made, changed or taken away.

What a diff makes of a text is left to `diff`, how files are reached to `beneath`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from flowrunner.events import JSON
from flowrunner.language.tools import PatchTool
from flowrunner.tools.answer import CAP_BYTES, ToolAnswer, failed
from flowrunner.tools.patches.beneath import MOST_BYTES, Refused, open_beneath, steps_of
from flowrunner.tools.patches.diff import Changed, DiffFault, created, updated
from flowrunner.tools.words import NotText, text_of
from flowrunner.tools.workspace import NoWorkspace, open_workspace


async def call_patch(kind: PatchTool, operation: Mapping[str, JSON], *, folder: Path) -> ToolAnswer:
    """Do the operation of an `apply_patch_call`. Each file is old or new, never half."""
    try:
        return await asyncio.to_thread(_apply, open_workspace(folder, kind.folder), operation)
    except (NoWorkspace, Refused, DiffFault) as fault:
        return failed(str(fault))


def _apply(root: Path, operation: Mapping[str, JSON]) -> ToolAnswer:
    """Raises Refused, DiffFault."""
    files, steps = open_beneath(root), steps_of(operation.get("path"))
    match operation.get("type"):
        case "create_file":
            made = created(_diff(operation))
            files.create(steps, _content(made))
            return _done("created", steps, made)
        case "update_file":
            content, mode = files.read(steps)
            made = updated(_text("/".join(steps), content), _diff(operation))
            mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
            files.replace(steps, mark + _content(made), mode)
            return _done("updated", steps, made)
        case "delete_file":
            files.delete(steps)
            return _done("deleted", steps, None)
    raise Refused("the operation is none of `create_file`, `update_file` and `delete_file`")


def _diff(operation: Mapping[str, JSON]) -> str:
    diff = operation.get("diff")
    if not isinstance(diff, str):
        raise DiffFault("the operation holds no `diff`")
    if len(diff) > CAP_BYTES:
        raise DiffFault("the diff is longer than 1 MiB")
    return diff


def _text(path: str, content: bytes) -> str:
    try:
        return text_of(content)
    except NotText as fault:
        raise Refused(f"`{path}` is no text that a patch could change: {fault.message}") from None


def _content(made: Changed) -> bytes:
    content = made.text.encode("utf-8", "replace")
    if len(content) > MOST_BYTES:
        raise Refused(f"the file would be larger than {MOST_BYTES // 1024**2} MiB")
    return content


def _done(change: str, steps: tuple[str, ...], made: Changed | None) -> ToolAnswer:
    path = "/".join(steps)
    file: dict[str, JSON] = {"path": path, "change": change}
    counted = ""
    if made is not None:
        file |= {"added": made.added, "removed": made.removed}
        counted = f": {made.added} lines added, {made.removed} removed"
    return ToolAnswer(True, f"{change} {path}{counted}", facts={"files": [file]})
