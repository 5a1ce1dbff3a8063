"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from flowrunner.report import figures


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        (None, "unknown"),
        (math.nan, "unknown"),
        (math.inf, "unknown"),
        (0, "$0"),
        (1e-12, "$0"),
        (0.00000067, "$0.00000067"),
        (0.0000666, "$0.000067"),
        (0.0009, "$0.0009"),
        (0.0010449, "$0.001"),
        (0.0104, "$0.0104"),
        (0.0312, "$0.0312"),
        (0.25, "$0.25"),
        (0.5, "$0.50"),
        (0.99999, "$1.00"),
        (1.23, "$1.23"),
        (1204.5, "$1,204.50"),
        (-0.25, "-$0.25"),
    ],
)
def test_money(cost: float | None, shown: str) -> None:
    assert figures.money(cost) == shown


@pytest.mark.parametrize(
    ("cost", "shown"),
    [(None, "unknown"), (0, "$0"), (0.004218, "$0.0042"), (0.0312, "$0.031"), (12.6, "$13"),
     (1234.0, "$1,200")],
)  # fmt: skip
def test_money_about(cost: float | None, shown: str) -> None:
    assert figures.about_money(cost) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "unknown"),
        (-1, "0ms"),
        (0.04, "40ms"),
        (0.0999, "0.1s"),
        (0.4, "0.4s"),
        (3.14, "3.1s"),
        (9.97, "10s"),
        (24.2, "24s"),
        (59.7, "1m 00s"),
        (245, "4m 05s"),
        (3720, "1h 02m"),
        (2 * 86400 + 3 * 3600, "2d 03h"),
    ],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert figures.duration(seconds) == shown


def test_clock() -> None:
    assert [figures.clock(s) for s in (0, 24.4, 725, 3753)] == ["0:00", "0:24", "12:05", "1:02:33"]


def test_counts_and_sizes() -> None:
    assert figures.count(9410) == "9,410"
    assert [figures.counted(n, "step") for n in (0, 1, 1200)] == [
        "0 steps",
        "1 step",
        "1,200 steps",
    ]
    sizes = [figures.size(n) for n in (1, 812, 64_000, 999_999, 1_234_567)]
    assert sizes == ["1 byte", "812 bytes", "64 kB", "1.0 MB", "1.2 MB"]


def test_moments() -> None:
    assert figures.iso_utc(1_795_330_804.12) == "2026-11-22T07:00:04.120Z"
    assert figures.iso_utc(0) == "1970-01-01T00:00:00.000Z"
    assert figures.readable_utc("2026-11-22T07:00:04.120Z") == "22 Nov 2026, 07:00:04 UTC"
