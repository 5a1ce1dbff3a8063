"""Where a run comes from: versions, command, commit; for its report."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from flowrunner import __version__
from flowrunner.events import JSON

_GIT_S = 5.0
_OURS = ("FLOWRUNNER_", "OPENAI_")


def origin(folder: Path, workflow_sha256: str) -> dict[str, JSON]:
    """What a report says of the origin of a run; no value of an environment variable."""
    commit, dirty = _git(folder)
    return {
        "command": ["flowrunner", *sys.argv[1:]],
        "flowrunner": __version__,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "workflow_sha256": workflow_sha256,
        "git_commit": commit,
        "git_dirty": dirty,
        "environment": sorted(name for name in os.environ if name.startswith(_OURS)),
    }


def _git(folder: Path) -> tuple[str | None, bool | None]:
    commit = _ask_git(folder, "rev-parse", "HEAD")
    if not commit:
        return None, None
    # Comparing files runs the filters that a repository names: what came with it starts nothing.
    if _ask_git(folder, "config", "--local", "--get-regexp", r"^(filter|include|includeif)\."):
        return commit, None
    return commit, bool(_ask_git(folder, "status", "--porcelain", "--untracked-files=no"))


def _ask_git(folder: Path, *words: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    safe = ["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath="]
    try:
        done = subprocess.run(  # noqa: S603  # an argument list of ours
            [git, *safe, "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=_GIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
