"""The committed baselines are what the oracle says today, and hold what a sound run counts."""

import json
from pathlib import Path

import pytest

from simulator.commands import shipped_scenarios
from simulator.compare import baselines
from simulator.compare.baselines import baseline_of, baseline_scenarios, main, render
from simulator.scenario_file import load_scenario

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "reports/baselines"
LONG = "long-day"


def scenario_files() -> list[object]:
    """Shipped scenarios with a baseline; a day of a million calls only in the long suite."""
    return [
        pytest.param(path, marks=[pytest.mark.soak] if path.stem == LONG else [], id=path.stem)
        for path in shipped_scenarios()
        if (COMMITTED / f"{path.stem}.json").exists()
    ]


@pytest.mark.parametrize("path", scenario_files())
def test_a_committed_baseline_is_current(path: Path) -> None:
    committed = (COMMITTED / f"{path.stem}.json").read_text(encoding="ascii")
    assert json.loads(committed) == json.loads(render(baseline_of(load_scenario(path)))), (
        f"{path.name} does not come to its baseline any more: run `make baselines` and look at "
        "what `git diff reports/baselines` shows"
    )


def test_every_scenario_of_virtual_time_has_a_baseline_and_no_other() -> None:
    wanted = {scenario.name for scenario in baseline_scenarios()}
    assert {path.stem for path in COMMITTED.glob("*.json")} == wanted, "run `make baselines`"
    assert {path.stem for path in shipped_scenarios()} - wanted  # some need wall-clock time


def test_baselines_come_from_no_run(tmp_path: Path) -> None:
    """A reader can tell: the engine is the oracle, and nothing of a run's own is in it."""
    for path in COMMITTED.glob("*.json"):
        document = json.loads(path.read_text(encoding="ascii"))
        assert document["engine"] == "oracle"
        assert document["verdict"] == "pass"
        assert not document.keys() & {"observed", "started_at", "versions", "duration_s", "command"}


def test_renewing_writes_only_what_changed_and_removes_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ties, smoke = (
        load_scenario(ROOT / f"scenarios/{name}.yaml") for name in ("limit-change", "smoke")
    )
    monkeypatch.setattr(baselines, "baseline_scenarios", lambda: iter([ties, smoke]))
    (tmp_path / "gone.json").write_text("{}", encoding="ascii")
    (tmp_path / "smoke.json").write_text('{"old": 1}', encoding="ascii")
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "limit-change.json: new" in said
    assert "smoke.json: renewed" in said
    assert "gone.json: removed" in said
    assert {path.name for path in tmp_path.iterdir()} == {"limit-change.json", "smoke.json"}
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (COMMITTED / path.name).read_bytes()
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.count(": as it was") == 2


def test_a_row_of_figures_is_a_line() -> None:
    """So that a counter that moves shows as one line of a git difference."""
    text = (COMMITTED / "smoke.json").read_text(encoding="ascii")
    tenants = json.loads(text)["expected"]["tenants"]
    for tenant, row in tenants.items():
        assert f'"{tenant}": {json.dumps(row)}' in text


def test_wrong_usage_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_a_directory_that_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="ascii")
    assert main([str(blocked)]) == 2
    assert "file" in capsys.readouterr().err
