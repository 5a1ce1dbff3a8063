"""Where the value of an input was read from, so that a resume can look whether it is still so.

Kept beside the values in a run's journal, relative to the workflow's folder, which may be moved.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

SourceKind: TypeAlias = Literal["files", "table"]


@dataclass(frozen=True, slots=True)
class Source:
    """Patterns of `files`, or the path of a `table`, as they were `written`; relative ones begin at
    a `folder` that is seen from the workflow's."""

    kind: SourceKind
    written: tuple[str, ...]
    folder: str

    @classmethod
    def of(cls, kind: SourceKind, written: Sequence[str], folder: Path, top: Path) -> Source:
        """A source with paths that begin at `folder`, of a workflow in the folder `top`."""
        try:
            seen = os.path.relpath(folder, top)
        except ValueError:  # on another drive
            seen = os.path.abspath(folder)  # noqa: PTH100
        return cls(kind, tuple(written), Path(seen).as_posix())


def freeze_sources(sources: Mapping[str, Source]) -> str:
    """Sources by the names of their inputs, for a journal."""
    return json.dumps({name: asdict(source) for name, source in sources.items()})


def thaw_sources(text: str) -> dict[str, Source]:
    """What `freeze_sources` made."""
    kept = json.loads(text)
    return {
        name: Source(source["kind"], tuple(source["written"]), source["folder"])
        for name, source in kept.items()
    }
