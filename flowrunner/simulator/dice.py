"""Choices that look random and are none: each follows from a seed and the place it is made at.

A choice at one place does not move the choices at others, so a schema that gains a field keeps
its other values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dice:
    """Deterministic choices under one seed."""

    seed: bytes

    def roll(self, place: str, sides: int) -> int:
        """A whole number from 0 up to, not including, `sides`, always the same for a place."""
        digest = hashlib.blake2b(place.encode("utf-8", "surrogatepass"), key=self.seed[:64])
        return int.from_bytes(digest.digest()[:16], "big") % sides

    def pick(self, place: str, among: Sequence[T]) -> T:
        """One of the values."""
        return among[self.roll(place, len(among))]

    def hexadecimal(self, place: str, length: int) -> str:
        """So many hexadecimal digits (128 at most)."""
        digest = hashlib.blake2b(place.encode("utf-8", "surrogatepass"), key=self.seed[:64])
        return digest.hexdigest()[:length]


def dice_for(*parts: object) -> Dice:
    """Dice whose choices follow from the text of these parts."""
    text = "\x1f".join(str(part) for part in parts)
    return Dice(hashlib.blake2b(text.encode("utf-8", "surrogatepass")).digest())


class Rolls:
    """One roll after the other at one place, for texts of no fixed length."""

    def __init__(self, dice: Dice, place: str) -> None:
        self._dice = dice
        self._place = place
        self._count = 0

    def roll(self, sides: int) -> int:
        """The next whole number from 0 up to, not including, `sides`."""
        self._count += 1
        return self._dice.roll(f"{self._place}#{self._count}", sides)

    def pick(self, among: Sequence[T]) -> T:
        """The next of the values."""
        return among[self.roll(len(among))]
