"""What is known of the API beforehand: models and prices, parameters, include keys, tools, schemas.

All of it is packaged data with a date; what a workflow does with it is left to the rooms above.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from flowrunner.catalog.models import (
    Model,
    cost_usd,
    model,
    model_names,
    prices_date,
)
from flowrunner.catalog.providers import (
    ProviderKind,
    Supports,
    is_nothing_asked,
    provider_kind,
    provider_kinds,
    providers_date,
)

__all__ = [
    "Model",
    "ProviderKind",
    "Supports",
    "cost_usd",
    "hosted_tools",
    "include_keys",
    "is_nothing_asked",
    "load_schema",
    "model",
    "model_names",
    "packaged",
    "parameters",
    "prices_date",
    "provider_kind",
    "provider_kinds",
    "providers_date",
    "table",
]

_PACKAGE = Path(__file__).resolve().parent.parent


def packaged(name: str) -> Path:
    """A file or folder that ships with flowrunner: `schemas/…` or `workflows/…`.

    In an installed wheel both stand inside the package; in a source checkout at the top beside it.
    Raises FileNotFoundError for what does not ship.
    """
    for top in (_PACKAGE, _PACKAGE.parent):
        if (top / name).exists():
            return top / name
    raise FileNotFoundError(f"flowrunner ships no {name}")


@cache
def load_schema(name: str) -> dict[str, Any]:
    """A JSON Schema that ships with flowrunner, by its path under `schemas/` without the ending.

    `load_schema("workflow")`, `load_schema("openai/response-create")`.
    """
    text = packaged(f"schemas/{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def table(name: str) -> Any:
    """One table of `tables.json`: include, tools, replies, errors, output_item_types, events, …"""
    return json.loads((files(__name__) / "tables.json").read_text(encoding="utf-8"))[name]


def include_keys() -> tuple[str, ...]:
    """Every value that `include` may hold (Responses API: `include`)."""
    return tuple(table("include"))


@cache
def hosted_tools() -> frozenset[str]:
    """Tool types that the API runs itself, so that a step may name them without an executor."""
    client_run = {"function", "custom", "computer", "computer_use_preview", "local_shell"}
    client_run |= {"shell", "apply_patch", "namespace"}
    return frozenset(tool["type"] for tool in table("tools")) - client_run


@cache
def parameters() -> frozenset[str]:
    """Every field of the body of `POST /responses`."""
    return frozenset(load_schema("openai/response-create")["properties"])
