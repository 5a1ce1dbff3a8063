"""What a journal keeps of a plan, so that its run can be shown and gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flowrunner.engine.attaching import written_out_files
from flowrunner.engine.plan import Plan
from flowrunner.project.sources import Source, freeze_sources
from flowrunner.secrets import Scrubber


def freeze(
    plan: Plan, project: Path, hides: Scrubber, sources: Mapping[str, Source] | None = None
) -> dict[str, str]:
    """The texts to create a journal with, by name; see `Plan.frozen`.

    Added are the hashes of the files that steps attach and, where they are to be looked at again
    before a resume, the `sources` that inputs came from. `hides` masks what is secret in inputs.
    """
    inputs = hides.scrub_json(dict(plan.inputs))
    texts = replace(plan, inputs=inputs).frozen(project)
    texts["attached"] = json.dumps(written_out_files(plan.workflow))
    return texts if sources is None else texts | {"sources": freeze_sources(sources)}
