"""The master's own dealings with a service, against real ones."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from service.calls import Counter
from simulator.engines import Inconclusive
from simulator.engines.service_process import ServiceProcess, Tokens, service_settings
from simulator.exit_codes import INCONCLUSIVE
from simulator.load.master import MasterRun, load_of
from simulator.load.reading import ServiceReader
from simulator.load.settings import LoadSettings
from simulator.results import Held
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


def capacity_at(url: str) -> dict[str, Any]:
    headers = {"X-Admin-Token": TOKENS.admin}
    document: dict[str, Any] = httpx.get(f"{url}/api/v1/capacity", headers=headers).json()
    return document


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>nothing here</html>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def pages_in_turn(*documents: Mapping[str, Any]) -> type[_Page]:
    """Gives the capacity documents one after the other, again and again; nothing else is there."""
    turn = cycle(documents)

    class InTurn(_Page):
        def do_GET(self) -> None:
            if not self.path.endswith("/api/v1/capacity"):
                super().do_GET()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(next(turn)).encode())

    return InTurn


@contextmanager
def something_else(page: type[_Page] = _Page, port: int = 0) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", port), page) as server:
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


def test_calls_that_nobody_ended_are_hung_up_before_the_last_figures() -> None:
    trace = trace_of()
    with ServiceProcess(service_settings(trace, speed=1.0), TOKENS) as process:
        url = process.wait_until_ready()
        with reader_of(trace, url) as reader:
            reader.prepare("p", may_change=True, speed=1.0)
            with httpx.Client(base_url=url, headers={"X-Call-Token": TOKENS.call}) as caller:
                for call_id, accept in (("p0", False), ("p1", True)):
                    offer = {"call_id": call_id, "tenant_id": "acme", "accept": accept}
                    assert caller.post("/api/v1/calls", json=offer).status_code == 200
            final = reader.final(10, 0.0)
            assert final.final.tenants["acme"] == Held()
            assert final.total[Counter.ABANDONED_PENDING] == 1
            assert final.total[Counter.ABANDONED_ACCEPTED] == 1
            ends = [each for each in reader.done().operations if each.op == "end"]
            assert {(each.call_id, each.decision, each.outcome) for each in ends} == {
                ("p0", "abandoned", "hung_up"),
                ("p1", "abandoned", "hung_up"),
            }
            assert capacity_at(url)["total"]["in_use"] == 0


def test_a_service_that_is_another_one_since_is_told_of_and_nobody_is_accused() -> None:
    trace = trace_of(LimitsChange(5, 3))
    settings = service_settings(trace, speed=1.0)
    with ServiceProcess(settings, TOKENS) as first:
        url = first.wait_until_ready()
        port = port_of(url)
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


def test_a_reading_that_comes_first_after_a_restart_tells_of_it() -> None:
    trace = trace_of(checkpoints=(7,))
    with ServiceProcess(service_settings(trace, speed=1.0), TOKENS) as process:
        url = process.wait_until_ready()
        with reader_of(trace, url) as reader:
            reader.prepare("p", may_change=True, speed=1.0)
            now = capacity_at(url)
            process.kill()
            with something_else(pages_in_turn({**now, "instance": "another"}), port_of(url)):
                reader.read()
            restart, read = reader.done().operations
            assert (restart.op, restart.unexpected, read.op) == ("restart", True, "read")
            assert restart.complete_us is not None
            assert read.invoke_us <= restart.complete_us


def test_services_that_take_turns_at_one_address_are_told_of(tmp_path: Path) -> None:
    scenario = tmp_path / "one.yaml"
    scenario.write_text(
        "version: 1\nname: one\nseed: 1\nduration: 1s\ncapacity: {max_concurrent_calls: 2}\n"
        "tenants: {acme: {arrivals: {type: exact_count, count: 1}, hold: 1s}}\n"
    )
    result_file = tmp_path / "result.json"
    played = load_of(
        LoadSettings(
            scenario, out=tmp_path, configure=True, result_file=result_file,
            admin_token=TOKENS.admin, call_token=TOKENS.call,
        )
    )  # fmt: skip
    with ServiceProcess(service_settings(played.trace, speed=1.0), TOKENS) as process:
        url = process.wait_until_ready()
        run = MasterRun(played, url, 1)
        run.prepare()
        run.begin()
        now = capacity_at(url)
        process.kill()
        pages = pages_in_turn({**now, "instance": "second"}, now)
        with something_else(pages, port_of(url)):
            run.keep_watch(lambda _seconds: None)
            code = run.finish()
    assert code == INCONCLUSIVE
    assert "history.jsonl" in {path.name for path in tmp_path.glob("one/*/*")}
    reason = json.loads(result_file.read_text())["reason"]
    assert "an instance of the service answers again after another one" in reason


def test_what_is_no_such_service_is_named() -> None:
    trace = trace_of()
    with something_else() as url:
        assert f"{url} is no such service: it has no /api/v1/capacity" in why_not(trace, url)
    assert f"{url} did not answer GET /api/v1/capacity" in why_not(trace, url)
