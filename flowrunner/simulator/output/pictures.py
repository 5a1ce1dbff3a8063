"""Pictures of one colour in the formats that image generation has, each a real file and tiny.

Which one is asked for is left to `hosted`.
"""

from __future__ import annotations

import base64
import struct
import zlib

from flowrunner.simulator.dice import Dice

_SIDE = 8
_ONE_PIXEL = {
    "gif": "R0lGODdhAQABAIEAAFp4lgAAAAAAAAAAACwAAAAAAQABAAAIBAABBAQAOw==",
    "webp": "UklGRh4AAABXRUJQVlA4TBEAAAAvAAAAAAdQvGrVsv+BiOh/AAA=",
    "jpeg": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////"
        "////////////////////////////////////wAALCAABAAEBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAEC"
        "AwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAk"
        "M2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJ"
        "ipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3"
        "+Pn6/9oACAEBAAA/AEr/2Q=="
    ),
}


def picture(dice: Dice, form: str) -> str:
    """A picture in base64; its colour follows from the dice where the format is easily written."""
    if form in _ONE_PIXEL:
        return _ONE_PIXEL[form]
    colour = bytes(dice.roll(f"colour {part}", 256) for part in ("red", "green", "blue"))
    content = _svg(colour) if form == "svg" else png(colour)
    return base64.b64encode(content).decode()


def png(colour: bytes) -> bytes:
    """A PNG of eight by eight pixels of one colour in RGB."""
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    rows = (b"\x00" + colour * _SIDE) * _SIDE
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _svg(colour: bytes) -> bytes:
    start = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_SIDE}" height="{_SIDE}">'
    return f'{start}<rect width="100%" height="100%" fill="#{colour.hex()}"/></svg>'.encode()
