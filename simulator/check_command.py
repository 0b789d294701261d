"""``busyhour check``: reads a history, judges it, and prints what it proves."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from simulator.checker import Alarm, HistoryJudgement, check_history
from simulator.checker.judgement import RESTARTED
from simulator.console import say
from simulator.exit_codes import FAILED, INCONCLUSIVE, INVALID, PASSED
from simulator.history import History, HistoryInvalid, as_line, histories_in, read_history

MOST_CALLS_SHOWN: Final = 12
MOST_LINES_SHOWN: Final = 40


_WORST_FIRST: Final = (FAILED, INCONCLUSIVE, PASSED)


def check(path: Path, limit: int | None, caps: Mapping[str, int], *, as_json: bool) -> int:
    """Judge the history in a file, or all of a run's directory, and print the judgement.

    Gives the exit code, of several histories the worst.
    """
    try:
        judged = []
        for each in _histories_at(path):
            history = _read(each)
            _require_tenants(history, caps, each)
            judged.append((each, check_history(history, limit, caps)))
    except HistoryInvalid as error:
        say(str(error))
        return INVALID
    codes = {_tell(each, judgement, as_json=as_json) for each, judgement in judged}
    return next(code for code in _WORST_FIRST if code in codes)


def _histories_at(path: Path) -> list[Path]:
    """The histories of a run's directory, or the file itself. Raises :class:`HistoryInvalid`."""
    if not path.is_dir():
        return [path]
    found = histories_in(path)
    if not found:
        raise HistoryInvalid(f"{path}: there is no history in this directory")
    return found


def _read(path: Path) -> History:
    try:
        return read_history(path)
    except OSError as error:
        raise HistoryInvalid(f"{path}: cannot be read: {error.strerror or error}") from None


def _require_tenants(history: History, caps: Mapping[str, int], path: Path) -> None:
    """Raise :class:`HistoryInvalid` for a limit of a tenant that the history does not know."""
    tenants = history.header.tenants
    if tenants is None:
        known = {each.tenant_id for each in history.operations if each.tenant_id is not None}
    else:
        known = {name for name, limits in tenants.items() if limits.configured}
        known |= {name for each in history.operations for name in each.tenants or ()}
    for name in caps:
        if name not in known:
            raise HistoryInvalid(
                f"--tenant-cap {name}: {path} has no such tenant; it has "
                + (", ".join(sorted(known)) or "none")
            )


def _tell(path: Path, judgement: HistoryJudgement, *, as_json: bool) -> int:
    """Print a judgement; its exit code."""
    verdict, reason = verdict_of(judgement)
    if as_json:
        document = {"verdict": verdict, "reason": reason, **judgement.to_dict()}
        print(json.dumps(document, allow_nan=False), flush=True)
    else:
        print("\n".join(_lines(path, judgement, verdict, reason)), flush=True)
    return {"pass": PASSED, "fail": FAILED}.get(verdict, INCONCLUSIVE)


def verdict_of(judgement: HistoryJudgement) -> tuple[str, str]:
    """``pass``, ``fail`` or ``inconclusive``, and why. A proven alarm stays one."""
    if judgement.alarms:
        count = len(judgement.alarms)
        return "fail", f"{count} alarm{'s' if count > 1 else ''}"
    if not judgement.calls_offered:
        return "inconclusive", "no call was offered"
    if judgement.restarted:
        return "inconclusive", RESTARTED
    if judgement.truncated:
        return "inconclusive", "the history is cut off; what is whole of it raises no alarm"
    return "pass", "every answer and every counter can be explained"


def _lines(path: Path, judgement: HistoryJudgement, verdict: str, reason: str) -> list[str]:
    lines = [
        f"{path}: {verdict}: {reason}",
        f"  {judgement.operations} operations, {judgement.calls_offered} calls offered",
    ]
    lines += [f"  note: {note}" for note in judgement.notes]
    for alarm in judgement.alarms:
        lines += alarm_lines(alarm)
    return lines


def alarm_lines(alarm: Alarm) -> list[str]:
    """An alarm with its calls and the stretch that proves it, long ones shortened."""
    lines = [f"ALARM {alarm.kind}: {alarm.message}"]
    if alarm.calls:
        shown = ", ".join(alarm.calls[:MOST_CALLS_SHOWN])
        more = len(alarm.calls) - MOST_CALLS_SHOWN
        lines.append(f"  calls: {shown}" + (f" and {more} more" if more > 0 else ""))
    stretch = [f"    {as_line(operation)}" for operation in alarm.stretch]
    if len(stretch) > MOST_LINES_SHOWN:
        half = MOST_LINES_SHOWN // 2
        left_out = f"    ... {len(stretch) - 2 * half} operations more (--json has them) ..."
        stretch = [*stretch[:half], left_out, *stretch[-half:]]
    return [*lines, f"  proven by {len(alarm.stretch)} operations:", *stretch]
