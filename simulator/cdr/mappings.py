"""Which column of a call-detail record is what: three ready-made mappings, and ones of your own.

Where the ready-made ones come from:

- ``asterisk``: the order in which ``build_csv_record`` of Asterisk's cdr/cdr_csv.c writes a
  record; ``loguniqueid``, ``loguserfield`` and ``newcdrcolumns`` of cdr.conf add fields to the
  first sixteen. The names are those of the CDR variables and of the usual table of
  cdr_adaptive_odbc, for files with a header.
  https://docs.asterisk.org/Configuration/Reporting/Call-Detail-Records-CDR/
- ``freeswitch``: the template ``example`` of the cdr_csv.conf.xml that comes with FreeSWITCH, whose
  fields the templates ``snom`` and ``linksys`` begin with. Its template ``asterisk`` has the order
  of Asterisk. https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Modules/mod_cdr_csv_6587322
- ``twilio``: the properties of the Call resource of Twilio's Voice API; exports name them in their
  header in one spelling or another. https://www.twilio.com/docs/voice/api/call-resource

What the causes of FreeSWITCH mean follows ITU-T Q.850 and its own table of causes,
https://developer.signalwire.com/freeswitch/reference/hangup-causes/
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from simulator.cdr.recorded import CallEnd
from simulator.scenario_file.problems import did_you_mean, one_of

FIELDS: Final = {
    "start": "when the call was offered",
    "answer": "when it was answered",
    "end": "when it ended",
    "duration": "from the offer to the end",
    "hold": "from the answer to the end",
    "setup": "from the offer to the answer",
    "status": "how it ended",
    "tenant": "whose call it is",
    "caller": "who called",
    "id": "the call's id",
    "other_id": "the id of another leg of it",
}
"""What a column can be. ``start`` is required, and one of duration, hold and end."""


class MappingInvalid(ValueError):
    """``--columns`` cannot be used; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a word in the column of how a call ended says.

    ``answered`` None: that depends on the other columns; then ``end`` holds for a call that was
    not answered, and ``fails`` says whether one that was ended by an error.
    """

    end: CallEnd
    answered: bool | None = None
    fails: bool = False
    known: bool = True


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which column is what, by place counted from 0 or by its names in a header.

    ``names`` are spelled as :func:`plain` spells them, any one of a field's will do. ``places``
    hold for files without a header; None: there always is one. A record has from ``fewest`` to
    ``most`` fields then (None: no upper bound).
    """

    name: str
    names: Mapping[str, tuple[str, ...]]
    places: Mapping[str, int] | None
    fewest: int
    most: int | None
    exact_names: bool = False
    """Names must be found letter for letter, and all of them."""
    id_form: re.Pattern[str] | None = None
    """What an id looks like, where something else may stand in its place."""

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.names, *(self.places or {}))))


def plain(name: str) -> str:
    """A column's name without capitals, spaces and signs: ``Start Time`` and ``start_time``."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


ASTERISK: Final = ColumnMapping(
    name="asterisk",
    names={
        "tenant": ("accountcode",),
        "caller": ("src",),
        "start": ("start", "calldate"),
        "answer": ("answer",),
        "end": ("end",),
        "duration": ("duration",),
        "hold": ("billsec",),
        "status": ("disposition",),
        "id": ("uniqueid",),
    },
    places={
        "tenant": 0,
        "caller": 1,
        "start": 9,
        "answer": 10,
        "end": 11,
        "duration": 12,
        "hold": 13,
        "status": 14,
        "id": 16,
    },
    fewest=16,
    most=21,
    # Without loguniqueid the field is the user's. An id is seconds since 1970 and a number.
    id_form=re.compile(r".*[0-9]+\.[0-9]+", re.ASCII),
)

FREESWITCH: Final = ColumnMapping(
    name="freeswitch",
    names={
        "caller": ("calleridnumber",),
        "start": ("startstamp",),
        "answer": ("answerstamp",),
        "end": ("endstamp",),
        "duration": ("duration",),
        "hold": ("billsec",),
        "status": ("hangupcause",),
        "id": ("uuid",),
        "other_id": ("bleguuid",),
        "tenant": ("accountcode",),
    },
    places={
        "caller": 1,
        "start": 4,
        "answer": 5,
        "end": 6,
        "duration": 7,
        "hold": 8,
        "status": 9,
        "id": 10,
        "other_id": 11,
        "tenant": 12,
    },
    fewest=13,
    most=None,
)

TWILIO: Final = ColumnMapping(
    name="twilio",
    names={
        "id": ("callsid", "sid"),
        "other_id": ("parentcallsid", "parentcall"),
        "tenant": ("accountsid", "subaccountsid", "subaccount"),
        "caller": ("from", "fromformatted"),
        "start": ("starttime", "startdate", "datecreated"),
        "end": ("endtime", "enddate"),
        "hold": ("duration", "durationseconds", "durationinseconds", "durationsec"),
        "status": ("status", "callstatus"),
    },
    places=None,
    fewest=4,
    most=None,
)

READY_MADE: Final = {each.name: each for each in (ASTERISK, FREESWITCH, TWILIO)}

_OF_THE_CALL: Final = {
    "answered": Word(CallEnd.COMPLETED, True),
    "completed": Word(CallEnd.COMPLETED, True),
    "no answer": Word(CallEnd.NO_ANSWER, False),
    "noanswer": Word(CallEnd.NO_ANSWER, False),
    "missed": Word(CallEnd.NO_ANSWER, False),
    "canceled": Word(CallEnd.NO_ANSWER, False),
    "cancelled": Word(CallEnd.NO_ANSWER, False),
    "abandoned": Word(CallEnd.NO_ANSWER, False),
    "busy": Word(CallEnd.BUSY, False),
    "rejected": Word(CallEnd.REFUSED, False),
    "congestion": Word(CallEnd.REFUSED, False),
    "failed": Word(CallEnd.UNREACHED, None, fails=True),
}
# The names of Q.850 causes as FreeSWITCH spells them, and causes of its own. Whether a call was
# answered is told by its answer stamp: one that was may end with any cause.
_CAUSES: Final = {
    "normal clearing": Word(CallEnd.NO_ANSWER),
    "success": Word(CallEnd.NO_ANSWER),
    "originator cancel": Word(CallEnd.NO_ANSWER),
    "no answer": Word(CallEnd.NO_ANSWER),
    "no user response": Word(CallEnd.NO_ANSWER),
    "allotted timeout": Word(CallEnd.NO_ANSWER),
    "lose race": Word(CallEnd.NO_ANSWER),
    "picked off": Word(CallEnd.NO_ANSWER),
    "attended transfer": Word(CallEnd.NO_ANSWER),
    "blind transfer": Word(CallEnd.NO_ANSWER),
    "user busy": Word(CallEnd.BUSY),
    "call rejected": Word(CallEnd.BUSY),
    "unallocated number": Word(CallEnd.BUSY),
    "user not registered": Word(CallEnd.BUSY),
    "normal circuit congestion": Word(CallEnd.REFUSED, fails=True),
    "switch congestion": Word(CallEnd.REFUSED, fails=True),
    "normal temporary failure": Word(CallEnd.REFUSED, fails=True),
    "requested chan unavail": Word(CallEnd.REFUSED, fails=True),
}
_UNKNOWN_CAUSE: Final = Word(CallEnd.UNREACHED, None, fails=True)
_NO_WORD: Final = Word(CallEnd.UNREACHED)
_UNKNOWN_WORD: Final = Word(CallEnd.UNREACHED, known=False)


def word_of(mapping: ColumnMapping, text: str) -> Word:
    """What a text in the column of how a call ended says."""
    if not text.strip():
        return _NO_WORD
    spelled = " ".join(text.replace("-", " ").replace("_", " ").casefold().split())
    if mapping is FREESWITCH:
        return _CAUSES.get(spelled, _UNKNOWN_CAUSE)
    if spelled in _OF_THE_CALL:
        return _OF_THE_CALL[spelled]
    return _CAUSES.get(spelled, _UNKNOWN_WORD)


def parse_columns(text: str) -> ColumnMapping:
    """The mapping that ``--columns`` names or spells out. Raises :class:`MappingInvalid`."""
    if "=" not in text:
        name = text.strip()
        if name not in READY_MADE:
            raise MappingInvalid(
                f"--columns: {name!r} is no mapping{did_you_mean(name, list(READY_MADE))}; it is "
                f"{one_of(list(READY_MADE))}, or your own like start=t,duration=dur,tenant=customer"
            )
        return READY_MADE[name]
    pairs: dict[str, str] = {}
    for part in text.split(","):
        field, equals, column = (each.strip() for each in part.partition("="))
        if not (equals and field and column):
            raise MappingInvalid(f"--columns: {part.strip()!r} is not FIELD=COLUMN")
        if field not in FIELDS:
            raise MappingInvalid(
                f"--columns: {field!r} is nothing that a column can be"
                f"{did_you_mean(field, list(FIELDS))} (known: {one_of(list(FIELDS))})"
            )
        if field in pairs:
            raise MappingInvalid(f"--columns: {field!r} is given twice")
        pairs[field] = column
    _check_fields(pairs)
    numbered = {
        field: int(column) - 1
        for field, column in pairs.items()
        if column.isascii() and column.isdecimal() and int(column) > 0
    }
    if not numbered:
        return by_names(pairs)
    if len(numbered) < len(pairs):
        raise MappingInvalid(
            "--columns: give the columns either all by name or all by number, from 1 on"
        )
    return ColumnMapping("own", {}, numbered, max(numbered.values()) + 1, None)


def by_names(columns: Mapping[str, str]) -> ColumnMapping:
    """One's own columns by their names in the header; the keys are of :data:`FIELDS`."""
    names = {field: (column,) for field, column in columns.items()}
    return ColumnMapping("own", names, None, 1, None, exact_names=True)


def _check_fields(pairs: Mapping[str, str]) -> None:
    if "start" not in pairs:
        raise MappingInvalid("--columns: start is missing; write start=<column>")
    if not pairs.keys() & {"duration", "hold", "end"}:
        raise MappingInvalid(
            "--columns: nothing says how long a call lasted; write duration=<column>, "
            "hold=<column> or end=<column>"
        )
    if "other_id" in pairs and "id" not in pairs:
        raise MappingInvalid("--columns: other_id needs id beside it")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields of one file stand, and how many fields its records have."""

    places: Mapping[str, int]
    fewest: int
    most: int | None
    has_header: bool
    columns: Mapping[str, str]
    """What each field's column is called in messages."""


def layout_of(mapping: ColumnMapping, first: Sequence[str], *, is_instant: bool) -> Layout:
    """How to read a file whose first line is ``first``.

    ``is_instant`` says whether what stands where a headerless file has its start is an instant.
    Raises :class:`MappingInvalid`, for the first line.
    """
    if mapping.places is not None:
        named = _named(mapping, first) if not is_instant and mapping.names else {}
        if "start" not in named:
            if mapping.fewest > len(first) and mapping.name == "own":
                raise MappingInvalid(
                    f"has {len(first)} fields, and --columns names column {mapping.fewest}"
                )
            return Layout(
                mapping.places,
                mapping.fewest,
                mapping.most,
                # Where only numbers are known, whatever is no instant in the first line heads it.
                has_header=not mapping.names and not is_instant,
                columns={
                    field: f"{field} (column {place + 1})"
                    for field, place in mapping.places.items()
                },
            )
    else:
        named = _named(mapping, first)
    _check_named(mapping, named, first)
    return Layout(
        named,
        len(first),
        len(first),
        has_header=True,
        columns={field: first[place] for field, place in named.items()},
    )


def _named(mapping: ColumnMapping, header: Sequence[str]) -> dict[str, int]:
    """Fields by the place of their names in a header."""
    spelled = [each.strip() if mapping.exact_names else plain(each) for each in header]
    found = {}
    for field, names in mapping.names.items():
        place = next((spelled.index(name) for name in names if name in spelled), None)
        if place is not None:
            found[field] = place
    return found


def _check_named(mapping: ColumnMapping, named: Mapping[str, int], header: Sequence[str]) -> None:
    if mapping.exact_names:
        for (name,) in mapping.names.values():
            count = [each.strip() for each in header].count(name)
            if count != 1:
                wrong = "names two columns" if count else "is not a column"
                near = "" if count else did_you_mean(name, list(header))
                raise MappingInvalid(f"{name!r} {wrong}{near} (the header {_said(header)})")
    elif "start" not in named or not named.keys() & {"duration", "hold", "end"}:
        missing = "when calls start" if "start" not in named else "how long calls last"
        raise MappingInvalid(
            f"has no column of {mapping.name} that says {missing} (the header {_said(header)}); "
            "name your columns like --columns 'start=Date,hold=Seconds'"
        )


def _said(header: Sequence[str]) -> str:
    said = ", ".join(header)
    if not said.strip(", "):
        return "is empty"
    return f"has {said}" if len(said) <= 200 else f"has {said[:200]}..."
