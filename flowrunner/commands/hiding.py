"""Values of variables that a workflow hands to its tools and that must not be shown anywhere.

Which variables those are is told by `language.touching`; hiding them is left to the scrubber.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowrunner.language.touching import touched
from flowrunner.language.workflow import Workflow

# What else a tool is given, a time zone or the name of a stage, is no secret and may be said.
_WORDS = "TOKEN|KEY|SECRET|PASS|PWD|CREDENTIAL|AUTH|COOKIE|DSN|URL|HOOK"
_SECRET = re.compile(_WORDS, re.IGNORECASE)


def handed_secrets(workflow: Workflow, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of those variables that are named as secrets are."""
    names = {each.name for each in touched(workflow) if each.what == "variable"}
    hidden = (name for name in sorted(names) if _SECRET.search(name))
    return tuple(environ[name] for name in hidden if name in environ)
