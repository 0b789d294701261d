"""The ready-made mappings against records in the forms that the systems document."""

from pathlib import Path

import pytest

from simulator.cdr.lines import CallLogInvalid
from simulator.cdr.mappings import FIELDS, FREESWITCH, READY_MADE, ColumnMapping, word_of
from simulator.cdr.options import ReadingArguments
from simulator.cdr.reader import read_calls
from simulator.cdr.recorded import CallEnd, RecordedCalls
from simulator.conditions import NEVER

SECOND = 1_000_000
NINE = 9 * 3600 * SECOND


def read(directory: Path, text: str, columns: str) -> RecordedCalls:
    path = directory / "calls.csv"
    path.write_text(text, encoding="utf-8")
    return read_calls([path], ReadingArguments(columns).options())


def calls(log: RecordedCalls) -> list[tuple[str, int, int, int, str]]:
    """Tenant, seconds after nine o'clock, setup and hold (-1: not answered), and how it ended."""
    return [
        (
            log.tenants[log.tenant[row]],
            (int(log.offer_us[row]) - NINE) // SECOND,
            int(log.setup_us[row]) // SECOND,
            int(log.hold_us[row]) // SECOND,
            CallEnd(log.end[row]).name,
        )
        for row in range(len(log))
    ]


WANTED = [("acme", 0, 10, 120, "COMPLETED"), ("beta", 60, NEVER, NEVER, "NO_ANSWER")]
ASTERISK_FIELDS = (
    '"acme","+4930123","800","in","""Jo"" <+4930123>","PJSIP/trunk-1","PJSIP/a-1","Dial","PJSIP/a,'
    '30,tT","2026-03-02 09:00:00","2026-03-02 09:00:10","2026-03-02 09:02:10",130,120,"ANSWERED",'
    '"DOCUMENTATION"{}\n'
    '"beta","","800","in","","PJSIP/trunk-2","","Dial","PJSIP/a;b|c&d,30","2026-03-02 09:01:00",,'
    '"2026-03-02 09:01:20",20,0,"NO ANSWER","DOCUMENTATION"{}\n'
)


@pytest.mark.parametrize(
    "more",
    [
        ("", ""),
        (',"1772442000.17",""', ',"1772442060.18","x"'),
        (',"1772442000.17","",,"1772442000.17",5', ',"1772442060.18","",,"1772442060.18",6'),
        # Only loguserfield: what stands where the id would is the same for both.
        (',"night"', ',"night"'),
    ],
    ids=["bare", "uniqueid and userfield", "new columns", "userfield alone"],
)
def test_asterisk_cdr_csv(tmp_path: Path, more: tuple[str, str]) -> None:
    log = read(tmp_path, ASTERISK_FIELDS.format(*more), "asterisk")
    assert calls(log) == WANTED
    assert log.caller is not None
    assert log.caller.tolist() == [1, 0]


def test_asterisk_with_a_header(tmp_path: Path) -> None:
    names = (
        "accountcode,src,dst,dcontext,clid,channel,dstchannel,lastapp,lastdata,start,answer,end,"
        "duration,billsec,disposition,amaflags\n"
    )
    assert calls(read(tmp_path, names + ASTERISK_FIELDS.format("", ""), "asterisk")) == WANTED


def test_asterisk_from_the_usual_database_table(tmp_path: Path) -> None:
    """cdr_adaptive_odbc: the start is often called calldate, and there may be no other instant."""
    text = (
        "calldate,clid,src,dst,dcontext,channel,lastapp,lastdata,duration,billsec,disposition,"
        "amaflags,accountcode,uniqueid,userfield\n"
        "2026-03-02 09:00:00,x,+4930123,800,in,c,Dial,d,130,120,ANSWERED,3,acme,1772442000.17,\n"
        "2026-03-02 09:01:00,x,,800,in,c,Dial,d,20,0,NO ANSWER,3,beta,1772442060.18,\n"
    )
    assert calls(read(tmp_path, text, "asterisk")) == WANTED


def test_the_order_of_cdr_custom_is_refused_and_read_by_number(tmp_path: Path) -> None:
    text = (
        '"""Jo"" <1>","1","800","in","c","d","Dial","x","2026-03-02 09:00:00",'
        '"2026-03-02 09:00:10","2026-03-02 09:02:10","130","120","ANSWERED","DOCUMENTATION","acme",'
        '"1772442000.17",""\n'
        '"","","800","in","c","","Dial","x","2026-03-02 09:01:00","","2026-03-02 09:01:20","20",'
        '"0","NO ANSWER","DOCUMENTATION","beta","1772442060.18",""\n'
    )
    with pytest.raises(CallLogInvalid):
        read(tmp_path, text, "asterisk")
    by_number = "caller=2,start=9,answer=10,end=11,duration=12,hold=13,status=14,tenant=16,id=17"
    assert calls(read(tmp_path, text, by_number)) == WANTED


FREESWITCH_FIELDS = (
    '"Jo","+4930123","800","public","2026-03-02 09:00:00","2026-03-02 09:00:10",'
    '"2026-03-02 09:02:10","130","120","NORMAL_CLEARING","0a-1","0b-1",{}"acme"{}\n'
    '"","","800","public","2026-03-02 09:01:00","","2026-03-02 09:01:20","20","0",'
    '"ORIGINATOR_CANCEL","0a-2","",{}"beta"{}\n'
)


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("", ',"PCMA","PCMA"'),
        # snom has a blank in front of the account code.
        (" ", ',"PCMA","PCMA","agent","","","",""'),
        ("", ',"PCMA","PCMA","agent",""'),
    ],
    ids=["example", "snom", "linksys"],
)
def test_freeswitch_templates(tmp_path: Path, before: str, behind: str) -> None:
    text = FREESWITCH_FIELDS.format(before, behind, before, behind)
    assert calls(read(tmp_path, text, "freeswitch")) == WANTED


def test_the_template_of_freeswitch_for_asterisk_is_read_as_asterisk(tmp_path: Path) -> None:
    text = (
        '"acme","1","800","in","Jo <1>","sofia/in","sofia/out","bridge","sofia/x",'
        '"2026-03-02 09:00:00","2026-03-02 09:00:10","2026-03-02 09:02:10","130","120",'
        '"NORMAL_CLEARING","3","0a-1",""\n'
        '"beta","","800","in","","sofia/in","","bridge","sofia/x","2026-03-02 09:01:00","",'
        '"2026-03-02 09:01:20","20","0","NO_ANSWER","3","0a-2",""\n'
    )
    assert calls(read(tmp_path, text, "asterisk")) == WANTED


def test_both_legs_of_freeswitch_are_one_call(tmp_path: Path) -> None:
    text = (
        '"Jo","1","800","public","2026-03-02 09:00:00","2026-03-02 09:00:10","2026-03-02 09:02:10",'
        '"130","120","NORMAL_CLEARING","leg-a","leg-b","acme","PCMA","PCMA"\n'
        '"Jo","1","801","in","2026-03-02 09:00:02","2026-03-02 09:00:10","2026-03-02 09:02:10",'
        '"128","120","NORMAL_CLEARING","leg-b","leg-a","acme","PCMA","PCMA"\n'
    )
    assert calls(read(tmp_path, text, "freeswitch")) == WANTED[:1]


def test_twilio_by_the_names_of_the_rest_api(tmp_path: Path) -> None:
    """Dates are RFC 2822 there; a child leg names its parent and is no call of its own."""
    text = (
        "sid,date_created,parent_call_sid,account_sid,to,from,status,start_time,end_time,duration,"
        "price,direction\n"
        'CA1,"Mon, 02 Mar 2026 08:59:58 +0000",,acme,+1,+2,completed,'
        '"Mon, 02 Mar 2026 09:00:00 +0000","Mon, 02 Mar 2026 09:02:10 +0000",130,-0.01,inbound\n'
        'CA2,"Mon, 02 Mar 2026 09:00:05 +0000",CA1,acme,+3,+1,completed,'
        '"Mon, 02 Mar 2026 09:00:05 +0000","Mon, 02 Mar 2026 09:02:10 +0000",125,-0.01,'
        "outbound-dial\n"
        'CA3,"Mon, 02 Mar 2026 09:01:00 +0000",,beta,+1,+2,no-answer,'
        '"Mon, 02 Mar 2026 09:01:00 +0000","Mon, 02 Mar 2026 09:01:20 +0000",,,outbound-api\n'
        'CA4,"Mon, 02 Mar 2026 09:03:00 +0000",,beta,+1,+2,busy,'
        '"Mon, 02 Mar 2026 09:03:00 +0000","Mon, 02 Mar 2026 09:03:02 +0000",0,,outbound-api\n'
    )
    log = read(tmp_path, text, "twilio")
    assert sorted(calls(log)) == [
        ("acme", 0, 0, 130, "COMPLETED"),
        ("beta", 60, NEVER, NEVER, "NO_ANSWER"),
        ("beta", 180, NEVER, NEVER, "BUSY"),
    ]
    assert (log.slot_us // SECOND).tolist() == [130, 20, 2]


@pytest.mark.parametrize(
    "header",
    [
        "Call Sid,Account Sid,From,Status,Start Time,End Time,Duration",
        "CallSid,AccountSid,From,Status,StartTime,EndTime,Duration",
        "Call SID;Account SID;From;Status;Start time;End time;Duration (seconds)",
        "sid\taccountSid\tfrom\tstatus\tstartTime\tendTime\tduration",
    ],
)
def test_twilio_however_its_columns_are_spelled(tmp_path: Path, header: str) -> None:
    rows = (
        "CA1,acme,+2,completed,2026-03-02T09:00:00Z,2026-03-02T09:02:10Z,130\n"
        "CA2,beta,+3,canceled,2026-03-02 09:01:00 UTC,2026-03-02 09:01:20 UTC,\n"
    )
    delimiter = next(each for each in ",;\t" if each in header)
    log = read(tmp_path, header + "\n" + rows.replace(",", delimiter), "twilio")
    assert calls(log) == [("acme", 0, 0, 130, "COMPLETED"), WANTED[1]]


def test_a_header_without_what_is_needed_says_so(tmp_path: Path) -> None:
    with pytest.raises(CallLogInvalid) as caught:
        read(tmp_path, "Call Sid,From,Status,Start Time\nCA1,+1,busy,x\n", "twilio")
    assert str(caught.value) == (
        f"{tmp_path / 'calls.csv'}:1: has no column of twilio that says how long calls last (the "
        "header has Call Sid, From, Status, Start Time); name your columns like --columns "
        "'start=Date,hold=Seconds'"
    )


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("NORMAL_CLEARING", CallEnd.NO_ANSWER),
        ("USER_BUSY", CallEnd.BUSY),
        ("CALL_REJECTED", CallEnd.BUSY),
        ("SWITCH_CONGESTION", CallEnd.REFUSED),
        ("NORMAL_CIRCUIT_CONGESTION", CallEnd.REFUSED),
        ("DESTINATION_OUT_OF_ORDER", CallEnd.UNREACHED),
        ("", CallEnd.UNREACHED),
    ],
)
def test_causes_of_calls_that_were_not_answered(text: str, end: CallEnd) -> None:
    assert word_of(FREESWITCH, text).end == end
    assert word_of(FREESWITCH, text).answered is None


@pytest.mark.parametrize("mapping", READY_MADE.values(), ids=lambda each: each.name)
def test_every_mapping_knows_what_is_needed(mapping: ColumnMapping) -> None:
    assert {"start", "hold", "end", "status"} <= set(mapping.fields) <= set(FIELDS)
