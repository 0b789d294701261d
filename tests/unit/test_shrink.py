"""Shrinking: what is left still fails, is small, and comes back from its file call for call."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from service.calls import Event
from simulator.engines.inproc import InprocEngine
from simulator.run import run_scenario
from simulator.scenario_file import ScenarioInvalid, load_scenario
from simulator.scenario_file.given_calls import scenario_text
from simulator.selftest import GALLERY, BrokenController
from simulator.shrink import fails_on, shrink, with_rows
from simulator.trace import (
    NEVER,
    CallTrace,
    Conditions,
    TenantLimitsChange,
    TraceInvalid,
    trace_hash,
)
from simulator.traffic import build_trace, iter_chunks
from tests.strategies import Row, conditions, make_trace, seeded_trace

SCENARIOS = Path(__file__).parents[2] / "scenarios"
A_HANDFUL = 8


@cache
def trace_of(name: str) -> CallTrace:
    return build_trace(load_scenario(SCENARIOS / f"{name}.yaml"))


def written(trace: CallTrace, path: Path) -> CallTrace:
    """The trace of the scenario that a trace is written as."""
    path.write_text(scenario_text(trace, "again", "written by a test"), encoding="utf-8")
    return build_trace(load_scenario(path))


@pytest.mark.parametrize("controller", GALLERY, ids=lambda controller: controller.name)
def test_a_broken_controller_leaves_a_handful_of_calls(
    controller: BrokenController, tmp_path: Path
) -> None:
    fails = fails_on(InprocEngine(core_factory=controller.factory))
    smallest = shrink(trace_of(controller.caught_by[0]), fails)
    assert len(smallest) <= A_HANDFUL
    again = written(smallest, tmp_path / "reproduce.yaml")
    assert fails(again)
    assert not fails_on(InprocEngine())(again)


def expressible(found: Conditions) -> Conditions:
    """Conditions a scenario file can state: limits from 1, faults within the run, real changes."""
    changes = [
        replace(
            change,
            max_concurrent_calls=change.max_concurrent_calls or None,
            tenants={
                name: values
                for name, values in change.tenants.items()
                if values != TenantLimitsChange()
            },
        )
        for change in found.changes
    ]
    return replace(
        found,
        max_concurrent_calls=max(found.max_concurrent_calls, 1),
        changes=tuple(each for each in changes if each.tenants or each.max_concurrent_calls),
        lookup_faults=tuple(
            replace(fault, until_us=min(fault.until_us, found.duration_us))
            for fault in found.lookup_faults
            if fault.from_us < min(fault.until_us, found.duration_us)
        ),
    )


@pytest.mark.parametrize("seed", range(40))
def test_any_trace_comes_back_from_its_file(seed: int, tmp_path: Path) -> None:
    whole = seeded_trace(seed)
    chain = np.cumsum(whole.column("after") == NEVER) - 1
    root_us = whole.offer_us[whole.column("after") == NEVER]
    drawn = with_rows(whole, np.flatnonzero(root_us[chain] < whole.conditions.duration_us))
    try:
        trace = replace(drawn, conditions=expressible(drawn.conditions))
    except TraceInvalid:
        pytest.skip("its limits only hold together with one that no file can state")
    assert trace_hash(written(trace, tmp_path / "trace.yaml")) == trace_hash(trace)


def test_a_chunk_of_given_calls_is_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "given.yaml"
    trace = written(make_trace(conditions(1), [Row(offer=0, hold=5), Row(offer=3)]), path)
    (chunk,) = iter_chunks(load_scenario(path), 1)
    assert trace_hash(chunk) == trace_hash(trace)


def rows(count: int) -> CallTrace:
    return make_trace(conditions(3), [Row(offer=each, hold=each) for each in range(count)])


def test_the_one_call_that_matters_is_found() -> None:
    smallest = shrink(rows(200), lambda trace: bool((trace.column("hold_us") == 137).any()))
    assert smallest.column("hold_us").tolist() == [137]
    assert smallest.conditions.max_concurrent_calls == 1


def test_two_calls_that_only_fail_together_are_kept() -> None:
    smallest = shrink(rows(64), lambda trace: {7, 50} <= set(trace.column("hold_us").tolist()))
    assert smallest.column("hold_us").tolist() == [7, 50]


def test_no_more_is_played_than_the_budget_allows() -> None:
    played = []

    def fails(trace: CallTrace) -> bool:
        played.append(len(trace))
        return len(trace) >= 90

    assert len(shrink(rows(100), fails, plays=7)) <= 100
    assert len(played) <= 7
    played.clear()
    shrink(rows(100), fails, rows=250)
    assert sum(played[:-1]) <= 250


def test_what_cannot_be_cut_stays_whole() -> None:
    trace = make_trace(conditions(1), [Row(offer=0)])
    assert shrink(trace, lambda smaller: smaller is trace) is trace


def test_a_failed_run_writes_what_reproduces_it(tmp_path: Path) -> None:
    broken = next(each for each in GALLERY if each.name == "limit-off-by-one")
    engine = InprocEngine(core_factory=broken.factory)
    scenario = load_scenario(SCENARIOS / "smoke.yaml")
    report = run_scenario(scenario, engine, out=tmp_path, command="test")
    assert report.reproduce == report.directory / "reproduce.yaml"
    again = build_trace(load_scenario(report.reproduce))
    assert len(again) <= A_HANDFUL
    assert fails_on(engine)(again)


def test_a_sound_run_writes_nothing_to_reproduce(tmp_path: Path) -> None:
    scenario = load_scenario(SCENARIOS / "smoke.yaml")
    report = run_scenario(scenario, InprocEngine(), out=tmp_path, command="test")
    assert report.reproduce is None
    assert not (report.directory / "reproduce.yaml").exists()


GIVEN = """\
version: 1
name: given
duration: 1m
capacity: {max_concurrent_calls: 2}
tenants: {acme: {}}
calls:
"""


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("  - {tenant: acmee, at: 1s}", "calls[0].tenant: there is no such tenant"),
        ("  - {tenant: acme}", "calls[0]: needs either at, or after, after_on and delay"),
        ("  - {tenant: acme, at: 2m}", "calls[0].at: must be before the end, 1m"),
        ("  - {tenant: acme, at: 1s, delay: 1s}", "calls[0].delay: has no effect"),
        (
            "  - {tenant: acme, at: 2s}\n  - {tenant: acme, at: 1s}",
            "calls[1].at: must not be before the call above it",
        ),
        (
            "  - {tenant: acme, at: 1s}\n"
            "  - {tenant: acme, after: 1, after_on: finished, delay: 1s}",
            "calls[1].after: must be the place of a call above, 0 to 0",
        ),
    ],
)
def test_a_mistake_in_given_calls_is_named_by_its_place(
    tmp_path: Path, lines: str, said: str
) -> None:
    path = tmp_path / "given.yaml"
    path.write_text(GIVEN + lines + "\n", encoding="utf-8")
    with pytest.raises(ScenarioInvalid) as caught:
        load_scenario(path)
    messages = [str(problem) for problem in caught.value.problems]
    assert any(said in message for message in messages), messages


@pytest.mark.parametrize("key", ["arrivals: {type: exact_count, count: 3}", "hold: 3s"])
def test_given_calls_leave_no_place_for_drawn_ones(tmp_path: Path, key: str) -> None:
    path = tmp_path / "given.yaml"
    text = GIVEN.replace("acme: {}", f"acme: {{{key}}}") + "  - {tenant: acme, at: 1s}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioInvalid, match="has no effect: the calls are given"):
        load_scenario(path)


def test_deliveries_of_given_calls_are_written_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "given.yaml"
    path.write_text(
        GIVEN + "  - {tenant: acme, at: 1s, deliveries: [{event: end, action: lost}]}\n",
        encoding="utf-8",
    )
    trace = build_trace(load_scenario(path))
    assert trace.deliveries.event.tolist() == [Event.END]
