"""The end of a program in one sentence, and its bytes as text.

Reading the text as JSON is left to `flowrunner.json_text`, masking secrets in it to the journal.
"""

from __future__ import annotations

import signal

from flowrunner.tools.request import CommandEnd
from flowrunner.visible import one_line

_LINE_LENGTH = 300
_MARKS_OF_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class NotText(ValueError):
    """Bytes are no text. `message` is a sentence that says where."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def text_of(content: bytes) -> str:
    """What a program wrote, as text: UTF-8, with a byte order mark tolerated, otherwise as it is.

    Raises NotText for other encodings and for NUL characters, which only binary output holds.
    """
    if content.startswith(_MARKS_OF_UTF_16):
        raise NotText("the output is UTF-16 and not UTF-8")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise NotText(
            f"the output is not text in UTF-8: byte {fault.start + 1:,} of {len(content):,} "
            f"is 0x{content[fault.start]:02x}"
        ) from None
    if "\0" in text:
        raise NotText(
            f"the output is not text: byte {content.index(0) + 1:,} of {len(content):,} is NUL"
        )
    return text.removeprefix("\ufeff")


def describe_end(end: CommandEnd) -> str:
    """One sentence without its full stop: how the program ended, and its last line on stderr."""
    told = _last_line(end.stderr)
    how = how_it_ended(end)
    return f"{how}: {told}" if told and not end.succeeded else how


def how_it_ended(end: CommandEnd) -> str:
    """The same without what it said."""
    program = f"`{one_line(end.program)}`"
    if end.timed_out:
        return (
            f"{program} had not ended after {end.timeout_s:g} s and was ended, "
            "with all that it had started"
        )
    if end.truncated:
        return f"{program} wrote more than {_size(end.cap_bytes)} to stdout and was ended"
    if end.signal is not None:
        return f"{program} was ended by {_signal_in_words(end.signal)}"
    if end.status is None:
        return f"{program} was killed, but the system has not let it go"
    return f"{program} ended with exit status {end.status}"


def _signal_in_words(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    meaning = (signal.strsignal(number) or name).lower()
    hint = "; perhaps memory ran out" if name == "SIGKILL" else ""
    return f"signal {number} ({name}, {meaning}{hint})"


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    shown = one_line(last[:_LINE_LENGTH])
    return shown if len(last) <= _LINE_LENGTH else f"{shown}…"


def _size(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size and count % size == 0:
            return f"{count // size:,} {unit}"
    return f"{count:,} bytes"
