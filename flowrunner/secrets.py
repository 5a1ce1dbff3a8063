"""Secrets masked by value: whatever text or JSON passes a `Scrubber` leaves without them.

Which values are secret is left to the rooms that read them; this module only knows the forms in
which a value may stand in a text.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from urllib.parse import quote, quote_plus

from flowrunner import json_text
from flowrunner.events import JSON

MASK = "***"
MIN_LENGTH = 6
"""Shorter values are not masked: they would mask half of every text."""

_KEY = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|gh[pousr]|github_pat|xox[abprs]|hf)[-_][A-Za-z0-9_-]{8,}"
    r"|\bAKIA[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}"
)
_LEAST = 20

_BREAK = r"(?:\s|\\[nr])*"


def without_keys(text: str) -> str:
    """A text with stars in the place of what looks like the key of a service; columns stay."""
    return _KEY.sub(lambda match: "*" * len(match[0]), text)


def keys_in(text: str) -> Iterator[tuple[int, int]]:
    """Where something stands that is hardly anything but the key of a service: start and length.

    Long enough for one, with a digit and a letter behind the sign that such keys begin with.
    """
    for found in _KEY.finditer(text):
        tail = found[0][4:]
        is_mixed = any(c.isdigit() for c in tail) and any(c.isalpha() for c in tail)
        if len(found[0]) >= _LEAST and is_mixed:
            yield found.start(), len(found[0])


class Scrubber:
    """Replaces secrets, in their usual encodings, by `***`.

    Known forms: as it is, JSON-escaped, URL-encoded, HTML-escaped, hexadecimal, and base64 also as
    part of something longer (`Authorization: Basic …`); each also broken over lines. Of a secret
    with several lines each line is masked too, of a JSON document each text in it. Values under
    six characters are not masked. Cheap where nothing matches: one substring search a form.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = frozenset(secrets)
        self._prepare()

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these values too, from now on."""
        more = self._secrets.union(secrets)
        if more != self._secrets:
            self._secrets = more
            self._prepare()

    def _prepare(self) -> None:
        self.__dict__.pop("_pattern", None)
        parts = {part for secret in self._secrets for part in _parts(secret)}
        forms = {form for part in parts for form in _forms(part)}
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self._unbroken_forms = tuple(
            tight for form in self._forms if len(tight := _unbroken(form)) >= MIN_LENGTH
        )
        # What JSON writes as it is can be looked for in a whole document at once.
        self._are_plain = all(part.isascii() and json.dumps(part) == f'"{part}"' for part in parts)
        self._some_are_numbers = any(form.lstrip("-").isdecimal() for form in forms)

    def __repr__(self) -> str:
        return f"Scrubber(<{len(self._forms)} forms>)"

    def finds_in(self, text: str) -> bool:
        """Whether the text holds a secret in any known form."""
        if not self._forms:
            return False
        if any(form in text for form in self._forms):
            return True
        tight = _unbroken(text)
        return len(tight) < len(text) and any(form in tight for form in self._unbroken_forms)

    def scrub(self, text: str) -> str:
        """The text with every secret replaced; the same object where there is none."""
        while self.finds_in(text):
            scrubbed = self._pattern.sub(MASK, text)
            if scrubbed == text:
                break
            text = scrubbed  # a mask may complete another secret: look again
        return text

    def scrub_growing(self, text: str) -> str:
        """The text as `scrub` gives it, without an end in which a secret may just be beginning."""
        text = self.scrub(text)
        held = max((_begun(text, form) for form in self._forms), default=0)
        return text[: len(text) - held]

    def scrub_json(self, value: JSON) -> JSON:
        """A JSON value with every secret in its texts, keys and numbers replaced; the same object
        where there is none."""
        if isinstance(value, str):
            return self.scrub(value)
        if not self._forms or not isinstance(value, (dict, list, tuple, int, float)):
            return value
        if self._are_plain and not self.finds_in(
            json.dumps(value, ensure_ascii=False, default=str)
        ):
            return value
        return self._masked(value) if self._is_in(value) else value

    def _is_in(self, value: JSON) -> bool:
        if isinstance(value, str):
            return self.finds_in(value)
        if isinstance(value, dict):
            return any(self.finds_in(str(k)) or self._is_in(v) for k, v in value.items())
        if isinstance(value, (list, tuple)):
            return any(map(self._is_in, value))
        if self._some_are_numbers and isinstance(value, (int, float)):
            return self.finds_in(str(value))
        return False

    def _masked(self, value: JSON) -> JSON:
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, dict):
            return {self.scrub(str(key)): self._masked(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._masked(item) for item in value]
        return MASK if self._is_in(value) else value

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(_broken_anywhere, self._forms)))


def _begun(text: str, form: str) -> int:
    """How long the beginning of a secret is that a text ends in, where it is long enough to tell
    something; 0 where it ends in none."""
    longest = min(len(form) - 1, len(text))
    found = (size for size in range(longest, MIN_LENGTH - 1, -1) if text.endswith(form[:size]))
    return next(found, 0)


def _broken_anywhere(form: str) -> str:
    tight = _unbroken(form)
    # What is mostly blanks is looked for as it stands: blanks beside optional blanks would make
    # the search quadratic and worse.
    return re.escape(form) if len(tight) < MIN_LENGTH else _BREAK.join(map(re.escape, tight))


def _unbroken(text: str) -> str:
    return "".join(text.replace("\\n", "").replace("\\r", "").split())


def _parts(secret: str) -> Iterator[str]:
    pieces = [secret, secret.strip(), *secret.splitlines(), *_leaves(secret)]
    yield from (piece for piece in pieces if len(piece.strip()) >= MIN_LENGTH)


def _leaves(secret: str) -> Iterator[str]:
    if not secret.lstrip().startswith(("{", "[")):
        return
    try:
        waiting = [json_text.parse(secret)]
    except json_text.NotJson:
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str):
            yield value


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    for escaped in (json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        yield escaped[1:-1]
        yield escaped[1:-1].replace("/", "\\/")
    for encoded in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        yield encoded
        yield re.sub(r"%..", lambda match: match[0].lower(), encoded)
    for escaped in (html.escape(secret), html.escape(secret, quote=False)):
        yield escaped
        yield escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield raw.hex()
    yield raw.hex().upper()
    yield from _base64_forms(raw)


def _base64_forms(raw: bytes) -> Iterator[str]:
    # Six bits a letter: of a secret inside something longer, the letters shared with its
    # neighbours are unknown, the ones between are the same whatever stands around it.
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode()
        first = (before * 8 + 5) // 6
        last = (before + len(raw)) * 8 // 6
        yield from (text[first:last], text[first:last].replace("+", "-").replace("/", "_"))
