"""A log drawn by our own samplers, fitted and written: the scenario is found again."""

from collections.abc import Iterator

import numpy as np
import pytest

from simulator.cdr.recorded import CallEnd, RecordedCalls
from simulator.conditions import NEVER, EndKind
from simulator.fit.comparison import Comparison, compare_log
from simulator.fit.estimating import fit_log
from simulator.fit.fitted import Cycle, Fitted
from simulator.fit.scenario_text import scenario_text
from simulator.scenario import Exponential, Lognormal, RateProfile, Scenario, Tenant
from simulator.scenario_file import load_scenario
from simulator.traffic import build_trace
from simulator.traffic.samplers import mean_us
from tests.fitted_logs import DAY, HOUR, call_log

ERRORS = 4.5
SOURCE = """\
version: 1
name: original
seed: 31
duration: 21d
capacity: {max_concurrent_calls: 100}
tenants:
  harbour:
    arrivals:
      type: profile
      repeat: 1d
      rates: [{from: 0s, rate: 6/h}, {from: 8h, rate: 120/h}, {from: 18h, rate: 20/h}]
    setup: {type: gamma, mean: 8s, cv: 0.5}
    patience: {type: exponential, mean: 60s}
    hold: {type: lognormal, mean: 150s, cv: 1.1}
    outcomes: {failed: 0.04}
  clinic:
    arrivals: {type: poisson, rate: 30/h}
    setup: {type: gamma, mean: 8s, cv: 0.5}
    hold: {type: exponential, mean: 90s}
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    path = tmp_path_factory.mktemp("original") / "original.yaml"
    path.write_text(SOURCE, encoding="utf-8")
    return load_scenario(path)


@pytest.fixture(scope="module")
def log(original: Scenario) -> RecordedCalls:
    """What a platform with room for everybody would have written, in whole microseconds."""
    trace = build_trace(original)
    setup, patience = trace.column("setup_us"), trace.column("patience_us")
    answered = (patience == NEVER) | (setup <= patience)
    failed = trace.column("end_kind") == EndKind.FAILED
    answer_end = np.where(failed, CallEnd.FAILED, CallEnd.COMPLETED)
    return call_log(
        offer_us=trace.column("offer_us"),
        hold_us=trace.column("hold_us"),
        setup_us=np.where(answered, setup, patience),
        end=np.where(answered, answer_end, CallEnd.NO_ANSWER),
        tenant=trace.column("tenant"),
        tenants=("harbour", "clinic"),
        resolution_us=1,
    )


@pytest.fixture(scope="module")
def fitted(log: RecordedCalls) -> Fitted:
    return fit_log(log, cycle=Cycle.DAY, seed=5)


@pytest.fixture(scope="module")
def found(fitted: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    path = tmp_path_factory.mktemp("found") / "found.yaml"
    path.write_text(scenario_text(fitted, name="found", command="made up"), encoding="utf-8")
    return load_scenario(path)


@pytest.fixture(scope="module")
def comparison(log: RecordedCalls, fitted: Fitted, found: Scenario) -> Comparison:
    return compare_log(log, fitted, found, capacity=12, replications=12, workers=2)


def tenants(one: Scenario, other: Scenario) -> Iterator[tuple[Tenant, Tenant]]:
    for tenant in one.tenants:
        yield tenant, next(each for each in other.tenants if each.tenant_id == tenant.tenant_id)


def test_rates_come_back(original: Scenario, found: Scenario) -> None:
    _, again = next(tenants(original, found))
    assert isinstance(again.arrivals, RateProfile)
    assert again.arrivals.repeat_us == DAY
    assert again.arrivals.starts_us == (0, 8 * HOUR, 18 * HOUR)
    for rate, per_hour, hours in zip(
        again.arrivals.rates_per_us, (6, 120, 20), (8, 10, 6), strict=True
    ):
        error = (per_hour / (21 * hours)) ** 0.5
        assert rate * HOUR == pytest.approx(per_hour, abs=ERRORS * error)


def test_times_come_back(log: RecordedCalls, original: Scenario, found: Scenario) -> None:
    for place, (tenant, again) in enumerate(tenants(original, found)):
        assert type(again.hold) is type(tenant.hold)
        assert isinstance(again.hold, Lognormal | Exponential)
        answered = int((log.answered & (log.tenant == place)).sum())
        cv = again.hold.cv if isinstance(again.hold, Lognormal) else 1.0
        error = cv * mean_us(tenant.hold) / answered**0.5
        assert mean_us(again.hold) == pytest.approx(mean_us(tenant.hold), abs=ERRORS * error)


def test_who_is_answered_and_who_fails_comes_back(fitted: Fitted, found: Scenario) -> None:
    """Patience 60 s exponential, setup gamma of shape 4 and mean 8 s: (1 + 2 / 60) ** -4."""
    wanted = (1 + 2 / 60) ** -4
    harbour, clinic = fitted.tenants
    error = (wanted * (1 - wanted) / harbour.offers) ** 0.5
    assert harbour.answered_share == pytest.approx(wanted, abs=ERRORS * error)
    assert harbour.ringing.model_answered_share == pytest.approx(harbour.answered_share, abs=1e-9)
    assert clinic.answered_share == 1
    by_id = {each.tenant_id: each for each in found.tenants}
    failed = by_id["harbour"].outcomes.failed
    assert failed == pytest.approx(0.04, abs=ERRORS * (0.04 * 0.96 / harbour.answered) ** 0.5)
    assert by_id["clinic"].outcomes.failed == 0
    assert by_id["clinic"].patience is None


def test_the_log_could_be_a_run_of_what_was_found(comparison: Comparison) -> None:
    """Nothing is said to differ, and of 14 single intervals none is missed by far."""
    assert comparison.is_whole
    assert not any(each.side for each in comparison.measures)
    for each in comparison.measures:
        reach = max(each.high - each.low, 1.0)
        assert each.low - reach <= each.log <= each.high + reach, each.key


def test_the_suggestion_is_what_the_busiest_hours_need(fitted: Fitted) -> None:
    """120 calls an hour of about 8 + 0.88 x 150 s, and 30 of 98 s: 5.5 erlang want 12 slots."""
    suggestion = fitted.suggestion
    assert (suggestion.busiest_from_us, suggestion.busiest_until_us) == (8 * HOUR, 18 * HOUR)
    assert suggestion.erlangs == pytest.approx(5.5, rel=0.05)
    assert suggestion.slots == 12
    assert not fitted.warnings


def test_the_scenario_begins_where_the_log_does(log: RecordedCalls, found: Scenario) -> None:
    """A log from ten at night on is held against runs from ten at night on."""
    late = log.offer_us >= 22 * HOUR
    part = call_log(
        offer_us=log.offer_us[late],
        hold_us=np.maximum(log.hold_us[late], 0),
        setup_us=np.where(log.answered, log.setup_us, log.slot_us)[late],
        end=log.end[late],
        tenant=log.tenant[late],
        tenants=log.tenants,
        resolution_us=1,
    )
    fitted = fit_log(part, cycle=Cycle.DAY)
    compared = compare_log(part, fitted, found, capacity=12, replications=6, workers=1)
    offered = compared.measure("offered_calls")
    assert offered.side == 0
    assert offered.log == late.sum()
    assert compared.window_us == pytest.approx(21 * DAY - 22 * HOUR, abs=HOUR)
