"""The gallery of broken controllers: each is caught, the real one never, and the report says so."""

from dataclasses import replace

import pytest

from service.calls import Event
from service.state.memory import MemoryCore
from simulator.engines.inproc import InprocEngine
from simulator.invariants import check_invariants
from simulator.selftest import GALLERY, BrokenController, run_selftest
from simulator.selftest.runner import run_selftest as run_gallery
from simulator.trace import CallTrace, DeliveryAction, TraceTenant
from tests.strategies import Row, conditions, make_trace, seeded_trace

SEEDS = range(150)


@pytest.fixture(scope="module")
def seeded() -> dict[str, CallTrace]:
    return {f"seed {seed}": seeded_trace(seed) for seed in SEEDS}


def full_house() -> CallTrace:
    """Two calls at one instant for one slot."""
    return make_trace(conditions(1), [Row(offer=0, hold=10), Row(offer=0, hold=10)])


def test_the_gallery_is_large_and_its_names_are_distinct() -> None:
    names = [controller.name for controller in GALLERY]
    assert len(names) >= 18
    assert len(set(names)) == len(names)
    assert all(controller.bug and controller.caught_by for controller in GALLERY)


def test_seeded_traces_catch_every_broken_controller_and_never_the_real_one(
    seeded: dict[str, CallTrace],
) -> None:
    nameless = [replace(controller, caught_by=("any seed",)) for controller in GALLERY]
    report = run_gallery(nameless, seeded)
    assert report.false_alarms == ()
    assert {catch.controller.name for catch in report.catches if not catch.alarms} == set()
    assert report.ok


def test_a_catch_names_the_scenario_and_the_first_check_that_failed() -> None:
    report = run_selftest({"over-capacity": full_house()})
    catch = next(one for one in report.catches if one.controller.name == "limit-off-by-one")
    assert catch.caught
    (alarm,) = catch.alarms
    assert alarm.scenario == "over-capacity"
    assert alarm.check.name == "total.accepted_calls"
    assert (alarm.check.expected, alarm.check.observed) == (1, 2)


def test_a_broken_controller_that_gets_away_fails_the_selftest() -> None:
    harmless = BrokenController("harmless", "has no bug", MemoryCore, ("over-capacity",))
    report = run_gallery([harmless], {"over-capacity": full_house()})
    (catch,) = report.catches
    assert (catch.caught, catch.missed_by, catch.alarms) == (False, ("over-capacity",), ())
    assert report.false_alarms == ()
    assert not report.ok


def test_every_named_scenario_must_raise_the_alarm() -> None:
    quiet = make_trace(conditions(5), [Row(offer=0, hold=10)])
    broken = next(one for one in GALLERY if one.name == "limit-off-by-one")
    report = run_gallery(
        [replace(broken, caught_by=("quiet", "full"))], {"quiet": quiet, "full": full_house()}
    )
    (catch,) = report.catches
    assert [alarm.scenario for alarm in catch.alarms] == ["full"]
    assert catch.missed_by == ("quiet",)
    assert not report.ok


def test_progress_counts_the_controllers_and_the_real_one() -> None:
    told: list[tuple[int, int]] = []
    run_selftest({"over-capacity": full_house()}, lambda done, total: told.append((done, total)))
    steps = len(GALLERY) + 1
    assert told == [(done, steps) for done in range(1, steps + 1)]


def test_a_row_for_each_name_breaks_the_law_of_bounded_rows() -> None:
    broken = next(one for one in GALLERY if one.name == "row-for-each-name")
    strangers = (TraceTenant("acme"), TraceTenant("nobody", configured=False))
    trace = make_trace(conditions(1, *strangers), [Row(offer=0, hold=1), Row(offer=5, tenant=1)])
    observed = InprocEngine(core_factory=broken.factory).run(trace)
    assert set(observed.tenants) == {"acme", "nobody", "_unknown"}
    found = {law.name: law for law in check_invariants(trace, observed)}
    assert found["rows.bounded"].detail.startswith("tenant nobody: it is not of the run")
    assert found["total.sum"].ok


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        (
            "freed-twice",
            [
                Row(offer=0, hold=1, deliveries={Event.END: (DeliveryAction.DOUBLED, 2)}),
                Row(offer=1, hold=10),
                Row(offer=4, hold=10),
            ],
        ),
        (
            "referral-counted-twice",
            [Row(offer=0, hold=9, refer=1, deliveries={Event.REFER: (DeliveryAction.DOUBLED, 1)})],
        ),
        (
            "offer-counted-twice",
            [Row(offer=0, hold=9, deliveries={Event.OFFER: (DeliveryAction.DOUBLED, 1)})],
        ),
        ("freed-late", [Row(offer=0, hold=5), Row(offer=5, hold=5)]),
        ("minutes-from-accept", [Row(offer=0, connect=1, hold=5)]),
    ],
)
def test_the_smallest_trace_that_shows_a_bug(name: str, rows: list[Row]) -> None:
    broken = next(one for one in GALLERY if one.name == name)
    trace = make_trace(conditions(1, TraceTenant("acme")), rows)
    report = run_gallery([replace(broken, caught_by=("trace",))], {"trace": trace})
    assert report.ok
