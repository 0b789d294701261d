"""What a broken controller is, and how to break one in a line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.calls import State
from service.lifecycle import TRANSITIONS, Input, Transition
from service.state.ledgers import Ledgers
from service.state.memory import MemoryCore


@dataclass(frozen=True, slots=True)
class BrokenController:
    """A controller with one bug, as it is met in the field.

    ``factory`` takes the arguments of :class:`~service.state.memory.MemoryCore`. ``caught_by``
    names the shipped scenarios that must raise the alarm.
    """

    name: str
    bug: str
    factory: Callable[..., MemoryCore]
    caught_by: tuple[str, ...]


def with_transitions(
    changed: Mapping[tuple[State | None, Input], Transition],
) -> type[MemoryCore]:
    """A core whose lifecycle table differs in these places."""
    return type("BrokenCore", (MemoryCore,), {"transitions": {**TRANSITIONS, **changed}})


def edited(state: State | None, *inputs: Input, **values: Any) -> type[MemoryCore]:
    """A core whose transitions out of ``state`` on ``inputs`` have these values instead."""
    return with_transitions(
        {(state, what): replace(TRANSITIONS[state, what], **values) for what in inputs}
    )


def with_ledgers(ledgers: type[Ledgers]) -> type[MemoryCore]:
    """A core that keeps its limits and rows in these ledgers."""
    return type("BrokenCore", (MemoryCore,), {"ledgers": ledgers})
