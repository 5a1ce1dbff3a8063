"""Variables that a workflow hands to its tools: those that must be there, those not to be shown.

Which variables those are is told by `language.touching`; hiding them is left to the scrubber.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowrunner.errors import EnvironmentFault
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


def check_handed(workflow: Workflow, environ: Mapping[str, str]) -> None:
    """Raises EnvironmentFault naming every variable that stands in the address or a header of a
    tool as `{ env: NAME }` and is not set: no call of that tool could succeed."""
    needed = [each for each in touched(workflow) if each.how == "needs"]
    missing = {each.name: each.by for each in needed if not environ.get(each.name)}
    if missing:
        said = "; ".join(f"`{by}` needs the variable `{name}`" for name, by in missing.items())
        raise EnvironmentFault(
            f"{said}, which the environment does not have; nothing was sent",
            help=f"set it (`export {next(iter(missing))}=...`), then run again",
        )
