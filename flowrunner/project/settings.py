"""The settings of the operator: key, base URL, model, proxies, each with where it was said.

They come from the command line, the environment and `.env`, in this order, and never from a
workflow. What a workflow says on top is left to `engine`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flowrunner.errors import EnvironmentFault
from flowrunner.project import dotenv
from flowrunner.project.credentials import (
    OPENAI_URL,
    base_url_fault,
    header_fault,
    host_of,
    is_loopback,
    is_openai,
    key_fault,
)
from flowrunner.project.folders import find_env_file, find_project
from flowrunner.wire import Endpoint, Secret

KEY = "OPENAI_API_KEY"
BASE_URL = "OPENAI_BASE_URL"
MODEL = "FLOWRUNNER_MODEL"
_HEADERS = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
# Never sent by flowrunner, but a text that repeats one is masked as well.
_OTHER_SECRETS = ("OPENAI_ADMIN_KEY", "OPENAI_WEBHOOK_SECRET", "AZURE_OPENAI_API_KEY")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_WANTED = (KEY, BASE_URL, MODEL, *_HEADERS, *_OTHER_SECRETS)

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it was said: `command line`, `environment`, a path of a `.env`, or
    `default`."""

    name: str
    value: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator has set.

    `found` holds every setting by name, `env_file` is the `.env` that was read. `warnings` are
    sentences about lines of it that say nothing readable, `faults` the same by the name of a
    setting that the line would have set; none holds a value.
    """

    project: Path
    found: Mapping[str, Setting]
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    env_file: Path | None = None
    warnings: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Where requests go, without a slash at the end; not checked yet."""
        return self.found[BASE_URL].value.strip().rstrip("/")

    @property
    def model(self) -> str | None:
        """The model that replaces the one of every step, where the operator names one."""
        return self.found[MODEL].value if MODEL in self.found else None

    def endpoint(self) -> Endpoint:
        """The provider to send to, with a key that was checked.

        Raises EnvironmentFault, one sentence a line, where the key or the base URL cannot be right
        (Responses API: OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_ORG_ID, OPENAI_PROJECT_ID).
        """
        faults = list(self._faults())
        if faults:
            raise EnvironmentFault("\n".join(faults))
        key = self.found.get(KEY)
        headers: dict[str, str | Secret] = {
            header: self.found[name].value
            for name, header in _HEADERS.items()
            if name in self.found
        }
        return Endpoint(
            name="openai",
            base_url=self.base_url,
            key=None if key is None else Secret(key.value),
            headers=headers,
        )

    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be shown, for a `Scrubber`.

        A plain word that stands for the key of a server on this machine (`ollama`) is none: masking
        it would eat the word out of every text.
        """
        named = [self.found[name].value for name in (KEY, *_OTHER_SECRETS) if name in self.found]
        if named and self._is_local() and re.fullmatch(r"[a-z]+(?:-[a-z]+)*", named[0]):
            named = named[1:]
        return (*named, *_passwords([*self.proxies.values(), self.base_url]))

    def _is_local(self) -> bool:
        url = self.found[BASE_URL].value
        return base_url_fault(BASE_URL, url) is None and is_loopback(host_of(url))

    def overview(self) -> list[tuple[str, str, str]]:
        """(name, value as it may be shown, source) of every setting, for people."""
        hidden = (KEY, *_OTHER_SECRETS)
        shown = [
            (s.name, "set, not shown" if s.name in hidden else _without_password(s.value), s.source)
            for s in self.found.values()
        ]
        proxies = [(n, _without_password(v), ENVIRONMENT) for n, v in self.proxies.items()]
        return sorted(shown + proxies)

    def _faults(self) -> Iterator[str]:
        for name, sentence in self.faults.items():
            if name not in self.found or self.found[name].source == DEFAULT:
                yield sentence
        url_fault = base_url_fault(BASE_URL, self.found[BASE_URL].value.strip())
        if url_fault:
            yield self._placed(BASE_URL, url_fault)
        key_said = self._key_fault(host_of(self.base_url) if url_fault is None else None)
        if key_said:
            yield key_said
        for name in _HEADERS:
            said = header_fault(name, self.found[name].value) if name in self.found else None
            if said:
                yield self._placed(name, said)

    def _key_fault(self, host: str | None) -> str | None:
        key, base_url = self.found.get(KEY), self.found[BASE_URL]
        if key is None:
            if KEY in self.faults or (host is not None and is_loopback(host)):
                return None
            return (
                f"`{KEY}` is not set: run `export {KEY}=…` with your key, "
                "or add `--simulate` to run without one"
            )
        said = key_fault(KEY, key.value)
        if said or host is None or is_openai(host) or is_loopback(host):
            return said and self._placed(KEY, said)
        if base_url.source == str(self.env_file) != key.source:
            return (
                f"`{BASE_URL}` is set in `{base_url.source}` but `{KEY}` in the {key.source}: "
                "a file may not send your key to a host of its choice; set both in the same place"
            )
        return None

    def _placed(self, name: str, sentence: str) -> str:
        source = self.found[name].source
        return f"{sentence} (in `{source}`)" if source == str(self.env_file) else sentence


def load_settings(
    start: Path, environ: Mapping[str, str], overrides: Mapping[str, str] | None = None
) -> Settings:
    """The settings for a workflow file or folder. Reads `.env` and nothing else; sends nothing.

    `overrides` are values of the command line under the names of their twins in the environment
    (`FLOWRUNNER_MODEL`). The environment counts before `.env`; an empty value counts as not said
    where another source says something. Proxies are taken from the environment alone. Raises
    UsageError as `find_project`. Keys are checked by `Settings.endpoint`, since a simulated run
    needs none.
    """
    env_file = find_env_file(start, environ)
    file = dotenv.Dotenv() if env_file is None else dotenv.read(env_file)
    sources = [
        (COMMAND_LINE, overrides or {}),
        (ENVIRONMENT, environ),
        (str(env_file), file.values),
        (DEFAULT, {BASE_URL: OPENAI_URL}),
    ]
    said = [_first_said(name, sources) for name in _WANTED]
    odd = [(name, f"`{env_file}`: {sentence}") for name, sentence in file.faults]
    return Settings(
        project=find_project(start),
        found={setting.name: setting for setting in said if setting is not None},
        proxies={
            name: environ[name]
            for spelled in _PROXIES
            for name in (spelled, spelled.upper())
            if environ.get(name)
        },
        env_file=env_file,
        warnings=tuple(f"{line}; it is passed over" for name, line in odd if name not in _WANTED),
        faults={name: line for name, line in odd if name in _WANTED},
    )


def _first_said(name: str, sources: list[tuple[str, Mapping[str, str]]]) -> Setting | None:
    said = [Setting(name, values[name], source) for source, values in sources if name in values]
    filled = [setting for setting in said if setting.value]
    if filled or name != KEY:
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


def _without_password(value: str) -> str:
    value = re.split(r"[?#]", value, maxsplit=1)[0]
    head, at, rest = value.rpartition("@")
    scheme = head.partition("://")[0] + "://" if "://" in head else ""
    return f"{scheme}***@{rest}" if at else value
