"""Call logs: exact conversion, order, and every broken line by its number."""

from pathlib import Path

import numpy as np
import pytest

from simulator.call_log import CallLogInvalid, CallLogRows, read_call_log, read_seconds_column

SHARED = Path(__file__).parents[3] / "shared" / "data" / "azure_llm2023_code.csv"
COLUMNS = {"tenant": "who", "start": "t", "hold": "dur"}


def read(directory: Path, text: str | bytes, **columns: str) -> CallLogRows:
    path = directory / "calls.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_call_log(path, columns or COLUMNS)


def refused(directory: Path, text: str | bytes, **columns: str) -> list[str]:
    with pytest.raises(CallLogInvalid) as caught:
        read(directory, text, **columns)
    prefix = f"{directory / 'calls.csv'}:"
    return [str(problem).removeprefix(prefix) for problem in caught.value.problems]


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
    assert log.start_us.tolist() == [0, 1, 10, 300_000, 3_599_627_370_497]
    assert log.hold_us is not None
    assert log.hold_us.tolist() == [1, 2_000_000, 2, 100_000, 0]
    assert log.start_us.dtype == np.int64
    assert log.hold_us.dtype == np.int64


def test_rows_are_sorted_by_start_and_stand_in_file_order_where_they_tie(tmp_path: Path) -> None:
    log = read(tmp_path, "dur,who,t\n1,a,5\n2,b,3\n3,c,5\n4,d,3\n")
    assert log.tenant == ("b", "d", "a", "c")
    assert log.start_us.tolist() == [3_000_000, 3_000_000, 5_000_000, 5_000_000]
    assert log.hold_us is not None
    assert log.hold_us.tolist() == [2_000_000, 4_000_000, 1_000_000, 3_000_000]
    assert log.line.tolist() == [3, 5, 2, 4]


def test_starts_in_seconds_are_kept_as_they_are(tmp_path: Path) -> None:
    assert read(tmp_path, "who,t,dur\na,7,1\n").start_us.tolist() == [7_000_000]


def test_timestamps_count_from_the_earliest(tmp_path: Path) -> None:
    log = read(
        tmp_path,
        "who,t,dur\n"
        "a,2026-03-01T10:00:00.25+01:00,1\n"
        "b,2026-03-01 09:00:00.000001Z,1\n"
        "c,2026-03-02T09:00:00+0000,1\n",
    )
    assert log.tenant == ("b", "a", "c")
    assert log.start_us.tolist() == [0, 249_999, 86_399_999_999]


def test_a_log_need_not_name_tenants_and_may_have_setup_times(tmp_path: Path) -> None:
    log = read(tmp_path, "t,dur,ring\n1,2,0.5\n", start="t", hold="dur", setup="ring")
    assert log.tenant == ("all",)
    assert log.setup_us is not None
    assert log.setup_us.tolist() == [500_000]
    assert read(tmp_path, "t,dur\n1,2\n", start="t", hold="dur").setup_us is None


def test_what_spreadsheets_write_is_read(tmp_path: Path) -> None:
    log = read(tmp_path, b'\xef\xbb\xbf"who","t","dur"\r\n"a, b","1"," 2 "\r\n\r\n')
    assert log.tenant == ("a, b",)
    assert len(log) == 1


def test_every_broken_line_is_named(tmp_path: Path) -> None:
    problems = refused(
        tmp_path,
        'who,t,dur\na,0,1\na,x,1\na,1\na,1,2,3\n"a\nb",2,1\na,-1,1\na,1,-0.5\na,nan,1\n,1,1\n',
    )
    # rows of the wrong width come first: what their fields mean is not known
    assert [text.split(":")[0] for text in problems] == ["4", "5"]
    assert "has 2 fields where the header has 3" in problems[0]
    problems = refused(
        tmp_path,
        'who,t,dur\na,0,1\na,x,1\n"a\nb",2,1\na,-1,1\na,1,-0.5\na,nan,1\n,1,1\na,1,99999999999\n',
    )
    assert [text.split(":")[0] for text in problems] == ["3", "4", "6", "7", "8", "9", "10"]
    for text, wanted in zip(
        problems,
        ["not a number", "tenant id", "negative", "negative", "not a number", "tenant id", "ten y"],
        strict=True,
    ):
        assert wanted in text


def test_many_broken_lines_are_counted(tmp_path: Path) -> None:
    problems = refused(tmp_path, "who,t,dur\n" + "a,x,1\n" * 60)
    assert len(problems) == 51
    assert problems[49].startswith("51:")
    assert "and 10 more" in problems[50]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", "1", "is empty"),
        ("who,t,dur\n", "1", "has no rows below its header"),
        ("who,time,dur\na,1,1\n", "1", "is not a column"),
        ("who;start;hold\na;1;1\n", "1", "is separated by ';'"),
        ("who,t,t,dur\na,1,1,1\n", "1", "names two columns"),
        ('who,t,dur\na,1,1\n"a,1,1\n', "3", "is not CSV"),
        ("who,t,dur\na,2026-02-30T00:00:00,1\n", "2", "is not a timestamp"),
        ("who,t,dur\na,2026-02-03T00:00:00,1\na,5,1\n", "3", "is not a timestamp"),
        ("who,t,dur\na,2026-02-03T00:00:00Z,1\na,2026-02-03T00:00:00,1\n", "3", "name a zone"),
        ("who,t,dur\na,2006-02-03T00:00:00,1\na,2026-02-03T00:00:00,1\n", "3", "ten years"),
    ],
)
def test_what_is_no_log(tmp_path: Path, text: str, line: str, message: str) -> None:
    (problem,) = refused(tmp_path, text)
    assert problem.startswith(f"{line}:1: ")
    assert message in problem


def test_a_near_miss_of_a_column_is_suggested(tmp_path: Path) -> None:
    (problem,) = refused(
        tmp_path, "tenant_id,t,dur\na,1,1\n", tenant="tenant", start="t", hold="dur"
    )
    assert "did you mean 'tenant_id'?" in problem


def test_files_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(CallLogInvalid, match="is not a UTF-8 text file"):
        read(tmp_path, b"who,t,dur\n\xff\xfe,1,1\n")
    with pytest.raises(CallLogInvalid, match="cannot be read"):
        read_call_log(tmp_path / "missing.csv", COLUMNS)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"start": "t"}, "--columns: hold: is missing"),
        ({"start": "t", "hold": "dur", "tennant": "who"}, "did you mean 'tenant'?"),
    ],
)
def test_columns_that_make_no_calls(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    with pytest.raises(CallLogInvalid) as caught:
        read(tmp_path, "who,t,dur\na,1,1\n", **columns)
    assert message in str(caught.value)


def test_one_column_of_seconds(tmp_path: Path) -> None:
    path = tmp_path / "holds.csv"
    path.write_text("id,s\nb,2\na,0.5\n", encoding="utf-8")
    assert read_seconds_column(path, "s") == [2_000_000, 500_000]


@pytest.mark.skipif(not SHARED.exists(), reason="the shared example data are not on this machine")
def test_a_real_log() -> None:
    log = read_call_log(SHARED, {"tenant": "tenant", "start": "t", "hold": "dur"})
    lines = SHARED.read_text(encoding="utf-8").splitlines()[1:]
    assert len(log) == len(lines) == 8_819
    assert set(log.tenant) == {"code"}
    assert log.hold_us is not None
    for row in (0, 1, 4_000, 8_818):
        _, start, hold, *_ = lines[row].split(",")
        assert log.start_us[row] == round(float(start) * 1e6)
        assert log.hold_us[row] == round(float(hold) * 1e6)
