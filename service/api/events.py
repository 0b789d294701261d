"""Call events as they come over the wire, decoded straight into typed structures."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

from msgspec import DecodeError, Meta, Struct, ValidationError
from msgspec.json import Decoder

from service.api.problems import malformed
from service.calls import Lookup, Outcome

MAX_ID_LENGTH: Final = 200
MAX_AT_US: Final = 2**62
MAX_BATCH_EVENTS: Final = 20_000
"""Events in one batch at most."""

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
AtUs = Annotated[int, Meta(ge=0, le=MAX_AT_US)]


class OfferBody(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    call_id: Id
    tenant_id: Id
    accept: bool = False
    lookup: Lookup | None = None
    at_us: AtUs | None = None


class AcceptBody(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    lookup: Lookup | None = None
    at_us: AtUs | None = None


class MomentBody(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    at_us: AtUs | None = None


class EndBody(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    outcome: Outcome = Outcome.COMPLETED
    at_us: AtUs | None = None


class OfferItem(OfferBody, frozen=True, gc=False, tag_field="event", tag="offer"):
    pass


class AcceptItem(AcceptBody, frozen=True, gc=False, kw_only=True, tag_field="event", tag="accept"):
    call_id: Id


class StartItem(MomentBody, frozen=True, gc=False, kw_only=True, tag_field="event", tag="start"):
    call_id: Id


class ReferItem(MomentBody, frozen=True, gc=False, kw_only=True, tag_field="event", tag="refer"):
    call_id: Id


class EndItem(EndBody, frozen=True, gc=False, kw_only=True, tag_field="event", tag="end"):
    call_id: Id


class TickItem(
    Struct,
    frozen=True,
    gc=False,
    forbid_unknown_fields=True,
    tag_field="event",
    tag="tick",
):
    at_us: AtUs


Item = OfferItem | AcceptItem | StartItem | ReferItem | EndItem | TickItem


class Batch(Struct, frozen=True, forbid_unknown_fields=True):
    events: Annotated[list[Item], Meta(max_length=MAX_BATCH_EVENTS)]


B = TypeVar("B")


class EventReader:
    """Decodes and checks call events for one service.

    ``virtual``: events must bring ``at_us``; otherwise they must not. ``testbed``: an accept may
    bring a planned ``lookup``. Every method raises a 422 problem that names the place.
    """

    def __init__(self, *, virtual: bool, testbed: bool) -> None:
        self._virtual = virtual
        self._testbed = testbed
        self._offer = Decoder(OfferBody)
        self._accept = Decoder(AcceptBody)
        self._moment = Decoder(MomentBody)
        self._end = Decoder(EndBody)
        self._batch = Decoder(Batch)

    def offer(self, body: bytes) -> OfferBody:
        event = _decode(self._offer, body)
        self._check(event, ())
        return event

    def accept(self, body: bytes) -> AcceptBody:
        event = _decode(self._accept, body or b"{}")
        self._check(event, ())
        return event

    def moment(self, body: bytes) -> MomentBody:
        event = _decode(self._moment, body or b"{}")
        self._check(event, ())
        return event

    def end(self, body: bytes) -> EndBody:
        event = _decode(self._end, body or b"{}")
        self._check(event, ())
        return event

    def batch(self, body: bytes) -> list[Item]:
        events = _decode(self._batch, body).events
        # One quick pass finds out whether anything is wrong; only then is the place looked for.
        virtual, testbed = self._virtual, self._testbed
        for index, event in enumerate(events):
            if type(event) is TickItem:
                continue
            wrong = (event.at_us is None) is virtual
            if type(event) is OfferItem:
                wrong = (
                    wrong
                    or _offer_fault(event) is not None
                    or (event.lookup is not None and not testbed)
                )
            elif type(event) is AcceptItem:
                wrong = wrong or (event.lookup is not None and not testbed)
            if wrong:
                self._check(event, ("events", index))
        return events

    def _check(self, event: Struct, path: Sequence[str | int]) -> None:
        at_us = getattr(event, "at_us", None)
        if self._virtual and at_us is None:
            raise malformed("is missing: this service runs on the virtual clock", [*path, "at_us"])
        if not self._virtual and at_us is not None:
            raise malformed(
                "is refused: this service runs on the system clock, because durations are billed "
                "and a client may not set them",
                [*path, "at_us"],
            )
        if getattr(event, "lookup", None) is not None and not self._testbed:
            raise malformed(
                "is refused: planned lookups need the testbed mode (BUSYHOUR_TESTBED)",
                [*path, "lookup"],
            )
        if isinstance(event, OfferBody):
            fault = _offer_fault(event)
            if fault is not None:
                raise malformed(fault[1], [*path, fault[0]])


def _offer_fault(event: OfferBody) -> tuple[str, str] | None:
    """The field that is wrong and why; ids become known by an offer, so they are checked here."""
    if not valid_id(event.call_id):
        return "call_id", ID_RULE
    if not valid_id(event.tenant_id):
        return "tenant_id", ID_RULE
    if event.lookup is not None and not event.accept:
        return "lookup", "belongs to the accept: send it with accept: true, or with the accept"
    return None


ID_RULE: Final = f"must be 1 to {MAX_ID_LENGTH} printable characters without '/', not '.' or '..'"


def valid_id(text: str) -> bool:
    """Whether an id can be stored, printed and put into a path. The length is checked elsewhere."""
    return text.isprintable() and "/" not in text and text not in (".", "..")


def _decode(decoder: "Decoder[B]", body: bytes) -> B:
    try:
        return decoder.decode(body)
    except ValidationError as error:
        message, _, place = str(error).rpartition(" - at `$")
        if not message:
            message, place = str(error), "`"
        raise malformed(message, _path(place.removesuffix("`"))) from None
    except (DecodeError, UnicodeDecodeError) as error:
        raise malformed(f"is not JSON: {error}", ()) from None


def _path(place: str) -> list[Any]:
    """``.events[3].call_id`` as ``["events", 3, "call_id"]``."""
    parts = place.replace("[", ".").replace("]", "").split(".")
    return [int(part) if part.isdigit() else part for part in parts if part]
