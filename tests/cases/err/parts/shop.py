"""Functions of a shop, some of which cannot be tools."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Order:
    number: str


def refund(order, amount: float, /, reason: str | int = "", *extra: str) -> None:
    """Refund an order."""


def ship(order: Order, when: tuple[int, int], label: Path) -> None:
    """Ship an order."""


def restock(count: int) -> None:
    """Order more."""


def list_orders(team: str) -> Iterator[str]:
    """List all orders."""
    yield team
