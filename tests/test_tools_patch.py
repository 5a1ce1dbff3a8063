"""Patches of a model: files of one folder change whole, and nothing outside of it ever does."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.language.tools import PatchTool
from flowrunner.tools import ToolAnswer, call_patch
from flowrunner.tools.patches.beneath import (
    Beneath,
    ByFolder,
    ByName,
    Refused,
    open_beneath,
    steps_of,
)

POSIX = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


def patch(base: Path, kind: str, path: Any, diff: Any = None, folder: str = "work") -> ToolAnswer:
    operation = {"type": kind, "path": path} | ({} if diff is None else {"diff": diff})
    return asyncio.run(call_patch(PatchTool(folder), operation, folder=base))


def tree(folder: Path) -> dict[str, bytes | str]:
    """All that is in a folder, links not followed."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = path.read_bytes() if path.is_file() else "folder"
    return found


def test_a_file_is_made_changed_and_taken_away(tmp_path: Path) -> None:
    made = patch(tmp_path, "create_file", "src/shop.py", "+a\n+b\n")
    assert made == ToolAnswer(
        True,
        "created src/shop.py: 2 lines added, 0 removed",
        facts={"files": [{"path": "src/shop.py", "change": "created", "added": 2, "removed": 0}]},
    )
    file = tmp_path / "work/src/shop.py"
    assert file.read_bytes() == b"a\nb\n"
    changed = patch(tmp_path, "update_file", "src/shop.py", "@@\n a\n-b\n+c\n")
    assert changed.output == "updated src/shop.py: 1 lines added, 1 removed"
    assert file.read_bytes() == b"a\nc\n"
    assert patch(tmp_path, "delete_file", "src/shop.py").output == "deleted src/shop.py"
    assert tree(tmp_path) == {"work": "folder", "work/src": "folder"}


@POSIX
def test_permissions_stay_and_new_files_have_ordinary_ones(tmp_path: Path) -> None:
    patch(tmp_path, "create_file", "run.sh", "+a\n")
    file = tmp_path / "work/run.sh"
    (tmp_path / "ordinary").touch()
    assert file.stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    file.chmod(0o755)
    patch(tmp_path, "update_file", "run.sh", "-a\n+b\n")
    assert file.stat().st_mode & 0o777 == 0o755


def test_a_byte_order_mark_stays(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    file = tmp_path / "work/a"
    file.write_bytes(b"\xef\xbb\xbfa\r\n")
    patch(tmp_path, "update_file", "a", "-a\n+b\n")
    assert file.read_bytes() == b"\xef\xbb\xbfb\r\n"


@pytest.mark.parametrize(
    ("kind", "path", "diff", "told"),
    [
        ("update_file", "gone.py", "-a\n", "there is no `gone.py`"),
        ("update_file", "no/gone.py", "-a\n", "there is no `no`"),
        ("delete_file", "gone.py", None, "there is no `gone.py`"),
        ("create_file", "a.py", "+x\n", "`a.py` is there already"),
        ("create_file", "a.py/b", "+x\n", "`a.py` is a link, or no folder, and is not followed"),
        ("update_file", "a.py", "-b\n", "the lines from line 1 of the diff on (`b` …) are not in"),
        ("update_file", "sub", "-b\n", "`sub` is not a file"),
        ("delete_file", "sub", None, "`sub` is not a file"),
        ("update_file", "binary", "-b\n", "`binary` is no text that a patch could change: the out"),
        ("update_file", "a.py", None, "the operation holds no `diff`"),
        ("create_file", "b.py", ["+x"], "the operation holds no `diff`"),
        ("create_file", "b.py", "+" * (2 << 20), "the diff is longer than 1 MiB"),
        ("update_file", "large", "+x", "`large` is larger than 10 MiB"),
        ("rename_file", "a.py", "", "the operation is none of"),
        (None, "a.py", "", "the operation is none of"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    tmp_path: Path, kind: Any, path: str, diff: Any, told: str
) -> None:
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (work / "a.py").write_text("a\n", encoding="utf-8")
    (work / "binary").write_bytes(b"a\0b")
    (work / "large").write_bytes(b"\n" * (11 << 20))
    before = tree(tmp_path)
    answer = patch(tmp_path, kind, path, diff)
    assert not answer.ok
    assert str(answer.error).startswith(told)
    assert tree(tmp_path) == before


OUTSIDE = [
    "../secret", "a/../../secret", "/etc/passwd", "//server/share", "..", ".", "", "/", "a/..",
    "..\\secret", "a\\b", "C:\\x\\y", "sub/../../secret", "./../secret", "a\0b", "a\nb", "\ud800",
    ".git/hooks/pre-commit", "x/.GIT/config", ".git", "sub/.git./config", "GIT~1/config", 3, None,
    ["a"], "x" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("kind", ["create_file", "update_file", "delete_file"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, kind: str, path: Any) -> None:
    (tmp_path / "work/sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("a\n", encoding="utf-8")
    before = tree(tmp_path)
    answer = patch(tmp_path, kind, path, "+PWNED\n")
    assert not answer.ok
    assert str(answer.error).startswith("the ")
    assert tree(tmp_path) == before


@given(st.text(st.sampled_from("./\\a ~:\0g")) | st.text())
def test_steps_never_lead_up_or_out(path: str) -> None:
    try:
        steps = steps_of(path)
    except Refused:
        return
    whole = os.path.normpath("/root/" + "/".join(steps))
    assert whole.startswith("/root/")
    assert whole.count("/") == len(steps) + 1


@pytest.fixture(params=[ByFolder, ByName])
def beneath(request: pytest.FixtureRequest, tmp_path: Path) -> Beneath:
    (tmp_path / "work").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/secret").write_text("a\n", encoding="utf-8")
    if request.param is ByFolder and os.name == "nt":
        pytest.skip("Windows opens no names in open folders")
    made: Beneath = request.param(tmp_path / "work")
    return made


def test_both_ways_do_the_same(beneath: Beneath, tmp_path: Path) -> None:
    beneath.create(("a", "b", "c.txt"), b"1")
    assert beneath.read(("a", "b", "c.txt"))[0] == b"1"
    beneath.replace(("a", "b", "c.txt"), b"2", 0o644)
    assert (tmp_path / "work/a/b/c.txt").read_bytes() == b"2"
    with pytest.raises(Refused, match="is there already"):
        beneath.create(("a", "b", "c.txt"), b"3")
    beneath.delete(("a", "b", "c.txt"))
    with pytest.raises(Refused, match="there is no"):
        beneath.read(("a", "b", "c.txt"))
    assert not any(path.is_file() for path in (tmp_path / "work").rglob("*"))


@POSIX
def test_no_link_is_followed(beneath: Beneath, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "file").symlink_to(tmp_path / "out/secret")
    (work / "folder").symlink_to(tmp_path / "out")
    (work / "nowhere").symlink_to(tmp_path / "out/new")
    before = tree(tmp_path)
    for steps in (("file",), ("folder", "secret"), ("folder", "new"), ("nowhere",)):
        for do in (
            lambda steps=steps: beneath.read(steps),
            lambda steps=steps: beneath.create(steps, b"PWNED"),
            lambda steps=steps: beneath.delete(steps),
        ):
            with pytest.raises(Refused):
                do()
    assert tree(tmp_path) == before


@POSIX
def test_a_pipe_or_a_device_is_not_read(beneath: Beneath, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "work/pipe")
    with pytest.raises(Refused, match="is not a file"):
        beneath.read(("pipe",))


@POSIX
def test_a_hard_link_out_of_the_folder_is_not_written_through(
    beneath: Beneath, tmp_path: Path
) -> None:
    (tmp_path / "work/inside").hardlink_to(tmp_path / "out/secret")
    beneath.replace(("inside",), b"PWNED", 0o644)
    assert (tmp_path / "out/secret").read_text(encoding="utf-8") == "a\n"


@POSIX
def test_a_link_that_is_put_in_the_way_meanwhile_is_never_written_through(tmp_path: Path) -> None:
    """A folder that another program swaps for a link, over and over, while files are written."""
    work, out = tmp_path / "work", tmp_path / "out"
    (work / "sub").mkdir(parents=True)
    out.mkdir()
    (out / "bashrc").write_text("mine\n", encoding="utf-8")
    (work / "link").symlink_to(out)
    ended, turn = threading.Event(), threading.Semaphore(0)

    def swap() -> None:
        for number in itertools.count():
            turn.acquire()
            with suppress(OSError):
                (work / "sub").rename(work / f"aside{number}")
            with suppress(OSError):
                (work / "link").rename(work / "sub")
                (work / "sub").rename(work / "link")
            if ended.is_set():
                return

    swapping = threading.Thread(target=swap)
    swapping.start()
    files, written = open_beneath(work), 0
    try:
        for number in range(500):
            turn.release()
            try:
                files.create(("sub", f"f{number}"), b"PWNED")
                files.replace(("sub", "bashrc"), b"PWNED", 0o644)
                written += 1
            except Refused:
                pass
    finally:
        ended.set()
        turn.release()
        swapping.join()
    assert written
    assert tree(out) == {"bashrc": b"mine\n"}


@POSIX
@pytest.mark.parametrize("folder", ["link", "sub/link/deeper", "link/new"])
def test_a_workspace_behind_a_link_is_refused(tmp_path: Path, folder: str) -> None:
    base, out = tmp_path / "project", tmp_path / "out"
    (base / "sub").mkdir(parents=True)
    (out / "deeper").mkdir(parents=True)
    (base / "link").symlink_to(out)
    (base / "sub/link").symlink_to(out)
    before = tree(tmp_path)
    answer = patch(base, "create_file", "a", "+a\n", folder)
    assert answer.error == f"`{folder}` leads through a link, which is not followed"
    assert tree(tmp_path) == before


def test_a_workspace_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    assert patch(tmp_path, "create_file", "a", "+a\n").error == "`work` is not a folder"


def test_a_workspace_beside_the_workflows_folder(tmp_path: Path) -> None:
    (tmp_path / "workflows").mkdir()
    assert patch(tmp_path / "workflows", "create_file", "a", "+a\n", "../work").ok
    assert (tmp_path / "work/a").exists()
