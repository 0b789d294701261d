"""Reading call-detail records beside the floor of the language, and the whole of ``busyhour fit``.

Run it on a quiet machine: `python -m bench.fit`, or with `--lines N` for logs of another length.
The logs are of 20 tenants with 20 calls a second between them, written in the ready-made formats
and one of our own; the floor, a bare ``csv.reader`` loop, only splits the lines of the same file
and counts them. The whole command is a process of its own, so that its largest memory can be told.
A gigabyte: `python -m bench.fit --lines 4000000 --rounds 1 --formats asterisk`.
"""

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from simulator.cdr.mappings import parse_columns
from simulator.cdr.reader import ReadOptions, read_calls

START = datetime(2026, 3, 2, tzinfo=UTC)
CALLS_PER_S = 20
MAPPINGS = {
    "asterisk": "asterisk",
    "freeswitch": "freeswitch",
    "twilio": "twilio",
    "own": "start=t,duration=dur,tenant=who",
}


def calls(count: int) -> Iterator[tuple[float, int, int, int, int]]:
    """Offer in seconds, ring and talk time in whole seconds, tenant, caller."""
    draw = random.Random(1)
    at_s = 0.0
    for _ in range(count):
        at_s += draw.expovariate(CALLS_PER_S)
        talk_s = int(draw.expovariate(1 / 180)) if draw.random() < 0.8 else 0
        yield at_s, draw.randrange(3, 40), talk_s, draw.randrange(20), draw.randrange(200_000)


def lines(form: str, count: int) -> Iterator[str]:
    if form == "twilio":
        yield "Call Sid,To,From,Start Time,End Time,Status,Direction,Duration,Price\n"
    if form == "own":
        yield "who,t,dur,note\n"
    for number, (at_s, ring_s, talk_s, tenant, caller) in enumerate(calls(count)):
        start = START + timedelta(seconds=int(at_s))
        answer, end = (start + timedelta(seconds=each) for each in (ring_s, ring_s + talk_s))
        stamps = [each.strftime("%Y-%m-%d %H:%M:%S") for each in (start, answer, end)]
        if not talk_s:
            stamps[1] = ""
        if form == "asterisk":
            quoted = '"","' if not stamps[1] else f'"{stamps[1]}","'
            yield (
                f'"acme{tenant}","{caller:010}","800","inbound","""Caller"" <{caller:010}>",'
                f'"PJSIP/trunk-{number:08x}","PJSIP/agent-{number:08x}","Dial","PJSIP/agent,30",'
                f'"{stamps[0]}",{quoted}{stamps[2]}",{ring_s + talk_s},{talk_s},'
                f'"{"ANSWERED" if talk_s else "NO ANSWER"}","DOCUMENTATION",'
                f'"{1_772_400_000 + int(at_s)}.{number}",""\n'
            )
        elif form == "freeswitch":
            yield (
                f'"Caller","{caller:010}","800","public","{stamps[0]}","{stamps[1]}","{stamps[2]}",'
                f'"{ring_s + talk_s}","{talk_s}","{"NORMAL_CLEARING" if talk_s else "NO_ANSWER"}",'
                f'"{number:08x}-1111-4222-8333-444444444444","","acme{tenant}","PCMA","PCMA"\n'
            )
        elif form == "twilio":
            yield (
                f"CA{number:032x},+15005550006,+1{caller:010},{stamps[0]} UTC,{stamps[2]} UTC,"
                f"{'completed' if talk_s else 'no-answer'},inbound,{talk_s},-0.0085\n"
            )
        else:
            yield f"acme{tenant},{at_s:.6f},{ring_s + talk_s},\n"


def best_of(rounds: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def floor(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as stream:
        return sum(1 for _ in csv.reader(stream))


def whole_command(path: Path, columns: str, *more: str) -> tuple[float, float]:
    """Seconds of CPU, and largest resident memory in megabytes, of one run of the command."""
    command = [sys.executable, "-m", "simulator.cli", "fit", str(path), "--columns", columns]
    target = ["--output", str(path.with_suffix(".yaml")), "--force"]
    running = subprocess.Popen([*command, *target, *more], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", nargs="+", choices=list(MAPPINGS), default=list(MAPPINGS))
    arguments = parser.parse_args()
    count: int = arguments.lines
    commands = []
    print("| format | bytes | bare csv.reader, lines/s | read_calls, lines/s | times floor |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        for form in arguments.formats:
            path = Path(directory) / f"{form}.csv"
            with path.open("w") as stream:
                stream.writelines(lines(form, count))
            options = ReadOptions(parse_columns(MAPPINGS[form]))

            def read(path: Path = path, options: ReadOptions = options) -> None:
                log = read_calls([path], options)
                assert len(log) == count

            def bare(path: Path = path) -> None:
                assert floor(path) >= count

            bare_s = best_of(arguments.rounds, bare)
            ours_s = best_of(arguments.rounds, read)
            print(
                f"| {form} | {path.stat().st_size:,} | {count / bare_s:,.0f} | "
                f"{count / ours_s:,.0f} | {ours_s / bare_s:.2f} |",
                flush=True,
            )
            for named, more in ((", --no-compare", ("--no-compare",)), ("", ())):
                commands.append((f"{form}{named}", *whole_command(path, MAPPINGS[form], *more)))
            path.unlink()
    print("\n| busyhour fit | CPU s | largest memory, MB |")
    print("|---|---|---|")
    for name, cpu_s, megabytes in commands:
        print(f"| {name} | {cpu_s:.1f} | {megabytes:,.0f} |")


if __name__ == "__main__":
    main()
