"""The table of routes: which endpoint a method and a path lead to."""

from __future__ import annotations

from typing import get_args

import pytest

from flowrunner.simulator.backend import Backend
from flowrunner.simulator.endpoints import ROUTES
from flowrunner.simulator.exchange import Exchange, Request
from flowrunner.simulator.faults import Endpoint
from flowrunner.simulator.routes import Route, find_way


def nothing(_: Backend, __: Exchange) -> None:
    """An endpoint that does nothing."""


COUNT = Route("POST", "/v1/things/count", nothing, "create", reads="json")
GET = Route("GET", "/v1/things/{thing_id}", nothing, "retrieve")
PART = Route("DELETE", "/v1/things/{thing_id}/parts/{part_id}", nothing, "retrieve")


@pytest.mark.parametrize(
    ("method", "path", "route", "ids"),
    [
        ("POST", "/v1/things/count", COUNT, {}),
        ("GET", "/v1/things/a", GET, {"thing_id": "a"}),
        ("HEAD", "/v1/things/a", GET, {"thing_id": "a"}),
        ("GET", "/v1/things/count", GET, {"thing_id": "count"}),
        ("DELETE", "/v1/things/a/parts/b", PART, {"thing_id": "a", "part_id": "b"}),
    ],
)
def test_a_way_is_found(method: str, path: str, route: Route, ids: dict[str, str]) -> None:
    way = find_way((COUNT, GET, PART), method, path)
    assert (way.route, way.ids) == (route, ids)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/things/count", ("POST", "GET", "HEAD")),
        ("POST", "/v1/things/a", ("GET", "HEAD")),
        ("GET", "/v1/things/", ()),
        ("GET", "/v1/things/a/b", ()),
        ("GET", "/v1/thingsXa", ()),
    ],
)
def test_what_is_allowed_instead_is_told(method: str, path: str, allowed: tuple[str, ...]) -> None:
    way = find_way((COUNT, GET, PART), method, path)
    assert (way.route, way.allowed) == (None, allowed)


def test_no_two_routes_are_the_same() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_a_fault_plan_can_name_every_endpoint() -> None:
    assert {route.endpoint for route in ROUTES} == set(get_args(Endpoint))


def test_a_query_is_read() -> None:
    query = Request("GET", "/v1/things/a?include[]=x&include%5B%5D=y&stream=", {}).query
    assert query == {"include[]": ["x", "y"], "stream": [""]}
