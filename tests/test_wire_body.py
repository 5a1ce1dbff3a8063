"""A body comes out the same however it was cut, and never bigger than its cap."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.wire.body import Body
from flowrunner.wire.faults import Lost


def bare(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


PACKED = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    " GZip ": gzip.compress,
    "deflate": zlib.compress,
}


@given(
    st.binary(max_size=2000), st.integers(1, 60), st.integers(1, 200), st.sampled_from([*PACKED])
)
def test_any_cut_gives_the_same_body(content: bytes, times: int, cut: int, encoding: str) -> None:
    raw = PACKED[encoding](content * times)
    body = Body(encoding, cap=10**6)
    for start in range(0, len(raw), cut):
        body.feed(raw[start : start + cut])
    assert body.finish() == content * times


@given(st.binary(min_size=1, max_size=200), st.integers(1, 50))
def test_deflate_without_its_wrapping_is_understood(content: bytes, cut: int) -> None:
    raw = bare(content)
    if raw[0] & 0x0F == 8:
        return  # Looks like the wrapped form, which the standard means.
    body = Body("deflate", cap=1000)
    for start in range(0, len(raw), cut):
        body.feed(raw[start : start + cut])
    assert body.finish() == content


@given(st.integers(0, 300_000), st.integers(1, 200_000))
def test_nothing_gets_over_the_cap(size: int, cap: int) -> None:
    body = Body("gzip", cap)
    packed = gzip.compress(bytes(size), 1)
    if size <= cap:
        body.feed(packed)
        assert body.finish() == bytes(size)
        return
    with pytest.raises(Lost, match="bigger than"):
        body.feed(packed)
    assert len(body.so_far()) == min(cap, 64 * 1024)


def test_steps_end_even_where_they_end_on_a_step() -> None:
    for size in (65535, 65536, 65537, 131072):
        body = Body("gzip", 10**6)
        body.feed(gzip.compress(bytes(size)))
        assert body.finish() == bytes(size)


@pytest.mark.parametrize(
    ("after", "fine"),
    [(b"", True), (b"\0\0", True), (b"x", False), (gzip.compress(b"more", mtime=0), False)],
)
@pytest.mark.parametrize("apart", [False, True])
def test_bytes_after_the_end_are_not_dropped_silently(
    after: bytes, fine: bool, apart: bool
) -> None:
    body = Body("gzip", 1000)
    packed = gzip.compress(b"hello", mtime=0)
    if apart:
        body.feed(packed)
        packed = b""
    if not fine:
        with pytest.raises(Lost, match="damaged"):
            body.feed(packed + after)
        return
    body.feed(packed + after)
    assert body.finish() == b"hello"


def test_a_checksum_that_is_wrong_is_noticed() -> None:
    raw = bytearray(gzip.compress(b"hello", mtime=0))
    raw[-5] ^= 1
    with pytest.raises(Lost, match="damaged"):
        Body("gzip", 1000).feed(bytes(raw))


def test_an_empty_packed_body_is_empty() -> None:
    assert Body("gzip", 10).finish() == b""
    assert Body("br", 10).finish() == b""
