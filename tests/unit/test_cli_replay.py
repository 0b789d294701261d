"""Replays of call logs, against a count of who is in the house at each arrival."""

import json
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from simulator import cli

Replay = Callable[..., tuple[int, str, str]]


@pytest.fixture
def replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Replay:
    """Writes a log and replays it; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(log: str, *options: object) -> tuple[int, str, str]:
        (tmp_path / "calls.csv").write_text(log)
        monkeypatch.setattr(sys, "argv", ["busyhour", "replay", "calls.csv", *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


def total(out: str) -> Mapping[str, Any]:
    counters: Mapping[str, Any] = json.loads(out)["observed"]["total"]
    return counters


def turned_away(calls: list[tuple[int, int]], capacity: int) -> int:
    """How many calls (start, length) find ``capacity`` others; an end frees its slot at once."""
    inside: list[int] = []
    rejected = 0
    for start, hold in calls:
        inside = [end for end in inside if end > start]
        if len(inside) >= capacity:
            rejected += 1
        elif hold:
            inside.append(start + hold)
    return rejected


@pytest.mark.parametrize("engine", ["inproc", "kernel"])
@pytest.mark.parametrize("capacity", [0, 1, 3, 8, 50])
def test_capacity_rejections_of_a_log_full_of_ties(
    replay: Replay, capacity: int, engine: str
) -> None:
    rng = random.Random(capacity)
    calls = sorted((rng.randint(0, 200), rng.randint(0, 20)) for _ in range(300))
    log = "when,length\n" + "".join(f"{start},{hold}\n" for start, hold in calls)
    code, out, _ = replay(
        log, "--capacity", capacity, "--columns", "start=when,hold=length",
        "--engine", engine, "--json",
    )  # fmt: skip
    assert code == 0
    assert total(out)["rejected_calls_capacity"] == turned_away(calls, capacity)
    assert total(out)["offered_calls"] == 300


LOG = """\
tenant,start,hold,ring
a,0,10,1
a,1,10,1
b,2,10,1
a,11.5,1,0
"""


def test_caps_reservations_and_setup_times(replay: Replay) -> None:
    code, out, _ = replay(LOG, "--capacity", 3, "--tenant-cap", "a=1", "--json")
    assert code == 0
    assert total(out)["rejected_calls_capacity"] == 1  # a's second; its third starts when it may
    code, out, _ = replay(LOG, "--capacity", 2, "--reserve", "b=1", "--json")
    assert code == 0
    assert total(out)["rejected_calls_capacity"] == 1  # the second slot is kept for b
    code, out, _ = replay(
        LOG,
        "--capacity",
        1,
        "--columns",
        "tenant=tenant,start=start,hold=hold,setup=ring",
        "--json",
    )
    assert code == 0
    assert total(out)["active_us_total"] == 11_000_000  # the first and the last get in


RECORDS = """\
"acme","1","800","in","","c","d","Dial","x","2026-03-02 09:00:00","2026-03-02 09:00:10",\
"2026-03-02 09:02:10",130,120,"ANSWERED","DOCUMENTATION","1.1",""
"acme","2","800","in","","c","d","Dial","x","2026-03-02 09:01:00",,\
"2026-03-02 09:01:20",20,0,"NO ANSWER","DOCUMENTATION","2.2",""
"beta","3","800","in","","c","d","Dial","x","2026-03-02 09:01:10","2026-03-02 09:01:15",\
"2026-03-02 09:01:45",35,30,"ANSWERED","DOCUMENTATION","3.3",""
"beta","3","800","in","","c","d","Dial","x","2026-03-02 09:01:20",,\
"2026-03-02 09:01:50",30,0,"BUSY","DOCUMENTATION","3.3",""
"""


def test_call_detail_records_are_replayed_as_they_are(replay: Replay) -> None:
    """Three calls, one of them of two records; the one that rang in vain holds a slot as well."""
    code, out, err = replay(RECORDS, "--capacity", 3, "--columns", "asterisk", "--json")
    assert code == 0
    assert "4 records are 3 calls" in err
    counters = total(out)
    assert (counters["offered_calls"], counters["accepted_calls"]) == (3, 2)
    assert counters["abandoned_pending"] == 1
    assert counters["active_us_total"] == (120 + 35) * 1_000_000
    code, out, _ = replay(RECORDS, "--capacity", 2, "--columns", "asterisk", "--json")
    assert total(out)["rejected_calls_capacity"] == 1


def test_a_broken_line_is_not_left_out_of_a_replay(replay: Replay) -> None:
    code, out, err = replay(RECORDS + '"acme","x\n', "--capacity", 3, "--columns", "asterisk")
    assert (code, out) == (2, "")
    assert "calls.csv:5: has a quote that is not closed" in err


def test_the_table_names_the_capacity_rejections(replay: Replay) -> None:
    code, out, _ = replay(LOG, "--capacity", 1)
    assert code == 0
    (line,) = [line for line in out.splitlines() if "rejected_calls_capacity" in line]
    assert line.split() == ["rejected_calls_capacity", "2", "2"]
    assert out.splitlines()[-1].startswith("PASS calls: ")


@pytest.mark.parametrize(
    ("log", "options", "named"),
    [
        ("tenant,start,hold\na,x,1\n", [], "calls.csv:2"),
        ("tenant,start,hold\n", [], "calls.csv"),
        (LOG, ["--columns", "start=start"], "hold"),
        (LOG, ["--columns", "start=start,hold=lenght"], "lenght"),
        (LOG, ["--columns", "start=start,hold=hold,colour=ring"], "colour"),
        (LOG, ["--tenant-cap", "aa=1"], "'aa'"),
        (LOG, ["--reserve", "a=3"], "--reserve keeps 3 slots, more than --capacity 2"),
        (
            LOG,
            ["--reserve", "a=2", "--tenant-cap", "a=1"],
            "--reserve a=2 is more than --tenant-cap a=1",
        ),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    replay: Replay, log: str, options: list[str], named: str
) -> None:
    code, out, err = replay(log, "--capacity", 2, *options)
    assert code == 2
    assert out == ""
    assert named in err
    assert "Traceback" not in err
