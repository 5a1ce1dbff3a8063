"""`init` and `schema`: what stands in a project from its first day."""

from __future__ import annotations

from pathlib import Path

import click

from flowrunner.cli.screen import Screen
from flowrunner.commands.publishing import show_schema, write_schemas
from flowrunner.commands.scaffolding import init as make_project
from flowrunner.commands.scaffolding import list_templates
from flowrunner.commands.templates import DEFAULT


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--template", default=DEFAULT, show_default=True, help="What it begins with.")
@click.option("--list", "lists", is_flag=True, help="Name the templates.")
@click.pass_obj
def init(screen: Screen, /, folder: Path | None, template: str, lists: bool) -> int:
    """Make a project in FOLDER (or here): a workflow, and what editors, git and CI need.

    Nothing that is there is written over.
    """
    if lists:
        return list_templates(screen)
    return make_project(folder or Path(), template, screen)


@click.command()
@click.argument("name", required=False)
@click.option("--write", is_flag=True, help="Put it into `schemas/` of the project, for editors.")
@click.pass_obj
def schema(screen: Screen, /, name: str | None, write: bool) -> int:
    """Print a JSON Schema: `workflow` (the default), `project`, `report`, ….

    With --write and without a name those that editors want are written.
    """
    return write_schemas(name, screen) if write else show_schema(name or "workflow", screen)
