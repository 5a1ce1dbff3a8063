"""What lasts over the runs of a project beside their results: the ids of kept conversations, the
hashes of what servers of tools say.

A small file for each in the private folder of the project. When it is lost, what it named begins
anew; what the ids stand for is left to the engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from flowrunner import json_text
from flowrunner.events import JSON
from flowrunner.journal.faults import storage_fault
from flowrunner.journal.index_file import alone
from flowrunner.journal.runs import HOME, make_home
from flowrunner.platform import write_atomically

_MOST = 10_000
_ID = re.compile(r"[\x21-\x7e]{1,512}")


class LastingIds:
    """The kept ids of a project of one kind, by keys. Several programs may use them at once.

    Raises EnvironmentFault where the disk or another program is in the way.
    """

    def __init__(self, project: Path, what: str = "conversations") -> None:
        self._project = project
        self._what = what

    @property
    def path(self) -> Path:
        """Where they stand."""
        return self._project / HOME / f"{self._what}.json"

    def get(self, key: str) -> str | None:
        """The id under a key; None where there is none, or what stands there is none."""
        entry = self._read().get(key)
        found = entry.get("id") if isinstance(entry, Mapping) else None
        return found if isinstance(found, str) and _ID.fullmatch(found) else None

    def put(self, key: str, value: str, note: Mapping[str, str], *, over: str | None = None) -> str:
        """Keep an id under a key, and a note for people; the id that is kept.

        That is the one of another program that was quicker, unless it is the one to be put `over`.
        The oldest of too many goes.
        """
        try:
            home = make_home(self._project)
            with alone(home / f"{self._what}.lock"):
                kept = self.get(key)
                if kept not in (None, over):
                    assert kept is not None
                    return kept
                entries = {name: entry for name, entry in self._read().items() if name != key}
                newest = list(entries.items())[-(_MOST - 1) :]
                content = {**dict(newest), key: {"id": value, **note}}
                text = json.dumps(content, ensure_ascii=True, indent=1)
                write_atomically(self.path, text.encode())
        except OSError as error:
            raise storage_fault(error, self.path) from error
        return value

    def _read(self) -> dict[str, JSON]:
        try:
            value = json_text.parse_bytes(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise storage_fault(error, self.path) from error
        except json_text.NotJson:
            return {}  # damaged: as good as lost
        return value if isinstance(value, dict) else {}
