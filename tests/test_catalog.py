"""What is known of the API beforehand, against the sources it was taken from."""

from __future__ import annotations

import datetime

import pytest

from flowrunner import catalog
from flowrunner.events import Usage

MILLION = 1_000_000


def test_every_packaged_schema_and_the_gallery_are_found() -> None:
    for name in ("openai/response-create", "openai/response", "openai/stream-event", "workflow"):
        assert catalog.load_schema(name)["$schema"].endswith("2020-12/schema")
    assert (catalog.packaged("workflows") / "hello.yaml").is_file()


def test_what_does_not_ship_is_said() -> None:
    with pytest.raises(FileNotFoundError, match=r"ships no schemas/none\.schema\.json"):
        catalog.load_schema("none")


def test_tables_name_the_api() -> None:
    assert "message.output_text.logprobs" in catalog.include_keys()
    assert "web_search" in catalog.hosted_tools()
    assert "function" not in catalog.hosted_tools()
    assert {"model", "input", "background_options"} <= catalog.parameters()


@pytest.mark.parametrize(
    ("name", "usage", "tier", "searches", "cost"),
    [
        ("gpt-5", Usage(input=MILLION // 5), None, 0, 0.25),
        ("gpt-5", Usage(output=MILLION), "default", 0, 10.0),
        ("gpt-5", Usage(input=200_000, cached=100_000), None, 0, 0.125 + 0.0125),
        ("gpt-5", Usage(output=MILLION), "flex", 0, 5.0),
        ("gpt-5", Usage(output=MILLION), "fast", 0, 20.0),
        ("gpt-5", Usage(), None, 3, 0.03),
        ("gpt-5-2031-01-01", Usage(output=MILLION), None, 0, 10.0),
        ("daybreak-blue-latest", Usage(input=300_000), None, 0, 300_000 * 8.0 / MILLION),
        ("gpt-5", Usage(output=1), "ultrafast", 0, None),
        ("gpt-5", None, None, 0, None),
        ("gpt-6.2-sol", Usage(output=1), None, 0, None),
        ("someone-elses-model", Usage(output=1), None, 0, None),
        (None, Usage(output=1), None, 0, None),
        ("gpt-3.5-turbo", Usage(), None, 1, None),
    ],
)
def test_cost(
    name: str | None, usage: Usage | None, tier: str | None, searches: int, cost: float | None
) -> None:
    found = catalog.cost_usd(name, usage, service_tier=tier, web_searches=searches)
    assert found == (None if cost is None else pytest.approx(cost))


def test_models_know_the_day_they_stop() -> None:
    gpt5 = catalog.model("gpt-5")
    assert gpt5 is not None
    assert gpt5.shutdown == datetime.date(2026, 12, 11)
    seed = catalog.model("gpt-5.1-mini")
    assert seed is not None
    assert seed.shutdown == datetime.date.min
    assert not seed.is_priced
    assert catalog.model("nobody") is None
    assert "gpt-5" in catalog.model_names()
