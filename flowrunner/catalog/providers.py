"""Kinds of servers that speak the Responses API, and what each cannot do: with a date, no promise.

What an operator says of a server of theirs, which outranks this, is left to `project`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

Supports: TypeAlias = Mapping[str, bool | tuple[str, ...]]
"""By field of the API whether a server knows it, or which values it takes; it knows what is not
named."""


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """One kind of server. `models` says what a model is called by there, None where it is by the
    names of the catalogue; `auth` and `key_env` are what such a server usually wants."""

    name: str
    title: str
    models: str | None
    supports: Supports
    auth: str = "bearer"
    key_env: str | None = None


@cache
def _shipped() -> dict[str, Any]:
    text = (files("flowrunner.catalog") / "providers.json").read_text(encoding="utf-8")
    shipped: dict[str, Any] = json.loads(text)
    return shipped


def providers_date() -> str:
    """The day as of which the kinds of servers are described, `YYYY-MM-DD`."""
    return str(_shipped()["_meta"]["taken"])


def provider_kinds() -> tuple[str, ...]:
    """The names of all kinds."""
    return tuple(_shipped()["kinds"])


@cache
def provider_kind(name: str) -> ProviderKind:
    """A kind by its name."""
    found = _shipped()["kinds"][name]
    return ProviderKind(
        name=name,
        title=found["title"],
        models=None if found["models"] == "catalogue" else found["models"],
        supports={
            field: tuple(known) if isinstance(known, list) else known
            for field, known in found["supports"].items()
        },
        auth=found.get("auth", "bearer"),
        key_env=found.get("key_env"),
    )


def is_nothing_asked(field: str, value: object) -> bool:
    """Whether a value of a field asks for what a server does anyway that does not know the field:
    `store: false` where nothing is stored."""
    defaults = _shipped()["defaults"]
    return value is None or (field in defaults and defaults[field] == value)
