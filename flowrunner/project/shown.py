"""How settings look to people: what a project file says as lines, addresses without passwords."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from flowrunner.language.workflow.parts import Money
from flowrunner.project.project_file import ProjectFile

_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def shown_settings(file: ProjectFile) -> Iterator[tuple[str, str, str]]:
    """(name, value, source) of everything that a project file sets, but for addresses."""
    for name, value in _values(file):
        if value is not None:
            yield name, value, file.source(name)


def _values(file: ProjectFile) -> Iterator[tuple[str, str | None]]:
    yield "model", file.model
    yield "provider", file.provider
    for name, value in file.defaults.items():
        yield f"defaults.{name}", json.dumps(value, ensure_ascii=False)
    yield "budget", _money(file.budget)
    yield "confirm_above", _usd(file.confirm_above_usd)
    yield "limits.at_once", None if file.limits.at_once is None else str(file.limits.at_once)
    timeout_s = file.limits.timeout_s
    yield "limits.timeout", None if timeout_s is None else shown_duration(timeout_s)
    for name, price in file.prices.items():
        yield f"prices.{name}", ", ".join(f"{kind} {usd:g}" for kind, usd in price.items())


def _usd(amount: float | None) -> str | None:
    return None if amount is None else f"{amount:g} USD"


def _money(money: Money | None) -> str | None:
    if money is None:
        return None
    tokens = None if money.tokens is None else f"{money.tokens} tokens"
    warn_at = _usd(money.warn_at_usd)
    parts = (_usd(money.stop_at_usd), tokens, warn_at and f"a warning at {warn_at}")
    return ", ".join(part for part in parts if part)


def shown_duration(seconds: float) -> str:
    """Seconds as a file has them: `90s`, `10m`."""
    size, unit = next((s, u) for s, u in _UNITS if seconds % s == 0 or s == 1)
    return f"{seconds / size:g}{unit}"


def without_password(value: str) -> str:
    """An address without user, password, and what stands behind `?` and `#`."""
    value = re.split(r"[?#]", value, maxsplit=1)[0]
    head, at, rest = value.rpartition("@")
    scheme = head.partition("://")[0] + "://" if "://" in head else ""
    return f"{scheme}***@{rest}" if at else value
