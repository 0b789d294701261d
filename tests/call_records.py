"""Call-detail records written by hand, the way the systems write them: an oracle for reading them.

Nothing here comes from the reader. Each format is written from a list of calls, and says what of a
call is left in it.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
"""A Monday; clocks in Berlin are an hour ahead of UTC, and stay so until the 29th."""


@dataclass(frozen=True)
class Call:
    """A call by whole seconds: offered ``at_s`` after the start, ``hold_s`` None: not answered."""

    at_s: int
    ring_s: int
    hold_s: int | None
    tenant: str
    caller: str
    call_id: str
    failed: bool = False

    @property
    def slot_s(self) -> int:
        return self.ring_s + (self.hold_s or 0)


def stamp(at_s: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return (START + timedelta(seconds=at_s)).strftime(form)


def line(fields: Sequence[object], *, quoted: bool) -> str:
    """One record, with every text in quotes or only where it must be."""
    text = io.StringIO()
    if quoted:
        csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerow(fields)
    else:
        csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue()


def answer(call: Call) -> str:
    return "" if call.hold_s is None else stamp(call.at_s + call.ring_s)


def asterisk(call: Call) -> str:
    """cdr_csv's Master.csv with loguniqueid and loguserfield."""
    return line(
        [
            call.tenant,
            call.caller,
            "800",
            "inbound",
            f'"Some, one" <{call.caller}>',
            f"PJSIP/trunk-{call.call_id}",
            "PJSIP/agent-1",
            "Dial",
            "PJSIP/agent,30,tT",
            stamp(call.at_s),
            answer(call),
            stamp(call.at_s + call.slot_s),
            call.slot_s,
            call.hold_s or 0,
            "NO ANSWER" if call.hold_s is None else "ANSWERED",
            "DOCUMENTATION",
            f"{call.call_id}.{call.call_id}",
            "",
        ],
        quoted=True,
    )


def freeswitch(call: Call) -> str:
    """mod_cdr_csv's template example."""
    ended = "NORMAL_TEMPORARY_FAILURE" if call.failed else "NORMAL_CLEARING"
    return line(
        [
            "Some one",
            call.caller,
            "800",
            "public",
            stamp(call.at_s),
            answer(call),
            stamp(call.at_s + call.slot_s),
            str(call.slot_s),
            str(call.hold_s or 0),
            "ORIGINATOR_CANCEL" if call.hold_s is None else ended,
            f"{call.call_id}-aaaa-bbbb",
            "",
            call.tenant,
            "PCMA",
            "PCMA",
        ],
        quoted=True,
    )


TWILIO_HEADER = "Call Sid,Account Sid,To,From,Start Time,End Time,Status,Direction,Duration,Price\n"


def twilio(call: Call) -> str:
    return line(
        [
            f"CA{call.call_id}",
            call.tenant,
            "+18005550100",
            call.caller,
            stamp(call.at_s, "%Y-%m-%dT%H:%M:%SZ"),
            stamp(call.at_s + call.slot_s, "%Y-%m-%dT%H:%M:%SZ"),
            "no-answer" if call.hold_s is None else "completed",
            "inbound",
            "" if call.hold_s is None else call.hold_s,
            "",
        ],
        quoted=False,
    )


OWN_HEADER = "customer,t,lasted,talked,who,state,ref\n"
OWN_COLUMNS = "tenant=customer,start=t,duration=lasted,hold=talked,caller=who,status=state,id=ref"


def own(call: Call) -> str:
    """Seconds from the start, to the millisecond where that can be seen."""
    state = "missed" if call.hold_s is None else "failed" if call.failed else "answered"
    talked = "" if call.hold_s is None else call.hold_s
    return line(
        [
            call.tenant,
            f"{call.at_s}.125",
            call.slot_s,
            talked,
            call.caller,
            state,
            f"x{call.call_id}",
        ],
        quoted=False,
    )
