"""The master's own dealings with a service, against real ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from service.calls import Counter
from simulator.engines import Inconclusive
from simulator.engines.service_process import ServiceProcess, Tokens, service_settings
from simulator.load.reading import ServiceReader
from simulator.trace import CallTrace, LimitsChange, TenantLimitsChange, TraceTenant
from tests.strategies import Row, conditions, make_trace

TOKENS = Tokens()


def trace_of(*changes: LimitsChange, checkpoints: tuple[int, ...] = ()) -> CallTrace:
    return make_trace(
        conditions(2, TraceTenant("acme"), changes=changes, checkpoints=checkpoints),
        [Row(offer=0, hold=1)],
    )


@contextmanager
def reader_of(
    trace: CallTrace, url: str, admin: str = TOKENS.admin, call: str = TOKENS.call
) -> Iterator[ServiceReader]:
    reader = ServiceReader(trace, url, admin, call)
    try:
        yield reader
    finally:
        reader.close()


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>nothing here</html>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def something_else() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def why_not(trace: CallTrace, url: str, **tokens: str) -> str:
    with reader_of(trace, url, **tokens) as reader, pytest.raises(Inconclusive) as refused:
        reader.prepare("p", may_change=True, speed=1.0)
    return str(refused.value)


def test_what_a_run_does_at_a_service_and_what_becomes_of_it() -> None:
    changes = (
        LimitsChange(5, 3),
        LimitsChange(9, None, {"acme": TenantLimitsChange(max_concurrent_calls=1)}),
    )
    trace = trace_of(*changes, checkpoints=(7,))
    with ServiceProcess(service_settings(trace, speed=1.0), TOKENS) as process:
        url = process.wait_until_ready()
        assert "BUSYHOUR_ADMIN_TOKEN" in why_not(trace, url, admin="wrong")
        assert "does not take the token" in why_not(trace, url, call="wrong")
        with reader_of(trace, url) as reader:
            reader.prepare("p", may_change=True, speed=1.0)
            assert reader.done().oldest_us == 0, "until it was seen it may be restarted unnoticed"
            instants = []
            for at_us, act in reader.marks():
                instants.append(at_us)
                act()
            assert instants == [5, 7, 9]
            reader.watch()
            done = reader.done()
            assert [each.op for each in done.operations] == ["limits", "read", "limits"]
            assert {each.result for each in done.operations} == {"ok"}
            assert done.operations[0].max_concurrent_calls == 3
            tenants = done.operations[2].tenants
            assert tenants is not None
            assert tenants["acme"].max_concurrent_calls == 1
            assert 0 < done.oldest_us <= done.until_us
            final = reader.final(10, 0.0)
            assert final.total == (0,) * len(Counter)
            assert final.final.limit == 3
            assert final.contradictions == ()


def test_a_service_that_is_another_one_since_is_told_of_and_nobody_is_accused() -> None:
    trace = trace_of(LimitsChange(5, 3))
    settings = service_settings(trace, speed=1.0)
    with ServiceProcess(settings, TOKENS) as first:
        url = first.wait_until_ready()
        port = int(url.rsplit(":", 1)[1])
        with reader_of(trace, url) as reader:
            reader.prepare("p", may_change=True, speed=1.0)
            reader.watch()
            seen_us = reader.done().oldest_us
            first.kill()
            reader.watch()
            reader.glance()
            assert reader.done().oldest_us == seen_us, "what is out of sight may be a restart"
            with pytest.raises(Inconclusive):
                next(reader.marks())[1]()
            (lost,) = reader.done().operations
            assert (lost.op, lost.result) == ("limits", "indefinite")
            with ServiceProcess(settings, TOKENS, port) as second:
                second.wait_until_ready()
                reader.watch()
                done = reader.done()
                (restart,) = done.operations
                assert (restart.op, restart.unexpected) == ("restart", True)
                assert restart.invoke_us <= seen_us
                assert restart.max_concurrent_calls == 2
                assert done.oldest_us > seen_us
                assert reader.read().total_counters["offered_calls"] == 0


def test_what_is_no_such_service_is_named() -> None:
    trace = trace_of()
    with something_else() as url:
        assert f"{url} is no such service: it has no /api/v1/capacity" in why_not(trace, url)
    assert f"{url} did not answer GET /api/v1/capacity" in why_not(trace, url)
