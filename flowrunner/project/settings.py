"""The settings of the operator: key, base URL, model, limits, each with where it was said.

They come from the command line, the environment, `.env` and `flowrunner.yaml`, in this order, and
never from a workflow. What a workflow says in between is left to `engine`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flowrunner.diagnostics import render
from flowrunner.errors import EnvironmentFault, InvalidWorkflow, UsageError
from flowrunner.events import JSON
from flowrunner.language.providers import Providers, unknown_provider
from flowrunner.language.workflow import Limits
from flowrunner.language.workflow.parts import Money
from flowrunner.project import dotenv
from flowrunner.project.credentials import header_fault
from flowrunner.project.folders import PROJECT_FILE, find_env_file, find_project
from flowrunner.project.project_checks import OPENAI
from flowrunner.project.project_file import ProjectFile, open_project_file
from flowrunner.project.providers import (
    BASE_URL,
    KEY,
    Provider,
    key_names,
    known_providers,
    read_providers,
)
from flowrunner.project.setting import COMMAND_LINE, DEFAULT, ENVIRONMENT, Setting
from flowrunner.project.shown import shown_settings, without_password
from flowrunner.wire import Endpoint, Secret

__all__ = [
    "BASE_URL",
    "COMMAND_LINE",
    "DEFAULT",
    "ENVIRONMENT",
    "KEY",
    "MODEL",
    "PROVIDER",
    "Setting",
    "Settings",
    "load_settings",
]

MODEL = "FLOWRUNNER_MODEL"
PROVIDER = "FLOWRUNNER_PROVIDER"
_HEADERS = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
# Never sent by flowrunner, but a text that repeats one is masked as well.
_OTHER_SECRETS = ("OPENAI_ADMIN_KEY", "OPENAI_WEBHOOK_SECRET", "AZURE_OPENAI_API_KEY")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_WANTED = (KEY, BASE_URL, MODEL, PROVIDER, *_HEADERS, *_OTHER_SECRETS)


@dataclass(frozen=True)
class Settings:
    """What the operator has set.

    `project` is the top of the project, `file` what its `flowrunner.yaml` says. `found` holds every
    setting of command line, environment and `.env` by its variable; `env_file` is the `.env` that
    was read. `warnings` are sentences about what is passed over or doubtful, `faults` those about
    lines of the `.env` by the name of a setting that the line would have set; none holds a value.
    """

    project: Path
    file: ProjectFile
    found: Mapping[str, Setting]
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    env_file: Path | None = None
    warnings: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Where requests to the default provider go, without a slash at the end; not checked."""
        return self.provider_named(None).url

    @property
    def model(self) -> str | None:
        """The model that replaces the one of every step, where the operator names one."""
        return self.found[MODEL].value if MODEL in self.found else None

    @property
    def provider(self) -> str:
        """The name of the provider of every step that names none."""
        return self.forced_provider or self.file.provider or OPENAI

    @property
    def forced_provider(self) -> str | None:
        """The provider that the command line or the environment names for every step."""
        return self.found[PROVIDER].value if PROVIDER in self.found else None

    @property
    def known_providers(self) -> Providers:
        """What checks of a workflow may know of its providers."""
        return known_providers(self.file, self.forced_provider)

    @property
    def below(self) -> Mapping[str, JSON]:
        """API parameters that count where neither the operator nor the workflow says anything."""
        return {**self.file.defaults, **({"model": self.file.model} if self.file.model else {})}

    @property
    def budget(self) -> Money | None:
        """What one run may spend by the project file."""
        return self.file.budget

    @property
    def limits(self) -> Limits:
        """The limits of the project file; None in it where it says nothing."""
        return self.file.limits

    @property
    def prices(self) -> Mapping[str, Mapping[str, float]]:
        """What the operator pays by model, US dollars per 1,000,000 tokens: `input`, `output` and
        perhaps `cached_input`."""
        return self.file.prices

    def prices_at(self, provider: str) -> Mapping[str, Mapping[str, float]]:
        """What the operator pays at one provider, by model."""
        entry = self.file.providers.get(provider)
        return self.prices if entry is None else {**self.prices, **entry.prices}

    @property
    def confirm_above_usd(self) -> float | None:
        """What a run may cost before a person is asked, in US dollars."""
        return self.file.confirm_above_usd

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """Every provider by its name; `openai` is always there."""
        return read_providers(self.file, self.found)

    def provider_named(self, name: str | None) -> Provider:
        """A provider, the default one for None. Raises UsageError for one nobody declared."""
        wanted = name or self.provider
        if wanted in self.providers:
            return self.providers[wanted]
        fix = f"declare it under `providers` in `{self.project / PROJECT_FILE}`"
        raise UsageError(unknown_provider(wanted, self.providers), help=fix)

    def endpoint(self, name: str | None = None) -> Endpoint:
        """A provider to send to, the default one for None; see `endpoints`."""
        return self.endpoints((name,))[0]

    def endpoints(self, names: Iterable[str | None]) -> list[Endpoint]:
        """Providers to send to, the default one for None, with keys that were checked.

        Raises UsageError for a provider that does not exist, EnvironmentFault, one sentence a line,
        where keys or base URLs cannot be right (Responses API: OPENAI_API_KEY, OPENAI_BASE_URL,
        OPENAI_ORG_ID, OPENAI_PROJECT_ID).
        """
        providers = [self.provider_named(name) for name in names]
        faults = [said for each in providers for said in self.provider_faults(each)]
        if faults:
            raise EnvironmentFault("\n".join(dict.fromkeys(faults)))
        return [self._endpoint(each) for each in providers]

    def _endpoint(self, provider: Provider) -> Endpoint:
        headers: dict[str, str | Secret] = {}
        if provider.name == OPENAI:
            headers |= {
                header: self.found[variable].value
                for variable, header in _HEADERS.items()
                if variable in self.found
            }
        key = None if provider.key is None else Secret(provider.key.value)
        version = provider.api_version
        query = {} if version is None else {"api-version": version}
        return Endpoint(provider.name, provider.url, key, provider.auth, headers, query)

    def provider_faults(self, provider: Provider) -> Iterator[str]:
        """Why nothing can be sent to a provider, in sentences without a key."""
        env_file = str(self.env_file)
        of_openai = (BASE_URL, *_HEADERS) if provider.name == OPENAI else ()
        odd = [
            name
            for name in (provider.key_name, *of_openai)
            if name is not None and name in self.faults and name not in self.found
        ]
        yield from (self.faults[name] for name in odd)
        if provider.key is None and provider.key_name in odd:
            provider = Provider(provider.name, provider.base_url)
        yield from provider.faults(env_file)
        for name in _HEADERS if of_openai else ():
            said = header_fault(name, self.found[name].value) if name in self.found else None
            if said:
                yield f"{said} (in `{env_file}`)" if self._is_filed(name) else said

    def _is_filed(self, name: str) -> bool:
        return self.found[name].source == str(self.env_file)

    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be shown, for a `Scrubber`."""
        plain = {each.key_name for each in self.providers.values() if not each.hides_key()}
        used = {each.key_name for each in self.providers.values() if each.hides_key()}
        named = [
            self.found[name].value
            for name in self._hidden()
            if name in self.found and (name in used or name not in plain)
        ]
        urls = (each.url for each in self.providers.values())
        return (*named, *_passwords([*self.proxies.values(), *urls]))

    def _hidden(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((KEY, *_OTHER_SECRETS, *key_names(self.file))))

    def overview(self) -> list[tuple[str, str, str]]:
        """(name, value as it may be shown, source) of every setting, for people."""
        hidden = self._hidden()
        shown = [
            (s.name, "set, not shown" if s.name in hidden else without_password(s.value), s.source)
            for s in self.found.values()
        ]
        shown += [
            (each.base_url.name, without_password(each.url), each.base_url.source)
            for each in self.providers.values()
            if each.base_url.name not in self.found
        ]
        shown += [(n, without_password(v), ENVIRONMENT) for n, v in self.proxies.items()]
        return sorted([*shown, *shown_settings(self.file)])


def load_settings(
    start: Path, environ: Mapping[str, str], overrides: Mapping[str, str] | None = None
) -> Settings:
    """The settings for a workflow file or folder, from `flowrunner.yaml`, `.env` and what is given.

    `overrides` are values of the command line under the names of their twins in the environment
    (`FLOWRUNNER_MODEL`). The environment counts before `.env`; an empty value counts as not said
    where another source says something. Proxies are taken from the environment alone. Raises
    InvalidWorkflow for mistakes in `flowrunner.yaml`. Keys are checked by `Settings.endpoint`,
    since a simulated run needs none.
    """
    project = find_project(start)
    file = _project_file(project)
    env_file = find_env_file(start, environ)
    env = dotenv.Dotenv() if env_file is None else dotenv.read(env_file)
    sources = [
        (COMMAND_LINE, overrides or {}),
        (ENVIRONMENT, environ),
        (str(env_file), env.values),
    ]
    wanted = tuple(dict.fromkeys((*_WANTED, *key_names(file))))
    said = [_first_said(name, sources) for name in wanted]
    odd = [(name, f"`{env_file}`: {sentence}") for name, sentence in env.faults]
    passed_over = (f"{line}; it is passed over" for name, line in odd if name not in wanted)
    return Settings(
        project=project,
        file=file,
        found={setting.name: setting for setting in said if setting is not None},
        proxies={
            name: environ[name]
            for spelled in _PROXIES
            for name in (spelled, spelled.upper())
            if environ.get(name)
        },
        env_file=env_file,
        warnings=(
            *passed_over,
            *(_warning(file, each.place.line, each.message) for each in file.warnings),
        ),
        faults={name: line for name, line in odd if name in wanted},
    )


def _warning(file: ProjectFile, line: int, message: str) -> str:
    return f"`{file.path}`, line {line}: {message}"


def _project_file(project: Path) -> ProjectFile:
    file, found = open_project_file(project)
    if file is None:
        shown = found[0].place.path
        raise InvalidWorkflow(f"{render(found)}\n{shown} has mistakes; nothing was sent")
    return file


def _first_said(name: str, sources: list[tuple[str, Mapping[str, str]]]) -> Setting | None:
    said = [Setting(name, values[name], source) for source, values in sources if name in values]
    filled = [setting for setting in said if setting.value]
    is_key = name.endswith(("KEY", "TOKEN")) and name not in _OTHER_SECRETS
    if filled or not is_key:
        return filled[0] if filled else None
    return said[0] if said else None


def _passwords(urls: list[str]) -> Iterator[str]:
    for url in urls:
        try:
            password = urlsplit(url if "://" in url else f"http://{url}").password
        except ValueError:
            continue
        if password:
            yield from {password, unquote(password)}
