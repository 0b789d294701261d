"""Reading call-detail records: what was written comes back, whatever stands around it."""

import gzip
import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cdr.lines import CallLogInvalid
from simulator.cdr.mappings import parse_columns
from simulator.cdr.reader import ReadOptions, read_calls
from simulator.cdr.recorded import CallEnd, RecordedCalls
from simulator.conditions import NEVER
from tests import call_records as records
from tests.call_records import START, Call

SECOND = 1_000_000
MIDNIGHT_S = START.hour * 3600


@dataclass(frozen=True)
class Format:
    """A format: how it is read and written, and what it loses of a call."""

    columns: str
    write: Callable[[Call], str]
    header: str = ""
    knows_failures: bool = False
    offset_us: int = MIDNIGHT_S * SECOND
    broken: tuple[bytes, ...] = ()


FORMATS = (
    Format(
        "asterisk",
        records.asterisk,
        broken=(
            b'"acme","1","2","c","i","ch","d","a","l","2026-13-01 00:00:00","",'
            b'"2026-03-02 08:00:01",1,0,"NO ANSWER","D"',
            b'"acme","1","2","c","i","ch","d","a","l","2026-03-02 08:00:00","",'
            b'"2026-03-02 06:00:01",1,0,"NO ANSWER","D"',
        ),
    ),
    Format(
        "freeswitch",
        records.freeswitch,
        knows_failures=True,
        broken=(
            b'"a","1","2","c","2026-03-02 08:00:00","2026-03-02 07:59:00","2026-03-02 08:00:10",'
            b'"10","5","NORMAL_CLEARING","u-1","","acme"',
            b'"a","1","2","c","2026-03-02 08:00:00","","2026-03-02 08:00:10","-10","0","X","u-1",'
            b'"","t"',
        ),
    ),
    Format(
        "twilio",
        records.twilio,
        header=records.TWILIO_HEADER,
        broken=(b"CA1,acme,+1,+2,yesterday,2026-03-02T08:00:00Z,completed,inbound,5,",),
    ),
    Format(
        records.OWN_COLUMNS,
        records.own,
        header=records.OWN_HEADER,
        knows_failures=True,
        offset_us=125_000,
        broken=(b"acme,-5,1,1,x,answered,r", b"acme,5,1,9,x,answered,r", b"acme,5,one,,x,missed,r"),
    ),
)

numbers = st.sampled_from(("+4930123", "0049 30 123", "+14155550123", "7", "anonymous", ""))


@st.composite
def call_lists(draw: st.DrawFn) -> list[Call]:
    """Calls in the order in which systems write them: by their end."""
    count = draw(st.integers(1, 12))
    calls = []
    for place in range(count):
        answered = draw(st.booleans())
        calls.append(
            Call(
                at_s=draw(st.integers(0, 200_000)),
                ring_s=draw(st.integers(0, 120)),
                # An answered call of no length is not told from an unanswered one everywhere.
                hold_s=draw(st.integers(1, 30_000)) if answered else None,
                tenant=draw(st.sampled_from(("acme", "Brook & Söhne", "übung", "a,b", 'c"d'))),
                caller=draw(numbers),
                call_id=f"{1000 + place}",
                failed=answered and draw(st.booleans()),
            )
        )
    return sorted(calls, key=lambda call: call.at_s + call.slot_s)


def read(content: bytes, columns: str, **options: object) -> RecordedCalls:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "calls.csv"
        path.write_bytes(content)
        return read_calls([path], ReadOptions(parse_columns(columns), **options))  # type: ignore[arg-type]


def rows(log: RecordedCalls) -> list[tuple[object, ...]]:
    """The calls, each with everything that is known of it; callers by who is the same as whom."""
    assert log.caller is not None
    columns = (log.offer_us, log.slot_us, log.setup_us, log.hold_us, log.end, log.caller)
    tenants = [log.tenants[place] for place in log.tenant]
    return list(zip(tenants, *(column.tolist() for column in columns), strict=True))


def expected(calls: list[Call], form: Format) -> list[tuple[object, ...]]:
    """The same from the calls themselves."""
    callers: dict[str, int] = {"": 0, "anonymous": 0}
    found: list[tuple[object, ...]] = []
    for call in sorted(calls, key=lambda call: call.at_s):
        answered = call.hold_s is not None
        end = CallEnd.COMPLETED if answered else CallEnd.NO_ANSWER
        if call.failed and form.knows_failures:
            end = CallEnd.FAILED
        first_day_s = min(each.at_s for each in calls) + MIDNIGHT_S
        days_s = first_day_s // 86_400 * 86_400 if form.offset_us > SECOND else 0
        known = max(callers.values()) + 1
        found.append(
            (
                call.tenant,
                (call.at_s - days_s) * SECOND + form.offset_us,
                call.slot_s * SECOND,
                call.ring_s * SECOND if answered else NEVER,
                (call.hold_s or 0) * SECOND if answered else NEVER,
                end,
                callers.setdefault(call.caller, known),
            )
        )
    return found


@settings(deadline=None)
@given(calls=call_lists(), form=st.sampled_from(FORMATS), packed=st.booleans(), crlf=st.booleans())
def test_what_was_written_comes_back(
    calls: list[Call], form: Format, packed: bool, crlf: bool
) -> None:
    text = form.header + "".join(map(form.write, calls))
    content = (text.replace("\n", "\r\n") if crlf else text).encode()
    log = read(gzip.compress(content) if packed else content, form.columns)
    assert rows(log) == expected(calls, form)
    assert log.broken.count == 0
    assert log.files[0].lines == len(calls)
    if form.offset_us > SECOND:
        assert log.clock is not None
        first = min(call.at_s for call in calls)
        midnight = START.replace(hour=0).timestamp() + (first + MIDNIGHT_S) // 86_400 * 86_400
        named = log.clock.origin.tzinfo is not None
        assert named == (form.columns == "twilio")
        assert log.clock.origin.replace(tzinfo=START.tzinfo).timestamp() == midnight


GARBAGE = (
    b'"an open quote,1,2',
    b"\xfe\x00\xff",
    b"one\x00two",
    b",,,,,,,,,,,,,,,",
    b"a",
    "ß".encode("utf-16-le"),
    b"  ",
    b'"' + b",".join([b"x"] * 16),
    b"a\rb",
)


@settings(deadline=None)
@given(
    calls=call_lists(),
    form=st.sampled_from(FORMATS),
    data=st.data(),
    chunk_bytes=st.sampled_from((1, 7, 64, 1000, 1 << 18)),
    last_newline=st.booleans(),
)
def test_every_broken_line_is_told_and_no_good_one_is_lost(
    calls: list[Call], form: Format, data: st.DataObject, chunk_bytes: int, last_newline: bool
) -> None:
    good = [form.write(call).encode().rstrip(b"\n") for call in calls]
    bad = data.draw(st.lists(st.sampled_from(GARBAGE + form.broken), max_size=6))
    lines = [(each, True) for each in good] + [(each, False) for each in bad]
    order = data.draw(st.permutations(range(len(lines))))
    # Good lines stay in their order, so that calls of one instant do.
    places = sorted(place for place in order if place < len(good))
    mixed = []
    for place in order:
        mixed.append(lines[places.pop(0)] if place < len(good) else lines[place])
        if data.draw(st.integers(0, 3)) == 0:
            mixed.append((b"", True))
    head = form.header.encode().rstrip(b"\n").split(b"\n") if form.header else []
    content = b"\n".join([*head, *(each for each, _ in mixed)])
    content += b"\n" if last_newline else b""
    numbers = [place for place, (_, is_good) in enumerate(mixed, 1 + len(head)) if not is_good]
    log = read(content, form.columns, chunk_bytes=chunk_bytes, most_broken=1.0)
    assert rows(log) == expected(calls, form)
    assert log.broken.count == len(bad)
    assert [each.line for each in log.broken.examples] == numbers
    assert all(each.message for each in log.broken.examples)
    assert log.files[0].lines == len(good) + len(bad)
    assert log.files[0].sha256 == hashlib.sha256(content).hexdigest()
    assert log.files[0].nbytes == len(content)


@settings(deadline=None)
@given(
    content=st.lists(
        st.one_of(
            st.sampled_from([form.broken[0] for form in FORMATS] + list(GARBAGE)),
            st.builds(
                lambda call, form: form.write(call).encode().rstrip(b"\n"),
                st.builds(
                    Call,
                    at_s=st.integers(0, 9_000),
                    ring_s=st.integers(0, 9),
                    hold_s=st.none() | st.integers(1, 99),
                    tenant=st.sampled_from("ab"),
                    caller=numbers,
                    call_id=st.sampled_from(("1", "2", "3")),
                ),
                st.sampled_from(FORMATS),
            ),
            st.binary(max_size=60),
        ),
        max_size=20,
    ).map(b"\n".join),
    columns=st.sampled_from(("asterisk", "freeswitch", "start=5,end=7", "start=2,duration=3,id=1")),
    sizes=st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_the_size_of_the_pieces_changes_nothing(
    content: bytes, columns: str, sizes: tuple[int, int]
) -> None:
    one, other = (everything(content, columns, size) for size in sizes)
    assert one == other


def everything(content: bytes, columns: str, chunk_bytes: int) -> tuple[object, ...]:
    """All there is to a log that was read, or what is wrong with it."""
    try:
        log = read(content, columns, chunk_bytes=chunk_bytes, most_broken=1.0)
    except CallLogInvalid as error:
        return tuple((each.line, each.key, each.message) for each in error.problems)
    per_call = (log.tenant, log.offer_us, log.slot_us, log.setup_us, log.hold_us, log.end, log.line)
    return (
        log.tenants,
        *(column.tolist() for column in per_call),
        None if log.caller is None else log.caller.tolist(),
        log.clock,
        log.resolution_us,
        log.notes,
        log.broken.count,
        [(each.line, each.key, each.message) for each in log.broken.examples],
        log.files[0].lines,
    )


@settings(deadline=None)
@given(calls=call_lists(), parts=st.integers(1, 4))
def test_files_of_one_log_are_one_log(calls: list[Call], parts: int) -> None:
    form = FORMATS[0]
    whole = read("".join(map(form.write, calls)).encode(), form.columns)
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for part in range(parts):
            own = [form.write(call) for call in calls[part::parts]]
            if own:
                path = Path(directory) / f"{part}.csv"
                path.write_text("".join(own))
                paths.append(path)
        log = read_calls(paths, ReadOptions(parse_columns(form.columns)))
    # Who called is numbered by who came first, which ties leave to the order of the files.
    assert sorted(row[:-1] for row in rows(log)) == sorted(row[:-1] for row in rows(whole))
    assert (np.diff(log.offer_us) >= 0).all()
