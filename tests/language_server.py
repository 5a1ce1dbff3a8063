"""A conversation with a language server over stdin and stdout, as an editor has it.

What is asked, and what the answers must be, is left to the tests.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

PATIENCE = 120  # seconds for one answer; a laden machine starts Node slowly
SETTINGS = {
    "yaml": {
        "validate": True,
        "hover": True,
        "completion": True,
        "schemaStore": {"enable": False},
    }
}


class LanguageServer:
    """A running server. It reads schemas from the disk only: no store is asked for any."""

    def __init__(
        self, command: list[str], root: Path, schemas: dict[str, list[str]] | None = None
    ) -> None:
        self._settings = {"yaml": {**SETTINGS["yaml"], "schemas": schemas or {}}}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._arrived: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._number = 0
        threading.Thread(target=self._listen, daemon=True).start()
        capabilities = {
            "textDocument": {
                "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
                "hover": {"contentFormat": ["markdown"]},
                "publishDiagnostics": {},
            },
            "workspace": {"configuration": True},
        }
        self.ask(
            "initialize",
            {
                "processId": None,
                "rootUri": root.as_uri(),
                "workspaceFolders": [{"uri": root.as_uri(), "name": root.name}],
                "capabilities": capabilities,
            },
        )
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": self._settings})

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def open(self, uri: str, text: str) -> list[dict[str, Any]]:
        """Open a file and give back its diagnostics."""
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})
        while True:
            message = self._next()
            is_one = message.get("method") == "textDocument/publishDiagnostics"
            if is_one and message["params"]["uri"] == uri:
                return list(message["params"]["diagnostics"])

    def completions(self, uri: str, line: int, character: int) -> dict[str, dict[str, Any]]:
        """What may be written at a place (counted from 0), by label."""
        found = self.ask("textDocument/completion", _at(uri, line, character))
        items = found["items"] if isinstance(found, dict) else found
        return {item["label"]: item for item in items}

    def hover(self, uri: str, line: int, character: int) -> str:
        """The text that is shown above a place."""
        found = self.ask("textDocument/hover", _at(uri, line, character))
        return "" if found is None else str(found["contents"]["value"])

    def actions(self, uri: str, found: list[dict[str, Any]]) -> list[str]:
        """What the editor would do about mistakes, by the titles of its actions."""
        document = {"textDocument": {"uri": uri}, "range": found[0]["range"]}
        done = self.ask("textDocument/codeAction", {**document, "context": {"diagnostics": found}})
        return [action["title"] for action in done or ()]

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def _tell(self, method: str, params: dict[str, Any]) -> None:
        self._send({"method": method, "params": params})

    def _next(self) -> dict[str, Any]:
        """The next message, once what the server itself asks has been answered."""
        while True:
            message = self._arrived.get(timeout=PATIENCE)
            assert message is not None, "the language server has ended"
            if "id" not in message or "method" not in message:
                return message
            result: Any = None
            if message["method"] == "workspace/configuration":
                items = message["params"]["items"]
                result = [self._settings.get(item.get("section", ""), {}) for item in items]
            self._send({"id": message["id"], "result": result})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while True:
            length = 0
            while line := self._process.stdout.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            if not length:
                self._arrived.put(None)
                return
            self._arrived.put(json.loads(self._process.stdout.read(length)))


def _at(uri: str, line: int, character: int) -> dict[str, Any]:
    return {
        "textDocument": {"uri": uri},
        "position": {"line": line, "character": character},
    }
