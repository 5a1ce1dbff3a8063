"""`schema`: our JSON Schemas, on stdout or into a project, where editors find them."""

from __future__ import annotations

from pathlib import Path

from flowrunner.catalog import packaged
from flowrunner.commands.scaffolding import SCHEMAS, schema_bytes, schema_path
from flowrunner.commands.viewing import Viewer
from flowrunner.diagnostics import did_you_mean
from flowrunner.errors import EnvironmentFault, ExitStatus, UsageError
from flowrunner.language.paths import project_root
from flowrunner.platform import write_atomically

_ENDING = ".schema.json"


def schema_names() -> list[str]:
    """The schemas that ship, those of the API left out."""
    return sorted(
        path.name.removesuffix(_ENDING) for path in packaged("schemas").glob(f"*{_ENDING}")
    )


def show_schema(name: str, viewer: Viewer) -> ExitStatus:
    """Print a schema. Raises UsageError for a name that is none."""
    viewer.result(schema_bytes(_known(name)).decode())
    return ExitStatus.DONE


def write_schemas(name: str | None, viewer: Viewer) -> ExitStatus:
    """Put one schema, or all that editors want, into `schemas/` of the project around here.

    What stands there is brought up to date: it is ours. Raises EnvironmentFault.
    """
    root = project_root(Path.cwd())
    for each in SCHEMAS if name is None else (_known(name),):
        path = root / schema_path(each)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, schema_bytes(each), private=False)
        except OSError as fault:
            why = (fault.strerror or "unknown").lower()
            raise EnvironmentFault(f"`{path}` cannot be written: {why}") from None
        viewer.result(str(path))
    viewer.progress(
        "A file finds its schema by its first line, a workflow and its tests by\n"
        "  # yaml-language-server: $schema=../schemas/workflow.schema.json\n"
        "  # yaml-language-server: $schema=../../schemas/test.schema.json"
    )
    return ExitStatus.DONE


def _known(name: str) -> str:
    known = schema_names()
    if name not in known:
        near = did_you_mean(name, known)
        advice = f"did you mean `{near}`?" if near else f"there are: {', '.join(known)}"
        raise UsageError(f"there is no schema `{name}`", help=advice)
    return name
