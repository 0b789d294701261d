"""Histories as files: what is written is read again, and what is wrong is named by its line."""

import json
from pathlib import Path

import pytest

from simulator.history import (
    HistoryHeader,
    HistoryInvalid,
    HistoryWriter,
    Operation,
    TenantLimits,
    read_history,
    write_history,
)

HEADER = HistoryHeader(limit=2, tenants={"acme": TenantLimits(max_concurrent_calls=1)})
OFFER = Operation(
    op="offer",
    call_id="c1",
    tenant_id="acme",
    invoke_us=10,
    complete_us=90,
    decision="rejected",
    reason="capacity",
    scopes=("total", "tenant"),
)
LOST = Operation(op="end", call_id="c1", invoke_us=100, result="indefinite", outcome="failed")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write_history(path, HEADER, [OFFER, LOST])
    history = read_history(path)
    assert history.header == HEADER
    assert list(history.operations) == [OFFER, LOST]
    assert not history.truncated


def test_a_history_is_readable_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    writer = HistoryWriter(path, HEADER)
    assert read_history(path).truncated
    writer.append(OFFER)
    writer.flush()
    history = read_history(path)
    assert list(history.operations) == [OFFER]
    assert history.truncated
    writer.close()
    writer.close()
    assert not read_history(path).truncated


def test_an_error_while_writing_leaves_a_history_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"

    def fail() -> None:
        with HistoryWriter(path, HEADER) as writer:
            writer.append(OFFER)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read_history(path).truncated


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_cut_off_in_the_middle_is_left_out(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "history.jsonl"
    write_history(path, HEADER, [OFFER, LOST])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:cut])
    history = read_history(path)
    assert list(history.operations) == [OFFER]
    assert history.truncated


def line(**fields: object) -> str:
    first = {"op": "offer", "call_id": "c", "tenant_id": "t", "invoke_us": 1, "complete_us": 2}
    return json.dumps({**first, "decision": "admitted", **fields})


HEADER_LINE = '{"format": "busyhour-history", "version": 1}'


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "1: the header line is missing"),
        (["{}"], "1: no header of a history"),
        (['{"format": "busyhour-history", "version": 2}'], "1: no header of a history"),
        ([HEADER_LINE.replace("}", ', "limt": 3}')], "1: no header of a history"),
        ([HEADER_LINE, line(), "not json"], "3: "),
        ([HEADER_LINE, line(), "", line()], "3: the line is empty"),
        ([HEADER_LINE, line(completed_us=3)], "2: Object contains unknown field `completed_us`"),
        (
            [HEADER_LINE, line(result="good")],
            "2: Invalid enum value 'good' - at `$.result`; known are ok, refused, failed, indefi",
        ),
        (
            [HEADER_LINE, line(scopes=["all"])],
            "2: Invalid enum value 'all' - at `$.scopes[0]`; known are total, tenant, reserved",
        ),
        ([HEADER_LINE, line(invoke_us=-1)], "2: offer: invoke_us must be 0 to "),
        ([HEADER_LINE, line(complete_us=1 << 80)], "2: offer: complete_us must be at most "),
        ([HEADER_LINE.replace("}", ', "limit": -1}')], "1: no header of a history"),
        ([HEADER_LINE.replace("}", ', "deadlines": {"active_us": -1}}')], "1: no header"),
        (
            [HEADER_LINE, line(op="read", counters={"total": {"offered_calls": 1 << 80}})],
            "2: Expected `int` <= ",
        ),
        ([HEADER_LINE, '{"op": "close", "operations": 0}', line()], "2: the closing line must be"),
        ([HEADER_LINE, line(complete_us=0)], "2: offer: complete_us 0 is before invoke_us 1"),
        ([HEADER_LINE, line(complete_us=None)], "2: offer: complete_us is missing"),
        ([HEADER_LINE, line(call_id=None)], "2: offer: call_id is missing"),
        ([HEADER_LINE, line(tenant_id=None)], "2: offer: tenant_id is missing"),
        ([HEADER_LINE, line(decision="ended")], "2: offer: decision must be one of admitted"),
        ([HEADER_LINE, line(decision="rejected")], "2: offer: reason is missing"),
        ([HEADER_LINE, line(op="read")], "2: read: counters and in_use are both missing"),
        ([HEADER_LINE, line(op="limits")], "2: limits: max_concurrent_calls and tenants"),
        ([HEADER_LINE, line(), '{"op": "close", "operations": 2}'], "3: the closing line counts 2"),
    ],
)
def test_a_mistake_is_named_by_file_and_line(tmp_path: Path, lines: list[str], said: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")
    with pytest.raises(HistoryInvalid) as caught:
        read_history(path)
    assert str(caught.value).startswith(f"{path}:{said}")
