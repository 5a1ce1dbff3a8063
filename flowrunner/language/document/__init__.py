"""YAML with a memory: values as JSON, and for every key, value and character its place in the file.

A composer of our own over the parser's events, so that depth, size, duplicate keys and everything
else that YAML would swallow is seen before it is lost. What the values mean is left to `schema`.
"""

from __future__ import annotations

from flowrunner.language.document.document import Document, parse, read
from flowrunner.language.document.scalars import SpelledFloat, SpelledInt

__all__ = ["Document", "SpelledFloat", "SpelledInt", "parse", "read"]
