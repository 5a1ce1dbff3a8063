"""How far an exchange got, readable while it runs and after it was cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Progress:
    """Filled by the wire as an exchange goes on. One object an exchange.

    `left`: a byte of the request may have left this machine (set just before the first one is
    written, never taken back). Whoever cancels an exchange must treat it as lost when `left` is
    true, and may treat it as never sent when it is false. `status` and `headers` (lower-case) are
    set once the head of the answer was read.
    """

    left: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
