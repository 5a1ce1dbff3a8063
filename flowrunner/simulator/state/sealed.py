"""Encrypted content: a text that only its maker can read, bound to a model, and known when foreign.

It is sealed, not secret: nothing in it is worth hiding. What goes into it is left to `output`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.state.items import Item

_START = "gAAAAAB"
_SIGNED = 16


def seal(seed: int, model: str, content: dict[str, Any]) -> str:
    """What a server of this seed can open again, for this model."""
    plain = json.dumps([model, content], ensure_ascii=False).encode("utf-8", "replace")
    return _START + base64.urlsafe_b64encode(_sign(seed, plain) + plain).decode()


def check_sealed(items: Iterable[Item], seed: int, model: str | None) -> None:
    """Raise Refusal for encrypted content of another maker or another model; None is any."""
    for item in items:
        sealed = item.get("encrypted_content")
        if sealed is None:
            continue
        found = _model_of(seed, sealed)
        if found is None or model not in (None, found):
            shown = f"{sealed[:4]}...{sealed[-4:]}"
            message = f"The encrypted content {shown} could not be verified. Reason: Encrypted "
            message += "content could not be decrypted or parsed."
            raise Refusal(message, code="invalid_encrypted_content")


def _model_of(seed: int, sealed: str) -> str | None:
    try:
        signed = base64.urlsafe_b64decode(sealed.removeprefix(_START).encode())
    except (ValueError, binascii.Error):
        return None
    plain = signed[_SIGNED:]
    if not sealed.startswith(_START) or signed[:_SIGNED] != _sign(seed, plain):
        return None
    model, _ = json.loads(plain)
    return str(model)


def _sign(seed: int, plain: bytes) -> bytes:
    return hashlib.blake2b(plain, key=f"sealed {seed}".encode(), digest_size=_SIGNED).digest()
