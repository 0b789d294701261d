"""Fields of records into columns of calls: what their instants and lengths say together.

Everything here works on whole columns. A record whose fields contradict each other is broken, and
told with the first thing that is wrong with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulator.cdr.mappings import ColumnMapping, Word, word_of
from simulator.cdr.recorded import Bools, CallEnd, Int8s, Int64s
from simulator.conditions import NEVER

_SECOND_US: Final = 1_000_000
_HOUR_US: Final = 3600 * _SECOND_US
_SLACK_US: Final = 2 * _SECOND_US
"""How far lengths and instants in whole seconds, each rounded for itself, may be apart."""
_MOST_WORDS: Final = 10_000
_SAID: Final = {None: -1, False: 0, True: 1}

Complain = Callable[[Bools, str, str], None]
"""Told which records are broken, in which field, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What n records say of their times in microseconds, shape (n,); NEVER where one says nothing,
    None where the log has no such column."""

    start: Int64s
    answer: Int64s | None = None
    end: Int64s | None = None
    duration: Int64s | None = None
    hold: Int64s | None = None
    setup: Int64s | None = None
    words: Int64s | None = None
    """Codes of :class:`Words`."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The same as calls: see the columns of :class:`~simulator.cdr.recorded.RecordedCalls`."""

    slot_us: Int64s
    setup_us: Int64s
    hold_us: Int64s
    end: Int8s


class Words:
    """The words of one log for how calls ended, by codes."""

    def __init__(self, mapping: ColumnMapping) -> None:
        self._mapping = mapping
        self._code: dict[str, int] = {}
        self._words: list[Word] = []

    @property
    def unknown(self) -> list[str]:
        """Texts of which nothing is known, in the order they came in."""
        return [text for text, code in self._code.items() if not self._words[code].known]

    def codes(self, texts: Sequence[str]) -> Int64s:
        """The code of each text's word. Beyond 10,000 words all further ones are the last."""
        code = self._code
        # In the order they come in, which no chunk changes.
        for text in dict.fromkeys(texts):
            if text not in code:
                if len(code) < _MOST_WORDS:
                    self._words.append(word_of(self._mapping, text))
                code[text] = len(self._words) - 1
        return np.array([code[text] for text in texts], np.int64)

    def answered(self, codes: Int64s) -> Int8s:
        """1 answered, 0 not answered, -1 left to the other columns."""
        return np.array([_SAID[word.answered] for word in self._words], np.int8)[codes]

    def ends(self, codes: Int64s, answered: Bools) -> Int8s:
        """How the calls ended, as :class:`CallEnd`."""
        taken = [CallEnd.FAILED if word.fails else CallEnd.COMPLETED for word in self._words]
        missed = [max(word.end, CallEnd.NO_ANSWER) for word in self._words]
        return np.where(answered, np.array(taken, np.int8)[codes], np.array(missed, np.int8)[codes])


def calls_of(told: Told, words: Words, complain: Complain, *, local: bool) -> Calls:
    """The calls of records.

    A length counts more than the instants it lies between, and has to fit them. ``local`` says that
    the instants are read off a clock that may be put forward or back: one that is off by just an
    hour, in whatever direction, fits as well.

    ``told`` has one of ``end``, ``duration`` and ``hold``.
    """
    nothing = np.full(len(told.start), NEVER, np.int64)
    answer, end = _or(told.answer, nothing), _or(told.end, nothing)
    duration, hold = _or(told.duration, nothing), _or(told.hold, nothing)
    setup = _or(told.setup, nothing)
    complain(told.start == NEVER, "start", "is empty")
    answered = _answered(told, words)
    answer = np.where(answered, answer, NEVER)
    length = np.where(duration == NEVER, _between(told.start, end), duration)
    hold = np.where(hold == NEVER, _between(answer, end), hold)
    setup = np.where(setup == NEVER, _between(told.start, answer), setup)
    setup = np.where(setup == NEVER, 0, setup)

    _check_instant(complain, "end", told.start, end, duration, local=local)
    rung = np.where((duration == NEVER) | (hold == NEVER), NEVER, duration - hold)
    _check_instant(complain, "answer", told.start, answer, rung.clip(min=NEVER), local=local)
    upside_down = (answer != NEVER) & (end != NEVER) & (end < answer)
    complain(upside_down & ((duration == NEVER) | (hold == NEVER)), "end", "is before the answer")

    unsaid = answered & (length == NEVER) & (hold == NEVER)
    complain(unsaid, _length_column(told), "is empty")
    talk = np.where(hold == NEVER, length - setup, hold)
    complain(answered & ~unsaid & (talk < 0), "setup", "is longer than the whole call")
    slot = np.where(length == NEVER, setup + talk, length)
    too_long = answered & (talk > slot + _SECOND_US)
    complain(too_long, "hold", "is longer than the whole call")
    talk = np.where(answered, talk.clip(min=0), 0)
    slot = np.where(answered, np.maximum(slot, talk), length.clip(min=0))
    if told.words is None:
        ends = np.where(answered, CallEnd.COMPLETED, CallEnd.NO_ANSWER)
    else:
        ends = words.ends(told.words, answered)
    return Calls(
        slot_us=slot,
        setup_us=np.where(answered, slot - talk, NEVER),
        hold_us=np.where(answered, talk, NEVER),
        end=ends.astype(np.int8),
    )


def _answered(told: Told, words: Words) -> Bools:
    """By what the records say in words; else by an answer stamp, or by a time talked."""
    answered: Bools = np.ones(len(told.start), np.bool_)
    if told.answer is not None:
        answered = np.not_equal(told.answer, NEVER)
    elif told.hold is not None and (told.duration is not None or told.end is not None):
        answered = np.greater(told.hold, 0)
    if told.words is not None:
        said = words.answered(told.words)
        answered = np.where(said < 0, answered, said == 1)
    return answered


def _length_column(told: Told) -> str:
    """The field that says how long calls last."""
    named = (("duration", told.duration), ("hold", told.hold), ("end", told.end))
    return next(name for name, column in named if column is not None)


def _check_instant(
    complain: Complain, name: str, start: Int64s, at: Int64s, length: Int64s, *, local: bool
) -> None:
    """An instant must fit the length from the start to it, or where there is none be no earlier."""
    has_length = (length != NEVER) & (at != NEVER) & (start != NEVER)
    apart = np.abs(at - start - length)
    fits = apart <= _SLACK_US
    if local:
        fits |= np.abs(apart - _HOUR_US) <= _SLACK_US
    early = (at < start) & (at != NEVER) & (start != NEVER)
    complain(early & ~(has_length & fits), name, "is before the start")
    complain(has_length & ~fits & ~early, name, "does not fit the start and the length of the call")


def _between(since: Int64s, until: Int64s) -> Int64s:
    """NEVER where either is, and where they stand in the wrong order."""
    is_none = (since == NEVER) | (until == NEVER) | (until < since)
    return np.where(is_none, NEVER, until - since)


def _or(column: Int64s | None, nothing: Int64s) -> Int64s:
    return nothing if column is None else column
