"""Whether a run could work here: versions, settings with their sources, keys, disk, limits.

Nothing is sent, no key is shown, and nothing is left behind. What to do about a finding stands
beside it; choosing the exit status of a run is left to runs.
"""

from __future__ import annotations

import json
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from flowrunner import __version__
from flowrunner.catalog import provider_kind
from flowrunner.commands.viewing import Viewer
from flowrunner.diagnostics import did_you_mean
from flowrunner.engine.plan import DEFAULT_AT_ONCE
from flowrunner.errors import ExitStatus, InvalidWorkflow, UsageError
from flowrunner.journal.runs import runs_folder
from flowrunner.platform import FileLock, raise_open_file_limit
from flowrunner.project.folders import PROJECT_FILE, find_project
from flowrunner.project.providers import Provider
from flowrunner.project.settings import DEFAULT, ENVIRONMENT, PROVIDER, Settings, load_settings
from flowrunner.secrets import Scrubber
from flowrunner.visible import one_line

Mark: TypeAlias = Literal["fine", "note", "warning", "fault"]

_OWN = "FLOWRUNNER_"
_AT_ONCE = "FLOWRUNNER_AT_ONCE"
_MANY_FILES = 65_536
_FEW_FILES = 256
_LEAST_FREE_MB = 200
_SIGNS: dict[Mark, tuple[str, str]] = {
    "fine": ("✓", "ok"),
    "note": ("·", "-"),
    "warning": ("!", "!"),
    "fault": ("✗", "x"),
}
_COLOURS: dict[Mark, str] = {"fine": "32", "note": "2", "warning": "33", "fault": "31"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `source` says where a setting was said, `help` what to do."""

    mark: Mark
    name: str
    value: str
    source: str | None = None
    help: str | None = None


def doctor(
    start: Path,
    environ: Mapping[str, str],
    twins: Collection[str],
    viewer: Viewer,
    *,
    as_json: bool,
) -> ExitStatus:
    """Tell how things stand for a workflow or folder, one line each; 4 where a run cannot work.

    `twins` are the variables that options of the command line are read from. Raises UsageError for
    a path that does not exist.
    """
    if not start.exists():
        raise UsageError(f"there is no file or folder `{start}`")
    checks, secrets = _look(start, environ, twins)
    is_well = all(check.mark != "fault" for check in checks)
    scrub = Scrubber(secrets).scrub
    if as_json:
        told = {"ok": is_well, "checks": [asdict(check) for check in checks]}
        viewer.result(scrub(json.dumps(told, ensure_ascii=False, indent=2)))
    else:
        viewer.result("\n".join(scrub(_line(check, viewer)) for check in checks))
    return ExitStatus.DONE if is_well else ExitStatus.ENVIRONMENT


def _line(check: Check, viewer: Viewer) -> str:
    sign = _SIGNS[check.mark][0 if viewer.utf8 else 1]
    sign = f"\x1b[{_COLOURS[check.mark]}m{sign}\x1b[0m" if viewer.colour else sign
    source = f"  ({check.source})" if check.source else ""
    line = f"{sign} {check.name:<15} {one_line(check.value)}{one_line(source)}"
    return f"{line}\n    help: {check.help}" if check.help else line


def _look(
    start: Path, environ: Mapping[str, str], twins: Collection[str]
) -> tuple[list[Check], tuple[str, ...]]:
    """Everything that is to say, and the secrets that it must not hold."""
    project = find_project(start)
    checks = [*_versions(), _project(project)]
    secrets: tuple[str, ...] = ()
    try:
        settings = load_settings(start, environ)
    except InvalidWorkflow as error:
        checks.append(_wrong_file(error.message))
    else:
        secrets = settings.secrets()
        options = list(_options(settings, environ, twins))
        checks += [*_files(settings), *_settings(settings), *options]
        checks += [*_providers(settings), *_proxies(settings)]
    return [*checks, _open_files(), *_disk(project), _git(project)], secrets


def _versions() -> Iterator[Check]:
    yield Check("fine", "flowrunner", __version__)
    system = platform.platform(terse=True)
    yield Check("fine", "python", f"{platform.python_version()} on {system}")


def _project(project: Path) -> Check:
    return Check("fine", "project", str(project))


def _wrong_file(message: str) -> Check:
    mistakes = [line for line in message.splitlines() if ": error[" in line]
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    first = mistakes[0] if mistakes else message.splitlines()[0]
    return Check("fault", PROJECT_FILE, f"{first}{more}", help="mend it; settings are not shown")


def _files(settings: Settings) -> Iterator[Check]:
    path = settings.file.path
    if path.exists():
        yield Check("fine", PROJECT_FILE, str(path))
    else:
        yield Check("note", PROJECT_FILE, "none; it is not needed")
    if settings.env_file:
        yield Check("fine", ".env", str(settings.env_file))
    else:
        yield Check("note", ".env", "none; it is not needed")
    for warning in settings.warnings:
        yield Check("warning", "warning", warning)


def _settings(settings: Settings) -> Iterator[Check]:
    proxies = settings.proxies.keys()
    for name, value, source in settings.overview():
        if name not in proxies:
            yield Check("note", "setting", f"{name} = {value}", source)


def _options(
    settings: Settings, environ: Mapping[str, str], twins: Collection[str]
) -> Iterator[Check]:
    """What the environment says instead of the command line, and names that nobody reads."""
    if settings.limits.at_once is None and not environ.get(_AT_ONCE):
        yield Check("note", "setting", f"limits.at_once = {DEFAULT_AT_ONCE}", DEFAULT)
    for name in sorted(name for name in environ if name.startswith(_OWN)):
        if name in settings.found:
            continue
        if name in twins:
            yield Check("note", "setting", f"{name} = {environ[name]}", ENVIRONMENT)
            continue
        near = did_you_mean(name[len(_OWN) :], [twin.removeprefix(_OWN) for twin in twins])
        hint = f"did you mean `{_OWN}{near}`?" if near else "no option has this name"
        yield Check("warning", "setting", f"{name} is set, but nothing reads it", None, hint)


def _providers(settings: Settings) -> Iterator[Check]:
    chosen = settings.provider
    if chosen not in settings.providers:
        source = settings.found[PROVIDER].source if PROVIDER in settings.found else None
        known = ", ".join(f"`{name}`" for name in settings.providers)
        said = f"`{chosen}` is not declared; there is {known}"
        yield Check("fault", "provider", said, source)
    for provider in settings.providers.values():
        yield from _provider(settings, provider, is_chosen=provider.name == chosen)


def _provider(settings: Settings, provider: Provider, *, is_chosen: bool) -> Iterator[Check]:
    named = f"{provider.name}{' (default)' if is_chosen else ''}"
    faults = list(settings.provider_faults(provider))
    for fault in faults:
        # A provider that is not the default one matters only to steps that name it.
        yield Check("fault" if is_chosen else "warning", "provider", f"{named}: {fault}")
    if not faults:
        host = provider.host or provider.name
        kind = provider.abilities.kind
        if kind is not None and provider.name != kind:
            host += f" ({provider_kind(kind).title})"
        key = f"the key in `{provider.key_name}` is well-formed" if provider.key else "no key"
        yield Check("fine", "provider", f"{named}: {host}, {key}", provider.base_url.source)


def _proxies(settings: Settings) -> Iterator[Check]:
    shown = [line for line in settings.overview() if line[0] in settings.proxies]
    for name, value, source in shown:
        yield Check("note", "proxy", f"{name} = {value}", source)
    if not shown:
        yield Check("note", "proxy", "none")


def _open_files() -> Check:
    most = raise_open_file_limit(_MANY_FILES)
    if most >= _MANY_FILES:
        return Check("fine", "open files", f"{most:,} or more may be open at once")
    enough = most >= _FEW_FILES
    fix = None if enough else "`ulimit -n 4096` allows more requests at once"
    said = f"{most:,} may be open at once"
    return Check("fine" if enough else "warning", "open files", said, help=fix)


def _disk(project: Path) -> Iterator[Check]:
    """Whether runs can be written: in their folder, or where it would be made."""
    runs = runs_folder(project)
    for path in (runs.parent, runs):
        if path.exists() and not path.is_dir():
            yield Check("fault", "runs", f"{path} is a file", help="move it away")
            return
    place = next(folder for folder in (runs, runs.parent, project) if folder.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=".flowrunner-doctor-", dir=place) as folder:
            yield Check("fine", "runs", f"{runs} can be written")
            yield _locking(Path(folder))
            yield _database(Path(folder))
    except OSError as error:
        why = (error.strerror or "it cannot be written").lower()
        fix = "give yourself the right to write there, or work in another folder"
        yield Check("fault", "runs", f"{runs}: {why}", help=fix)
    yield _space(place)


def _locking(folder: Path) -> Check:
    first, second = FileLock(folder / "lock"), FileLock(folder / "lock")
    try:
        works = first.acquire() and not second.acquire()
    except OSError:
        works = False
    finally:
        first.release()
        second.release()
    if works:
        return Check("fine", "locks", "work")
    fix = "keep the project on a local disk"
    return Check("fault", "locks", "do not work on this disk: two processes could meet", help=fix)


def _database(folder: Path) -> Check:
    try:
        with closing(sqlite3.connect(folder / "journal.db")) as database:
            mode = database.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            database.execute("CREATE TABLE works (one)")
            database.commit()
    except sqlite3.Error:
        mode = None
    if mode == "wal":
        return Check("fine", "journal", f"SQLite {sqlite3.sqlite_version} works here")
    fix = "keep the project on a local disk"
    return Check("fault", "journal", "SQLite cannot keep a journal on this disk", help=fix)


def _space(place: Path) -> Check:
    free_mb = shutil.disk_usage(place).free // 1024**2
    said = f"{free_mb:,} MB free"
    if free_mb >= _LEAST_FREE_MB:
        return Check("fine", "disk", said)
    return Check("warning", "disk", said, help="make room: what a run is answered is kept there")


def _git(project: Path) -> Check:
    found = shutil.which("git")
    if found is None:
        return Check("note", "git", "not found; reports then name no commit")
    is_kept = any((folder / ".git").exists() for folder in (project, *project.parents))
    return Check("fine", "git", f"{found}{'' if is_kept else '; the project is not kept in it'}")
