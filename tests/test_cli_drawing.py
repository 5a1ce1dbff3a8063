"""Frames on an emulated terminal: what stands at the bottom is replaced, what is above stays."""

from __future__ import annotations

import io
import re

import pytest

from flowrunner.cli.drawing import Drawing, reflows, rows_taken

pyte = pytest.importorskip("pyte")


class Wall:
    """A terminal of twelve lines and the frames it was told."""

    def __init__(self, width: int = 40, *, colour: bool = False, reflows: bool = False) -> None:
        self.frames: list[str] = []
        self.width = width
        self.screen = pyte.Screen(width, 12)
        self._stream = pyte.Stream(self.screen)
        self._drawing = Drawing(io.StringIO(), self._take, colour=colour, reflows=reflows)

    def _take(self, text: str) -> None:
        self.frames.append(text)
        self._stream.feed(text.replace("\n", "\r\n"))

    def show(self, below: str, above: str = "") -> list[str]:
        """A frame of lines without letters between them; what stands there then."""
        self._drawing.show(below.split(), above.split(), self.width)
        return self.stands

    @property
    def stands(self) -> list[str]:
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines


def test_lines_are_replaced_and_others_put_above() -> None:
    wall = Wall()
    assert wall.show("a b c") == ["a", "b", "c"]
    assert wall.show("dd e f g") == ["dd", "e", "f", "g"]
    assert wall.show("h", "one two") == ["one", "two", "h"]
    assert wall.show("i j", "three") == ["one", "two", "three", "i", "j"]
    assert wall.show("", "four") == ["one", "two", "three", "four"]
    assert (wall.screen.cursor.y, wall.screen.cursor.x) == (4, 0)


def test_nothing_is_written_for_nothing() -> None:
    wall = Wall()
    wall.show("")
    assert not wall.frames
    wall.show("a")
    wall.show("")
    wall.show("")
    assert len(wall.frames) == 2
    assert wall.stands == []


def test_a_frame_is_one_write_and_leaves_the_cursor_to_be_seen() -> None:
    wall = Wall()
    for number in range(5):
        wall.show("a b " * number, f"line{number}")
        assert len(wall.frames) == number + 1
        assert wall.frames[-1].count("\x1b[?25l") == wall.frames[-1].count("\x1b[?25h") == 1
        assert wall.frames[-1].endswith("\x1b[?25h")


def test_lines_scroll_out_above_and_never_into_one_another() -> None:
    wall = Wall()
    for number in range(60):
        stands = wall.show(f"x{number} y{number} z", f"told{number}")
        assert stands[-3:] == [f"x{number}", f"y{number}", "z"]
        told = [f"told{n}" for n in range(number + 1)]
        assert stands[:-3] == told[-len(stands[:-3]) :]


@pytest.mark.parametrize("length", [1, 19, 20, 21, 39, 40, 41, 60])
def test_lines_above_may_be_longer_than_the_screen(length: int) -> None:
    wall = Wall(width=20)
    wall.show("aaaaaaaaaaaaaaa bbbbbbbbbbbbbbb ccccccccccccccc")
    stands = wall.show("d", "w" * length)
    assert "".join(stands[:-1]) == "w" * length
    assert stands[-1] == "d"


def test_colours_are_those_of_the_line() -> None:
    wall = Wall(colour=True)
    wall.show("\x1b[31mred\x1b[0m")
    assert "\x1b[31mred\x1b[0m" in wall.frames[0]
    plain = Wall()
    plain.show("red")
    assert "red" in plain.frames[0]
    assert not re.search(r"\x1b\[\d*m", plain.frames[0])


def test_rows_of_lines_that_the_terminal_broke_anew() -> None:
    assert rows_taken([0, 1, 9, 10, 11, 20, 21], 10) == 1 + 1 + 1 + 1 + 2 + 2 + 3
    assert rows_taken([5], 0) == 5
    for known in (False, True):
        wall = Wall(reflows=known)
        wall.show("w" * 39 + " " + "v" * 39)
        wall.width = 20
        wall.show("x")
        assert ("\x1b[3A" in wall.frames[-1]) is known
        assert ("\x1b[1A" in wall.frames[-1].partition("x")[0]) is not known


def test_terminals_that_break_lines_anew_are_known_by_their_variables() -> None:
    assert not reflows({"TERM": "xterm", "TMUX": ""})
    assert reflows({"TERM": "xterm", "VTE_VERSION": "7600"})
