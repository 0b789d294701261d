"""``busyhour erlang``: what is typed reaches the formula, and mistakes are named as typed."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulator import cli

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "analytics.md"
EXAMPLES = re.findall(
    r"^```\n\$ busyhour erlang ([^\n]*)\n(.*?)^```$",
    GUIDE.read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


Ask = Callable[[str], Said]


@pytest.fixture
def erlang(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs ``busyhour erlang`` with the words of a line, in this process."""

    def run(line: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["busyhour", "erlang", *line.split()])
        monkeypatch.setattr("signal.signal", lambda *_: None)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, said.out, said.err)

    return run


def test_hundred_erlang_at_one_per_cent_need_117_servers(erlang: Ask) -> None:
    least = erlang("b --traffic 100 --blocking 0.01 --json").document
    assert least["given"] == {"traffic_erlangs": 100, "blocking": 0.01}
    assert least["result"]["servers"] == 117
    assert f"{least['result']['blocking']:.5f}" == "0.00979"
    assert f"{least['result']['blocking_one_less']:.5f}" == "0.01157"
    text = erlang("b --traffic 100 --servers 117")
    assert text.code == 0
    assert "0.00979007" in text.out
    assert "100 erlang" in text.out


# Each expected value is one of a case small enough to be worked out by hand.
@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("b --traffic 2 --servers 2", "blocking", 2 / 5),
        ("b --traffic 2 --servers 2", "carried_erlangs", 6 / 5),
        ("b --servers 1 --blocking 0.25", "traffic_erlangs", 1 / 3),
        ("c --traffic 2 --servers 3 --hold 20m", "wait_mean_s", 8 / 9 * 600),
        ("c --traffic 2 --servers 3 --hold 20m --within 0s", "service_level", 5 / 9),
        ("engset --servers 3 --sources 4 --per-source 0.25", "call_congestion", 1 / 64),
        ("engset --servers 1 --sources 2 --per-idle-source 1", "time_congestion", 2 / 3),
        ("extended-b --traffic 1 --servers 2 --recall 0", "blocking", 1 / 5),
        ("kaufman-roberts --slots 1 --class a=1", "time_congestion", 1 / 2),
        ("caps --slots 2 --tenant a=1,reserved=1 --tenant b=1", "time_congestion", 1.5 / 4.5),
        ("trunk --slots 1 --class a=1 --class b=5,kept_free=1", "time_congestion", 1 / 2),
        ("overflow --primary 1:1 --servers 1", "blocking_equivalent_random", 2 / 5),
        (
            "varying --servers 1 --hold 1m --cv 0 --rate 0s=1/m --until 5m",
            "blocking_peak",
            1 / 2,
        ),
    ],
)
def test_answers_worked_out_by_hand(erlang: Ask, line: str, key: str, value: float) -> None:
    said = erlang(f"{line} --json")
    assert said.code == 0, said.err
    assert said.document["result"][key] == pytest.approx(value, rel=1e-9)
    assert erlang(line).code == 0


def test_every_stream_has_its_row(erlang: Ask) -> None:
    rows = erlang("kaufman-roberts --slots 2 --class a=1 --class b=0.5,slots=2 --json").document[
        "rows"
    ]
    # q = 1, 1, (1 * 1 + 0.5 * 2) / 2 = 1: class a is blocked in state 2, class b in 1 and 2.
    assert [row["class"] for row in rows] == ["a", "b"]
    assert [row["blocking"] for row in rows] == pytest.approx([1 / 3, 2 / 3])
    table = erlang("caps --slots 9 --tenant acme=2,cap=3 --tenant beta=0.1,sources=4").out
    assert "acme" in table
    assert "traffic [erlang]" in table
    least = erlang("c --traffic 10 --hold 3m --within 20s --service-level 0.8 --json").document
    assert least["result"]["servers"] == 14


def test_an_interval_without_calls_has_no_blocking(erlang: Ask) -> None:
    line = "varying --servers 2 --hold 1m --rate 10m=1/m --until 20m --every 10m --json"
    rows = erlang(line).document["rows"]
    assert [row["from"] for row in rows] == ["0s", "10m"]
    assert rows[0]["blocking_until_next"] is None
    assert 0 < rows[1]["blocking_until_next"] < 1 / 5


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("b --traffic -1 --servers 3", "--traffic is -1.0, it must be finite and >= 0"),
        ("b --traffic 1", "give exactly two of --traffic, --servers and --blocking"),
        ("b --traffic 1 --servers inf", "--servers: 'inf' is not a number; write it like 117"),
        ("b --traffic many --servers 3", "--traffic: 'many' is not a number of erlangs; write it"),
        ("b --traffic 1,5 --servers 3", "--traffic: '1,5' is not a number of erlangs"),
        ("b --traffic 9 --blocking one", "--blocking: 'one' is not a share; write it like 0.01 or"),
        (
            "b --traffic 9 --blocking 5",
            "--blocking is 5, a share is at most 1; write 5% for 5 in a",
        ),
        (
            "b --traffic 9 --blocking 1",
            "--blocking is 1, every call; write 1% for one in a hundred",
        ),
        ("b --traffic 9 --blocking 200%", "--blocking is 2.0, it must be above 0"),
        ("c --traffic 3 --hold 1s --servers 4.5", "--servers: '4.5' is not a whole number, 0 or"),
        ("c --traffic 3 --hold 1s --servers 9 --service-level 80%", "not both"),
        ("extended-b --traffic 9 --servers 30 --recall 50", "write 50% for 50 in a hundred"),
        (
            "engset --servers 3 --sources 4 --per-source 20%",
            "a number of erlangs; write it like 0.2",
        ),
        (
            "c --traffic 2e6 --hold 1s --within 1s --service-level 80%",
            "--traffic is 2000000.0: more",
        ),
        ("engset --servers 3 --sources 4 --per-source 1.5", "--per-source is 1.5, it must be >= 0"),
        ("caps --slots 9 --tenant a=-4", "--tenant a: its traffic is -4.0"),
        ("caps --slots 9 --tenant a=4,reserved=5 --tenant b=4,reserved=5", "--slots is 9, it must"),
        ("overflow --primary=-3:3", "--primary -3:3: its traffic is -3.0"),
        ("overflow --primary 3:3000000", "--primary 3:3000000: its group is 3000000"),
        ("overflow --primary 3:x", "--primary 3:x: 'x' is not a whole number"),
        ("overflow --primary 3:3 --direct=-1", "--direct is -1.0"),
        ("varying --servers 3 --hold 0s --rate 0s=1/s --until 1h", "--hold must be longer"),
        ("b --servers 1.5 --blocking 0.1", "--servers is 1.5, it must be a whole number"),
        ("b --traffic 5 --blocking 0", "--blocking is 0.0, it must be above 0"),
        ("c --traffic 10 --hold 3 --servers 12", "--hold: '3' has no unit; write 3s, 3m"),
        ("c --traffic 10 --hold 3m --servers 9", "--traffic is 10.0, it must be below the 9"),
        ("c --traffic 10 --hold 3m", "give either --servers or --service-level"),
        ("c --traffic 3 --hold 1s --service-level 0.8", "--service-level needs --within"),
        ("engset --servers 3 --sources 4", "exactly one of --per-idle-source and --per-source"),
        ("extended-b --traffic 9 --servers 3 --recall 1", "recalls grow without bound"),
        ("kaufman-roberts --slots 5 --class x=y", "--class x: 'y' is not a number of erlangs"),
        ("kaufman-roberts --slots 5 --class x=1,slots=0", "--class x: slots is 0"),
        ("kaufman-roberts --slots 5 --class 3", "'3' is not NAME=ERLANGS[,slots=N]"),
        ("caps --slots 9 --tenant a=4,reserved=5,cap=3", "--tenant a: reserved is 5, above"),
        ("caps --slots 9 --tenant a=4,limit=5", "--tenant a: 'limit=5' does not fit"),
        ("caps --slots 9 --tenant a=4,cap=x", "--tenant a: cap: 'x' is not a whole number"),
        ("caps --slots 9 --tenant a=4 --tenant a=5", "--tenant: 'a' is given twice"),
        ("caps --slots -1 --tenant a=4", "--slots: '-1' is not a whole number, 0 or more"),
        ("trunk --slots 4 --class a=3,kept_free=9", "--class a: kept_free is 9"),
        ("overflow --primary 3", "--primary: '3' is not ERLANGS:SERVERS"),
        ("overflow --primary 0:3", "nothing reaches the second group"),
        ("varying --servers 3 --hold 3m --rate 1/s --until 1h", "is not START=RATE"),
        ("varying --servers 3 --hold 3m --rate 0s=1 --until 1h", "'1' has no unit of time"),
        ("varying --servers 3 --hold 3m --rate 0s=1/s --until 1h --every 1ms", "rows of --until"),
        ("varying --servers 3 --hold 3m --rate 0s=1/s --until 1m", "--every must be longer"),
        ("varying --servers 3 --hold 3m --rate 0s=1/s --until 1h --cv -1", "--cv is -1, it"),
        (
            "varying --servers 3 --hold 3m --rate 5m=1/s --rate 1m=2/s --until 1h",
            "--rate: each step must start later",
        ),
    ],
)
def test_mistakes_end_with_2_and_no_traceback(erlang: Ask, line: str, complaint: str) -> None:
    said = erlang(line)
    assert said.code == 2
    assert complaint in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("share", "per_cent"),
    [
        ("b --traffic 100 --blocking 0.01", "b --traffic 100 --blocking 1%"),
        ("b --servers 20 --blocking 0.007", "b --servers 20 --blocking 0.7%"),
        (
            "c --traffic 10 --hold 3m --within 20s --service-level 0.8",
            "c --traffic 10 --hold 3m --within 20s --service-level 80%",
        ),
        (
            "extended-b --traffic 9 --servers 30 --recall 1",
            "extended-b --traffic 9 --servers 30 --recall 100%",
        ),
    ],
)
def test_a_share_may_be_typed_in_per_cent(erlang: Ask, share: str, per_cent: str) -> None:
    plain, in_hundred = erlang(f"{share} --json"), erlang(f"{per_cent} --json")
    assert plain.code == 0
    assert in_hundred == plain


@pytest.mark.parametrize(("line", "shown"), EXAMPLES)
def test_the_guide_shows_what_is_printed(erlang: Ask, line: str, shown: str) -> None:
    assert erlang(line) == Said(0, shown, "")


def test_the_guide_has_examples() -> None:
    """None is passed over for being written another way."""
    assert len(EXAMPLES) == GUIDE.read_text("utf-8").count("$ busyhour") >= 3
