"""Ids that last over runs: kept by key, shared with other programs, no harm when they are lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowrunner.errors import EnvironmentFault
from flowrunner.journal.lasting import LastingIds
from flowrunner.platform import FileLock

NOTE = {"name": "desk", "workflow": "flow.yaml"}


def test_what_was_put_is_found_by_every_program(tmp_path: Path) -> None:
    assert LastingIds(tmp_path).get("k") is None
    assert LastingIds(tmp_path).put("k", "conv_1", NOTE) == "conv_1"
    assert LastingIds(tmp_path).get("k") == "conv_1"
    assert LastingIds(tmp_path).get("other") is None
    kept = json.loads(LastingIds(tmp_path).path.read_text(encoding="utf-8"))
    assert kept == {"k": {"id": "conv_1", **NOTE}}


def test_whoever_was_quicker_is_right(tmp_path: Path) -> None:
    ids = LastingIds(tmp_path)
    ids.put("k", "conv_1", NOTE)
    assert ids.put("k", "conv_2", NOTE) == "conv_1"
    assert ids.put("k", "conv_2", NOTE, over="conv_1") == "conv_2"
    assert ids.put("k", "conv_3", NOTE, over="conv_1") == "conv_2"
    assert ids.get("k") == "conv_2"


def test_it_is_its_owners_alone_and_out_of_git(tmp_path: Path) -> None:
    ids = LastingIds(tmp_path)
    ids.put("k", "conv_1", NOTE)
    assert ids.path.stat().st_mode & 0o077 == 0
    assert (ids.path.parent / ".gitignore").read_text(encoding="utf-8") == "*\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"[]",
        b'{"k": "conv_1"}',
        b'{"k": {"id": 7}}',
        b'{"k": {"id": "two words"}}',
        b'{"k": {"id": ""}}',
        b"\xff\xfe",
    ],
)
def test_what_is_damaged_is_as_good_as_lost(tmp_path: Path, content: bytes) -> None:
    ids = LastingIds(tmp_path)
    ids.put("k", "conv_1", NOTE)
    ids.path.write_bytes(content)
    assert ids.get("k") is None
    assert ids.put("k", "conv_2", NOTE) == "conv_2"
    assert ids.get("k") == "conv_2"


def test_the_oldest_of_too_many_goes(tmp_path: Path) -> None:
    ids = LastingIds(tmp_path)
    ids.put("first", "conv_1", NOTE)
    many = {f"k{n}": {"id": f"conv_{n}"} for n in range(10_000)}
    ids.path.write_text(json.dumps({"first": {"id": "conv_1"}, **many}), encoding="utf-8")
    ids.put("last", "conv_x", NOTE)
    assert ids.get("first") is None
    assert ids.get("k9999") == "conv_9999"
    assert len(json.loads(ids.path.read_text(encoding="utf-8"))) == 10_000


def test_a_program_that_does_not_let_go_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowrunner.journal.index_file._PATIENCE_S", 0.0)
    ids = LastingIds(tmp_path)
    ids.put("k", "conv_1", NOTE)
    lock = FileLock(ids.path.with_suffix(".lock"))
    assert lock.acquire()
    try:
        with pytest.raises(EnvironmentFault, match="locked"):
            ids.put("other", "conv_2", NOTE)
    finally:
        lock.release()


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    ids = LastingIds(tmp_path)
    ids.path.mkdir(parents=True)
    with pytest.raises(EnvironmentFault):
        ids.get("k")
    with pytest.raises(EnvironmentFault):
        ids.put("k", "conv_1", NOTE)
