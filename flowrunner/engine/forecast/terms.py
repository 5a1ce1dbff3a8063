"""What is settled outside the file before a plan is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowrunner.engine.forecast.counts import Counts
from flowrunner.engine.pricing import Prices
from flowrunner.engine.reuse import Reuse
from flowrunner.engine.servers import Server
from flowrunner.events import JSON
from flowrunner.language.attachments import FileMark
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import Workflow
from flowrunner.project.attachable import Located, described


def seen_from_afar(file: Located) -> FileMark:
    """What a file is, without opening it. Raises UnreadableFile."""
    return described(file.path)


@dataclass(frozen=True, slots=True)
class Terms:
    """`prices` of the operator; API parameters `below` the file's rank (the project's defaults) and
    `above` it (command line, environment). `limited` says that a budget of the project or the
    command line is in force, so that every request is sent with limits; `now` is Unix time,
    `folder` where paths of the workflow begin, `given` are those of files that people gave.
    `look_at` says what kind of file stands somewhere and how large it is. With `counts` a server
    says how many tokens a request has. `reuse` is what stands on the shelf, `until` the only step
    that is wanted.

    `server` says where a step goes for which the files name a provider, or none; `own_provider` is
    the run's, `file_provider` that of a file's `defaults`, `capped_to` the one that whoever calls a
    file holds it to; `asked` is the one of the step at hand."""

    prices: Prices = field(default_factory=dict)
    below: Mapping[str, JSON] = field(default_factory=dict)
    above: Mapping[str, JSON] = field(default_factory=dict)
    limited: bool = False
    now: float = 0.0
    reuse: Reuse = field(default_factory=Reuse)
    until: str | None = None
    folder: Path = Path()
    given: frozenset[str] = frozenset()
    look_at: Callable[[Located], FileMark] = seen_from_afar
    counts: Counts | None = None
    server: Callable[[str | None], Server] | None = None
    own_provider: str | None = None
    file_provider: str | None = None
    capped_to: str | None = None
    asked: Server | None = None

    def inside(self, workflow: Workflow, given: frozenset[str] = frozenset()) -> Terms:
        """The terms of a workflow file, called by another under these terms, or by nobody. `given`
        are the paths of files that people gave it."""
        return replace(
            self,
            limited=self.limited or workflow.budget is not None,
            folder=workflow.folder,
            given=given,
            file_provider=workflow.provider,
            capped_to=self.capped_to or self.file_provider,
        )

    def of(self, prompt: Prompt) -> tuple[Terms, str | None]:
        """The terms of a prompt step with the prices of its provider, and the name of that provider
        where it is not the run's."""
        if self.server is None:
            return self, None
        server = self.server(self.capped_to or prompt.provider)
        elsewhere = server.provider if server.provider != self.own_provider else None
        return replace(self, prices=server.prices, asked=server), elsewhere
