"""The log against runs of what was fitted: its own figures by hand, and what is said of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.calls import Counter
from simulator.cdr.recorded import CallEnd, RecordedCalls
from simulator.conditions import Conditions, TraceTenant
from simulator.fit.comparison import Comparison, Kind, Measure, compare_log
from simulator.fit.comparison_words import comparison_lines, interval, sentences
from simulator.fit.estimating import fit_log
from simulator.fit.scenario_text import scenario_text
from simulator.fit.words import percent
from simulator.kernel import KernelRun
from simulator.replay import recorded_trace
from simulator.results import Fate
from simulator.scenario import Scenario
from simulator.scenario_file import load_scenario
from tests.fit_samples import compared_sample
from tests.fitted_logs import HOUR, SECOND, call_log


def written(log: RecordedCalls, directory: Path) -> Scenario:
    path = directory / "fitted.yaml"
    path.write_text(scenario_text(fit_log(log), name="x", command="y"), encoding="utf-8")
    return load_scenario(path)


def compared(log: RecordedCalls, directory: Path, capacity: int, workers: int = 1) -> Comparison:
    return compare_log(log, fit_log(log), written(log, directory), capacity, 6, workers)


@pytest.mark.parametrize("capacity", [0, 1, 3, 100])
def test_calls_of_a_log_hold_their_slots_until_they_were_over(capacity: int) -> None:
    """Answered or given up: played against a limit, and counted by going through them."""
    rng = np.random.default_rng(capacity)
    n = 200
    end = rng.choice([CallEnd.COMPLETED, CallEnd.FAILED, CallEnd.NO_ANSWER, CallEnd.BUSY], n)
    log = call_log(
        rng.integers(0, 300, n) * SECOND,
        hold_us=rng.integers(0, 9, n) * SECOND,
        setup_us=rng.integers(0, 4, n) * SECOND,
        end=end,
        tenant=rng.integers(0, 2, n),
        tenants=("a", "b"),
    )
    conditions = Conditions(
        duration_us=400 * SECOND,
        max_concurrent_calls=capacity,
        tenants=(TraceTenant("a"), TraceTenant("b")),
    )
    trace = recorded_trace(log, log.offer_us, np.ones(n, np.bool_), conditions)
    found = KernelRun(conditions).play(trace)
    assert found.log is not None
    order = np.lexsort((log.tenant, log.offer_us))
    inside: list[int] = []
    rejected = completed = failed = given_up = 0
    for row in order.tolist():
        at, slot = int(log.offer_us[row]), int(log.slot_us[row])
        inside = [until for until in inside if until > at]
        if len(inside) >= capacity:
            rejected += 1
            continue
        if slot:
            inside.append(at + slot)
        completed += log.end[row] == CallEnd.COMPLETED
        failed += log.end[row] == CallEnd.FAILED
        given_up += log.end[row] > CallEnd.FAILED
    fates = found.log.fate
    assert (fates == Fate.REJECTED_CAPACITY).sum() == rejected
    total = dict(zip(Counter, found.total, strict=True))
    assert total[Counter.ENDED_CALLS] == completed + failed
    assert total[Counter.FAILED_CALLS] == failed
    assert total[Counter.ABANDONED_PENDING] == given_up


def bursts(size: int) -> RecordedCalls:
    """Four hours of calls at random that come ``size`` at once, a minute each."""
    rng = np.random.default_rng(3)
    return call_log(np.repeat(np.sort(rng.integers(0, 4 * HOUR, 900 // size)), size), dated=False)


def test_the_figures_of_the_log_are_those_of_its_calls(tmp_path: Path) -> None:
    log = bursts(3)
    own = {each.key: each.log for each in compared(log, tmp_path, capacity=6).measures}
    assert own["offered_calls"] == len(log)
    assert own["peak"] == max(
        ((log.offer_us <= at) & (log.offer_us + log.slot_us > at)).sum() for at in log.offer_us
    )
    begins = int(log.offer_us[0])
    minutes = np.bincount((log.offer_us - begins) // (60 * SECOND))
    assert abs(own["busiest_minute"] - minutes.max()) <= 3  # half a gap before the first call
    assert own["blocking"] == own["rejected_calls"] / len(log)
    assert own["offered_erlangs"] == pytest.approx(len(log) * 60 / (4 * 3600), rel=0.02)
    assert own["carried_erlangs"] == pytest.approx(
        own["offered_erlangs"] * (1 - own["blocking"]), rel=0.02
    )


def test_calls_in_bunches_are_found_out(tmp_path: Path) -> None:
    """Peakedness of batches of five is 3: the model needs fewer slots than the log, and says so."""
    found = compared(bursts(5), tmp_path, capacity=8)
    for key in ("busiest_second", "peak", "blocking", "slots_needed"):
        assert found.measure(key).side == 1, key
    assert found.measure("offered_calls").side == 0
    said = " ".join(sentences(found))
    assert "The log is burstier within the minute than the model, calls come together" in said
    assert "A limit planned with the model is too low for calls like those of the log" in said
    assert "rejects too few" not in said  # blocking says it already


def test_threads_change_nothing(tmp_path: Path) -> None:
    log = bursts(2)
    assert compared(log, tmp_path, 8, workers=1) == compared(log, tmp_path, 8, workers=3)


def test_an_interval_needs_two_runs(tmp_path: Path) -> None:
    log = bursts(1)
    with pytest.raises(ValueError, match="two replications"):
        compare_log(log, fit_log(log), written(log, tmp_path), 3, 1, 1)


def test_a_log_that_is_too_long_is_compared_by_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.fit.comparison.MOST_CALLS", 200)
    found = compared(bursts(1), tmp_path, 8)
    assert (found.calls, found.is_whole) == (200, False)
    assert found.measure("offered_calls").log == 200
    assert next(iter(comparison_lines(found))).endswith("s:")
    assert ", the first " in next(iter(comparison_lines(found)))


def measure(kind: Kind, low: float, high: float) -> Measure:
    return Measure("peak", "peak", kind, 5.0, (1.0, 2.0), low, high)


@pytest.mark.parametrize(
    ("kind", "low", "high", "text"),
    [
        (Kind.CALLS, 1.8, 3.9, "2 to 3"),
        (Kind.CALLS, 2.0, 2.0, "2"),
        (Kind.CALLS, 2.2, 2.7, "2.2 to 2.7"),
        (Kind.CALLS, 990.5, 1200.0, "991 to 1,200"),
        (Kind.ERLANGS, 1.005, 2.0, "1.00 to 2.00"),
        (Kind.SHARE, 0.0, 0.01234, "0 % to 1.23 %"),
    ],
)
def test_intervals_hold_whole_calls(kind: Kind, low: float, high: float, text: str) -> None:
    assert interval(measure(kind, low, high)) == text


def test_one_more_run_is_seldom_said_to_differ() -> None:
    """14 figures of a log that is one more of the runs, counts and sums, 400 times.

    About 20 are said to differ somewhere at 95 %; single intervals would say so of half of them.
    """
    rng = np.random.default_rng(8)
    wrong = single = 0
    for _ in range(400):
        drawn = np.hstack([rng.poisson(4, (21, 7)), rng.normal(100, 9, (21, 7))]).astype(float)
        own, runs = drawn[0], drawn[1:]
        for looked_at in (14, 1):
            differs = any(
                Measure("peak", "peak", Kind.CALLS, log, tuple(each), 0.0, 0.0, looked_at).side
                for log, each in zip(own.tolist(), runs.T.tolist(), strict=True)
            )
            wrong += differs and looked_at == 14
            single += differs and looked_at == 1
    assert wrong <= 32
    assert single > 100


def test_every_difference_is_said_once() -> None:
    found = compared_sample()
    said = sentences(found)
    assert len(said) == len(set(said)) == 7
    assert said[0].startswith("The log offers more traffic than the model (traffic offered: ")
    (busy,) = (each for each in said if "% of the time" in each)
    assert busy == (
        "The log has more calls at once than the model at 99 % of the time, and fewer calls at "
        "once than the model at 50 and 99.9 % of the time."
    )
    alike = replace(found, measures=tuple(replace(each, log=0.5) for each in found.measures))
    assert sentences(alike) == (
        "In everything compared, the log could be one of the model's runs.",
    )


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.9999, "99.99 %"), (0.99996, "99.996 %"), (0.123456, "12.3 %"),
     (1e-9, "0.0000001 %"), (0.999, "99.9 %")],
)  # fmt: skip
def test_shares_are_neither_none_nor_all_unless_they_are(share: float, text: str) -> None:
    assert percent(share) == text
