"""`ComputerDriver`: the author's program that acts on a screen and shows it, for one step.

It is told `{"action": {…}}`, the action as the API has it, and answers with one line of JSON:
`{"screenshot": …}`, a picture in base64 or the path of a file with one, or `{"error": "…"}`. Which
actions there are, and who allows them, is left to the API and to the engine.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowrunner import json_text
from flowrunner.events import JSON
from flowrunner.language.tools import ComputerTool
from flowrunner.tools.answer import CAP_BYTES_OF_PARTS, ToolAnswer, failed
from flowrunner.tools.child import Patience, to_its_end
from flowrunner.tools.request import CannotStart
from flowrunner.tools.speaking import Speaker, start_speaker
from flowrunner.visible import one_line

_PICTURES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))


class _Wrong(Exception):
    """What the driver said cannot be used; its message is a sentence."""


class ComputerDriver:
    """Starts its program with the first action, and anew after it has died; `end` ends it.

    Belongs to one event loop. Actions are done one after the other.
    """

    def __init__(
        self,
        kind: ComputerTool,
        *,
        folder: Path,
        environ: Mapping[str, str],
        patience: Patience | None = None,
    ) -> None:
        self._kind = kind
        self._folder = folder
        self._environ = environ
        self._patience = patience or Patience()
        self._speaker: Speaker | None = None
        self._turn = asyncio.Lock()

    async def act(self, actions: Sequence[Mapping[str, JSON]], timeout_s: float) -> ToolAnswer:
        """Do the actions of one call, within that time, and show the screen after the last.

        The output is that of a `computer_call_output`. Where an action fails those after it are
        not done.
        """
        try:
            async with asyncio.timeout(timeout_s), self._turn:
                return await self._act(actions)
        except TimeoutError:
            told = f"`{self._name}` had not answered after {timeout_s:g} s and was ended"
            return failed(told)
        except CannotStart as fault:
            return failed(fault.message)
        except _Wrong as fault:
            return failed(str(fault), self._facts())

    async def end(self) -> None:
        """End the program, if it runs."""
        speaker, self._speaker = self._speaker, None
        if speaker is not None:
            await to_its_end(asyncio.create_task(speaker.end(self._patience)))

    @property
    def _name(self) -> str:
        return one_line(self._kind.command[0])

    def _facts(self) -> dict[str, JSON]:
        stderr = b"" if self._speaker is None else self._speaker.stderr[-4000:]
        return {"stderr": stderr.decode("utf-8", "replace")} if stderr else {}

    async def _act(self, actions: Sequence[Mapping[str, JSON]]) -> ToolAnswer:
        told: Mapping[str, Any] = {}
        for action in actions or [{"type": "screenshot"}]:
            told = await self._ask(action)
        picture = await asyncio.to_thread(self._picture, told.get("screenshot"))
        kind = next((name for mark, name in _PICTURES if picture.startswith(mark)), None)
        if kind is None:
            raise _Wrong(f"the screenshot of `{self._name}` is neither PNG nor JPEG")
        url = f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
        output = {"type": "computer_screenshot", "image_url": url}
        return ToolAnswer(True, output, facts=self._facts())

    async def _ask(self, action: Mapping[str, JSON]) -> Mapping[str, Any]:
        if self._speaker is None:
            self._speaker = await start_speaker(
                self._kind.command, self._kind.env, folder=self._folder, environ=self._environ
            )
        try:
            told = await self._exchanged(self._speaker, json.dumps({"action": action}).encode())
        except BaseException:
            await self.end()  # what it still says would be taken for the answer to the next action
            raise
        if told.get("error"):
            raise _Wrong(f"`{self._name}` says: {one_line(str(told['error'])[:2000])}")
        return told

    async def _exchanged(self, speaker: Speaker, line: bytes) -> Mapping[str, Any]:
        await speaker.say(line)
        answer = await speaker.hear()
        if answer is None:
            how = await speaker.last_words(self._patience.linger_s)
            raise _Wrong(f"{how}, without an answer")
        try:
            told = json_text.parse_bytes(answer)
        except json_text.NotJson as fault:
            raise _Wrong(f"what `{self._name}` answered is not JSON: {fault.message}") from None
        if not isinstance(told, Mapping):
            raise _Wrong(f"what `{self._name}` answered is not a JSON object")
        return told

    def _picture(self, given: JSON) -> bytes:
        if not isinstance(given, str) or not given:
            raise _Wrong(f"`{self._name}` answered without a `screenshot`")
        with suppress(binascii.Error, ValueError):
            return base64.b64decode(given, validate=True)
        path = self._folder / given
        try:
            if path.is_file() and path.stat().st_size <= CAP_BYTES_OF_PARTS:
                return path.read_bytes()
        except (OSError, ValueError):
            pass
        raise _Wrong(
            f"the `screenshot` of `{self._name}` is neither base64 nor the path of a file of at "
            "most 16 MiB"
        )
