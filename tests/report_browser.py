"""A real Chromium on a pipe, for tests that look at the report the way a person's browser does.

Speaks the DevTools protocol over two file descriptors, so nothing listens and nothing is installed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_FLAGS = """
    --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-default-apps --disable-extensions
    --disable-dev-shm-usage --mute-audio --remote-debugging-pipe
""".split()  # noqa: SIM905


class Browser:
    """One browser process; `page()` opens a fresh page in it."""

    def __init__(self) -> None:
        assert CHROMIUM, "these tests need chromium: apt-get install chromium"
        self._profile = tempfile.TemporaryDirectory(
            prefix="report-browser-", ignore_cleanup_errors=True
        )
        theirs_in, ours_out = _high_pipe()
        ours_in, theirs_out = _high_pipe()

        def fds_3_and_4() -> None:
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        self._program = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            preexec_fn=fds_3_and_4,  # noqa: PLW1509
            pass_fds=(3, 4),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._to = os.fdopen(ours_out, "wb", buffering=0)
        self._from = os.fdopen(ours_in, "rb")
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """One command and its answer; events that come in between are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._to.write(json.dumps(message).encode() + b"\0")
        while (reply := self._read()).get("id") != self._number:
            self.events.append(reply)
        assert "error" not in reply, f"{method}: {reply['error']}"
        return reply["result"]  # type: ignore[no-any-return]

    def wait_for(self, method: str, session: str) -> dict[str, Any]:
        """The next event of that name for a page, whether it came already or not."""
        while True:
            for event in self.events:
                if event.get("method") == method and event.get("sessionId") == session:
                    self.events.remove(event)
                    return event
            self.events.append(self._read())

    def _read(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "chromium ended"
            text += byte
        return json.loads(text)  # type: ignore[no-any-return]

    def page(self, width: int = 1280, height: int = 900, **emulation: Any) -> Page:
        return Page(self, width, height, **emulation)

    def close(self) -> None:
        self._to.close()
        self._from.close()
        # Its own session, started above: the renderers go with it.
        os.killpg(self._program.pid, signal.SIGKILL)
        self._program.wait()
        self._profile.cleanup()


class Page:
    """A fresh page of a browser, with everything it asked for and complained about."""

    def __init__(
        self, browser: Browser, width: int, height: int, *, dark: bool = False, script: bool = True
    ) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._target, self._session = target, attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        if not script:
            self.call("Emulation.setScriptExecutionDisabled", value=True)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def open(self, url: str) -> Page:
        self.call("Page.navigate", url=url)
        self._browser.wait_for("Page.loadEventFired", self._session)
        return self

    def evaluate(self, expression: str) -> Any:
        """The JSON value of an expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def settle(self) -> None:
        """Until two frames were drawn and everything the page set off has been told."""
        self.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")

    def requests(self) -> list[str]:
        """Every address that the page asked for, itself included."""
        return [event["request"]["url"] for event in self._mine("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """Console errors, exceptions and violations of the page's policy."""
        logged = [event["entry"]["text"] for event in self._mine("Log.entryAdded")]
        thrown = [str(event) for event in self._mine("Runtime.exceptionThrown")]
        issues = [str(event) for event in self._mine("Audits.issueAdded")]
        return logged + thrown + [text for text in issues if "ContentSecurityPolicy" in text]

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)

    def _mine(self, method: str) -> list[dict[str, Any]]:
        return [
            event["params"]
            for event in self._browser.events
            if event.get("method") == method and event.get("sessionId") == self._session
        ]


def _high_pipe() -> tuple[int, int]:
    """A pipe whose ends stand above 3 and 4, where the browser looks for them."""
    ends = []
    for fd in os.pipe():
        ends.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20))
        os.close(fd)
    return ends[0], ends[1]
