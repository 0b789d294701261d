"""What the checker says: alarms with their proof, bounds of counters, and what was not judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Final

from simulator.history import Operation


@dataclass(frozen=True)
class Alarm:
    """Something a sound service cannot have done. ``calls`` are the ids of the calls concerned."""

    kind: str
    message: str
    calls: tuple[str, ...]
    prove: Callable[[], tuple[Operation, ...]] = field(repr=False, compare=False)

    @cached_property
    def stretch(self) -> tuple[Operation, ...]:
        """The operations that prove it, in order of invocation.

        Within them no choice of instants gives the answers they were given. Judged alone under the
        same header they raise the same alarm, with the same figures. Looked for when first asked
        for, which may take some seconds; ``simulator/checker/proof.py`` says how.
        """
        return self.prove()

    def to_dict(self) -> Mapping[str, Any]:
        """As JSON types."""
        import msgspec

        return {
            "kind": self.kind,
            "message": self.message,
            "calls": list(self.calls),
            "stretch": msgspec.to_builtins(self.stretch),
        }


@dataclass(frozen=True, slots=True)
class Claim:
    """What an alarm will say, before the stretch that proves it was made short.

    ``message`` has every figure the claim rests on, so that equal messages are equal claims;
    ``more`` is told beside it and not proven. ``bearing`` gives, in order of invocation, at least
    all operations that speak for or against it. Where the claim holds throughout a window and not
    at one instant, ``strength`` says how strongly: by how much, summed over the window.
    One that is ``indivisible`` is about all that bears on it, so that nothing can be left out.
    """

    kind: str
    message: str
    calls: tuple[str, ...]
    bearing: Callable[[], tuple[Operation, ...]]
    more: str = ""
    strength: tuple[int, ...] = ()
    indivisible: bool = False

    @property
    def said(self) -> tuple[str, str]:
        """What makes two claims the same."""
        return self.kind, self.message


@dataclass(frozen=True, slots=True)
class Bound:
    """What one figure of the last read may have been; ``high`` None where nothing limits it.

    ``tenant`` None is the total. ``observed`` is what was read.
    """

    tenant: str | None
    name: str
    low: float
    high: float | None
    observed: float


RESTARTED: Final = (
    "the service was restarted by somebody else meanwhile; what can be said of each of its lives "
    "raises no alarm"
)
"""Why a history without an alarm proves nothing when it has an unexpected restart."""


@dataclass(frozen=True, slots=True)
class HistoryJudgement:
    """All alarms of a history, and what could not be judged.

    ``restarted``: the service was restarted though the driver did not plan it. ``bounds`` are those
    of the last read. ``notes`` say, one line each, what was left out and why.
    """

    alarms: tuple[Alarm, ...]
    bounds: tuple[Bound, ...]
    notes: tuple[str, ...]
    operations: int
    calls_offered: int
    truncated: bool
    restarted: bool = False

    @property
    def sound(self) -> bool:
        return not self.alarms

    def to_dict(self) -> Mapping[str, Any]:
        """As JSON types."""
        import msgspec

        document: dict[str, Any] = {
            each.name: msgspec.to_builtins(getattr(self, each.name))
            for each in fields(self)
            if each.name != "alarms"
        }
        return {"alarms": [alarm.to_dict() for alarm in self.alarms], **document}


@dataclass(slots=True)
class Findings:
    """Collects claims, bounds and notes while a history is judged."""

    claims: list[Claim]
    bounds: list[Bound]
    notes: list[str]

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)


def more_like_it(count: int) -> str:
    """What is told of ``count`` equal findings beside the one that is proven."""
    return f" ({count - 1} more like it)" if count > 1 else ""
