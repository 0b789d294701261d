"""``busyhour check``: exit codes and what is printed."""

import json
from pathlib import Path

from typer.testing import CliRunner

from simulator.cli import app
from simulator.history import HistoryHeader, Operation, TenantLimits, write_history

TENANTS = {"acme": TenantLimits()}


def admitted(call_id: str, invoke_us: int, complete_us: int) -> Operation:
    return Operation(
        op="offer",
        call_id=call_id,
        tenant_id="acme",
        invoke_us=invoke_us,
        complete_us=complete_us,
        decision="admitted",
    )


def check(path: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", str(path), *options])
    return result.exit_code, result.output


def written(tmp_path: Path, *operations: Operation, limit: int | None = 2) -> Path:
    path = tmp_path / "history.jsonl"
    write_history(path, HistoryHeader(limit=limit, tenants=TENANTS), operations)
    return path


def test_capacity_and_caps_take_the_place_of_the_headers(tmp_path: Path) -> None:
    path = written(tmp_path, admitted("c1", 0, 1), admitted("c2", 2, 3))
    assert check(path)[0] == 0
    assert check(path, "--capacity", "1")[0] == 1
    assert check(path, "--tenant-cap", "acme=1")[0] == 1


def test_caps_alone_do_not_make_other_tenants_unknown(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write_history(path, HistoryHeader(), [admitted("c1", 0, 1), admitted("c2", 2, 3)])
    code, output = check(path, "--tenant-cap", "acme=2")
    assert code == 0
    assert "total limit is not known" in output


def test_a_cap_for_a_tenant_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """It would judge nothing, and a mistyped name would look like a pass."""
    path = written(tmp_path, admitted("c1", 0, 1))
    code, output = check(path, "--tenant-cap", "acne=1")
    assert code == 2
    assert f"--tenant-cap acne: {path} has no such tenant; it has acme" in output


def test_a_run_on_several_targets_is_judged_history_by_history(tmp_path: Path) -> None:
    for number, calls in ((1, 1), (2, 2)):
        operations = [admitted(f"c{call}", 10 * call, 10 * call + 1) for call in range(calls)]
        header = HistoryHeader(limit=1, tenants=TENANTS)
        write_history(tmp_path / f"history-{number}.jsonl", header, operations)
    code, output = check(tmp_path)
    assert code == 1
    assert [line.rpartition("/")[2][:22] for line in output.splitlines() if ".jsonl: " in line] == [
        "history-1.jsonl: pass:",
        "history-2.jsonl: fail:",
    ]
    (tmp_path / "history-2.jsonl").unlink()
    assert check(tmp_path)[0] == 0


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    code, output = check(tmp_path)
    assert (code, "there is no history in this directory" in output) == (2, True)
    code, output = check(tmp_path / "nowhere.jsonl")
    assert (code, "cannot be read: No such file or directory" in output) == (2, True)


def test_the_json_holds_the_whole_proof(tmp_path: Path) -> None:
    path = written(tmp_path, admitted("c1", 0, 1), admitted("c2", 2, 3), limit=1)
    code, output = check(path, "--json")
    document = json.loads(output)
    assert code == 1
    assert document["verdict"] == "fail"
    (alarm,) = document["alarms"]
    assert alarm["kind"] == "over_admission"
    assert alarm["calls"] == ["c1", "c2"]
    assert [each["call_id"] for each in alarm["stretch"]] == ["c1", "c2"]


def test_nothing_offered_is_inconclusive(tmp_path: Path) -> None:
    code, output = check(written(tmp_path))
    assert code == 3
    assert "no call was offered" in output


def test_a_history_that_is_cut_off_is_inconclusive_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, admitted("c1", 0, 1))
    path.write_bytes(path.read_bytes()[:-20])
    code, output = check(path)
    assert code == 3
    assert "cut off" in output


def test_an_alarm_in_the_whole_part_of_a_cut_history_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    operations = [admitted("c1", 0, 1), admitted("c2", 2, 3), admitted("c3", 4000, 5000)]
    write_history(path, HistoryHeader(limit=1, tenants=TENANTS, timeout_us=1000), operations)
    path.write_bytes(path.read_bytes()[:-5])
    assert check(path)[0] == 1


def test_a_file_that_is_no_history_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    code, output = check(path)
    assert code == 2
    assert f"{path}:1:" in output
    assert check(tmp_path / "missing.jsonl")[0] == 2
