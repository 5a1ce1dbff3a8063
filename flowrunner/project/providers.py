"""Providers: where requests go and whose key goes with them, from the environment and the project.

A key is paired with the address that was said beside it, so that neither source can send the key of
the other elsewhere. Sending is left to `responses`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from flowrunner.catalog import provider_kind
from flowrunner.language.providers import Abilities, Providers
from flowrunner.project.credentials import (
    OPENAI_URL,
    base_url_fault,
    host_of,
    is_loopback,
    is_openai,
    key_fault,
)
from flowrunner.project.project_checks import OPENAI
from flowrunner.project.project_file import ProjectFile, ProviderEntry
from flowrunner.project.setting import DEFAULT, Setting

KEY = "OPENAI_API_KEY"
BASE_URL = "OPENAI_BASE_URL"

_PLAIN_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider with what the environment says of it.

    `key_name` is the variable that should hold its key, None where it needs none; `key` what it
    holds, not checked yet. `api_version` goes along with every request; `abilities` are what it
    knows of the API.
    """

    name: str
    base_url: Setting
    key_name: str | None = None
    key: Setting | None = None
    auth: Literal["bearer", "api-key"] = "bearer"
    api_version: str | None = None
    abilities: Abilities = field(default_factory=Abilities)

    @property
    def url(self) -> str:
        """Where requests go, without a slash at the end; not checked yet."""
        return self.base_url.value.strip().rstrip("/")

    @property
    def host(self) -> str | None:
        """The host of the address; None where that is no address."""
        is_wrong = base_url_fault(self.base_url.name, self.base_url.value.strip())
        return None if is_wrong else host_of(self.url)

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        return self.host is not None and is_loopback(self.host)

    def faults(self, env_file: str | None) -> Iterator[str]:
        """What is wrong with its address and its key, in sentences without either.

        `env_file` is the path of the `.env` that was read.
        """
        said = base_url_fault(self.base_url.name, self.base_url.value.strip())
        if said:
            yield _placed(said, self.base_url, env_file)
        said = self._key_fault(env_file)
        if said:
            yield said

    def _key_fault(self, env_file: str | None) -> str | None:
        if self.key_name is None:
            return None
        if self.key is None:
            return None if self.is_local else _missing(self.key_name)
        said = key_fault(self.key_name, self.key.value)
        if said or self.host is None or is_openai(self.host) or self.is_local:
            return said and _placed(said, self.key, env_file)
        if self.base_url.source == env_file != self.key.source:
            return (
                f"`{self.base_url.name}` is set in `{env_file}` but `{self.key_name}` in the "
                f"{self.key.source}: a file may not send your key to a host of its choice; set "
                "both in the same place"
            )
        return None

    def hides_key(self) -> bool:
        """Whether its key is a secret. A plain word for a server on this machine (`ollama`) is
        none: masking it would eat the word out of every text."""
        if self.key is None:
            return False
        return not (self.is_local and _PLAIN_WORD.fullmatch(self.key.value))


def _missing(name: str) -> str:
    return (
        f"`{name}` is not set: run `export {name}=…` with your key, "
        "or add `--simulate` to run without one"
    )


def _placed(sentence: str, setting: Setting, env_file: str | None) -> str:
    return f"{sentence} (in `{setting.source}`)" if setting.source == env_file else sentence


def key_names(file: ProjectFile) -> tuple[str, ...]:
    """The variables that the project file names as keys."""
    named = (_key_name(entry) for entry in file.providers.values())
    return tuple(dict.fromkeys(name for name in named if name))


def known_providers(file: ProjectFile, forced: str | None = None) -> Providers:
    """What checks of a workflow may know of the providers of its project. `forced` is the one that
    every step goes to, whatever files say."""
    entries = {OPENAI: ProviderEntry(), **file.providers}
    known = {name: _abilities(name, entry, file) for name, entry in entries.items()}
    return Providers(known, file.provider or OPENAI, forced, file.defaults)


def _abilities(name: str, entry: ProviderEntry, file: ProjectFile) -> Abilities:
    url = entry.base_url or (OPENAI_URL if name == OPENAI else "")
    kind = entry.kind or (OPENAI if is_openai(host_of(url)) else None)
    return Abilities(kind, entry.supports, frozenset({*file.prices, *entry.prices}))


def read_providers(file: ProjectFile, found: Mapping[str, Setting]) -> dict[str, Provider]:
    """Every provider by its name, `openai` first, which is always there.

    `found` has what environment and `.env` say, by variable.
    """
    others: Iterable[str] = (name for name in file.providers if name != OPENAI)
    providers = {OPENAI: _openai(file, found)}
    return providers | {name: _declared(name, file, found) for name in others}


def _declared(name: str, file: ProjectFile, found: Mapping[str, Setting]) -> Provider:
    entry = file.providers[name]
    url = Setting(f"providers.{name}.base_url", entry.base_url or "", _source(file, name))
    named = _key_name(entry)
    provider = _provider(name, url, entry, named, found)
    return replace(provider, abilities=_abilities(name, entry, file))


def _key_name(entry: ProviderEntry) -> str | None:
    usual = None if entry.kind is None else provider_kind(entry.kind).key_env
    return entry.key_env or usual


def _openai(file: ProjectFile, found: Mapping[str, Setting]) -> Provider:
    """`openai`: an address of the environment comes with the environment's key, and one of the file
    with the key that the file names."""
    entry = file.providers.get(OPENAI, ProviderEntry())
    said = found.get(BASE_URL)
    if said is not None:
        provider = _provider(OPENAI, said, ProviderEntry(), KEY, found)
        return replace(provider, abilities=Abilities(OPENAI))
    url = Setting(BASE_URL, OPENAI_URL, DEFAULT)
    if entry.base_url:
        url = Setting(f"providers.{OPENAI}.base_url", entry.base_url, _source(file, OPENAI))
    named = entry.key_env or KEY
    if KEY in found and found[KEY].value and is_openai(host_of(url.value)):
        named = KEY
    provider = _provider(OPENAI, url, entry, named, found)
    return replace(provider, abilities=_abilities(OPENAI, entry, file))


def _provider(
    name: str,
    url: Setting,
    entry: ProviderEntry,
    key_name: str | None,
    found: Mapping[str, Setting],
) -> Provider:
    key = None if key_name is None else found.get(key_name)
    usual = "bearer" if entry.kind is None else provider_kind(entry.kind).auth
    auth: Literal["bearer", "api-key"] = (
        "api-key" if (entry.auth or usual) == "api-key" else "bearer"
    )
    return Provider(name, url, key_name, key, auth, entry.api_version)


def _source(file: ProjectFile, name: str) -> str:
    return file.source(f"providers.{name}")
