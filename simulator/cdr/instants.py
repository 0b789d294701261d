"""Instants and lengths of time as call-detail records write them, exactly in microseconds.

Whole columns are converted at a time: a day's hours and the seconds of an hour are worked out once
and looked up after that. What is finer than a microsecond is rounded half to even.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from simulator.conditions import NEVER
from simulator.scenario_file.units import MAX_DURATION_US

_EPOCH: Final = datetime(1970, 1, 1)
_EPOCH_UTC: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2})", re.ASCII)
_STAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}.{0,40}", re.ASCII
)
_TAIL: Final = re.compile(
    r"(?:[.,](?P<fraction>[0-9]{1,18}))? ?"
    r"(?:(?P<utc>Z|UTC|GMT)|(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2}))?",
    re.ASCII,
)
_MAIL_DATE: Final = re.compile(r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} .+", re.ASCII)
_NUMBER: Final = re.compile(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,2})?", re.ASCII)
_CLOCK_LENGTH: Final = re.compile(r"(\d+):([0-5]\d):([0-5]\d)(\.\d{1,18})?", re.ASCII)
_NO_DATE: Final = "0000-00-00"
"""How MySQL writes an instant that there is not."""
_LONGEST: Final = 40
_MOST_KEPT: Final = 1 << 16

EPOCH_FROM_S: Final = 100_000_000
"""From here on a bare number is taken for seconds since 1970: this one is in March 1973, and as
seconds from the start of a log it would be three years."""


class FieldInvalid(ValueError):
    """One field of one line; the message says what would be right."""


class Times(StrEnum):
    """How a log writes its instants."""

    AUTO = "auto"
    STAMPS = "stamps"
    SECONDS = "seconds"
    EPOCH = "epoch"
    EPOCH_MS = "epoch-ms"
    EPOCH_US = "epoch-us"


class LengthUnit(StrEnum):
    """What a bare number of a column of lengths counts."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    MINUTES = "min"


_UNIT_US: Final = {
    LengthUnit.SECONDS: 1_000_000,
    LengthUnit.MILLISECONDS: 1_000,
    LengthUnit.MICROSECONDS: 1,
    LengthUnit.MINUTES: 60_000_000,
    Times.SECONDS: 1_000_000,
    Times.EPOCH: 1_000_000,
    Times.EPOCH_MS: 1_000,
    Times.EPOCH_US: 1,
}
_SECONDS_OF_HOUR: Final = {
    f":{minute:02}:{second:02}": (60 * minute + second) * 1_000_000
    for minute in range(60)
    for second in range(60)
}


class Lengths(dict[str, int]):
    """Lengths of time by their text; an empty one is NEVER. Keeps what was asked for last.

    Looking one up raises :class:`FieldInvalid`.
    """

    def __init__(self, unit: LengthUnit) -> None:
        super().__init__()
        self._unit_us = _UNIT_US[unit]

    def __missing__(self, text: str) -> int:
        if len(self) >= _MOST_KEPT:
            self.clear()
        value = self[text] = self._parse(text.strip())
        return value

    def _parse(self, text: str) -> int:
        if not text:
            return NEVER
        clock = _CLOCK_LENGTH.fullmatch(text) if len(text) <= _LONGEST else None
        if clock is None:
            value = _number_us(text, self._unit_us)
        else:
            hours, minutes, seconds, fraction = clock.groups(default="")
            whole_s = 3600 * int(hours) + 60 * int(minutes) + int(seconds)
            value = _number_us(f"{whole_s}{fraction}", 1_000_000)
        if value > MAX_DURATION_US:
            raise FieldInvalid(f"{text!r} is more than ten years")
        return value


class _Hours(dict[str, int]):
    """Microseconds since 1970 of hours like ``2026-03-01 09``, in a zone or on a bare clock."""

    def __init__(self, zone: tzinfo | None) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, text: str) -> int:
        match = _HOUR.fullmatch(text)
        if match is None:
            raise FieldInvalid("is no hour of a day")
        try:
            local = datetime(*map(int, match.groups()))  # type: ignore[arg-type]
        except ValueError as error:
            raise FieldInvalid(str(error)) from None
        if self._zone is None:
            value = (local - _EPOCH) // _MICROSECOND
        else:
            try:
                value = (local.replace(tzinfo=self._zone) - _EPOCH_UTC) // _MICROSECOND
            except OverflowError as error:
                raise FieldInvalid(str(error)) from None
        if value < 0:
            raise FieldInvalid("it is before 1970")
        if len(self) >= _MOST_KEPT:
            self.clear()
        self[text] = value
        return value


class _Tails(dict[str, int]):
    """What stands behind ``HH:MM:SS``: microseconds to be added for its fraction and its zone.

    All of them name a zone, or (``zoned`` False) none does. Raises :class:`FieldInvalid`.
    """

    def __init__(self, *, zoned: bool) -> None:
        super().__init__()
        self._zoned = zoned

    def __missing__(self, text: str) -> int:
        match = _TAIL.fullmatch(text)
        if match is None:
            raise FieldInvalid("has something unknown behind its seconds")
        if self._zoned != bool(match["utc"] or match["sign"]):
            raise _OtherZone
        fraction = Decimal(f"0.{match['fraction'] or 0}") * 1_000_000
        value = int(fraction.to_integral_value(ROUND_HALF_EVEN))
        if match["sign"]:
            if int(match["hours"]) > 23 or int(match["minutes"]) > 59:
                raise FieldInvalid("its zone is a day or more from UTC")
            ahead_us = (60 * int(match["hours"]) + int(match["minutes"])) * 60_000_000
            value += ahead_us if match["sign"] == "-" else -ahead_us
        if len(self) >= _MOST_KEPT:
            self.clear()
        self[text] = value
        return value


class _OtherZone(FieldInvalid):
    """A text names a zone where others do not, or the other way round."""


class Instants:
    """Instants by their text, of one log; an empty one is NEVER.

    The first text that is an instant decides for AUTO how the log writes them, and whether its
    stamps name a zone. Stamps without one are on the wall clock of ``zone``; without ``zone`` on a
    clock of no known place, and then none may name a zone. In an hour that a clock goes through
    twice the first time is meant.
    """

    def __init__(self, times: Times, zone: tzinfo | None) -> None:
        self.times = times
        self.zone = zone
        self.named_zone: bool | None = None
        """Whether stamps name their zone; None before the first of them."""
        self._hours = {False: _Hours(zone), True: _Hours(UTC)}
        self._tails = {zoned: _Tails(zoned=zoned) for zoned in (False, True)}

    @property
    def dated(self) -> bool:
        """Whether the instants say when; plain seconds do not."""
        return self.times is not Times.SECONDS

    @property
    def absolute(self) -> bool:
        """Whether the instants are since 1970 in UTC, and not on a clock of no known place."""
        if self.times is Times.STAMPS:
            return self.zone is not None or bool(self.named_zone)
        return self.dated

    @property
    def local(self) -> bool:
        """Whether the instants are read off a clock that may be put forward and back."""
        return self.times is Times.STAMPS and (self.zone is not None or not self.named_zone)

    @property
    def undecided(self) -> bool:
        """Whether nothing was read yet that says how the log writes its instants."""
        return self.times is Times.AUTO or (self.times is Times.STAMPS and self.named_zone is None)

    def many(self, texts: Sequence[str]) -> list[int] | None:
        """Microseconds of all texts, or None where one of them needs :meth:`one`."""
        zoned = self.named_zone
        try:
            if self.times is not Times.STAMPS or zoned is None:
                return [self.one(text) for text in texts]
            hours, seconds, tails = self._hours[zoned], _SECONDS_OF_HOUR, self._tails[zoned]
            values = [
                hours[text[:13]] + seconds[text[13:19]] + tails[text[19:]] if text else NEVER
                for text in texts
            ]
        except (KeyError, FieldInvalid):
            return None
        # With its zone a stamp of the first day of 1970 can lie before it.
        return values if min(values, default=0) >= NEVER else None

    def one(self, text: str) -> int:
        """Microseconds: since 1970, or of plain seconds from where the log counts.

        Raises :class:`FieldInvalid`.
        """
        text = text.strip()
        if not text or text.startswith(_NO_DATE):
            return NEVER
        if self.times is Times.AUTO:
            self._decide(text)
        if self.times is Times.STAMPS:
            value = self._stamp(text)
        else:
            value = _number_us(text, _UNIT_US[self.times])
            if self.times is Times.SECONDS and value > MAX_DURATION_US:
                raise FieldInvalid(f"{text!r} is more than ten years of seconds")
        return value

    def _decide(self, text: str) -> None:
        if not _NUMBER.fullmatch(text) or len(text) > _LONGEST:
            self._stamp(text)
            self.times = Times.STAMPS
            return
        number = Decimal(text)
        if number < EPOCH_FROM_S:
            self.times = Times.SECONDS
        elif number < EPOCH_FROM_S * 1_000:
            self.times = Times.EPOCH
        elif number < EPOCH_FROM_S * 1_000_000:
            self.times = Times.EPOCH_MS
        else:
            self.times = Times.EPOCH_US

    def _stamp(self, text: str) -> int:
        value, has_zone = self._read(text)
        if value < 0:
            raise FieldInvalid(f"{text!r} is before 1970")
        if self.zone is None and self.named_zone not in (None, has_zone):
            raise FieldInvalid(
                f"{text!r} {'names' if has_zone else 'does not name'} a zone, unlike the first "
                "line; --timezone says where stamps without one are from"
            )
        if self.named_zone is None:
            self.named_zone = has_zone
        return value

    def _read(self, text: str) -> tuple[int, bool]:
        """Microseconds, and whether the text names its zone."""
        try:
            if _STAMP.fullmatch(text):
                for zoned in (False, True):
                    try:
                        return self._zoned_or_not(text, zoned=zoned), zoned
                    except _OtherZone:
                        continue
            if _MAIL_DATE.fullmatch(text):
                date = parsedate_to_datetime(text)
                aware = date if date.tzinfo else date.replace(tzinfo=UTC)
                return (aware - _EPOCH_UTC) // _MICROSECOND, True
        except (KeyError, ValueError, OverflowError) as error:
            reason = str(error) if isinstance(error, FieldInvalid) else "no such time of day"
            raise FieldInvalid(f"{text!r} is not an instant: {reason}") from None
        seconds = ", nor plain seconds like 12.5" if self.times is Times.AUTO else ""
        raise FieldInvalid(
            f"{text[:_LONGEST]!r} is not an instant like 2026-03-01 09:00:00 or "
            f"2026-03-01T09:00:00.250Z{seconds}"
        )

    def _zoned_or_not(self, text: str, *, zoned: bool) -> int:
        tail_us = self._tails[zoned][text[19:]]
        return self._hours[zoned][text[:13]] + _SECONDS_OF_HOUR[text[13:19]] + tail_us


def _number_us(text: str, unit_us: int) -> int:
    """A decimal number of a unit, 0 or more. Raises :class:`FieldInvalid`."""
    whole, point, fraction = text.partition(".")
    if whole.isdecimal() and text.isascii() and len(text) <= _LONGEST:
        if not point:
            return int(whole) * unit_us
        if unit_us == 1_000_000 and len(fraction) <= 6 and fraction.isdecimal():
            return int(whole) * 1_000_000 + int(fraction.ljust(6, "0"))
    if not _NUMBER.fullmatch(text) or len(text) > _LONGEST:
        raise FieldInvalid(
            f"{text!r} is negative"
            if re.fullmatch(r"-[0-9.]+", text)
            else f"{text[:_LONGEST]!r} is not a number like 12 or 12.5"
        )
    return int((Decimal(text) * unit_us).to_integral_value(ROUND_HALF_EVEN))


def convert(
    texts: Sequence[str],
    many: Callable[[Sequence[str]], list[int] | None],
    one: Callable[[str], int],
    complain: Callable[[int, str], None],
) -> list[int]:
    """A column of texts; what is wrong with a text is told with its place, and NEVER stands there.

    ``many`` converts the whole column or gives None, then ``one`` goes through it.
    """
    values = many(texts)
    if values is not None:
        return values
    values = []
    for place, text in enumerate(texts):
        try:
            values.append(one(text))
        except FieldInvalid as error:
            complain(place, str(error))
            values.append(NEVER)
    return values
