"""Which instance of a service answers: whether it began anew, without anybody having said so.

A service whose process ends takes its calls and counters with it, which no driver may hold against
it. But a service that loses calls, or counts backwards, must not be excused with a restart that
never was. So the service's own word decides, where it gives one: another ``instance`` in its
capacity document. A service of another make, which gives none, began anew when counters fell and
also the instant at which its clock began has moved, or everything that it had counted fell at once.
Should such a service still know a call that it held before, the checker finds the contradiction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.calls import COUNTERS

DRIFT: Final = 0.001
"""How much two clocks may differ in speed; quartz differs by a hundredth of that."""

_GROWING: Final = tuple(spec.name for spec in COUNTERS if not spec.is_gauge)

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A capacity document, and between which instants of the driver's clock it was made.

    ``complete_us`` is None for one from before the run, of which the driver's clock knows nothing.
    """

    document: Document
    invoke_us: int
    complete_us: int | None


def began_anew(earlier: Seen, later: Seen) -> bool:
    """Whether the service restarted between two documents.

    Raises KeyError and TypeError for documents of a form that is not known.
    """
    before, after = earlier.document, later.document
    if "instance" in before and "instance" in after:
        return bool(before["instance"] != after["instance"])
    counted = [(before["total"].get(name, 0), after["total"].get(name, 0)) for name in _GROWING]
    if not any(new < old for old, new in counted):
        return False
    return _origin_moved(earlier, later) or all(new < old for old, new in counted if old)


def _origin_moved(earlier: Seen, later: Seen) -> bool:
    """Whether the instant at which the service's clock began is certainly a later one now."""
    if earlier.complete_us is None or later.complete_us is None:
        return False
    if not ("at_us" in earlier.document and "at_us" in later.document):
        return False
    latest_before: int = earlier.complete_us - earlier.document["at_us"]
    earliest_now: int = later.invoke_us - later.document["at_us"]
    slack_us = DRIFT * (later.complete_us - earlier.invoke_us)
    return earliest_now > latest_before + slack_us
