"""Whether the answers one call was given fit together, whatever happened to other calls.

Each call is a small machine. Its operations are tried in every order their intervals allow; where
none explains the answers, they contradict one another. Most calls send one request after another
and were answered like thousands of others, so equal sequences are tried once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from simulator.checker.columns import (
    ABANDONED,
    ACCEPT,
    ACCEPTED,
    ADMITTED,
    ASKED_ACCEPT,
    END,
    ENDED,
    ENDS_FAILED,
    FAILED,
    FALLBACK,
    INDEFINITE,
    IS_UNKNOWN_CALL,
    IS_WRONG_STATE,
    OFFER,
    OK,
    REFER,
    REFERRED,
    REFUSED,
    REJECTED_CAPACITY,
    REJECTED_INSTRUCTIONS,
    REJECTED_TENANT,
    START,
    STARTED,
    Bools,
    Columns,
    Names,
)
from simulator.checker.judgement import Claim, Findings
from simulator.checker.stretch import Evidence
from simulator.trace import Int64s

MOST_TRIED: Final = 20_000
"""Orders tried of one call before it is given up as not judged."""

UNSAID: Final = -1
"""An answer that was given to nobody who wrote it down: any will do."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One operation of a call. ``answer`` is (code, scopes, fallback), None where there is none."""

    op: int
    answer: tuple[int, int, bool] | None
    flags: int
    must: bool
    low_us: int
    high_us: int


@dataclass(frozen=True, slots=True)
class _Call:
    """A call as a machine: where it stands, and the first answer each kind of event was given."""

    stands: str = "new"
    offer: tuple[int, int, bool] | None = None
    accept: tuple[int, int, bool] | None = None
    started: bool = False
    referred: bool = False
    end: int | None = None


def judge_answers(
    columns: Columns,
    names: Names,
    evidence: Evidence,
    found: Findings,
    *,
    may_expire: bool,
) -> None:
    """Look for calls whose answers contradict one another.

    ``may_expire``: calls may end by deadlines.
    """
    calls = len(names.calls)
    kept = columns.result != FAILED
    order = np.flatnonzero(kept)
    order = order[np.lexsort((columns.row[order], columns.low_us[order], columns.call[order]))]
    keys, plain = _patterns(columns, order, calls)
    present = np.unique(columns.call[order])
    coded = present[plain[present]]
    _, firsts, inverse = np.unique(keys[coded], return_index=True, return_inverse=True)
    fits = np.array(
        [
            _explained(_in_turn(_asked(columns, evidence, int(coded[first]))), may_expire) is True
            for first in firsts.tolist()
        ],
        np.bool_,
    )
    odd = [present[~plain[present]], coded[~fits[inverse]] if len(coded) else coded]
    wrong = []
    for call in np.concatenate(odd).tolist():
        explained = _explained(_asked(columns, evidence, call), may_expire)
        if explained is None:
            found.note(f"{names.calls[call]}: too many operations at the same time to be judged")
        elif not explained:
            wrong.append(call)
    for call in wrong:
        found.claims.append(_claim(columns, names, evidence, call))


def _patterns(columns: Columns, order: Int64s, calls: int) -> tuple[Int64s, Bools]:
    """A key for each call by its operations in order of invocation, and whether it has one.

    Equal keys mean equal sequences: every operation takes 5 bits of its call's key, so a sequence
    of up to 12 fits; those with refusals, fallbacks and the like stay without. The order of
    invocation is one that the intervals always allow, so a sequence that is explained in it is
    explained; only the others need their own instants.
    """
    call = columns.call[order]
    code = _codes(columns)[order]
    begins = np.searchsorted(call, np.arange(calls))
    place = np.arange(len(order)) - begins[call]
    plain = np.ones(calls, np.bool_)
    plain[call[code < 0]] = False
    plain[call[place >= 12]] = False
    keys = np.zeros(calls, np.int64)
    chosen = plain[call]
    np.add.at(keys, call[chosen], code[chosen] << (5 * place[chosen]))
    return keys, plain


def _codes(columns: Columns) -> Int64s:
    """A number from 1 to 31 for the commonest operations with their answers, -1 for the others."""
    codes = np.full(len(columns), -1, np.int64)
    common = columns.sure & (columns.flags & ~ENDS_FAILED == 0)
    unanswered = (columns.result == INDEFINITE) & (columns.flags & ~ENDS_FAILED == 0)
    for number, (op, answer) in enumerate(
        (
            (OFFER, ADMITTED),
            (OFFER, REJECTED_CAPACITY),
            (OFFER, REJECTED_TENANT),
            (ACCEPT, ACCEPTED),
            (ACCEPT, REJECTED_INSTRUCTIONS),
            (START, STARTED),
            (REFER, REFERRED),
            (END, ENDED),
            (END, ABANDONED),
        ),
        start=1,
    ):
        codes[common & (columns.op == op) & (columns.answer == answer)] = number
    for number, op in enumerate((OFFER, ACCEPT, START, REFER, END), start=10):
        codes[unanswered & (columns.op == op)] = number
    # Repeats must name the same scopes: the mask takes codes of its own, for offers up to 7.
    capacity = codes == 2
    scopes = columns.scopes.astype(np.int64)
    codes[capacity] = 20 + scopes[capacity]
    return codes


def _asked(columns: Columns, evidence: Evidence, call: int) -> tuple[_Asked, ...]:
    found = []
    for place in evidence.places(call).tolist():
        result = int(columns.result[place])
        if result == FAILED:
            continue
        flags, answer = int(columns.flags[place]), None
        if result == OK:
            said = int(columns.answer[place]), int(columns.scopes[place])
            answer = (*said, flags & FALLBACK > 0)
        found.append(
            _Asked(
                op=int(columns.op[place]),
                answer=answer,
                flags=flags | (0 if result != REFUSED else _REFUSAL),
                must=bool(columns.sure[place]) or result == REFUSED,
                low_us=int(columns.low_us[place]),
                high_us=int(columns.high_us[place]),
            )
        )
    return tuple(found)


def _in_turn(asked: tuple[_Asked, ...]) -> tuple[_Asked, ...]:
    """The same operations one after the other, in order of invocation."""
    return tuple(
        replace(each, low_us=2 * place, high_us=2 * place + 1) for place, each in enumerate(asked)
    )


_REFUSAL: Final = 128


def _explained(asked: tuple[_Asked, ...], may_expire: bool) -> bool | None:
    """Whether some order of the operations explains every answer; None: too many to try."""
    everything = (1 << len(asked)) - 1
    required = sum(1 << place for place, each in enumerate(asked) if each.must)
    seen: set[tuple[int, _Call]] = set()
    waiting = [(0, _Call())]
    while waiting:
        done, call = waiting.pop()
        if done & required == required:
            return True
        if (done, call) in seen:
            continue
        if len(seen) >= MOST_TRIED:
            return None
        seen.add((done, call))
        left = [place for place in range(len(asked)) if not done >> place & 1]
        first_over = min(asked[place].high_us for place in left)
        for place in left:
            if asked[place].low_us <= first_over:
                after = done | 1 << place
                waiting += [(after, each) for each in _moves(call, asked[place])]
                if not asked[place].must:
                    waiting.append((after & everything, call))
        if may_expire:
            waiting += [(done, each) for each in _expired(call)]
    return False


def _expired(call: _Call) -> Iterator[_Call]:
    if call.stands in ("pending", "accepted", "active"):
        yield replace(call, stands="over")


def _moves(call: _Call, asked: _Asked) -> Iterator[_Call]:
    """What the call may be after one operation, for each way to give the answer it was given."""
    if asked.flags & _REFUSAL:
        if _may_refuse(call, asked):
            yield call
        return
    if asked.op == OFFER:
        yield from _offered(call, asked)
    elif asked.op == ACCEPT:
        yield from _accepted(call, asked.answer)
    elif asked.op == START:
        if call.started:
            yield call
        elif call.stands == "accepted":
            yield replace(call, stands="active", started=True)
    elif asked.op == REFER:
        if call.referred:
            yield call
        elif call.stands == "active":
            yield replace(call, referred=True)
    else:
        yield from _ended(call, asked.answer)
    if asked.answer is None:
        yield call


def _may_refuse(call: _Call, asked: _Asked) -> bool:
    """Whether the service could say no. Other codes than these two say nothing about the call.

    A repeat gets the first answer again, whatever became of the call since.
    """
    held = call.stands in ("pending", "accepted", "active")
    if asked.flags & IS_UNKNOWN_CALL:
        return not held
    if asked.flags & IS_WRONG_STATE:
        answered = {
            ACCEPT: call.accept is not None,
            START: call.started,
            REFER: call.referred,
            END: call.end is not None,
        }
        if answered.get(asked.op, False):
            return False
        wanted = {ACCEPT: ("pending",), START: ("accepted",), REFER: ("active",)}
        return call.stands not in wanted.get(asked.op, ()) and not (asked.op == END and held)
    return True


def _offered(call: _Call, asked: _Asked) -> Iterator[_Call]:
    if asked.flags & ASKED_ACCEPT or (
        asked.answer is not None and asked.answer[0] in (ACCEPTED, REJECTED_INSTRUCTIONS)
    ):
        rejected = None
        if asked.answer is not None and asked.answer[0] in (REJECTED_CAPACITY, REJECTED_TENANT):
            rejected = asked.answer
        if rejected is None:
            for offered in _decided(call, (ADMITTED, 0, False)):
                yield from _accepted(offered, asked.answer)
        if rejected is not None or asked.answer is None:
            yield from _decided(call, rejected, only_rejected=True)
        return
    yield from _decided(call, asked.answer)


def _decided(
    call: _Call, answer: tuple[int, int, bool] | None, only_rejected: bool = False
) -> Iterator[_Call]:
    """After an offer that was answered ``answer``, or, None, in any way."""
    if call.stands != "new":
        if answer is None or call.offer is None or call.offer == answer:
            yield call
        elif call.offer == (UNSAID, 0, False) and answer[0] != ADMITTED:
            yield replace(call, offer=answer)
        return
    if answer is None:
        if not only_rejected:
            yield replace(call, stands="pending", offer=(ADMITTED, 0, False))
        yield replace(call, stands="rejected", offer=(UNSAID, 0, False))
    elif answer[0] == ADMITTED:
        yield replace(call, stands="pending", offer=answer)
    else:
        yield replace(call, stands="rejected", offer=answer)


def _accepted(call: _Call, answer: tuple[int, int, bool] | None) -> Iterator[_Call]:
    if call.accept is not None:
        if answer is None or call.accept == answer:
            yield call
        elif call.accept[0] == UNSAID and answer[0] == ACCEPTED:
            yield replace(call, accept=answer)
        return
    if call.stands != "pending":
        return
    if answer is None or answer[0] == REJECTED_INSTRUCTIONS:
        rejected = (REJECTED_INSTRUCTIONS, 0, False) if answer is None else answer
        yield replace(call, stands="over", accept=rejected)
    if answer is None or answer[0] == ACCEPTED:
        accept = (UNSAID, 0, False) if answer is None else answer
        yield replace(call, stands="accepted", accept=accept)


def _ended(call: _Call, answer: tuple[int, int, bool] | None) -> Iterator[_Call]:
    if call.end is not None:
        if answer is None or call.end == answer[0]:
            yield call
        return
    if call.stands in ("pending", "accepted", "active"):
        end = ENDED if call.stands == "active" else ABANDONED
        if answer is None or answer[0] == end:
            yield replace(call, stands="over", end=end)


def _claim(columns: Columns, names: Names, evidence: Evidence, call: int) -> Claim:
    """All that was asked of the call bears on it: an order that explains it may need any of it."""
    places = evidence.places(call)
    places = places[columns.result[places] != FAILED]
    flags, result = columns.flags[places], columns.result[places]
    lost = bool(((result == REFUSED) & (flags & IS_UNKNOWN_CALL > 0)).any())
    tail = "the service does not know it at some point" if lost else "they contradict one another"
    unanswered = int((result == INDEFINITE).sum())
    beside = f" and {unanswered} without an answer" if unanswered else ""
    return Claim(
        "lost_call" if lost else "contradiction",
        f"{names.calls[call]}: no order of its {len(places) - unanswered} answered operations"
        f"{beside} explains the answers: {tail}",
        (names.calls[call],),
        evidence.of_one(call),
        indivisible=True,
    )
