"""A `multipart/form-data` body, taken apart into its fields.

What the fields must be is left to the endpoint that is sent one.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

from flowrunner.simulator.envelope import Refusal


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its bytes, and the name of the file where it is one."""

    content: bytes
    filename: str | None = None


def read_form(content_type: str, content: bytes) -> dict[str, Field]:
    """The fields of a form, by name. Raises Refusal for what is no form."""
    head = Message()
    head["content-type"] = content_type
    boundary = head.get_param("boundary")
    if head.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise _malformed("its content type is not 'multipart/form-data' with a boundary")
    marks = (b"\r\n" + content).split(b"\r\n--" + boundary.encode("utf-8", "replace"))
    if len(marks) < 2 or not marks[-1].startswith(b"--"):
        raise _malformed("it does not end with its boundary")
    return dict(_field(part) for part in marks[1:-1])


def _field(part: bytes) -> tuple[str, Field]:
    lines, found, content = part.partition(b"\r\n\r\n")
    head = Message()
    for line in lines.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip():
            head[name.strip()] = value.strip()
    named = head.get_param("name", header="content-disposition")
    if not found or not isinstance(named, str):
        raise _malformed("a part of it has no name")
    filename = head.get_param("filename", header="content-disposition")
    return named, Field(content, filename if isinstance(filename, str) else None)


def _malformed(why: str) -> Refusal:
    return Refusal(f"Could not parse multipart form: {why}.")
