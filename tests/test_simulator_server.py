"""The simulator on a real socket: HTTP as clients speak it, and the faults of the wire."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from flowrunner.errors import EnvironmentFault
from flowrunner.simulator import FaultPlan, Simulator

BODY = json.dumps({"model": "gpt-5.4", "input": "hello"}).encode()
HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
POST = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
PATIENCE_S = 30


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def connect(simulator: Simulator) -> socket.socket:
    return socket.create_connection(("127.0.0.1", simulator.port), timeout=PATIENCE_S)


def read_all(sock: socket.socket) -> bytes:
    received = b""
    while chunk := sock.recv(65_536):
        received += chunk
    return received


def exchange(simulator: Simulator, sent: bytes) -> bytes:
    """What comes back until the server hangs up."""
    with closing(connect(simulator)) as sock:
        sock.sendall(sent)
        return read_all(sock)


def read_reply(sock: socket.socket, method: str = "POST") -> tuple[int, dict[str, Any]]:
    reply = http.client.HTTPResponse(sock, method=method)
    reply.begin()
    content = reply.read()
    return reply.status, json.loads(content) if content else {}


def with_faults(*do: dict[str, Any], arrived: threading.Semaphore | None = None) -> Simulator:
    """One fault for each of the first calls. `arrived` is released by each that is processed."""
    rules = [{"match": {"call": number}, "do": one} for number, one in enumerate(do, 1)]

    def replies(_: dict[str, Any]) -> None:
        if arrived is not None:
            arrived.release()

    return Simulator(faults=FaultPlan.parse(rules), replies=replies)


# ---- HTTP ---------------------------------------------------------------------------------------


def test_a_connection_is_kept_for_the_next_request(simulator: Simulator) -> None:
    with closing(connect(simulator)) as sock:
        for _ in range(3):
            sock.sendall(POST)
            assert read_reply(sock)[0] == 200
    assert len(simulator.ledger) == 3


def test_requests_sent_together_are_answered_in_turn(simulator: Simulator) -> None:
    with closing(connect(simulator)) as sock:
        sock.sendall(POST * 50)
        file = sock.makefile("rb")
        ids = []
        for _ in range(50):
            status = file.readline()
            assert status.startswith(b"HTTP/1.1 200")
            headers = http.client.parse_headers(file)
            ids.append(json.loads(file.read(int(headers["content-length"])))["id"])
    assert ids == [call.response_id for call in simulator.ledger]


def test_replies_are_not_held_back_to_be_joined_with_others(simulator: Simulator) -> None:
    """With Nagle's algorithm each reply would take 40 ms."""
    with closing(connect(simulator)) as sock:
        sock.sendall(POST)
        assert read_reply(sock)[0] == 200
        assert simulator._running is not None
        (connection,) = simulator._running._hall.connections
        accepted = connection._transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_chunked_body_is_read(simulator: Simulator) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, BODY[i : i + 1]) for i in range(len(BODY)))
    with closing(connect(simulator)) as sock:
        sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert read_reply(sock)[0] == 200


def test_a_request_byte_by_byte_is_read(simulator: Simulator) -> None:
    with closing(connect(simulator)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(POST)):
            sock.sendall(POST[index : index + 1])
        assert read_reply(sock)[0] == 200


def test_a_client_that_asks_first_is_told_to_continue(simulator: Simulator) -> None:
    with closing(connect(simulator)) as sock:
        sock.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        assert sock.recv(25) == b"HTTP/1.1 100 \r\n\r\n"
        sock.sendall(BODY)
        assert read_reply(sock)[0] == 200


def test_the_head_of_a_stored_response_has_no_body(simulator: Simulator) -> None:
    with closing(connect(simulator)) as sock:
        sock.sendall(POST)
        response = read_reply(sock)[1]
        path = f"/v1/responses/{response['id']}".encode()
        sock.sendall(b"HEAD %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n" % path)
        assert read_reply(sock, "HEAD") == (200, {})
        sock.sendall(POST)
        assert read_reply(sock)[0] == 200


def test_an_old_client_is_hung_up_on(simulator: Simulator) -> None:
    sent = b"GET /v1/responses/x HTTP/1.0\r\nAuthorization: Bearer k\r\n\r\n"
    assert b" 404 " in exchange(simulator, sent).splitlines()[0]


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nbad header\r\n\r\n"],
    ids=["tls", "short", "header"],
)
def test_what_is_no_http_is_answered_and_hung_up_on(simulator: Simulator, sent: bytes) -> None:
    with closing(connect(simulator)) as sock:
        sock.sendall(sent)
        status, reply = read_reply(sock)
        assert (status, reply["error"]["type"]) == (400, "invalid_request_error")
        assert sock.recv(1) == b""
    assert len(simulator.ledger) == 0


def test_a_body_past_the_limit_is_refused_before_it_is_sent(simulator: Simulator) -> None:
    with closing(connect(simulator)) as sock:
        sock.sendall(HEAD + b"Content-Length: 104857601\r\n\r\n")
        status, reply = read_reply(sock)
    assert status == 413
    assert "104857600 bytes" in reply["error"]["message"]


def test_a_large_body_is_taken(simulator: Simulator) -> None:
    body = json.dumps({"model": "m", "input": "x" * 10_000_000}).encode()
    with closing(connect(simulator)) as sock:
        sock.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        status, response = read_reply(sock)
    assert status == 200
    assert response["usage"]["input_tokens"] == 2_500_000


# ---- faults on the wire -------------------------------------------------------------------------


@pytest.mark.parametrize("do", [{"reset": True}, {"reset": "before", "after_processing": True}])
def test_a_reset_sends_nothing(do: dict[str, Any]) -> None:
    with with_faults(do) as simulator:
        with closing(connect(simulator)) as sock:
            sock.sendall(POST)
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        (call,) = simulator.ledger
        assert call.status is None
        assert call.is_paid == ("after_processing" in do)


def test_a_reset_after_the_headers_sends_them() -> None:
    with with_faults({"reset": "after_headers"}) as simulator:
        with closing(connect(simulator)) as sock:
            sock.sendall(POST)
            reply = http.client.HTTPResponse(sock)
            reply.begin()
            assert reply.headers["x-request-id"] == simulator.ledger[0].request_id
            with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
                reply.read()
        assert simulator.ledger[0].status == 200
        assert simulator.ledger[0].is_paid


def test_a_close_sends_nothing_and_ends_in_order() -> None:
    with with_faults({"close": True}) as simulator:
        assert exchange(simulator, POST) == b""


def test_a_hang_holds_until_the_server_goes() -> None:
    arrived = threading.Semaphore(0)
    simulator = with_faults({"hang": True, "after_processing": True}, arrived=arrived).start()
    with closing(connect(simulator)) as sock:
        sock.sendall(POST)
        assert arrived.acquire(timeout=PATIENCE_S)
        simulator.stop()
        with suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    assert simulator.ledger[0].status is None


def test_a_hang_with_an_end_closes() -> None:
    with with_faults({"hang": 0}) as simulator:
        assert exchange(simulator, POST) == b""


def test_a_truncated_reply_promises_more_than_it_sends() -> None:
    with with_faults({"truncate": 10}) as simulator:
        with closing(connect(simulator)) as sock:
            sock.sendall(POST)
            reply = http.client.HTTPResponse(sock)
            reply.begin()
            with pytest.raises(http.client.IncompleteRead) as caught:
                reply.read()
        assert len(caught.value.partial) == 10
        assert simulator.ledger[0].is_paid


@pytest.mark.parametrize("drip", [{"bytes": 1, "every": 0}, {"bytes": 7, "every": 0}])
def test_a_dripping_reply_is_whole_at_the_end(drip: dict[str, Any]) -> None:
    with with_faults({"drip": drip}) as simulator, closing(connect(simulator)) as sock:
        for _ in range(2):
            sock.sendall(POST)
            status, response = read_reply(sock)
            assert (status, response["status"]) == (200, "completed")


def test_an_empty_body_can_be_ordered() -> None:
    for do in ({"body": ""}, {"status": 204, "body": ""}, {"body": "", "drip": True}):
        with with_faults(do) as simulator, closing(connect(simulator)) as sock:
            sock.sendall(POST)
            assert read_reply(sock)[1] == {}
            sock.sendall(POST)
            assert read_reply(sock)[0] == 200


def streaming(**more: Any) -> bytes:
    body = json.dumps({"model": "gpt-5.4", "input": "hello", "stream": True, **more}).encode()
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def read_stream(sock: socket.socket) -> bytes:
    reply = http.client.HTTPResponse(sock, method="POST")
    reply.begin()
    assert reply.headers["transfer-encoding"] == "chunked"
    return reply.read()


def test_a_stream_is_chunked_and_leaves_the_connection_open(simulator: Simulator) -> None:
    with closing(connect(simulator)) as sock:
        for _ in range(3):
            sock.sendall(streaming())
            assert b"event: response.completed\n" in read_stream(sock)
            sock.sendall(POST)
            assert read_reply(sock)[0] == 200
    assert [call.status for call in simulator.ledger] == [200] * 6


def test_a_stream_to_an_old_client_ends_with_the_connection(simulator: Simulator) -> None:
    content = exchange(simulator, streaming().replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert b"chunked" not in content
    assert content.endswith(b"\n\n")
    assert b"event: response.completed\n" in content


def test_each_event_leaves_when_it_is_due() -> None:
    with Simulator(event_delay_s=3600) as simulator, closing(connect(simulator)) as sock:
        sock.sendall(streaming())
        file = sock.makefile("rb")
        while file.readline() != b"event: response.created\n":
            pass
        assert file.readline().startswith(b"data: ")
        assert simulator.ledger[0].is_paid


def test_a_paced_stream_arrives_whole() -> None:
    with Simulator(event_delay_s=0.001) as simulator, closing(connect(simulator)) as sock:
        sock.sendall(streaming())
        assert read_stream(sock).count(b"event: ") > 10


def test_a_stream_that_closes_or_resets_is_not_whole() -> None:
    for then in ("close", "reset"):
        order = {"stream": {"cut": {"after_event": 3}, "then": then}}
        with with_faults(order) as simulator, closing(connect(simulator)) as sock:
            sock.sendall(streaming())
            with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                read_stream(sock)


def test_a_stream_may_end_in_order_before_its_end() -> None:
    order = {"stream": {"cut": "before_terminal", "then": "finish"}}
    with with_faults(order) as simulator, closing(connect(simulator)) as sock:
        sock.sendall(streaming())
        content = read_stream(sock)
        assert content.endswith(b"\n\n")
        assert b"response.completed" not in content
        sock.sendall(POST)
        assert read_reply(sock)[0] == 200


def test_a_stream_falls_silent_until_the_server_goes() -> None:
    simulator = with_faults({"stream": {"cut": {"after_event": 1}, "then": "hang"}}).start()
    with closing(connect(simulator)) as sock:
        sock.sendall(streaming())
        file = sock.makefile("rb")
        while not file.readline().startswith(b"data: "):
            pass
        simulator.stop()
        with suppress(ConnectionResetError):
            assert b"response.in_progress" not in file.read()


@pytest.mark.parametrize("cut", [0, 1, 700])
def test_a_truncated_stream_is_cut_after_so_many_bytes(cut: int) -> None:
    with with_faults({"truncate": cut}) as simulator, closing(connect(simulator)) as sock:
        sock.sendall(streaming())
        reply = http.client.HTTPResponse(sock)
        reply.begin()
        with pytest.raises(http.client.IncompleteRead) as caught:
            reply.read()
        assert len(caught.value.partial) == cut


def test_a_dripping_stream_is_whole_at_the_end(simulator: Simulator) -> None:
    drip = {"drip": {"bytes": 50, "every": 0}}
    with with_faults(drip) as dripping, closing(connect(dripping)) as sock:
        sock.sendall(streaming())
        content = read_stream(sock)
    with closing(connect(simulator)) as sock:
        sock.sendall(streaming())
        assert len(read_stream(sock)) == len(content)


def test_a_delayed_reply_lets_others_pass() -> None:
    arrived = threading.Semaphore(0)
    with with_faults({"delay": 3600}, arrived=arrived) as simulator:
        with closing(connect(simulator)) as slow, closing(connect(simulator)) as quick:
            slow.sendall(POST)
            assert arrived.acquire(timeout=PATIENCE_S)
            quick.sendall(POST)
            assert read_reply(quick)[0] == 200
        assert [call.status for call in simulator.ledger] == [None, 200]


def test_a_client_that_goes_away_breaks_nothing() -> None:
    arrived = threading.Semaphore(0)
    faults = ({"delay": 3600}, {"hang": "after_headers"}, {"drip": {"every": 3600}})
    with with_faults(*faults, arrived=arrived) as simulator:
        for _ in faults:
            with closing(connect(simulator)) as sock:
                sock.sendall(POST)
                assert arrived.acquire(timeout=PATIENCE_S)
        with closing(connect(simulator)) as sock:
            sock.sendall(POST)
            assert read_reply(sock)[0] == 200


def test_requests_behind_a_delayed_one_wait_for_it() -> None:
    with with_faults({"delay": 0.01}) as simulator, closing(connect(simulator)) as sock:
        sock.sendall(POST * 3)
        file = sock.makefile("rb")
        for _ in range(3):
            assert file.readline().startswith(b"HTTP/1.1 200")
            headers = http.client.parse_headers(file)
            file.read(int(headers["content-length"]))


# ---- life ---------------------------------------------------------------------------------------


def test_starting_and_stopping_leaves_nothing_behind() -> None:
    before = threading.active_count()
    simulator = Simulator()
    for _ in range(5):
        simulator.start()
        with closing(connect(simulator)) as sock:
            sock.sendall(POST)
            assert read_reply(sock)[0] == 200
            simulator.stop()
    simulator.stop()
    assert threading.active_count() == before
    assert len(simulator.ledger) == 5


def test_a_taken_port_is_said_in_a_sentence(simulator: Simulator) -> None:
    with pytest.raises(EnvironmentFault, match=f"cannot listen on port {simulator.port}"):
        Simulator(port=simulator.port).start()


def test_a_number_that_is_no_port_is_said_in_a_sentence() -> None:
    with pytest.raises(EnvironmentFault, match="it is no port number"):
        Simulator(port=70_000).start()


def test_only_the_loopback_is_listened_on(simulator: Simulator) -> None:
    assert simulator.base_url == f"http://127.0.0.1:{simulator.port}/v1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", simulator.port), timeout=PATIENCE_S)


def test_serving_ends_with_the_event() -> None:
    stop = threading.Event()
    stop.set()
    simulator = Simulator()
    simulator.serve_until(stop)
    with pytest.raises(ConnectionRefusedError):
        connect(simulator)


def test_hundreds_of_calls_wait_together() -> None:
    """Were they to wait one after the other, this test would take two minutes."""
    with Simulator(latency_s=0.3) as simulator:
        socks = []
        for _ in range(400):
            sock = connect(simulator)
            sock.sendall(POST)
            socks.append(sock)
        for sock in socks:
            with closing(sock):
                assert read_reply(sock)[0] == 200
        assert len({call.response_id for call in simulator.ledger}) == 400
