"""What a request may cost: bounds that hold, guesses told apart, unknowns that are said."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner import catalog
from flowrunner.engine.estimate import (
    DEFAULT_TOOL_CALLS,
    HOSTED_CALL_TOKENS,
    HOSTED_TOOL_TOKENS,
    IMAGE_TOKENS,
    LOW_IMAGE_TOKENS,
    PACKED_TOKENS_A_BYTE,
    REQUEST_TOKENS,
    TEXT_FILE_TOKENS,
    default_max_output_tokens,
    least_usd,
    likely,
    with_limits,
    worst_case,
)
from flowrunner.engine.pricing import Billed, billed_usd, paid_calls, window_of
from flowrunner.events import Usage
from flowrunner.language.attachments import FileMark

LUNA = {"model": "gpt-6-luna", "input": "Sort this.", "max_output_tokens": 1000}
WINDOW = 922_000
MARK = FileMark("a.pdf", "application/pdf", 12_000, "0" * 64)
FILE = base64.b64encode(b"x" * 600).decode()


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        pytest.param({}, 100 + 10, id="plain-text"),
        pytest.param({"input": "né 🙂"}, 100 + 8, id="bytes-not-characters"),
        pytest.param({"instructions": "Be kind."}, 100 + 10 + 8, id="instructions"),
        pytest.param({"input": ""}, 100, id="nothing"),
        pytest.param({"metadata": {"long": "x" * 500}}, 100 + 10, id="not-read-by-the-model"),
        pytest.param(
            user({"type": "input_text", "text": "hello"}),
            100 + 8 + len("roleusercontent") + 8 + len("typeinput_texttexthello"),
            id="items",
        ),
        pytest.param(
            {"tools": [{"type": "function", "name": "f", "strict": True}]},
            100 + 10 + 8 + len("typefunctionnamefstrictTrue"),
            id="tools",
        ),
        pytest.param(
            user({"type": "input_image", "image_url": "https://x/y.png"}),
            100 + 8 + len("roleusercontent") + 8 + IMAGE_TOKENS,
            id="image",
        ),
        pytest.param(
            user({"type": "input_image", "file_id": "file_1", "detail": "low"}),
            100 + 8 + len("roleusercontent") + 8 + LOW_IMAGE_TOKENS,
            id="small-image",
        ),
        pytest.param(
            user({"type": "input_file", "file_data": f"data:application/pdf;base64,{FILE}"}),
            100 + 8 + len("roleusercontent") + 8 + 600 * PACKED_TOKENS_A_BYTE + IMAGE_TOKENS,
            id="file-inline",
        ),
        pytest.param(
            user({"type": "input_file", "file_data": f"data:text/csv;base64,{FILE}"}),
            100 + 8 + len("roleusercontent") + 8 + 600 + TEXT_FILE_TOKENS,
            id="text-file-inline",
        ),
        pytest.param(
            user({"type": "input_file", "file_data": str(MARK)}),
            100 + 8 + len("roleusercontent") + 8 + 12_000 * PACKED_TOKENS_A_BYTE + IMAGE_TOKENS,
            id="file-by-its-mark",
        ),
        pytest.param(
            user({"type": "input_image", "image_url": str(MARK), "detail": "low"}),
            100 + 8 + len("roleusercontent") + 8 + LOW_IMAGE_TOKENS,
            id="image-by-its-mark",
        ),
        pytest.param(user({"type": "input_file", "file_id": "file_1"}), WINDOW, id="file-by-id"),
        pytest.param({"input": [{"type": "item_reference", "id": "i"}]}, WINDOW, id="item-by-id"),
        pytest.param({"previous_response_id": "resp_1"}, WINDOW, id="earlier-responses"),
        pytest.param({"conversation": {"id": "conv_1"}}, WINDOW, id="conversation"),
        pytest.param({"prompt": {"id": "pmpt_1"}}, WINDOW, id="stored-prompt"),
        pytest.param({"input": "x" * 2_000_000}, WINDOW, id="longer-than-the-window"),
        pytest.param(
            {"tools": [{"type": "web_search"}], "max_tool_calls": 2},
            100 + 10 + 8 + len("typeweb_search") + HOSTED_TOOL_TOKENS + 2 * HOSTED_CALL_TOKENS,
            id="hosted-tool",
        ),
        pytest.param(
            {"tools": [{"type": "web_search"}], "tool_choice": "none"},
            100 + 10 + 8 + len("typeweb_searchnone"),
            id="hosted-tool-not-to-be-used",
        ),
    ],
)
def test_input_has_a_bound(body: dict[str, Any], tokens: int) -> None:
    worst = worst_case({**LUNA, **body})
    assert worst.input_tokens == tokens
    assert worst.output_tokens == 1000
    assert worst.tokens == tokens + 1000
    assert worst.usd is not None


@pytest.mark.parametrize(
    ("body", "usd"),
    [
        # gpt-6-luna: input 0.10, cache write 0.125, output 0.50 for a million.
        pytest.param({}, (110 * 0.125 + 1000 * 0.5) / 1e6, id="cache-write"),
        pytest.param({"service_tier": "flex"}, (110 * 0.125 + 1000 * 0.25) / 1e6, id="flex"),
        pytest.param({"service_tier": "priority"}, (110 * 0.2 + 1000 * 1.0) / 1e6, id="priority"),
        pytest.param({"service_tier": "fast"}, (110 * 0.2 + 1000 * 1.0) / 1e6, id="fast"),
        pytest.param({"service_tier": "auto"}, (110 * 0.125 + 1000 * 0.5) / 1e6, id="auto"),
        pytest.param(
            {"input": "x" * 300_000}, (300_100 * 0.2 + 1000 * 0.75) / 1e6, id="long-context"
        ),
        pytest.param(
            {"max_output_tokens": None}, (110 * 0.125 + 128_000 * 0.5) / 1e6, id="no-limit"
        ),
        pytest.param({"model": "gpt-6-luna-2026-09-01"}, (110 * 0.125 + 500) / 1e6, id="dated"),
    ],
)
def test_the_dearest_rate_counts(body: dict[str, Any], usd: float) -> None:
    assert worst_case({**LUNA, **body}).usd == pytest.approx(usd)


LATER = {"background": True, "background_options": {"completion_window": "8h"}}


def test_a_completion_window_is_guessed_cheaper_and_bounded_at_the_full_rate() -> None:
    plain, cheap = likely(LUNA), likely(LUNA | LATER)
    assert plain.usd is not None
    assert cheap.usd == pytest.approx(plain.usd * 0.6)
    least, cheapest = least_usd(LUNA), least_usd(LUNA | LATER)
    assert least is not None
    assert cheapest == pytest.approx(least * 0.6)
    assert worst_case(LUNA | LATER).usd == worst_case(LUNA).usd


USAGE = Usage(1_000, 100, 0, 0, 0)


@pytest.mark.parametrize(
    ("window", "tier", "share"),
    [
        ("2h", None, 0.7),
        ("2h", "default", 0.7),
        ("8h", "default", 0.6),
        ("soonest", "default", 1.0),
        (None, "default", 1.0),
        ("8h", "priority", 1.0),
        ("9d", "default", 1.0),
    ],
)
def test_what_a_window_leaves_of_the_price(
    window: str | None, tier: str | None, share: float
) -> None:
    full = billed_usd(Billed("gpt-6-luna", USAGE, tier))
    assert full is not None
    found = billed_usd(Billed("gpt-6-luna", USAGE, tier, window=window))
    assert found == pytest.approx(full * share)


def test_a_window_lowers_no_fees_and_no_price_of_the_operator() -> None:
    own = {"gpt-6-luna": {"input": 1.0, "output": 1.0}}
    paid = Billed("gpt-6-luna", USAGE, window="8h")
    assert billed_usd(paid, own) == pytest.approx(0.0011)
    search = billed_usd(Billed("gpt-6-luna", Usage(), calls={"web_search": 1}))
    cheap = Billed("gpt-6-luna", Usage(), calls={"web_search": 1}, window="8h")
    assert billed_usd(cheap) == search


@pytest.mark.parametrize(
    ("body", "window"),
    [
        (LATER, "8h"),
        ({"background_options": {"completion_window": "8h"}}, None),
        ({"background": True}, None),
        ({"background": True, "background_options": {"completion_window": None}}, None),
        ({"background": True, "background_options": 3}, None),
    ],
)
def test_the_window_of_a_request(body: dict[str, Any], window: str | None) -> None:
    assert window_of(body) == window


def test_fees_of_hosted_tools_are_on_top() -> None:
    plain = {**LUNA, "tools": [{"type": "mcp", "server_label": "s"}], "max_tool_calls": 3}
    search = {**plain, "tools": [{"type": "web_search_preview"}]}
    code = {**plain, "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}
    free = worst_case(plain).usd or 0
    assert (worst_case(search).usd or 0) - free == pytest.approx(0.03, abs=1e-5)
    assert (worst_case(code).usd or 0) - free == pytest.approx(0.03, abs=1e-5)
    assert worst_case(search).assumes == (
        f"at most 3 calls of hosted tools, {HOSTED_CALL_TOKENS:,} tokens each",
    )


@pytest.mark.parametrize(
    ("body", "why", "fix"),
    [
        pytest.param({"model": "my-model"}, "price of `my-model` is", "`prices:", id="price"),
        pytest.param({"model": "gpt-6-cyber"}, "price of `gpt-6-cyber`", "`prices:", id="no-price"),
        pytest.param({"model": None}, "no model is named in the request", "`model`", id="no-model"),
        pytest.param(
            {"model": "my-model", "conversation": "conv_1"},
            "how many tokens are added by its conversation is not known for `my-model`",
            "window",
            id="no-window",
        ),
        pytest.param(
            {"model": "my-model", "max_output_tokens": None},
            "how much `my-model` may write is not known",
            "`max_output_tokens`",
            id="no-end",
        ),
        pytest.param(
            {"service_tier": "ultrafast"},
            "the price of `gpt-6-luna` on the service tier `ultrafast` is not known",
            "`service_tier`",
            id="no-price-of-tier",
        ),
        pytest.param(
            {"tools": [{"type": "file_search"}]},
            "what a call of the tool `file_search` costs with `gpt-6-luna` is not known",
            "tool",
            id="no-price-of-tool",
        ),
        pytest.param(
            {"tools": [{"type": "image_generation"}]},
            "what a call of the tool `image_generation` costs",
            "tool",
            id="pictures",
        ),
    ],
)
def test_what_is_unknown_is_never_nothing(body: dict[str, Any], why: str, fix: str) -> None:
    worst = worst_case({**LUNA, **body})
    assert worst.usd is None
    assert why in (worst.why_unknown or "")
    assert fix in (worst.help or "")


def test_prices_of_the_operator_outrank_the_shipped_ones() -> None:
    prices = {
        "my-model": {"input": 2.0, "output": 4.0},
        "gpt-6-luna": {"input": 1.0, "output": 1.0},
    }
    own = worst_case({**LUNA, "model": "my-model"}, prices)
    assert own.usd == pytest.approx((110 * 2 + 1000 * 4) / 1e6)
    assert worst_case(LUNA, prices).usd == pytest.approx(1110 / 1e6)
    usage = Usage(1000, 100, cached=400)
    asked = Billed("gpt-6-luna-2026-09-01", usage, asked="my-model")
    assert billed_usd(asked, prices) == pytest.approx((1000 * 2 + 100 * 4) / 1e6)
    prices["my-model"]["cached_input"] = 0.5
    assert billed_usd(asked, prices) == pytest.approx((600 * 2 + 400 * 0.5 + 100 * 4) / 1e6)
    assert billed_usd(Billed("my-model", None), prices) is None


def test_paid_calls_are_billed() -> None:
    output = [
        {"type": "web_search_call"},
        {"type": "web_search_call"},
        {"type": "code_interpreter_call", "container_id": "c1"},
        {"type": "code_interpreter_call", "container_id": "c1"},
        {"type": "message"},
        "nonsense",
    ]
    calls = paid_calls({"output": output})
    assert calls == {"web_search": 2, "code_interpreter": 1}
    assert billed_usd(Billed("gpt-6-luna", Usage(), calls=calls)) == pytest.approx(0.05)
    calls = paid_calls({"output": [{"type": "file_search_call"}]})
    assert billed_usd(Billed("gpt-6-luna", Usage(), calls=calls)) is None
    assert paid_calls({"output": None}) == {}


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        pytest.param({}, 20_000, id="medium-unless-said"),
        pytest.param({"reasoning": {"effort": "none"}}, 4_000, id="none"),
        pytest.param({"reasoning": {"effort": "minimal"}}, 5_000, id="minimal"),
        pytest.param({"reasoning": {"effort": "low"}}, 8_000, id="low"),
        pytest.param({"reasoning": {"effort": "high"}}, 36_000, id="high"),
        pytest.param({"reasoning": {"effort": "xhigh"}}, 68_000, id="xhigh"),
        pytest.param({"reasoning": {"effort": "max"}}, 100_000, id="max"),
        pytest.param({"reasoning": None}, 20_000, id="null"),
        pytest.param({"model": "gpt-4o"}, 16_384, id="no-more-than-the-model-can"),
        pytest.param({"model": "my-model"}, 20_000, id="model-unheard-of"),
    ],
)
def test_default_max_output_tokens(body: dict[str, Any], tokens: int) -> None:
    asked = {"model": "gpt-6-luna", "input": "Hi", **body}
    assert default_max_output_tokens(asked) == tokens
    assert with_limits(asked) == {**asked, "max_output_tokens": tokens}


def test_limits_of_the_author_stay() -> None:
    asked = {**LUNA, "tools": [{"type": "web_search"}]}
    assert with_limits(asked) == {**asked, "max_tool_calls": DEFAULT_TOOL_CALLS}
    assert with_limits({**asked, "max_tool_calls": 2})["max_tool_calls"] == 2


@pytest.mark.parametrize("effort", ["none", "low", "high"])
def test_a_guess_lies_below_the_bound(effort: str) -> None:
    body = {**LUNA, "input": "word " * 2000, "reasoning": {"effort": effort}}
    guess, worst = likely(body), worst_case(body)
    assert guess.input_tokens == 2500
    assert guess.output_tokens <= 1000
    assert 0 < (guess.usd or 0) < (worst.usd or 0)
    assert likely({**body, "model": "my-model"}).usd is None


TEXTS = st.text(max_size=200)
BODIES = st.fixed_dictionaries(
    {"input": TEXTS | st.lists(st.builds(lambda t: {"role": "user", "content": t}, TEXTS))},
    optional={
        "instructions": TEXTS,
        "service_tier": st.sampled_from(["auto", "default", "flex", "priority"]),
    },
)


@given(
    model=st.sampled_from(catalog.model_names()),
    body=BODIES,
    most=st.integers(16, 5000),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
def test_no_usage_within_the_bound_is_billed_above_it(
    model: str, body: dict[str, Any], most: int, shares: tuple[float, float, float]
) -> None:
    worst = worst_case({"model": model, "max_output_tokens": most, **body})
    if worst.usd is None or worst.input_tokens is None:
        assert worst.why_unknown
        return
    read = int(worst.input_tokens * shares[0])
    cached = int(read * shares[1])
    usage = Usage(read, most, cached, int((read - cached) * shares[2]))
    asked = body.get("service_tier")
    # Flex has no fallback; a faster tier may be answered on the standard one.
    for served in (asked,) if asked == "flex" else (asked, "default"):
        assert (billed_usd(Billed(model, usage, served)) or 0) <= worst.usd + 1e-12


@given(text=st.text(max_size=400))
def test_text_counts_its_bytes(text: str) -> None:
    said = text.encode("utf-8", "surrogatepass")
    assert worst_case({**LUNA, "input": text}).input_tokens == REQUEST_TOKENS + len(said)
