"""What master and workers send each other: the plan of a share, reports of what became of it."""

import zlib
from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from simulator.load.answers import Answer
from simulator.load.meters import Meters
from simulator.load.player import NOT_DUE, OVER, Player, Sent, Share
from simulator.load.shares import rows_digest, share_of
from simulator.trace import CallTrace


class Plan(msgspec.Struct, frozen=True):
    """A share and how to play it.

    Instant t of the trace is ``start_us + t / speed`` of the worker's clock. Call ids are
    ``prefix`` and the row. Sends that are behind by more than ``late_us`` are late.
    """

    run: str
    share: int
    shares: int
    start_us: int
    speed: float
    prefix: str
    late_us: int


class Accounts(msgspec.Struct, frozen=True):
    """What a worker says at the end: the rows it played or found not to be due, and how it did."""

    rows: bytes
    digest: str
    meters: Meters

    def told_rows(self) -> list[int] | None:
        """The rows, or None where they are not those that were meant."""
        try:
            rows: list[int] = np.frombuffer(zlib.decompress(self.rows), np.int64).tolist()
        except (zlib.error, ValueError):
            return None
        return rows if rows_digest(rows) == self.digest else None


class Report(msgspec.Struct, frozen=True):
    """What there is to tell since report ``number - 1``; instants of the worker's clock.

    By ``told_us`` all that was answered is told in this report or in one before it, and what was
    under way was sent at ``oldest_us`` at the earliest. ``Sent.answer`` is a place in ``answers``.
    The last one has ``accounts``.
    """

    run: str
    share: int
    number: int
    told_us: int
    oldest_us: int
    sent: list[Sent]
    answers: list[Answer]
    accounts: Accounts | None = None


_plan: Final = msgspec.msgpack.Decoder(Plan)
_report: Final = msgspec.msgpack.Decoder(Report)


_PACKED: Final = "packed"


def packed(message: Plan | Report) -> dict[str, bytes]:
    """A message as Locust sends it."""
    return {_PACKED: msgspec.msgpack.encode(message)}


def plan_in(data: Mapping[str, bytes]) -> Plan:
    return _plan.decode(data[_PACKED])


def report_in(data: Mapping[str, bytes]) -> Report:
    return _report.decode(data[_PACKED])


def player_of(trace: CallTrace, plan: Plan) -> Player:
    """The player of the share a plan gives."""
    share = Share(
        rows=share_of(trace, plan.share, plan.shares),
        start_us=plan.start_us,
        speed=plan.speed,
        prefix=plan.prefix,
    )
    return Player(trace, share, plan.late_us)


def report_of(plan: Plan, player: Player, number: int, told_us: int, *, final: bool) -> Report:
    """What a player has to tell at ``told_us`` since its last report."""
    sent, answers = player.drain_report()
    accounts = None
    if final:
        rows = player.rows_in(OVER, NOT_DUE)
        packed_rows = zlib.compress(np.array(rows, np.int64).tobytes(), 1)
        accounts = Accounts(packed_rows, rows_digest(rows), player.meters)
    return Report(
        plan.run,
        plan.share,
        number,
        told_us,
        player.oldest_us(told_us),
        sent,
        answers,
        accounts,
    )
