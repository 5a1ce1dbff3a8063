"""The body of a reply, unpacked in small steps under a cap: a bomb costs its cap and no more.

What the bytes mean is left to whoever asked for them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from flowrunner.wire.faults import Lost

STEP_BYTES = 64 * 1024
"""How much is unpacked at a time."""
KEPT_OF_TOO_BIG = 64 * 1024
"""How much of a body over the cap is kept for people to look at."""

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_BARE_DEFLATE = -zlib.MAX_WBITS


class Body:
    """Collects a body. `encoding` is the reply's Content-Encoding, `cap` counts unpacked bytes."""

    def __init__(self, encoding: str, cap: int) -> None:
        self._encoding = encoding.strip().lower()
        self._cap = cap
        self._content = bytearray()
        self._unpacker: Unpacker | None = None

    def feed(self, raw: bytes) -> None:
        """Take bytes as they came. Raises Lost: `too-big`, or `protocol` where they are damaged."""
        if self._encoding in ("", "identity"):
            self._keep(raw)
            return
        for piece in self._unpack(raw):
            self._keep(piece)

    def finish(self) -> bytes:
        """The whole body. Raises Lost `truncated` when what was packed does not end."""
        if self._unpacker is not None and not self._unpacker.ended:
            raise Lost("truncated", "the packed reply ends in the middle")
        return self.so_far()

    def so_far(self) -> bytes:
        """What has come until now, unpacked."""
        return bytes(self._content)

    def _keep(self, piece: bytes) -> None:
        if len(self._content) + len(piece) <= self._cap:
            self._content += piece
            return
        kept = min(self._cap, KEPT_OF_TOO_BIG)
        self._content = (self._content[:kept] + piece)[:kept]
        raise Lost("too-big", f"the reply is bigger than {_shown_size(self._cap)}")

    def _unpack(self, raw: bytes) -> Iterator[bytes]:
        if not raw:
            return
        if self._unpacker is None:
            self._unpacker = Unpacker(_window(self._encoding, raw[0]))
        try:
            yield from self._unpacker.steps(raw)
        except zlib.error:
            raise Lost("protocol", "the packed reply is damaged and cannot be read") from None


def _window(encoding: str, first: int) -> int:
    if encoding in ("gzip", "x-gzip"):
        return _GZIP
    if encoding == "deflate":
        # Servers send both: RFC 9110 means the zlib format, whose first byte ends in 8.
        return _ZLIB if first & 0x0F == 8 else _BARE_DEFLATE
    raise Lost("protocol", f"the reply is packed as `{encoding[:20]}`, which was not asked for")


class Unpacker:
    """Unpacks one gzip or deflate stream, never more than `STEP_BYTES` at a time."""

    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)

    @property
    def ended(self) -> bool:
        """Whether the stream came to its end and its checksum was right."""
        return self._stream.eof

    def steps(self, raw: bytes) -> Iterator[bytes]:
        """What these bytes unpack to. Raises zlib.error where they are damaged."""
        if self._stream.eof and raw.strip(b"\0"):
            raise zlib.error("bytes after the end")
        piece = b""
        while not self._stream.eof and (raw or len(piece) == STEP_BYTES):
            piece = self._stream.decompress(raw, STEP_BYTES)
            raw = self._stream.unconsumed_tail
            if piece:
                yield piece
        if self._stream.unused_data.strip(b"\0"):
            raise zlib.error("bytes after the end")


def _shown_size(size: int) -> str:
    return f"{size // 1024**2} MiB" if size >= 1024**2 else f"{size} bytes"
