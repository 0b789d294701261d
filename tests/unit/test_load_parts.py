"""Small parts of runs through Locust: answers, meters, users, settings, options."""

import math
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import cli
from simulator.history import CALL_OPS
from simulator.load.answers import NOT_UNDERSTOOD, Answer, AnswerReader
from simulator.load.master import Load
from simulator.load.meters import Histogram, Meters
from simulator.load.profile import LEAST_USERS, MOST_USERS, UserProfile
from simulator.load.settings import LoadSettings, SettingInvalid
from simulator.scenario import Scenario
from simulator.scenario_file.judging import LATENCY_NAMES
from tests.load_runs import ADMITTED, trace_of


@pytest.mark.parametrize(
    ("status", "content", "answer"),
    [
        (200, b'{"decision":"admitted","reason":null,"scopes":[],"fallback":false}', ADMITTED),
        (
            200,
            b'{"decision":"rejected","reason":"capacity","scopes":["total"],"fallback":false}',
            Answer("ok", "rejected", "capacity", ("total",)),
        ),
        (409, b'{"code":"wrong_state"}', Answer("refused", code="wrong_state")),
        (503, b'{"code":"call_memory_full"}', Answer("refused", code="call_memory_full")),
        (503, b"busy", Answer("indefinite", code="503")),
        (500, b"", Answer("indefinite", code="500")),
        (200, b"<html>", NOT_UNDERSTOOD),
        (200, b'{"decision":"\xff"}', NOT_UNDERSTOOD),
        (200, b'{"decision":"ended"}', NOT_UNDERSTOOD),
        (200, b'{"decision":"rejected"}', NOT_UNDERSTOOD),
        (200, b'{"decision":"welcome"}', NOT_UNDERSTOOD),
    ],
)
def test_answers_are_read(status: int, content: bytes, answer: Answer) -> None:
    reader = AnswerReader()
    assert reader.read(0, status, content, None) == answer
    assert reader.read(0, status, content, None) == answer


def test_errors_are_definite_only_where_nothing_was_sent() -> None:
    reader = AnswerReader()
    assert reader.read(0, 0, None, ConnectionRefusedError()).result == "failed"
    assert reader.read(0, 0, None, ConnectionResetError()).result == "indefinite"
    assert reader.read(0, 0, None, TimeoutError()).result == "indefinite"
    assert reader.read(0, 0, None, None).result == "indefinite"


times = st.lists(st.integers(0, 2**40), min_size=1)


@given(times, times, st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_bounded_from_above_and_closely(
    one: list[int], other: list[int], share: float
) -> None:
    whole, part = Histogram(), Histogram()
    whole.note(np.array(one[:1], np.int64))
    whole.note(np.array(one[1:], np.int64))
    part.note(np.array(other, np.int64))
    whole.add(part)
    together = sorted([*one, *other])
    at_most = whole.quantile_us(share)
    exact = together[max(math.ceil(share * len(together)) - 1, 0)]
    assert exact <= at_most <= exact * 65 / 64
    assert whole.count == len(together)
    assert whole.quantile_us(1.0) == whole.most_us == together[-1]


def test_an_empty_histogram_has_no_quantiles() -> None:
    assert Histogram().quantile_us(0.5) == 0
    assert Meters(1000).latencies() == {}


def test_meters_of_workers_add_up() -> None:
    meters, other = Meters(1000), Meters(1000)
    nothing = [array("q") for _ in CALL_OPS]
    meters.note(array("q", [10]), nothing)
    other.note(array("q", [1001]), [array("q", [5000]), *nothing[1:]])
    meters.add(other)
    assert (meters.sends, meters.late, meters.behind.most_us) == (2, 1, 1001)
    assert meters.latencies() == {
        "offer_latency_p50_ms": 5.0,
        "offer_latency_p95_ms": 5.0,
        "offer_latency_p99_ms": 5.0,
        "offer_latency_max_ms": 5.0,
    }
    assert set(meters.latencies()) < set(LATENCY_NAMES)


def test_users_follow_the_calls_in_progress_within_bounds() -> None:
    few = UserProfile(trace_of(3), 1.0)
    assert few.users(0.0, 2) == 2 * LEAST_USERS
    many = UserProfile(trace_of(5000, hold_us=20_000_000), 1.0)
    assert many.users(5.0, 1) == MOST_USERS
    assert many.users(5.0, 100) == 5000
    assert many.users(30.0, 1) == LEAST_USERS


def test_settings_go_through_the_environment() -> None:
    wanted = LoadSettings.from_environment(
        {
            "BUSYHOUR_SCENARIO": "a.yaml",
            "BUSYHOUR_SEED": "7",
            "BUSYHOUR_SET": "a=1\nb=2",
            "BUSYHOUR_SPEED": "60",
            "BUSYHOUR_CONFIGURE": "true",
            "BUSYHOUR_PARENT": "12",
            "BUSYHOUR_URL": "https://service:8443",
        }
    )
    assert (wanted.seed, wanted.overrides, wanted.speed) == (7, ("a=1", "b=2"), 60.0)
    assert wanted.configure
    assert (wanted.parent, wanted.url) == (12, "https://service:8443")
    assert LoadSettings.from_environment(wanted.to_environment()) == wanted


@pytest.mark.parametrize(
    "wrong",
    [{"BUSYHOUR_SPEED": "fast"}, {"BUSYHOUR_SPEED": "0"}, {"BUSYHOUR_SPEED": "1e7"},
     {"BUSYHOUR_LATE_S": "inf"},
     {"BUSYHOUR_SEED": "-1"}, {"BUSYHOUR_URL": "service:8000"}, {"BUSYHOUR_PARENT": "me"}],
)  # fmt: skip
def test_a_wrong_setting_is_named(wrong: dict[str, str]) -> None:
    (name,) = wrong
    with pytest.raises(SettingInvalid, match=name):
        LoadSettings.from_environment({"BUSYHOUR_SCENARIO": "a.yaml", **wrong})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("another.yaml", "'another.yaml' is one argument too many"),
        ("--processes 2 --master", "exclude each other"),
        ("--master", "need --target"),
        ("--expect-workers 2", "--expect-workers needs --master"),
        ("--processes 2 --expect-workers 2", "--expect-workers needs --master"),
        ("--master --master-host here", "--master-host needs --worker"),
        ("--master-port 6000", "--master-port needs --processes or --master or --worker"),
        ("--worker --speed 60", "--speed is for the master to say, not for a --worker"),
        ("--worker --configure", "--configure is for the master to say, not for a --worker"),
        ("--worker --json", "--json is for the master to say, not for a --worker"),
        ("--speed 1e300", "--speed is 1e+300; it must be 0.001 to 1000000"),
        ("--speed nan", "--speed is nan; it must be 0.001 to 1000000"),
        ("--late 50", "--late: '50' has no unit"),
        ("--late 0s", "--late is 0s; it must be longer than nothing"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["busyhour", "load", "no-such.yaml", *options.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    # The message is wrapped to the width of a terminal.
    assert said in " ".join(capsys.readouterr().err.split())


def test_the_shipped_smoke_is_the_default() -> None:
    assert LoadSettings.from_environment({}).scenario.name == "smoke.yaml"


@pytest.mark.parametrize(
    ("speed", "asked_s", "late_us"),
    [
        # Calls of 1 s: a tenth of that at the speed, but between 25 and 250 ms.
        (1.0, None, 100_000), (2.0, None, 50_000), (0.1, None, 250_000), (60.0, None, 25_000),
        (60.0, 600.0, 600_000_000),
    ],
)  # fmt: skip
def test_how_late_is_late_depends_on_the_traffic(
    speed: float, asked_s: float | None, late_us: int
) -> None:
    settings = LoadSettings(Path("x.yaml"), speed=speed, late_s=asked_s)
    scenario = Scenario("late", "", 1, 60_000_000, 1, ())
    assert Load(settings, scenario, trace_of(4), "hash").late_us == late_us
