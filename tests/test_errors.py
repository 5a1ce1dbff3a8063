"""Exit statuses: which one wins when several apply."""

from __future__ import annotations

import pytest

from flowrunner import errors
from flowrunner.errors import ExitStatus, weightiest


@pytest.mark.parametrize(
    ("present", "wins"),
    [
        ([], 0),
        ([0, 6], 6),
        ([6, 9], 9),
        ([9, 1], 1),
        ([1, 5], 5),
        ([5, 8], 8),
        ([8, 4], 4),
        ([4, 143], 143),
        ([143, 130], 130),
        ([130, 10], 10),
        ([10, 70], 70),
    ],
)
def test_weightiest(present: list[int], wins: int) -> None:
    assert weightiest(ExitStatus(status) for status in present) == wins


def test_every_exception_has_its_exit_status() -> None:
    expected = {
        errors.UsageError: 2,
        errors.InvalidWorkflow: 3,
        errors.EnvironmentFault: 4,
        errors.RunBusy: 7,
        errors.JournalUnusable: 10,
    }
    for kind, status in expected.items():
        assert kind("sentence", help="fix").exit_status == status
