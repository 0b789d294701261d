"""What restarts, cuts and other users leave open, in histories written by hand."""

from typing import Any

import msgspec
import pytest

from simulator.checker import check_history
from simulator.history import CountersRead, History, HistoryHeader, Operation, TenantLimits

OPEN = TenantLimits()
HEADER = HistoryHeader(limit=3, tenants={"a": OPEN})


def rejected(low: int, high: int, reason: Any = "capacity") -> Operation:
    return Operation(
        op="offer", call_id="c1", tenant_id="a", invoke_us=low, complete_us=high,
        decision="rejected", reason=reason, scopes=("total",) if reason == "capacity" else (),
    )  # fmt: skip


def unanswered(at_us: int) -> Operation:
    return Operation(op="offer", call_id="c1", tenant_id="a", invoke_us=at_us, result="indefinite")


def restart(low: int, high: int, **told: Any) -> Operation:
    return Operation(op="restart", invoke_us=low, complete_us=high, unexpected=bool(told), **told)


def settled(at_us: int) -> Operation:
    return Operation(op="settled", invoke_us=at_us, complete_us=at_us)


def kinds(*operations: Operation, truncated: bool = False) -> list[str]:
    history = History(HEADER, operations, truncated=truncated)
    return [alarm.kind for alarm in check_history(history).alarms]


def test_a_restart_in_what_is_hidden_does_not_make_whole_what_was_before_it() -> None:
    """Whoever held the slots may not have been written down yet."""
    seen = rejected(300, 310), restart(400, 410)
    assert kinds(*seen) == ["false_rejection"]
    assert kinds(*seen, truncated=True) == []
    assert kinds(*seen, settled(300), truncated=True) == []
    assert kinds(*seen, settled(320), truncated=True) == ["false_rejection"]


def test_a_restart_that_reaches_into_what_is_hidden_ends_what_can_be_judged() -> None:
    late = rejected(300, 310), restart(200, 410)
    assert kinds(settled(320), *late, truncated=True) == []


SHOWN = {"max_concurrent_calls": 3, "tenants": {"a": OPEN}}


@pytest.mark.parametrize(
    ("change", "answer", "alarm"),
    [
        ({"max_concurrent_calls": 3}, rejected(400, 410), "false_rejection"),
        (
            {"tenants": {"a": OPEN}},
            rejected(400, 410, "tenant_not_configured"),
            "rejected_as_unknown",
        ),
    ],
)
def test_limits_changed_before_a_restart_was_noticed_hide_those_it_came_with(
    change: dict[str, Any], answer: Operation, alarm: str
) -> None:
    """The answer is that to the request before the change; what is shown is of after it."""
    asked = unanswered(150), restart(100, 300, **SHOWN), answer
    assert kinds(*asked) == [alarm]
    changed = Operation(op="limits", invoke_us=200, complete_us=210, **change)
    assert kinds(changed, *asked) == []
    # What is shown is in force once it was read.
    later = rejected(400, 410, answer.reason)
    assert kinds(changed, *asked[1:2], later) == [alarm]


def admitted(call_id: str, at_us: int) -> Operation:
    return Operation(
        op="offer", call_id=call_id, tenant_id="a", invoke_us=at_us, complete_us=at_us + 10,
        decision="admitted",
    )  # fmt: skip


def test_what_a_restart_does_not_tell_is_as_in_the_beginning_or_as_before() -> None:
    """The limit was lowered from three to one, and whether the service kept that is its affair."""
    lowered = Operation(op="limits", invoke_us=0, complete_us=10, max_concurrent_calls=1)
    three = [admitted(f"c{number}", 400 + 20 * number) for number in range(3)]
    assert kinds(lowered, *three) == ["over_admission"]
    for told in ({}, {"tenants": {"a": OPEN}}):
        assert kinds(lowered, restart(100, 300, **told), *three) == []
    one = {"max_concurrent_calls": 1}
    assert kinds(lowered, restart(100, 300, **one), *three) == ["over_admission"]
    assert kinds(lowered, restart(100, 300, **one), three[0]) == []


@pytest.mark.parametrize("complete", [True, False])
def test_of_two_reads_at_once_either_may_have_been_first(complete: bool) -> None:
    """Somebody else was counted between them; both are older than the first call written down."""
    reads = [
        Operation(
            op="read", invoke_us=1, complete_us=high, counters=CountersRead({"offered_calls": n})
        )
        for high, n in ((2, 0), (3, 1))
    ]
    operations = *reads, rejected(8, 9, "tenant_not_configured")
    header = HistoryHeader(complete=complete)
    alarms = check_history(History(header, operations)).alarms
    assert [alarm.kind for alarm in alarms] == (["counted_too_few"] if complete else [])


def ended(call_id: str, at_us: int) -> Operation:
    return Operation(
        op="end", call_id=call_id, invoke_us=at_us, complete_us=at_us + 10, decision="abandoned"
    )


def counted(at_us: int, **figures: int | float) -> Operation:
    return Operation(
        op="read", invoke_us=at_us, complete_us=at_us + 1, counters=CountersRead(total=figures)
    )


def stretch_of(kind: str, header: HistoryHeader, *operations: Operation) -> list[Operation]:
    (alarm,) = (
        each for each in check_history(History(header, operations)).alarms if each.kind == kind
    )
    return list(alarm.stretch)


def test_a_proof_keeps_the_end_without_which_another_call_would_prove_it() -> None:
    """One slot. The first call is over when the second comes; the second and third prove it."""
    first = [admitted("c1", 0), ended("c1", 20)]
    proof = [admitted("c2", 40), admitted("c3", 60)]
    header = HistoryHeader(limit=1, tenants={"a": OPEN})
    after = [ended("c2", 100), ended("c3", 200)]
    assert stretch_of("over_admission", header, *first, *proof, *after) == proof


def test_a_proof_that_a_counter_is_too_high_shows_all_that_it_may_have_counted() -> None:
    header = HistoryHeader(limit=9, tenants={"a": OPEN})
    offers = [admitted("c1", 0), admitted("c2", 20)]
    ends = [ended("c1", 40), ended("c2", 60)]
    read = counted(80, offered_calls=3)
    assert stretch_of("counted_twice", header, *offers, *ends, read) == [*offers, read]


def test_a_counter_that_stood_still_is_proven_from_the_read_before() -> None:
    """One offer is counted twice and a later one not at all, so that the sum is right again."""
    header = HistoryHeader(limit=9, tenants={"a": OPEN})
    early, late = admitted("c1", 0), admitted("c2", 40)
    reads = [counted(20, offered_calls=2), counted(60, offered_calls=2)]
    operations = early, reads[0], late, reads[1]
    assert stretch_of("counted_too_few", header, *operations) == [reads[0], late, reads[1]]
    assert stretch_of("counted_twice", header, *operations) == [early, reads[0]]


def test_an_offer_that_never_arrived_is_no_part_of_a_contradiction() -> None:
    header = HistoryHeader(limit=9, tenants={"a": OPEN})
    asked = [admitted("c1", 0), ended("c1", 20)]
    failed = Operation(op="end", call_id="c1", invoke_us=40, complete_us=41, result="failed")
    again = msgspec.structs.replace(ended("c1", 60), decision="ended")
    (alarm,) = check_history(History(header, [*asked, failed, again])).alarms
    assert "its 3 answered operations" in alarm.message
    assert list(alarm.stretch) == [*asked, again]
