"""The shipped scenarios catch every broken controller that says it is caught by them."""

from pathlib import Path

from simulator.scenario_file import load_scenario
from simulator.selftest import GALLERY, run_selftest
from simulator.traffic import build_trace

SHIPPED = Path(__file__).resolve().parents[2] / "scenarios"


def test_the_shipped_scenarios_catch_the_whole_gallery() -> None:
    names = {name for controller in GALLERY for name in controller.caught_by}
    traces = {name: build_trace(load_scenario(SHIPPED / f"{name}.yaml")) for name in names}
    report = run_selftest(traces)
    assert report.false_alarms == ()
    got_away = {
        catch.controller.name: catch.missed_by for catch in report.catches if not catch.caught
    }
    assert got_away == {}
    assert report.ok
