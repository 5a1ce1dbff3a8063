"""Whether a document has the shape of a file of ours: each mistake once, in words.

The published `schemas/*.schema.json` are the one source of what is allowed. What the parts of a
workflow mean together is left to `checks`; shapes and JSON Schemas inside it to `shapes`.
"""

from __future__ import annotations

from itertools import islice

from flowrunner.diagnostics import Finding
from flowrunner.language.document import Document
from flowrunner.language.schema.saying import say
from flowrunner.language.schema.validating import violations

__all__ = ["check_shape"]

_MOST = 200


def check_shape(document: Document, of: str = "workflow") -> list[Finding]:
    """What is wrong with the keys of a document and the kinds of their values, in no order.

    `of` names the schema: `workflow`, `project` or `test`. At most 200 mistakes are looked at. A
    key that belongs to the language but is not built yet is no mistake here.
    """
    found = islice(violations(document.value, of), _MOST)
    findings = [finding for each in found for finding in say(each, document)]
    return list(dict.fromkeys(findings))[:_MOST]
