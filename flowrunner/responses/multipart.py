"""A form with one file in it, as `POST /files` takes it (RFC 7578)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

_ESCAPES = {'"': "%22", "\r": "%0D", "\n": "%0A"}


def form(
    fields: Mapping[str, str], name: str, media_type: str, content: bytes
) -> tuple[bytes, str]:
    """The body and its Content-Type: plain fields, then the file as the field `file`."""
    digest = hashlib.sha256(content).hexdigest()
    # What a file's own digest is cannot stand in that file.
    boundary = f"flowrunner-{digest[:40]}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(field)}"\r\n\r\n'
        f"{value}\r\n"
        for field, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{_quoted(name)}"'
        f"\r\nContent-Type: {media_type}\r\n\r\n"
    )
    start = "".join([*parts, head]).encode("utf-8", "replace")
    body = b"".join((start, content, f"\r\n--{boundary}--\r\n".encode()))
    return body, f"multipart/form-data; boundary={boundary}"


def file_in(body: bytes, content_type: str) -> bytes:
    """The file in a form that `form` made; nothing where there is none."""
    mark = b"\r\n--" + content_type.partition("boundary=")[2].strip().strip('"').encode()
    _, found, rest = body.partition(b'name="file"; filename="')
    content = rest.partition(b"\r\n\r\n")[2]
    return content.rpartition(mark)[0] if found else b""


def _quoted(text: str) -> str:
    return "".join(_ESCAPES.get(letter, letter) for letter in text)
