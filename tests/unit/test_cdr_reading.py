"""Files of calls: exact conversion, order, and every broken line by its number."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from simulator.cdr.lengths import read_lengths
from simulator.cdr.lines import CallLogInvalid
from simulator.cdr.mappings import MappingInvalid
from simulator.cdr.options import OptionInvalid, ReadingArguments, share_of
from simulator.cdr.reader import read_calls
from simulator.cdr.recorded import CallEnd, RecordedCalls
from simulator.conditions import NEVER

SHARED = Path(__file__).parents[3] / "shared" / "data" / "azure_llm2023_code.csv"
COLUMNS = "tenant=who,start=t,hold=dur"
SECOND = 1_000_000
HOUR = 3600 * SECOND


def read(
    directory: Path, text: str | bytes, columns: str = COLUMNS, most: float = 0.0, **more: object
) -> RecordedCalls:
    path = directory / "calls.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    arguments = ReadingArguments(columns, **more)  # type: ignore[arg-type]
    return read_calls([path], arguments.options(most_broken=most))


def refused(
    directory: Path, text: str | bytes, columns: str = COLUMNS, **more: object
) -> list[str]:
    with pytest.raises(CallLogInvalid) as caught:
        read(directory, text, columns, **more)  # type: ignore[arg-type]
    prefix = f"{directory / 'calls.csv'}:"
    return [str(problem).removeprefix(prefix) for problem in caught.value.problems]


def tenants(log: RecordedCalls) -> list[str]:
    return [log.tenants[place] for place in log.tenant]


# --- columns of one's own -------------------------------------------------------------------


def test_seconds_become_exact_microseconds(tmp_path: Path) -> None:
    # 0.1 + 0.2 and 4503599627.370497 have no exact float; a seventh decimal is rounded half to even
    log = read(
        tmp_path,
        "who,t,dur\n"
        "a,0.3,0.1\n"
        "a,.000001,2.\n"
        "a,3599627.370497,0.0000005\n"
        "a,1e-5,0.0000015\n"
        "a,0,0.0000014\n",
    )
    assert log.offer_us.tolist() == [0, 1, 10, 300_000, 3_599_627_370_497]
    assert log.hold_us.tolist() == [1, 2_000_000, 2, 100_000, 0]
    assert log.offer_us.dtype == log.hold_us.dtype == np.int64
    assert log.resolution_us == 1


def test_rows_are_sorted_by_start_and_stand_in_file_order_where_they_tie(tmp_path: Path) -> None:
    log = read(tmp_path, "dur,who,t\n1,a,5\n2,b,3\n3,c,5\n4,d,3\n")
    assert tenants(log) == ["b", "d", "a", "c"]
    assert log.offer_us.tolist() == [3_000_000, 3_000_000, 5_000_000, 5_000_000]
    assert log.hold_us.tolist() == [2_000_000, 4_000_000, 1_000_000, 3_000_000]
    assert log.line.tolist() == [3, 5, 2, 4]


def test_a_run_counts_seconds_as_they_are_and_dates_from_the_earliest(tmp_path: Path) -> None:
    assert read(tmp_path, "who,t,dur\na,7,1\n").run_us().tolist() == [7_000_000]
    log = read(
        tmp_path,
        "who,t,dur\n"
        "a,2026-03-01T10:00:00.25+01:00,1\n"
        "b,2026-03-01 09:00:00.000001Z,1\n"
        "c,2026-03-02T09:00:00+0000,1\n",
    )
    assert tenants(log) == ["b", "a", "c"]
    assert log.run_us().tolist() == [0, 249_999, 86_399_999_999]


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_numbers_since_1970_are_known_by_their_size(tmp_path: Path, unit: int) -> None:
    start = 1_772_434_800 * unit  # 2026-03-02T07:00:00Z
    log = read(tmp_path, f"who,t,dur\na,{start},1\na,{start + 2 * unit},1\n")
    assert log.offer_us.tolist() == [7 * HOUR, 7 * HOUR + 2 * SECOND]
    assert log.clock is not None
    assert log.clock.origin.isoformat() == "2026-03-02T00:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "unit", "wanted_us"),
    [
        ("90", "s", 90_000_000),
        ("1500", "ms", 1_500_000),
        ("1500", "us", 1_500),
        ("1.5", "min", 90_000_000),
        ("0:01:30", "min", 90_000_000),
        ("26:00:00.5", "ms", 93_600_500_000),
    ],
)
def test_lengths_in_other_units(tmp_path: Path, text: str, unit: str, wanted_us: int) -> None:
    log = read(tmp_path, f"who,t,dur\na,0,{text}\n", lengths=unit)
    assert log.hold_us.tolist() == [wanted_us]


def test_a_log_need_not_name_tenants_and_may_have_setup_times(tmp_path: Path) -> None:
    log = read(tmp_path, "t,dur,ring\n1,2,0.5\n", "start=t,hold=dur,setup=ring")
    assert tenants(log) == ["all"]
    assert (log.setup_us[0], log.hold_us[0], log.slot_us[0]) == (500_000, 2_000_000, 2_500_000)
    assert read(tmp_path, "t,dur\n1,2\n", "start=t,hold=dur").setup_us.tolist() == [0]


def test_the_three_ways_to_say_how_long_a_call_was_agree(tmp_path: Path) -> None:
    text = "t,a,e,d,h\n10,13,43,33,30\n"
    columns = {"answer": "a", "end": "e", "duration": "d", "hold": "h"}
    for chosen in (
        ("answer", "end"), ("answer", "duration"), ("answer", "hold"), ("end", "hold"),
        ("duration", "hold"), ("answer", "end", "duration", "hold"),
    ):  # fmt: skip
        spelled = ",".join(f"{field}={columns[field]}" for field in chosen)
        log = read(tmp_path, text, f"start=t,{spelled}")
        assert (log.slot_us[0], log.setup_us[0]) == (33 * SECOND, 3 * SECOND), chosen


def test_columns_by_number_with_and_without_a_header(tmp_path: Path) -> None:
    rows = "5,a,9\n7,b,1\n"
    bare = read(tmp_path, rows, "start=1,tenant=2,hold=3")
    headed = read(tmp_path, f"when,who,long\n{rows}", "start=1,tenant=2,hold=3")
    assert bare.offer_us.tolist() == headed.offer_us.tolist() == [5_000_000, 7_000_000]
    assert bare.notes == ()
    assert headed.notes == ("Line 1 of calls.csv was taken for a header.",)
    assert [file.lines for log in (bare, headed) for file in log.files] == [2, 2]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_what_separates_the_fields_is_found_out(tmp_path: Path, delimiter: str) -> None:
    """The others may well stand inside of fields, more often than it does."""
    others = "".join({",", ";", "\t", "|"} - {delimiter}) * 9
    rows = (["who", "t", "dur", f'"{others}"'], ["a", "1", "2", ""])
    log = read(tmp_path, "".join(delimiter.join(row) + "\n" for row in rows))
    assert log.hold_us.tolist() == [2_000_000]


def test_what_spreadsheets_write_is_read(tmp_path: Path) -> None:
    log = read(tmp_path, b'\xef\xbb\xbf"who","t","dur"\r\n"a, b","1"," 2 "\r\n\r\n')
    assert log.tenants == ("a, b",)
    assert len(log) == 1


def test_gzip_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    log = read(tmp_path, gzip.compress(b"who,t,dur\na,1,2\n") + gzip.compress(b"b,3,4\n"))
    assert tenants(log) == ["a", "b"]
    assert refused(tmp_path, gzip.compress(b"who,t,dur\na,1,2\n")[:-9]) == [
        " is no whole gzip file: Compressed file ended before the end-of-stream marker was reached"
    ]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_other_encodings_are_named(tmp_path: Path, encoding: str) -> None:
    content = "who,t,dur\nMüller & Söhne,1,2\n".encode(encoding)
    assert read(tmp_path, content, encoding=encoding).tenants == ("Müller & Söhne",)
    (problem,) = refused(tmp_path, content)
    assert problem == "2: is no UTF-8 text (byte 2)"


@pytest.mark.parametrize("name", ["utf-16", "none-such", "base64", "cp037", "\0"])
def test_encodings_that_no_log_is_read_in(name: str) -> None:
    with pytest.raises(OptionInvalid, match=r"--encoding: .* write UTF-8"):
        ReadingArguments("asterisk", encoding=name).options()


# --- broken lines ---------------------------------------------------------------------------

BROKEN = """\
who,t,dur
a,0,1
a,x,1
a,1
a,1,2,3
"a,1,1
a,-1,1
a,1,-0.5
a,nan,1
_unknown,1,1
,1,1
a,1,99999999999
a,,1
a,1,
"""


def test_every_broken_line_is_named(tmp_path: Path) -> None:
    problems = refused(tmp_path, BROKEN)
    assert problems == [
        "3: t: 'x' is not a number like 12 or 12.5",
        "4: has 2 fields, not 3",
        "5: has 4 fields, not 3",
        "6: has a quote that is not closed",
        "7: t: '-1' is negative",
        "8: dur: '-0.5' is negative",
        "9: t: 'nan' is not a number like 12 or 12.5",
        "10: who: '_unknown' is a reserved name",
        "12: dur: '99999999999' is more than ten years",
        "13: t: is empty",
        "14: dur: is empty",
    ]
    log = read(tmp_path, BROKEN, most=1.0)
    assert log.line.tolist() == [2, 11]
    assert log.broken.count == len(problems)
    assert log.files[0].lines == 13


def test_many_broken_lines_are_counted(tmp_path: Path) -> None:
    problems = refused(tmp_path, "who,t,dur\n" + "a,x,1\n" * 60)
    assert len(problems) == 51
    assert problems[49].startswith("51:")
    assert problems[50] == " and 10 more broken lines"


def test_a_share_of_broken_lines_is_put_up_with(tmp_path: Path) -> None:
    text = "who,t,dur\n" + "a,1,1\n" * 19 + "a,x,1\n"
    assert read(tmp_path, text, most=0.05).broken.count == 1
    problems = refused(tmp_path, text + "a,x,1\n", most=0.05)
    assert problems[-1] == " 2 of 21 lines are broken (9.5%), more than the 5.0% of --max-broken"
    for share in ("5", "101%", "-1%", "some"):
        with pytest.raises(OptionInvalid, match="write it like 5%"):
            share_of("--max-broken", share)


def test_a_single_wrong_year_is_a_broken_line(tmp_path: Path) -> None:
    text = "who,t,dur\na,2026-02-03 00:00:00,1\na,2062-02-03 00:00:00,1\n"
    assert refused(tmp_path, text) == [
        "3: t: is more than ten years from the first start of the log"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", " is empty"),
        ("\n \n", "2: 'who' is not a column (the header is empty)"),
        ("who,t,dur\n", " has no calls below its header"),
        ("who,t1,dur\na,1,1\n", "1: 't' is not a column; did you mean 't1'? (the header has "
         "who, t1, dur)"),
        ("who,t,t,dur\na,1,1,1\n", "1: 't' names two columns (the header has who, t, t, dur)"),
        ("who,t,dur\na,0s,1\n", "2: t: '0s' is not an instant like 2026-03-01 09:00:00 or "
         "2026-03-01T09:00:00.250Z, nor plain seconds like 12.5"),
        ("who,t,dur\na,2026-02-30T00:00:00,1\n", "2: t: '2026-02-30T00:00:00' is not an instant: "
         "day is out of range for month"),
        ("who,t,dur\na,2026-02-03T24:00:00,1\n", "2: t: '2026-02-03T24:00:00' is not an instant: "
         "hour must be in 0..23"),
        ("who,t,dur\na,2026-02-03T00:00:00,1\na,5,1\n", "3: t: '5' is not an instant like "
         "2026-03-01 09:00:00 or 2026-03-01T09:00:00.250Z"),
        ("who,t,dur\na,2026-02-03T00:00:00Z,1\na,2026-02-03T00:00:00,1\n", "3: t: "
         "'2026-02-03T00:00:00' does not name a zone, unlike the first line; --timezone says where "
         "stamps without one are from"),
    ],
)  # fmt: skip
def test_what_is_no_log(tmp_path: Path, text: str, problem: str) -> None:
    assert refused(tmp_path, text) == [problem]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04" + bytes(100), "is a ZIP archive or a spreadsheet; save the calls as CSV"),
        (b"\xff\xfew\0h\0o\0", "is UTF-16 text; save it as UTF-8"),
        ("who,t,dur\na,1,1\n".encode("utf-16-le"), "is no UTF-8 text"),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40, "is no UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n" + np.random.default_rng(1).bytes(9000), "is no UTF-8 text"),
        (gzip.compress(np.random.default_rng(2).bytes(9000)), "is no UTF-8 text"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes, said: str) -> None:
    (problem,) = refused(tmp_path, content)
    assert said in problem


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(CallLogInvalid, match=f"{path}: cannot be read: "):
            read_calls([path], ReadingArguments(COLUMNS).options())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("start=t", "nothing says how long a call lasted"),
        ("hold=t", "start is missing"),
        ("start=t,hold=dur,tennant=who", "did you mean 'tenant'?"),
        ("start=t,hold=dur,start=u", "'start' is given twice"),
        ("start=t,hold", "'hold' is not FIELD=COLUMN"),
        ("start=1,hold=dur", "all by name or all by number"),
        ("start=t,hold=d,other_id=x", "other_id needs id beside it"),
        ("asterix", "did you mean 'asterisk'?"),
    ],
)
def test_columns_that_make_no_calls(columns: str, message: str) -> None:
    with pytest.raises(MappingInvalid) as caught:
        ReadingArguments(columns).options()
    assert str(caught.value).startswith("--columns: ")
    assert message in str(caught.value)


# --- whose calls, and which records are one -------------------------------------------------


def test_one_tenant_for_all_and_small_ones_in_one(tmp_path: Path) -> None:
    text = "who,t,dur\n" + "".join(
        f"{name},{place},1\n" for place, name in enumerate("aaaabbbccd") if name
    )
    assert read(tmp_path, text, tenant="harbour").tenants == ("harbour",)
    path = tmp_path / "calls.csv"
    log = read_calls([path], ReadingArguments(COLUMNS).options(most_tenants=3))
    assert log.tenants == ("a", "b", "other")
    assert tenants(log).count("other") == 3
    (note,) = log.notes
    assert note == (
        "The 2 largest tenants are kept; the other 2 with 3 of 10 calls are one, 'other' "
        "(--max-tenants)."
    )


LEGS = """\
t,end,talk,id,other,who
100,160,50,p,,acme
105,158,45,c1,p,legs
103,104,0,c2,p,legs
900,960,60,q,q,acme
950,999,40,q,,acme
2000,2010,10,,,acme
2000,2010,10,,,acme
3000,3060,55,x,y,acme
3002,3070,50,y,x,legs
"""


def test_records_of_one_call_are_one_call(tmp_path: Path) -> None:
    """By their own id, by that of a parent with several children, and where each names the
    other; those without an id stand for themselves."""
    columns = "start=t,end=end,hold=talk,id=id,other_id=other,tenant=who"
    log = read(tmp_path, LEGS, columns)
    assert (log.run_us() // SECOND).tolist() == [100, 900, 2000, 2000, 3000]
    assert (log.slot_us // SECOND).tolist() == [60, 99, 10, 10, 70]
    assert (log.hold_us // SECOND).tolist() == [50, 99, 10, 10, 65]
    assert log.tenants == ("acme",)
    assert log.line.tolist() == [2, 5, 7, 8, 9]
    (note,) = log.notes
    assert note.startswith("9 records are 5 calls")
    assert len(read(tmp_path, LEGS, columns, keep_duplicates=True)) == 9


def test_the_best_end_of_all_legs_is_that_of_the_call(tmp_path: Path) -> None:
    text = "t,d,h,s,id\n0,9,0,busy,k\n1,8,5,answered,k\n20,9,0,busy,m\n21,3,0,congestion,m\n"
    log = read(tmp_path, text, "start=t,duration=d,hold=h,status=s,id=id")
    assert [CallEnd(end) for end in log.end] == [CallEnd.COMPLETED, CallEnd.BUSY]
    assert log.hold_us.tolist() == [5 * SECOND, NEVER]


def test_files_in_any_order_are_one_log(tmp_path: Path) -> None:
    for name, starts in (("march", (5, 7)), ("april", (1, 6))):
        (tmp_path / f"{name}.csv").write_text("t,h\n" + "".join(f"{at},1\n" for at in starts))
    paths = [tmp_path / "march.csv", tmp_path / "april.csv"]
    for order in (paths, paths[::-1]):
        log = read_calls(order, ReadingArguments("start=t,hold=h").options())
        assert (log.offer_us // SECOND).tolist() == [1, 5, 6, 7]
        assert [file.path for file in log.files] == order


def test_words_for_how_a_call_ended(tmp_path: Path) -> None:
    words = {
        "answered": CallEnd.COMPLETED, "COMPLETED": CallEnd.COMPLETED, "failed": CallEnd.FAILED,
        "no-answer": CallEnd.NO_ANSWER, "No Answer": CallEnd.NO_ANSWER, "missed": CallEnd.NO_ANSWER,
        "busy": CallEnd.BUSY, "USER_BUSY": CallEnd.BUSY, "congestion": CallEnd.REFUSED,
        "rejected": CallEnd.REFUSED,
    }  # fmt: skip
    text = "t,d,h,s\n" + "".join(
        f"{at},9,{5 if end <= CallEnd.FAILED else 0},{word}\n"
        for at, (word, end) in enumerate(words.items())
    )
    log = read(tmp_path, text, "start=t,duration=d,hold=h,status=s")
    assert dict(zip(words, map(CallEnd, log.end.tolist()), strict=True)) == words
    assert log.notes == ()
    unknown = read(
        tmp_path, "t,d,h,s\n0,9,5,gone\n1,9,0,gone\n", "start=t,duration=d,hold=h,status=s"
    )
    assert unknown.end.tolist() == [CallEnd.COMPLETED, CallEnd.UNREACHED]
    assert unknown.notes == (
        "Nothing is known of the way of ending 'gone': whether such calls were answered is told by "
        "their other columns.",
    )


# --- clocks ---------------------------------------------------------------------------------


def test_summer_time_moves_the_clock_on_the_wall(tmp_path: Path) -> None:
    """In Berlin clocks went from 2:00 to 3:00 on 29 March 2026: noon is 11 hours after midnight."""
    text = "t,h\n2026-03-28 12:00:00,1\n2026-03-29 12:00:00,1\n"
    log = read(tmp_path, text, "start=t,hold=h", timezone="Europe/Berlin")
    assert log.offer_us.tolist() == [12 * HOUR, 35 * HOUR]
    assert log.wall_us().tolist() == [12 * HOUR, 36 * HOUR]
    naive = read(tmp_path, text, "start=t,hold=h")
    assert naive.offer_us.tolist() == naive.wall_us().tolist() == [12 * HOUR, 36 * HOUR]
    assert naive.clock is not None
    assert naive.clock.zone is None


def test_the_wall_clock_of_the_callers_may_be_another(tmp_path: Path) -> None:
    """23:30 in UTC is half past midnight in Berlin, on the next day of the week."""
    text = "t,h\n2026-03-01T23:30:00Z,1\n"
    here = read(tmp_path, text, "start=t,hold=h", timezone="Europe/Berlin")
    assert here.clock is not None
    assert (here.clock.weekday, here.offer_us[0]) == (0, HOUR // 2)
    there = read(tmp_path, text, "start=t,hold=h")
    assert there.clock is not None
    assert (there.clock.weekday, there.offer_us[0]) == (6, 23 * HOUR + HOUR // 2)
    assert there.notes == ("Times of day are in UTC; --timezone says where the callers live.",)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize(
    ("start", "end", "length", "is_call"),
    [
        # 25 October 2026: 2:50 in summer, and 20 minutes later it is 2:10 in winter.
        ("2026-10-25 02:50:00", "2026-10-25 02:10:00", 20 * 60, True),
        # 29 March 2026: 1:50, and 20 minutes later it is 3:10.
        ("2026-03-29 01:50:00", "2026-03-29 03:10:00", 20 * 60, True),
        ("2026-03-02 08:00:00", "2026-03-02 09:00:01", 1, True),
        ("2026-03-02 08:00:00", "2026-03-02 10:00:01", 1, False),
        ("2026-03-02 08:00:00", "2026-03-02 06:00:01", 1, False),
        ("2026-03-02 08:00:00", "2026-03-02 08:00:09", 1, False),
    ],
)
def test_an_end_off_by_just_an_hour_is_a_clock_that_was_set(
    tmp_path: Path, zone: str | None, start: str, end: str, length: int, is_call: bool
) -> None:
    text = f"t,e,d\n{start},{end},{length}\n"
    columns = "start=t,end=e,duration=d"
    if is_call:
        assert read(tmp_path, text, columns, timezone=zone).slot_us.tolist() == [length * SECOND]
    else:
        (problem,) = refused(tmp_path, text, columns, timezone=zone)
        assert problem.startswith("2: e: ")


def test_no_clock_is_to_blame_where_stamps_name_their_zone(tmp_path: Path) -> None:
    text = "t,e,d\n2026-03-02 08:00:00Z,2026-03-02 09:00:01Z,1\n"
    assert refused(tmp_path, text, "start=t,end=e,duration=d") == [
        "2: e: does not fit the start and the length of the call"
    ]


def test_zones_that_do_not_exist() -> None:
    with pytest.raises(OptionInvalid, match="did you mean 'Europe/Berlin'"):
        ReadingArguments("asterisk", timezone="Europe/Berln").options()


# --- a column of lengths --------------------------------------------------------------------


def test_one_column_of_lengths(tmp_path: Path) -> None:
    path = tmp_path / "holds.csv"
    path.write_text("id,s\nb,2\na,0.5\nc,0:01:00\n", encoding="utf-8")
    assert read_lengths(path, "s") == [2_000_000, 500_000, 60_000_000]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", [" is empty"]),
        ("id,s\n", [" has no rows below its header"]),
        ("id,t\n1,2\n", ["1: 's' is not a column (the header has id, t)"]),
        ("id,s\na,1\nb\nc,x\nd,\n", ["3: s: the line has 1 fields, not 2",
         "4: s: 'x' is not a number like 12 or 12.5", "5: s: is empty"]),
    ],
)  # fmt: skip
def test_a_column_that_is_none(tmp_path: Path, text: str, problems: list[str]) -> None:
    path = tmp_path / "holds.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CallLogInvalid) as caught:
        read_lengths(path, "s")
    assert [str(each).removeprefix(f"{path}:") for each in caught.value.problems] == problems


@pytest.mark.skipif(not SHARED.exists(), reason="the shared example data are not on this machine")
def test_a_real_log() -> None:
    log = read_calls([SHARED], ReadingArguments("tenant=tenant,start=t,hold=dur").options())
    lines = SHARED.read_text(encoding="utf-8").splitlines()[1:]
    assert len(log) == len(lines) == 8_819
    assert log.tenants == ("code",)
    for row in (0, 1, 4_000, 8_818):
        _, start, hold, *_ = lines[row].split(",")
        assert log.offer_us[row] == round(float(start) * 1e6)
        assert log.hold_us[row] == round(float(hold) * 1e6)
