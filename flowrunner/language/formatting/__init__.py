"""One look for all workflow files: quotes, braces, order of keys, indentation; never the meaning.

It works on the text, by the places that the document knows, so that comments, blank lines and
blocks of text stay what they are. Reading and writing files is left to whoever asks.
"""

from __future__ import annotations

from flowrunner.language.formatting.formatting import Formatted, format_text
from flowrunner.language.formatting.sameness import same_workflow

__all__ = ["Formatted", "format_text", "same_workflow"]
