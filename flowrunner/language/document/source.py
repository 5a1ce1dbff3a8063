"""Bytes of a file into text that a YAML parser may be given; whatever it cannot bear is named.

Bad characters are replaced one for one, so that the rest of the file can still be checked; what the
text says is left to the composer.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from flowrunner.language.document.faults import Fault

MAX_BYTES = 16 * 1024 * 1024

_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS_UTF8 = "save the file as UTF-8"

_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")
_BREAK_NAMES = {
    "\x85": "the invisible line end U+0085",
    "\u2028": "the invisible line separator U+2028",
    "\u2029": "the invisible paragraph separator U+2029",
    "\ufeff": "the invisible mark U+FEFF",
}


def read_bytes(path: Path) -> bytes | Fault:
    """The bytes of a regular file of at most 16 MiB, or why there are none.

    Nothing else is ever opened for long: a pipe or a device is recognised before a byte is read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        return _cannot_open(path, error)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            return _not_a_file(mode)
        with os.fdopen(os.dup(fd), "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        return _cannot_open(path, error)
    finally:
        os.close(fd)
    return content


def too_big(size: int) -> Fault | None:
    """The fault of a text of that many bytes (or characters), if it is one."""
    if size <= MAX_BYTES:
        return None
    message = "the file is larger than 16 MiB, which no workflow file needs"
    return Fault("too-big", message, help="keep large texts in files of their own: `prompt_file`")


def _cannot_open(path: Path, error: OSError | ValueError) -> Fault:
    if isinstance(error, FileNotFoundError):
        if path.is_symlink():
            return Fault("not-a-file", "this is a link to a file that does not exist")
        return Fault("not-a-file", "there is no such file", help="check the path")
    if isinstance(error, IsADirectoryError):
        return _not_a_file(stat.S_IFDIR)
    if isinstance(error, PermissionError):
        return Fault("not-a-file", "the file may not be read", help="check its permissions")
    if isinstance(error, NotADirectoryError):
        return Fault("not-a-file", "a part of this path is a file, not a folder")
    return Fault("not-a-file", "the file cannot be opened", help="check the path")


def _not_a_file(mode: int) -> Fault:
    if stat.S_ISDIR(mode):
        fix = "name a file in it, for example `workflows/hello.yaml`"
        return Fault("not-a-file", "this is a folder, not a workflow file", help=fix)
    kind = "a pipe" if stat.S_ISFIFO(mode) else "a device"
    return Fault("not-a-file", f"this is {kind}, not a workflow file")


def decode(content: bytes) -> tuple[str | None, list[Fault]]:
    """The text of UTF-8 bytes, without a byte order mark; None when they are UTF-16."""
    if content.startswith(_UTF16_BOMS) or _looks_like_utf16(content):
        return None, [Fault("encoding", "the file is UTF-16, not UTF-8", help=_SAVE_AS_UTF8)]
    content = content.removeprefix(_UTF8_BOM)
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError as error:
        return content.decode("utf-8", "replace"), [_not_utf8(content, error.start)]


def _looks_like_utf16(content: bytes) -> bool:
    start = content[:200]
    return len(start) >= 4 and start.count(0) * 3 > len(start)


def _not_utf8(content: bytes, at: int) -> Fault:
    # Counted as the text will be counted: line ends made one character, bad bytes replaced.
    before = content[:at].decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    line = before.count("\n") + 1
    byte = at - max(content.rfind(b"\n", 0, at), content.rfind(b"\r", 0, at))
    message = f"the file is not UTF-8: line {line}, byte {byte} (0x{content[at]:02X})"
    return Fault("encoding", message, len(before), help=_SAVE_AS_UTF8)


def with_plain_line_ends(text: str) -> str:
    """The text with Windows' and old Mac's line ends made `\\n`: columns stay as they are."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def clean(text: str) -> tuple[str, list[Fault]]:
    """A text of the same length that the parser can bear, and what had to be replaced in it."""
    present = "".join(sorted(set(text)))
    bad = _UNPRINTABLE.findall(present)
    hidden = _BREAKS.findall(present)
    faults = [_unprintable(each, text.find(each), text.count(each)) for each in bad]
    faults += [_hidden_break(each, text.find(each), text.count(each)) for each in hidden]
    replaced = dict.fromkeys(map(ord, bad), "\ufffd") | dict.fromkeys(map(ord, hidden), " ")
    return text.translate(replaced) if replaced else text, faults


def _unprintable(character: str, at: int, times: int) -> Fault:
    name = {"\x00": "a NUL character", "\x1b": "an escape character"}.get(character)
    if name is None and "\ud800" <= character <= "\udfff":
        name = f"half a character (U+{ord(character):04X})"
    name = name or f"the control character U+{ord(character):04X}"
    message = f"the text holds {name}{_also(times)}"
    return Fault("encoding", message, at, help="delete it, and type anew what stands around it")


def _hidden_break(character: str, at: int, times: int) -> Fault:
    message = f"the text holds {_BREAK_NAMES[character]}{_also(times)}"
    return Fault("invisible", message, at, help="delete it and type the space or line end anew")


def _also(times: int) -> str:
    return f", {times} times" if times > 1 else ""
