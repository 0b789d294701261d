"""The options of live runs, and the faults and redials that scenario files gained with them."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.calls import Event
from simulator import cli
from simulator.live.plan import ClientFaults, Plan
from simulator.scenario import CancelFault, Exponential, Redial, ServiceKill
from simulator.scenario_file import ScenarioInvalid, load_scenario
from simulator.trace import DeliveryAction
from simulator.traffic import build_trace

FILE = """\
version: 1
name: faulty
seed: 4
duration: 10m
capacity: {max_concurrent_calls: 2}
tenants:
  acme:
    arrivals: {type: exact_count, count: 300}
    hold: 30s
    redial: {probability: 1, delay: 2s, max_attempts: 4REDIAL}
  brook:
    arrivals: {type: exact_count, count: 50}
    hold: 30s
faults:
FAULTS
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*faults: str, redial: str = "") -> Path:
        path = tmp_path / "faulty.yaml"
        lines = "\n".join(f"  - {fault}" for fault in faults) or "  []"
        path.write_text(FILE.replace("REDIAL", redial).replace("FAULTS", lines))
        return path

    return write


def test_client_faults_are_read(written: Callable[..., Path]) -> None:
    scenario = load_scenario(
        written(
            "{kind: offer_retried, timeout: 50ms, probability: 0.5, tenants: [brook]}",
            "{kind: client_cancelled, event: hang_up, probability: 0.25}",
            "{kind: service_killed, at: 1m, restart_after: 2s}",
            "{kind: service_killed, at: 5m, restart_after: 0s}",
        )
    )
    (retried,) = scenario.delivery_faults
    assert (retried.event, retried.action, retried.delay_us, retried.retried) == (
        Event.OFFER, DeliveryAction.DOUBLED, 50_000, True,
    )  # fmt: skip
    assert scenario.cancel_faults == (CancelFault(Event.HANGUP, 0.25),)
    assert scenario.kills == (ServiceKill(60_000_000, 2_000_000), ServiceKill(300_000_000, 0))


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        (["{kind: service_killed, at: 10m, restart_after: 2s}"], "lies outside the run"),
        (
            [
                "{kind: service_killed, at: 1m, restart_after: 2m}",
                "{kind: service_killed, at: 2m, restart_after: 1s}",
            ],
            "faults[1].at: is earlier than 3m",
        ),
        (["{kind: offer_retried, timeout: 1h, probability: 0.5}"], "must be under 1h"),
        (
            [
                "{kind: event_doubled, event: offer, probability: 0.2, delay: 1s, tenants: [acme]}",
                "{kind: offer_retried, timeout: 1s, probability: 0.2}",
            ],
            "make them differ",
        ),
        (
            [
                "{kind: event_doubled, event: offer, probability: 0.7, delay: 2s}",
                "{kind: offer_retried, timeout: 1s, probability: 0.7}",
            ],
            "faults of more than 1 in all",
        ),
        (["{kind: client_cancelled, event: end, probability: 0.1, tenants: [acne]}"], "acme"),
    ],
)
def test_faults_that_cannot_be_are_refused(
    faults: list[str], said: str, written: Callable[..., Path]
) -> None:
    with pytest.raises(ScenarioInvalid) as refused:
        load_scenario(written(*faults))
    assert said in "\n".join(map(str, refused.value.problems))


def test_each_further_redial_waits_longer_by_the_factor(written: Callable[..., Path]) -> None:
    plain = build_trace(load_scenario(written()))
    trace = build_trace(load_scenario(written(redial=", backoff: 1.5")))
    attempt = trace.column("attempt")
    assert attempt.max() == 3
    np.testing.assert_array_equal(plain.column("attempt"), attempt)
    for k, delay_us in ((1, 2_000_000), (2, 3_000_000), (3, 4_500_000)):
        assert set(trace.column("delay_us")[attempt == k].tolist()) == {delay_us}
    assert set(plain.column("delay_us")[attempt > 0].tolist()) == {2_000_000}


def test_backing_off_scales_what_was_drawn(written: Callable[..., Path]) -> None:
    scenario = load_scenario(written())

    def delays(backoff: float) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        redial = Redial(1.0, Exponential(5e6), 4, backoff)
        acme = replace(scenario.tenants[0], redial=redial)
        trace = build_trace(replace(scenario, tenants=(acme, *scenario.tenants[1:])))
        attempt = trace.column("attempt")
        return np.where(attempt > 0, trace.column("delay_us"), 0)

    trace = build_trace(scenario)
    factor = 2.0 ** np.maximum(trace.column("attempt") - 1, 0)
    # Both are rounded to whole microseconds, one before and one after the factor.
    assert np.abs(delays(2.0) - delays(1.0) * factor).max() <= 0.5 * (factor.max() + 1)


def test_retries_are_told_from_doubled_offers(written: Callable[..., Path]) -> None:
    scenario = load_scenario(
        written(
            "{kind: offer_retried, timeout: 6s, probability: 0.5, tenants: [brook]}",
            "{kind: event_doubled, event: offer, probability: 1, delay: 3s, tenants: [acme]}",
        )
    )
    trace = build_trace(scenario)
    plan = Plan(trace, 60.0, ClientFaults.of(scenario))
    brook = trace.column("tenant") == 1
    retried = np.array(sorted(plan.retry_after_us))
    assert 10 < len(retried) < 40
    assert brook[retried].all()
    assert set(plan.retry_after_us.values()) == {100_000}
    for row in range(len(trace)):
        offers = [step.after_us for step in plan.steps(row) if step.kind == Event.OFFER]
        assert offers == ([0] if brook[row] else [0, 50_000])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--speed", "60"], "Error: Invalid value: --speed needs --engine live, not http"),
        (
            ["--speed", "2", "--late", "soon", "--engine", "kernel", "--shared-limit"],
            "value: --speed, --late and --shared-limit need --engine live, not kernel",
        ),
        (["--engine", "live", "--speed", "0"], "--speed is 0"),
        (["--engine", "live", "--speed", "nan"], "--speed is nan"),
        (["--engine", "live", "--timeout", "soon"], "--timeout"),
        (["--engine", "live", "--timeout", "0s"], "longer than nothing"),
        (["--engine", "live", "--shared-limit"], "--shared-limit needs --target"),
        (["--engine", "live", "--target", "here"], "http://HOST:PORT"),
        (["--target", "http://a:1", "--target", "http://b:1"], "several --target"),
        (["--engine", "live", *["--target", "http://a:1"] * 2], "given twice"),
        (["--engine", "live", "--target", "http://a:1"], "BUSYHOUR_ADMIN_TOKEN"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: list[str],
    said: str,
    written: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("BUSYHOUR_ADMIN_TOKEN", "BUSYHOUR_CALL_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["busyhour", "run", str(written()), *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    # The message is wrapped to the width of a terminal.
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_plan_counts_from_the_offer_whatever_the_speed() -> None:
    from tests.strategies import Row, conditions, make_trace

    trace = make_trace(conditions(duration_us=10_000), [Row(1000, setup=500, hold=2000)])
    plan = Plan(trace, 0.5)
    assert plan.offers == [(2000, 0)]
    assert [step.after_us for step in plan.steps(0)] == [0, 1000, 1000, 5000]
    assert plan.duration_us == 20_000
