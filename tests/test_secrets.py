"""No secret passes the scrubber, in whatever usual form it stands in a text."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowrunner.secrets import MASK, Scrubber

KEY = 'sk-CANARY/+"<&>é 1234567890abcdefghijklmnop'


def _wrapped(text: str, width: int, line_end: str) -> str:
    return line_end.join(text[i : i + width] for i in range(0, len(text), width))


ENCODINGS = {
    "plain": lambda s: s,
    "json": lambda s: json.dumps(s)[1:-1],
    "json-utf8": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "json-slashes": lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
    "url": lambda s: quote(s, safe=""),
    "url-path": quote,
    "url-form": quote_plus,
    "html": html.escape,
    "html-text": lambda s: html.escape(s, quote=False),
    "hex": lambda s: s.encode().hex(),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64-url": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64-inside-1": lambda s: base64.b64encode(b"u:" + s.encode() + b"!").decode(),
    "base64-inside-2": lambda s: base64.b64encode(b"u" + s.encode() + b"!!").decode(),
    "base64-lines": lambda s: base64.encodebytes(s.encode() * 3).decode(),
    "wrapped": lambda s: _wrapped(s, 10, "\n"),
    "wrapped-indented": lambda s: _wrapped(s, 10, "\r\n    "),
    "wrapped-in-json": lambda s: _wrapped(s, 10, "\\n"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_form_is_masked(encoding: str) -> None:
    text = f"before {ENCODINGS[encoding](KEY)} after"
    scrubbed = Scrubber([KEY]).scrub(text)
    assert MASK in scrubbed
    assert "CANARY" not in scrubbed
    assert ENCODINGS[encoding](KEY) not in scrubbed
    if encoding not in ("base64-inside-1", "base64-inside-2"):
        assert scrubbed.startswith("before ***")


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40),
    st.sampled_from(sorted(ENCODINGS)),
    st.text(max_size=20),
)
def test_no_secret_survives(secret: str, encoding: str, around: str) -> None:
    assume(len(secret.strip()) >= 6)
    scrubber = Scrubber([secret])
    masked = scrubber.scrub(around + secret + around)
    assert secret not in masked
    if len("".join(secret.split())) >= 6 and "\\" not in secret:
        encoded = ENCODINGS[encoding](secret)
        assert encoded not in scrubber.scrub(f"{around}{encoded}{around}")
    assert secret not in json.dumps(scrubber.scrub_json({secret: [secret, around]}), default=str)


@given(st.lists(st.text(min_size=1), max_size=4), st.text())
def test_no_text_raises_and_what_holds_none_is_the_same(secrets: list[str], text: str) -> None:
    scrubber = Scrubber(secrets)
    scrubbed = scrubber.scrub(text)
    if not scrubber.finds_in(text):
        assert scrubbed is text
    assert not any(s in scrubbed for s in secrets if len(s.strip()) >= 6)


def test_short_values_are_left_alone() -> None:
    assert Scrubber(["abc", "", "     "]).scrub("abc      abc") == "abc      abc"


def test_a_secret_of_several_lines_or_of_json_is_masked_part_by_part() -> None:
    pem = "-----BEGIN-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END-----"
    scrubber = Scrubber([pem, '{"user": "service-account", "keys": ["deep-secret", 5]}'])
    assert scrubber.scrub("kqhkiG9w0BAQEF") == MASK
    assert scrubber.scrub("x service-account y deep-secret") == "x *** y ***"


def test_json_values_keys_and_numbers_are_masked() -> None:
    scrubber = Scrubber(["987654321", "topsecret"])
    value = {"a topsecret": [987654321, True, None, 1.5, {"b": "topsecret!"}], "c": "fine"}
    assert scrubber.scrub_json(value) == {
        "a ***": [MASK, True, None, 1.5, {"b": "***!"}],
        "c": "fine",
    }


def test_values_without_a_secret_are_the_same_object() -> None:
    value = {"a": ["b", 1]}
    assert Scrubber([KEY]).scrub_json(value) is value
    assert Scrubber([]).scrub_json(value) is value


def test_a_mask_that_completes_another_secret_is_looked_at_again() -> None:
    assert Scrubber(["secret-two", "***abc"]).scrub("secret-twoabc") == MASK


def test_many_blanks_do_not_slow_the_search_down() -> None:
    scrubber = Scrubber(["a" + " " * 10 + "b"])
    scrubber.scrub(("a" + " " * 3000) * 20 + "a" + " " * 10 + "b")


def test_a_scrubber_does_not_show_what_it_looks_for() -> None:
    assert "CANARY" not in repr(Scrubber([KEY]))


def test_a_text_that_grows_is_held_back_where_a_secret_may_begin() -> None:
    scrubber = Scrubber(["sk-abcdefgh", "abcdefgh-xy"])
    assert scrubber.scrub_growing("the sk-abc") == "the "
    assert scrubber.scrub_growing("the sk-ab") == "the sk-ab"
    assert scrubber.scrub_growing("the sk-abcdefgh") == "the ***"
    assert scrubber.scrub_growing("the sk-abcdefgh-x") == "the ***-x"
    assert scrubber.scrub_growing("the sk-abcdefg ") == "the sk-abcdefg "
    assert scrubber.scrub_growing("") == ""
    assert Scrubber([]).scrub_growing("sk-abc") == "sk-abc"
