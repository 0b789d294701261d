"""A history: what a driver asked of a service, when, and what it was answered.

One JSON object a line: a header, then every operation in the order in which it was completed, then
a closing line. All instants are int64 microseconds of the driver's monotonic clock since the run
began. ``docs/history-format.md`` describes the format for those who write one themselves.

:class:`Operation` is a frozen msgspec struct with slots: it is made, compared and read like a
frozen dataclass, and a million of them are decoded in about a second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

HISTORY: Final = "history.jsonl"
"""The name of a history in the directory of a run's reports."""

HISTORIES: Final = "history-*.jsonl"
"""Those of a run on several services, each with a limit of its own, in place of the one."""

FORMAT: Final = "busyhour-history"
VERSION: Final = 1

CALL_OPS: Final = ("offer", "accept", "start", "refer", "end")
OPS: Final = (*CALL_OPS, "limits", "read", "restart", "settled")
RESULTS: Final = ("ok", "refused", "failed", "indefinite")

OpName = Literal[
    "offer", "accept", "start", "refer", "end", "limits", "read", "restart", "settled"
]  # fmt: skip
Result = Literal["ok", "refused", "failed", "indefinite"]
DecisionName = Literal[
    "admitted", "accepted", "started", "referred", "ended", "abandoned", "rejected"
]
ReasonName = Literal["capacity", "tenant_not_configured", "instructions_missing"]
ScopeName = Literal["total", "tenant", "reserved"]
OutcomeName = Literal["completed", "hung_up", "failed"]


MOST_US: Final = 1 << 60
"""The last instant, and the longest time, that a history may name."""

MOST_CALLS: Final = 1 << 32
"""The largest limit."""

Calls = Annotated[int, msgspec.Meta(ge=0, le=MOST_CALLS)]
Duration = Annotated[int, msgspec.Meta(ge=0, le=MOST_US)]
Figure = (
    Annotated[int, msgspec.Meta(ge=-MOST_US, le=MOST_US)]
    | Annotated[float, msgspec.Meta(ge=-float(MOST_US), le=float(MOST_US))]
)
Slots = Annotated[int, msgspec.Meta(ge=-MOST_CALLS, le=MOST_CALLS)]
"""Figures as they were read; what a sound service never shows is for the checker to say."""


class TenantLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A tenant's limits. ``max_concurrent_calls`` None: no limit of its own.

    ``configured`` false: its offers are rejected as those of an unknown tenant.
    """

    max_concurrent_calls: Calls | None = None
    reserved_calls: Calls = 0
    enabled: bool = True
    configured: bool = True


class HistoryDeadlines(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How long the service lets a call stay in a state, in microseconds; None: for ever."""

    pending_us: Duration | None = None
    accepted_us: Duration | None = None
    active_us: Duration | None = None


class HistoryHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The first line: what is known of the service before the first operation.

    - ``limit``: the total limit, or None when it is not known; then it is not judged.
    - ``tenants``: the configured tenants and their limits, or None when they are not known.
    - ``complete``: nobody else used the service during the run; false lets checks that need this
      rest.
    - ``deadlines``: those of the service, so that calls may end without being asked to.
    - ``timeout_us``: how long the driver waits for an answer before it gives an operation up; it
      counts only in a history that was cut off and has no ``settled`` lines.
    - ``targets``: where the service was; they share one limit and one set of counters.
    - ``about``: whatever the driver wants to be remembered (scenario, seed, speed); not judged.
    """

    format: Literal["busyhour-history"] = FORMAT
    version: Literal[1] = VERSION
    limit: Calls | None = None
    tenants: dict[str, TenantLimits] | None = None
    complete: bool = True
    deadlines: HistoryDeadlines = HistoryDeadlines()
    timeout_us: Duration | None = None
    targets: tuple[str, ...] = ()
    about: dict[str, Any] = {}


class CountersRead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Counters of one read, by name: of the total, and of those tenants that were read with it."""

    total: dict[str, Figure] | None = None
    tenants: dict[str, dict[str, Figure]] = {}


class InUseRead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Slots in use of one read: of the total, and of those tenants that were read with it."""

    total: Slots | None = None
    tenants: dict[str, Slots] = {}


class Operation(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """One request and its answer.

    ``result``: ``ok`` (answered 200; ``decision``, ``reason``, ``scopes`` and ``fallback`` are the
    answer), ``refused`` (the service said no and changed nothing; ``code`` says why), ``failed``
    (never reached the service) or ``indefinite`` (may have happened at any time after
    ``invoke_us``, or never). ``complete_us`` is None only where there was no answer.

    ``accept`` on an offer asked for the accept in the same request. ``limits`` carries the new
    ``max_concurrent_calls`` (None: as before) and the whole new limits
    of each tenant in ``tenants``; ``read`` carries ``counters`` and ``in_use`` (one snapshot);
    ``restart`` says that the service was down somewhere between the two instants and lost its
    state: ``unexpected`` if the driver did not plan it, and, where they are known, with the limits,
    all the ``tenants`` and the ``deadlines`` in force since; ``settled`` that everything that
    began before ``invoke_us`` stands above. ``target`` is an index into the header's ``targets``.
    """

    op: OpName
    invoke_us: int
    complete_us: int | None = None
    result: Result = "ok"
    call_id: str | None = None
    tenant_id: str | None = None
    decision: DecisionName | None = None
    reason: ReasonName | None = None
    scopes: tuple[ScopeName, ...] = ()
    fallback: bool = False
    accept: bool = False
    outcome: OutcomeName | None = None
    code: str | None = None
    target: int | None = None
    max_concurrent_calls: Calls | None = None
    tenants: dict[str, TenantLimits] | None = None
    counters: CountersRead | None = None
    in_use: InUseRead | None = None
    unexpected: bool = False
    deadlines: HistoryDeadlines | None = None


class Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The last line: every operation that was begun is in the file."""

    op: Literal["close"] = "close"
    operations: int


@dataclass(frozen=True, slots=True)
class History:
    """A header and its operations.

    ``truncated``: the closing line is missing, so operations that were under way when writing
    stopped are not here.
    """

    header: HistoryHeader
    operations: Sequence[Operation]
    truncated: bool = False


class HistoryInvalid(ValueError):
    """A file is no history that can be judged; the message begins with ``file:line:``."""


_encoder: Final = msgspec.json.Encoder()


class HistoryWriter:
    """Writes a history as it happens; what is written so far is always readable.

    A line is handed to the operating system at the latest with :meth:`flush`. Without
    :meth:`close` the file stays one that was cut off, and is read as such. Raises OSError.
    """

    def __init__(self, path: Path, header: HistoryHeader) -> None:
        self._file = path.open("wb")
        self._operations = 0
        self._file.write(_encoder.encode(header) + b"\n")
        self._file.flush()

    def append(self, operation: Operation) -> None:
        """Write one operation that was completed or given up."""
        self._file.write(_encoder.encode(operation) + b"\n")
        self._operations += 1

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Say that nothing is missing, and close the file; closing twice does nothing."""
        if self._file.closed:
            return
        with self._file:
            self._file.write(_encoder.encode(Closing(operations=self._operations)) + b"\n")

    def abandon(self) -> None:
        """Close the file without the closing line: operations under way are not in it."""
        self._file.close()

    def __enter__(self) -> "HistoryWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_raised: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def write_history(path: Path, header: HistoryHeader, operations: Iterable[Operation]) -> None:
    """Write a whole history to a file."""
    with HistoryWriter(path, header) as writer:
        for operation in operations:
            writer.append(operation)


def read_history(path: Path) -> History:
    """The history in a file. Raises :class:`HistoryInvalid`, and OSError where it cannot be read.

    A last line without its end is left out, and the history is ``truncated``.
    """
    from simulator.history_reading import parse_history

    return parse_history(path.read_bytes(), str(path))


def histories_in(directory: Path) -> list[Path]:
    """The histories in the directory of a run's reports, in the order of its targets."""
    several = sorted(directory.glob(HISTORIES), key=lambda path: (len(path.name), path.name))
    return [path for path in (directory / HISTORY, *several) if path.is_file()]


def as_line(operation: Operation) -> str:
    """An operation as it stands in the file."""
    return _encoder.encode(operation).decode()
