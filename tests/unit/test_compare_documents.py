"""What compare reads, finds and refuses; every refusal is one line that names the place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.compare.command import find
from simulator.compare.comparing import Chance, Comparison, Outcome, Status, compare
from simulator.compare.document import CompareInvalid, Document, Figure, read_document
from simulator.compare.printing import document, lines, place
from simulator.engines.kernel import KernelEngine
from simulator.run import run_scenario
from simulator.scenario_file import load_scenario

Tree = dict[str, Any]
Edit = Callable[[Tree], object]

SCENARIO = """\
version: 1
name: two
seed: 3
duration: 10m
capacity: {max_concurrent_calls: 3}
tenants:
  acme:
    arrivals: {type: poisson, rate: 6/m}
    hold: {type: exponential, mean: 30s}
  dotted.name:
    arrivals: {type: exact_count, count: 20}
    hold: 30s
checkpoints: [3m, 6m]
"""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a scenario file and the reports of a run under two seeds."""
    directory = tmp_path_factory.mktemp("compare")
    path = directory / "two.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    for seed in (3, 8):
        run_scenario(
            load_scenario(path, (), seed),
            KernelEngine(),
            out=directory / str(seed),
            command=f"busyhour run {path} --engine kernel --seed {seed}",
        )
    return directory


def result_path(there: Path, seed: int = 3) -> Path:
    return there / str(seed) / "two/latest/result.json"


def edited(there: Path, tmp_path: Path, edit: Edit, *, seed: int = 3) -> Document:
    tree = json.loads(result_path(there, seed).read_text(encoding="ascii"))
    edit(tree)
    path = tmp_path / f"edited-{seed}.json"
    path.write_text(json.dumps(tree), encoding="ascii")
    return read_document(path)


def chance(number: int = 20, scenario: Path | None = None) -> Chance:
    return Chance(number, lambda done, total: None, scenario)


def compared(base: Document, new: Document, scenario: Path | None = None) -> Comparison:
    return compare(base, new, chance(scenario=scenario))


# --- reading and finding ----------------------------------------------------------------------


def test_a_run_is_found_by_file_directory_and_its_note(there: Path, tmp_path: Path) -> None:
    latest = result_path(there).parent
    assert find(str(latest)) == find(str(latest / "result.json"))
    (tmp_path / "first").mkdir()
    (tmp_path / "first/result.json").write_bytes(result_path(there).read_bytes())
    (tmp_path / "latest.txt").write_text("first\n", encoding="utf-8")
    assert find(str(tmp_path / "latest")).trace_hash == find(str(latest)).trace_hash


def test_a_name_is_a_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find("smoke").is_baseline
    (tmp_path / "smoke").mkdir()  # a directory without a result hides no baseline
    assert find("smoke").is_baseline


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("smoek", "did you mean 'smoke'"),
        ("gone.json", "no such file"),
        ("here/gone", "no such file"),
        (".", "no result.json in this directory"),
    ],
)
def test_what_is_not_there_is_said(
    argument: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CompareInvalid, match=said.replace(".", r"\.")):
        find(argument)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("{", "line 1"),
        ('{"schema_version": 1}\n{"schema_version": 1}', "more than one document"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "no schema_version"),
        ("{}", "no schema_version"),
        ('{"schema_version": 2}', "schema version 2"),
        ('{"schema_version": true}', "schema version True"),
        ('{"schema_version": 1}', "scenario: must be an object"),
        ("9" * 5000, "is not JSON"),
    ],
)
def test_what_is_no_result_is_said(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CompareInvalid, match=said) as caught:
        read_document(path)
    assert str(caught.value).startswith(f"{path}: ")


def _put(*keys: str | int, value: object) -> Edit:
    def edit(tree: Any) -> None:
        for key in keys[:-1]:
            tree = tree[key]
        tree[keys[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_put("scenario", "seed", value="3"), "scenario.seed: must be an integer"),
        (_put("scenario", "name", value=3), "scenario.name: must be a text"),
        (_put("observed", "total", "x", value="3"), "observed.total.x: must be a number"),
        (_put("observed", "total", "x", value=True), "observed.total.x: must be a number"),
        (_put("observed", "total", "x", value=10**400), "observed.total.x: must be a number"),
        (_put("observed", "total", value={}), "observed.total: has no counters"),
        (_put("observed", "tenants", value=[]), "observed.tenants: must be an object"),
        (_put("statistics", "blocking", value=float("nan")), "statistics.blocking: must be"),
        (_put("checkpoints", 0, "at_us", value=None), r"checkpoints\[0\].at_us: must be"),
        (_put("checkpoints", value={}), "checkpoints: must be a list"),
        (_put("invariants", value=[3]), r"invariants\[0\]: must be an object"),
    ],
)
def test_a_broken_key_is_named(there: Path, tmp_path: Path, edit: Edit, said: str) -> None:
    with pytest.raises(CompareInvalid, match=said):
        edited(there, tmp_path, edit)


# --- the same calls ---------------------------------------------------------------------------


def test_a_result_is_the_same_as_itself(there: Path) -> None:
    one = read_document(result_path(there))
    found = compared(one, one)
    assert found.outcome is Outcome.SAME
    # 16 counters and 4 statistics for each of total, two tenants and _unknown (the total has 10
    # statistics), and 4 slot figures of two checkpoints for total and two tenants, and a limit.
    assert found.compared == 4 * 16 + 10 + 3 * 4 + 2 * (3 * 4 + 1)


def test_a_counter_that_moved_is_named_with_its_difference(there: Path, tmp_path: Path) -> None:
    base = read_document(result_path(there))
    ended = json.loads(result_path(there).read_text())["observed"]["tenants"]["acme"]["ended_calls"]
    new = edited(
        there, tmp_path, _put("observed", "tenants", "acme", "ended_calls", value=2 * ended)
    )
    found = compared(base, new)
    assert found.outcome is Outcome.MOVED
    (moved,) = found.differences
    assert moved.figure == Figure("tenants.acme", "ended_calls")
    assert (moved.base, moved.new, moved.difference, moved.relative) == (ended, 2 * ended, ended, 1)
    assert any(
        line.split()
        == ["acme", "ended_calls", str(ended), str(2 * ended), f"+{ended}", "+100", "%"]
        for line in lines(found)
    )


def test_slots_at_a_checkpoint_are_compared(there: Path, tmp_path: Path) -> None:
    base = read_document(result_path(there))
    keys = ("checkpoints", 1, "observed", "tenants", "dotted.name", "pending")
    found = compared(base, edited(there, tmp_path, _put(*keys, value=17)))
    (moved,) = found.differences
    assert place(moved.figure.where) == "dotted.name at 0:06:00"


def test_what_a_side_does_not_have_is_named(there: Path, tmp_path: Path) -> None:
    def edit(tree: Tree) -> None:
        del tree["observed"]["tenants"]["acme"]
        del tree["observed"]["total"]["ended_calls"]
        del tree["checkpoints"][0]

    base, new = read_document(result_path(there)), edited(there, tmp_path, edit)
    for found in (compared(base, new), compared(new, base)):
        assert found.outcome is Outcome.MOVED
        text = "\n".join(lines(found))
        for said in ("acme is not in", "ended_calls of total is not in", "total at 0:03:00 is not"):
            assert said in text
        assert text.count(f"is not in {new.source}") == len(found.missing)


def test_a_verdict_that_changed_is_a_difference(there: Path, tmp_path: Path) -> None:
    base = read_document(result_path(there))
    found = compared(base, edited(there, tmp_path, _put("verdict", value="thresholds_failed")))
    assert found.outcome is Outcome.MOVED
    assert "verdict: pass" in "\n".join(lines(found))


def test_a_figure_that_became_undefined_is_a_difference(there: Path, tmp_path: Path) -> None:
    base = read_document(result_path(there))
    found = compared(base, edited(there, tmp_path, _put("statistics", "blocking", value=None)))
    (moved,) = found.differences
    assert (moved.new, moved.difference, moved.relative) == (None, None, None)
    assert json.dumps(document(found), allow_nan=False)
    assert list(lines(found))


def test_other_calls_under_the_same_seed_are_a_difference(there: Path, tmp_path: Path) -> None:
    base = read_document(result_path(there))
    found = compared(base, edited(there, tmp_path, _put("trace_hash", value="other")))
    assert (found.outcome, found.other_calls) == (Outcome.MOVED, True)


def test_a_run_without_a_result_is_not_judged(there: Path, tmp_path: Path) -> None:
    base = read_document(result_path(there))

    def edit(tree: Tree) -> None:
        tree.update(observed=None, statistics=None, verdict="inconclusive", reason="no service")

    found = compared(base, edited(there, tmp_path, edit))
    assert found.outcome is Outcome.NOT_JUDGED
    assert "no service" in found.rule


# --- other seeds, other clocks, other scenarios -----------------------------------------------


def test_two_sound_seeds_are_within_chance(there: Path) -> None:
    found = compared(read_document(result_path(there)), read_document(result_path(there, 8)))
    assert found.outcome is Outcome.WITHIN_CHANCE
    assert found.false_alarm == pytest.approx(1 / 11)
    assert found.differences
    for each in found.differences:
        assert not each.figure.is_checkpoint
        assert each.chance is not None
        assert each.new is not None
        assert each.chance[0] <= each.new <= each.chance[1]
    # What chance allows is in the JSON; the table has only what moved.
    assert len(list(lines(found))) == 4


def test_a_gross_difference_under_another_seed_is_found(there: Path, tmp_path: Path) -> None:
    keys = ("observed", "tenants", "acme", "accepted_calls")
    new = edited(there, tmp_path, _put(*keys, value=400), seed=8)
    found = compared(read_document(result_path(there)), new)
    assert found.outcome is Outcome.MOVED
    moved = [each.figure for each in found.differences if each.status is Status.MOVED]
    assert moved == [Figure("tenants.acme", "accepted_calls")]


def test_a_broken_rule_counts_under_any_seed_and_clock(there: Path, tmp_path: Path) -> None:
    def broken(tree: Tree) -> None:
        tree["verdict"] = "fail"
        tree["invariants"][0]["ok"] = False

    base = read_document(result_path(there))
    assert compared(base, edited(there, tmp_path, broken, seed=8)).outcome is Outcome.MOVED

    def broken_live(tree: Tree) -> None:
        broken(tree)
        tree["engine"] = "live"

    assert compared(base, edited(there, tmp_path, broken_live)).outcome is Outcome.MOVED


def test_an_expectation_of_a_seed_is_judged_by_its_figures(there: Path, tmp_path: Path) -> None:
    def unmet(tree: Tree) -> None:
        tree["verdict"] = "fail"
        tree["expectations"].append({"name": "total.x", "kind": "scenario", "ok": False})

    base = read_document(result_path(there))
    found = compared(base, edited(there, tmp_path, unmet, seed=8))
    assert found.outcome is Outcome.WITHIN_CHANCE


def test_wall_clock_time_is_not_judged(there: Path, tmp_path: Path) -> None:
    base = read_document(result_path(there))

    def late(tree: Tree) -> None:
        tree["engine"] = "live"
        tree["checkpoints"] = []

    same = edited(there, tmp_path, late)
    assert compared(base, same).outcome is Outcome.SAME

    def moved(tree: Tree) -> None:
        late(tree)
        tree["observed"]["total"]["ended_calls"] += 1

    found = compared(base, edited(there, tmp_path, moved))
    assert found.outcome is Outcome.NOT_JUDGED
    assert not found.missing


def test_without_the_scenario_file_other_seeds_are_not_judged(there: Path, tmp_path: Path) -> None:
    moved_away = "busyhour run nowhere/two.yaml --seed 8"
    base = edited(there, tmp_path, _put("command", value=moved_away))
    new = edited(there, tmp_path, _put("command", value="busyhour 'unended"), seed=8)
    found = compared(base, new)
    assert found.outcome is Outcome.NOT_JUDGED
    assert "--scenario" in found.rule
    assert compared(base, new, there / "two.yaml").outcome is Outcome.WITHIN_CHANCE


def test_the_wrong_scenario_file_is_refused(there: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(SCENARIO.replace("30s", "40s"), encoding="utf-8")
    sides = read_document(result_path(there)), read_document(result_path(there, 8))
    with pytest.raises(CompareInvalid, match="of neither side"):
        compared(*sides, scenario=other)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_put("scenario", "name", value="three"), "only runs of one scenario"),
        (_put("scenario", "hash", value="f" * 64), "changed in between"),
        (_put("command", value="busyhour run two.yaml --set duration=9m"), "--set duration=9m"),
    ],
)
def test_different_scenarios_are_refused(
    there: Path, tmp_path: Path, edit: Edit, said: str
) -> None:
    def differs(tree: Tree) -> None:
        tree["trace_hash"] = "other"
        tree["scenario"]["hash"] = "e" * 64
        edit(tree)

    base = read_document(result_path(there))
    for seed in (3, 8):
        with pytest.raises(CompareInvalid, match=said):
            compared(base, edited(there, tmp_path, differs, seed=seed))


def test_the_seed_may_be_an_override(there: Path, tmp_path: Path) -> None:
    path = there / "two.yaml"
    run_scenario(
        load_scenario(path, ["seed=8"]),
        KernelEngine(),
        out=tmp_path,
        command=f"busyhour run {path} --engine kernel --seed 8 --set seed=8",
    )
    new = read_document(tmp_path / "two/latest/result.json")
    assert compared(read_document(result_path(there)), new).outcome is Outcome.WITHIN_CHANCE
    assert compared(read_document(result_path(there, 8)), new).outcome is Outcome.SAME
