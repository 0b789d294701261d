"""``busyhour compare`` as a build uses it: exit codes, one line for a mistake, one document."""

import json
from pathlib import Path

import pytest

from tests.e2e.running import ROOT, SCENARIOS, busyhour


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``new.json``, and ``other.json`` of another seed."""
    directory = tmp_path_factory.mktemp("compare")
    for name, seed in (("new", 7), ("other", 99)):
        ran = busyhour(
            "run", SCENARIOS / "smoke.yaml", "--engine", "inproc", "--seed", seed, "--json",
            cwd=directory,
        )  # fmt: skip
        assert ran.code == 0
        (directory / f"{name}.json").write_text(ran.out, encoding="utf-8")
    return directory


def test_a_sound_run_is_its_baseline(there: Path) -> None:
    ended = busyhour("compare", "smoke", "new.json", cwd=there)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1].startswith("SAME smoke: 0 of ")


def test_a_counter_that_moved_fails_the_build(there: Path) -> None:
    tree = json.loads((there / "new.json").read_text(encoding="utf-8"))
    tree["observed"]["total"]["ended_calls"] += 1
    (there / "moved.json").write_text(json.dumps(tree), encoding="utf-8")
    ended = busyhour("compare", "smoke", "moved.json", cwd=there)
    assert ended.code == 1
    assert "ended_calls" in ended.out
    machine = busyhour("compare", "smoke", "moved.json", "--json", cwd=there)
    assert machine.code == 1
    (document,) = machine.documents
    assert document["outcome"] == "moved"
    assert [
        (row["where"], row["figure"], row["difference"]) for row in document["differences"]
    ] == [("total", "ended_calls", 1)]


def test_another_seed_is_within_chance(there: Path) -> None:
    ended = busyhour("compare", "smoke", "other.json", "--json", cwd=there)
    assert ended.code == 0
    (document,) = ended.documents
    assert document["outcome"] == "within_chance"
    assert document["replications"] == 40
    assert {row["status"] for row in document["differences"]} == {"within_chance"}


def test_runs_are_named_by_their_directories(there: Path) -> None:
    ended = busyhour("compare", "reports/smoke/latest", "other.json", cwd=there)
    assert ended.code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("smoke", "gone.json"), "gone.json: no such file"),
        (("smoke", "busy-hour"), "different scenarios"),
        (("smoke", ROOT / "README.md"), "is not JSON"),
        (("smoke", "other.json", "--scenario", "gone.yaml"), "gone.yaml: cannot be read"),
        (("smoke",), "Missing argument 'NEW'"),
        (("smoke", "other.json", "--replications", "3"), "--replications"),
    ],
)
def test_a_mistake_is_said_in_a_line(there: Path, arguments: tuple[object, ...], said: str) -> None:
    ended = busyhour("compare", *arguments, cwd=there)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_a_run_without_a_result_cannot_be_judged(there: Path) -> None:
    ran = busyhour(
        "run", SCENARIOS / "smoke.yaml", "--target", "http://127.0.0.1:9", "--json",
        cwd=there,
        env={"BUSYHOUR_ADMIN_TOKEN": "a", "BUSYHOUR_CALL_TOKEN": "c"},
    )  # fmt: skip
    assert ran.code == 3
    (there / "none.json").write_text(ran.out, encoding="utf-8")
    assert busyhour("compare", "smoke", "none.json", cwd=there).code == 3
