"""The scenario that a fit writes: it loads, says what was fitted, and its comments are true."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cdr.recorded import CallEnd, RecordedCalls
from simulator.fit.distribution_text import duration_text, significant
from simulator.fit.estimating import fit_log, scenario_ids
from simulator.fit.fitted import Cycle, Fitted
from simulator.fit.scenario_text import scenario_text
from simulator.fit.tails import longer_than
from simulator.scenario import Deterministic, Poisson, RateProfile, Scenario
from simulator.scenario_file import load_scenario, parse_duration_us
from simulator.traffic.samplers import mean_us
from tests.fitted_logs import DAY, HOUR, SECOND, call_log, office_hours
from tests.report_samples import HOSTILE


def loaded(fitted: Fitted, directory: Path, **more: Sequence[str]) -> tuple[str, Scenario]:
    text = scenario_text(fitted, name="a fit", command="busyhour fit calls.csv", **more)
    path = directory / "fitted.yaml"
    path.write_text(text, encoding="utf-8")
    return text, load_scenario(path)


def mixed_log(tenants: Sequence[str] = ("acme", "beta"), calls: int = 1200) -> RecordedCalls:
    """Office hours of nine days; callers of refused calls try again after a minute."""
    rng = np.random.default_rng(5)
    offers = office_hours(calls, 9, 6)
    end = rng.choice(
        [CallEnd.COMPLETED, CallEnd.FAILED, CallEnd.NO_ANSWER, CallEnd.REFUSED],
        calls, p=[0.75, 0.05, 0.12, 0.08],
    )  # fmt: skip
    again = (end == CallEnd.REFUSED) & (rng.random(calls) < 0.6)
    caller, tenant = np.arange(1, calls + 1), np.arange(calls) % len(tenants)
    ring = np.ceil(rng.gamma(3, 4, calls)).astype(np.int64) * SECOND
    return call_log(
        np.concatenate([offers, offers[again] + ring[again] + 60 * SECOND]),
        hold_us=np.concatenate(
            [np.ceil(rng.lognormal(4.8, 0.9, calls)), np.full(again.sum(), 30)]
        ).astype(np.int64)
        * SECOND,
        setup_us=np.concatenate([ring, np.full(again.sum(), 5 * SECOND)]),
        end=np.concatenate([end, np.full(again.sum(), CallEnd.COMPLETED)]),
        tenant=np.concatenate([tenant, tenant[again]]),
        caller=np.concatenate([caller, caller[again]]),
        tenants=tuple(tenants),
    )


def test_it_loads_as_what_was_fitted(tmp_path: Path) -> None:
    fitted = fit_log(mixed_log(), cycle=Cycle.DAY, seed=77)
    text, scenario = loaded(fitted, tmp_path)
    assert scenario.seed == 77
    assert scenario.name == "a-fit"
    assert scenario.duration_us == DAY
    assert scenario.max_concurrent_calls == fitted.suggestion.slots
    for tenant, written in zip(fitted.tenants, scenario.tenants, strict=True):
        assert isinstance(written.arrivals, RateProfile)
        assert written.arrivals.starts_us == tenant.rates.starts_us
        assert written.arrivals.rates_per_us == pytest.approx(tenant.rates.rates_per_us, rel=1e-5)
        assert mean_us(written.hold) == pytest.approx(mean_us(tenant.hold.chosen), rel=1e-4)
        at = np.array([5.3, 30.3, 120.3, 600.3]) * SECOND
        for mine, theirs in (
            (tenant.hold.chosen, written.hold),
            (tenant.ringing.setup, written.setup),
        ):
            assert longer_than(theirs, at) == pytest.approx(longer_than(mine, at), abs=1e-4)
        assert written.outcomes.failed == pytest.approx(tenant.failed.value, rel=1e-5)
        assert written.redial is not None
    assert text == scenario_text(fitted, name="a fit", command="busyhour fit calls.csv")


def test_figures_in_comments_are_those_of_the_log(tmp_path: Path) -> None:
    log = mixed_log()
    text, _ = loaded(fit_log(log, cycle=Cycle.DAY), tmp_path, remarks=("From calls.csv.",))
    assert text.startswith(f"# Fitted by busyhour from {len(log):,} calls of 2 tenants, ")
    assert "# Made with: busyhour fit calls.csv\n# From calls.csv.\n" in text
    for place in (0, 1):
        own = log.tenant == place
        ends = [int((own & (log.end == end)).sum()) for end in CallEnd]
        assert (
            f"# {own.sum()} calls in the log: {ends[0]} completed, {ends[1]} failed, {ends[2]} no "
            f"answer, {ends[4]} refused."
        ) in text
        failed = ends[1] / (ends[0] + ends[1])
        assert f"# {ends[1]} of {ends[0] + ends[1]}, {100 * failed:.3g} % (" in text
    # Of each step the calls in it, by the clock, over nine days cut off at both ends.
    steps = re.findall(
        r"- \{from: (\w+), rate: ([\d.]+)/h\} +# (\d\w*): (\d+) calls? in (\w+)", text
    )
    assert len(steps) > 4
    of_day = log.wall_us() % DAY
    for begin, rate, clock, calls, watched in steps:
        assert clock == begin
        assert float(rate) == pytest.approx(
            int(calls) / (parse_duration_us(watched) / HOUR), rel=0.02
        )
    counted = sum(int(calls) for *_, calls, _ in steps)
    arrivals = sum(map(int, re.findall(r"(\d+) first attempts in", text)))
    assert counted == arrivals
    assert arrivals == len(of_day) - int(
        re.findall(r"(\d+) offers are redials of refused calls", text)[0]
    )


def test_redials_of_refused_calls_are_drawn_and_no_arrivals(tmp_path: Path) -> None:
    log = mixed_log()
    fitted = fit_log(log)
    redials = fitted.redials
    assert redials is not None
    assert (redials.basis, redials.refused) == ("refused", True)
    refused = int((log.end == CallEnd.REFUSED).sum())
    assert redials.removed == len(log) - 1200
    assert redials.probability == pytest.approx(redials.removed / refused, abs=0.02)
    _, scenario = loaded(fitted, tmp_path)
    redial = scenario.tenants[0].redial
    assert redial is not None
    assert redial.max_attempts == 2
    assert mean_us(redial.delay) == 60 * SECOND
    assert redial.probability == pytest.approx(redials.probability, rel=1e-5)


def test_redials_after_no_answer_are_a_comment_to_take_in(tmp_path: Path) -> None:
    """The scenario redials what it refuses, and nothing was refused: the lines can be taken in."""
    log = mixed_log()
    end = np.where(log.end == CallEnd.REFUSED, CallEnd.NO_ANSWER, log.end).astype(np.int8)
    text, scenario = loaded(fit_log(replace(log, end=end)), tmp_path)
    assert all(tenant.redial is None for tenant in scenario.tenants)
    block = re.search(r"    # redial:\n(?:    #   .*\n)+", text)
    assert block is not None
    taken_in = text.replace(block[0], block[0].replace("    # ", "    "))
    path = tmp_path / "taken-in.yaml"
    path.write_text(taken_in, encoding="utf-8")
    redial = load_scenario(path).tenants[0].redial
    assert redial is not None
    assert redial.probability > 0


def test_small_tenants_share_one_shape(tmp_path: Path) -> None:
    """Six tenants of 100 calls each: the shape stands once, the volume with each."""
    names = tuple(f"shop {place}" for place in range(6))
    log = mixed_log(names, calls=600)
    fitted = fit_log(log, cycle=Cycle.DAY)
    assert all(each.rates.shared for each in fitted.tenants)
    text, scenario = loaded(fitted, tmp_path)
    assert text.count("shape: &shared") == 1
    assert text.count("shape: *shared") == 5
    for tenant, written in zip(fitted.tenants, scenario.tenants, strict=True):
        assert isinstance(written.arrivals, RateProfile)
        assert written.arrivals.rates_per_us == pytest.approx(tenant.rates.rates_per_us, rel=1e-4)


def test_constant_traffic_is_poisson(tmp_path: Path) -> None:
    offers = np.sort(np.random.default_rng(8).integers(0, DAY, 500))
    text, scenario = loaded(fit_log(call_log(offers, dated=False)), tmp_path)
    arrivals = scenario.tenants[0].arrivals
    assert isinstance(arrivals, Poisson)
    assert arrivals.rate_per_us == pytest.approx(500 / DAY, rel=0.01)
    assert scenario.tenants[0].hold == Deterministic(60.0 * SECOND)
    assert "Answer to end: 500 calls, mean 60 s, cv 0; all are the same." in text


@pytest.mark.parametrize(
    "name", [HOSTILE, "no", "null", "1e3", "a: b", "# x", "", "_unknown", "é", "- a", "x" * 200]
)
def test_any_name_of_a_tenant_is_one_in_the_scenario(tmp_path: Path, name: str) -> None:
    offers = np.sort(np.random.default_rng(8).integers(0, DAY, 60))
    fitted = fit_log(call_log(offers, tenants=(name,)))
    text, scenario = loaded(fitted, tmp_path, remarks=(f"Read as {name}.",))
    (tenant,) = scenario.tenants
    assert tenant.tenant_id == fitted.tenants[0].tenant_id
    assert all(line.isprintable() for line in text.splitlines())
    assert max(map(len, text.splitlines())) <= 450


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8, unique=True))
def test_ids_are_all_different_and_names_stay_where_they_can(names: list[str]) -> None:
    ids = scenario_ids(tuple(names))
    assert len(set(ids)) == len(ids) == len(names)
    for name, id_ in zip(names, ids, strict=True):
        assert id_
        assert id_.isprintable()
        if name.isprintable() and name not in ("", "_unknown"):
            assert id_ == name


@given(st.floats(1e-9, 1e9))
def test_six_figures_without_an_exponent(value: float) -> None:
    text = significant(value)
    assert re.fullmatch(r"[0-9]+(\.[0-9]*[1-9])?", text)
    assert float(text) == pytest.approx(value, rel=5.1e-6)


@given(st.floats(0, 3e13))
def test_durations_are_read_back(value_us: float) -> None:
    back = parse_duration_us(duration_text(value_us))
    assert back == pytest.approx(value_us, abs=500.001 if value_us >= 9_999 else 0.5)


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    calls=st.integers(2, 80),
    days=st.integers(1, 20),
    cycle=st.sampled_from((None, *Cycle)),
    dated=st.booleans(),
)
def test_any_log_gives_a_scenario_that_loads(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int, calls: int, days: int, cycle: Cycle | None, dated: bool,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    names, tenant = np.unique(rng.integers(0, 3, calls), return_inverse=True)
    log = call_log(
        np.sort(rng.choice(days * 86_400, calls, replace=False)) * SECOND,
        hold_us=rng.integers(0, 5, calls) ** rng.integers(1, 9) * SECOND // 3,
        setup_us=rng.integers(0, 3, calls) * SECOND,
        end=rng.integers(0, 6, calls),
        tenant=tenant,
        caller=rng.integers(0, 9, calls),
        tenants=tuple(map(str, names)),
        dated=dated,
        resolution_us=1,
    )
    fitted = fit_log(log, cycle=cycle)
    _, scenario = loaded(fitted, tmp_path_factory.mktemp("any"))
    assert scenario.duration_us == fitted.duration_us
    assert len(scenario.tenants) == len(names)
