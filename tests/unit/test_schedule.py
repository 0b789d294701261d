"""The schedule against the tie order, put down here once more as a plain sort."""

from hypothesis import given, settings

from service.calls import Event
from simulator.engines.schedule import CHANGE, CHECKPOINT, Item, Schedule
from simulator.trace import NEVER, AfterOn, CallTrace, DeliveryAction, LimitsChange
from tests.strategies import Row, conditions, make_trace, traces


def due_since_offer(row: Row) -> dict[Event, int]:
    """When each event of a row is due, counted from its offer."""
    start = row.setup + row.connect
    due = {Event.OFFER: 0}
    if row.patience != NEVER and row.patience < start:
        due[Event.HANGUP] = row.patience
        if row.setup <= row.patience:
            due[Event.ACCEPT] = row.setup
        return due
    due[Event.ACCEPT] = row.setup
    due[Event.START] = start
    due[Event.END] = start + row.hold
    if row.refer != NEVER:
        due[Event.REFER] = start + row.refer
    return due


def heard_since_offer(row: Row) -> list[tuple[int, Event]]:
    """When the service hears of a row's events, counted from its offer."""
    heard = []
    for event, since in due_since_offer(row).items():
        action, delay = row.deliveries.get(event, (None, 0))
        if action is None or action is DeliveryAction.DOUBLED:
            heard.append((since, event))
        if action is DeliveryAction.LATE or action is DeliveryAction.DOUBLED:
            heard.append((since + delay, event))
    return heard


def rows_of(trace: CallTrace) -> list[Row]:
    delivered: dict[int, dict[Event, tuple[DeliveryAction, int]]] = {}
    deliveries = trace.deliveries
    for i in range(len(deliveries)):
        delivered.setdefault(int(deliveries.call[i]), {})[Event(int(deliveries.event[i]))] = (
            DeliveryAction(int(deliveries.action[i])),
            int(deliveries.delay_us[i]),
        )
    return [
        Row(
            offer=int(trace.offer_us[i]),
            setup=int(trace.setup_us[i]),
            connect=int(trace.connect_us[i]),
            hold=int(trace.hold_us[i]),
            refer=int(trace.refer_us[i]),
            patience=int(trace.patience_us[i]),
            attempt=int(trace.attempt[i]),
            deliveries=delivered.get(i, {}),
        )
        for i in range(len(trace))
    ]


def sorted_items(trace: CallTrace, offers: dict[int, int]) -> list[Item]:
    """Every item for rows offered at these instants, sorted by the tie order's own words."""
    settings_ = trace.conditions
    placed = [
        ((c.at_us, 0, 0, i, 0), (c.at_us, CHANGE, i)) for i, c in enumerate(settings_.changes)
    ]
    placed += [
        ((at, 9, 0, i, 0), (at, CHECKPOINT, i)) for i, at in enumerate(settings_.checkpoints_us)
    ]
    for i, row in enumerate(rows_of(trace)):
        if i not in offers:
            continue
        for since, event in heard_since_offer(row):
            at = offers[i] + since
            with_offers = since == 0
            key = (at, 5 if with_offers else 1, row.attempt if with_offers else 0, i, event)
            placed.append((key, (at, int(event), i)))
    inside = [pair for pair in placed if settings_.drain or pair[0][0] < settings_.duration_us]
    return [item for _, item in sorted(inside)]


@given(traces())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_without_news_of_ends_the_independent_rows_come_in_tie_order(trace: CallTrace) -> None:
    end = trace.conditions.duration_us
    offers = {i: row.offer for i, row in enumerate(rows_of(trace)) if NEVER != row.offer < end}
    assert list(Schedule(trace)) == sorted_items(trace, offers)


@given(traces())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_told_of_rejections_it_inserts_the_dependents_in_their_places(trace: CallTrace) -> None:
    """Every offer is rejected for capacity: each chain runs to its end, or to the run's."""
    schedule = Schedule(trace)
    seen: list[Item] = []
    offered: set[int] = set()
    for at_us, kind, row in schedule:
        seen.append((at_us, kind, row))
        if kind == Event.OFFER and row not in offered:
            offered.add(row)
            schedule.finished(row, at_us, rejected=True)
    offers: dict[int, int] = {}
    for i, call in enumerate(rows_of(trace)):
        before = int(trace.after[i])
        at = call.offer if before == NEVER else offers.get(before, NEVER)
        if at != NEVER:
            at += int(trace.delay_us[i]) if before != NEVER else 0
            if at < trace.conditions.duration_us:
                offers[i] = at
    assert seen == sorted_items(trace, offers)


def chain(after_on: AfterOn) -> CallTrace:
    attempt = int(after_on is AfterOn.REJECTED)
    return make_trace(
        conditions(duration_us=100),
        [
            Row(offer=10, setup=5, hold=20),
            Row(after=0, after_on=after_on, attempt=attempt, delay=30, setup=1, hold=1),
            Row(offer=60),
        ],
    )


def test_a_redial_waits_for_a_rejection_and_a_source_for_any_finish() -> None:
    for after_on, rejected, comes in (
        (AfterOn.REJECTED, True, True),
        (AfterOn.REJECTED, False, False),
        (AfterOn.FINISHED, False, True),
    ):
        schedule = Schedule(chain(after_on))
        items = iter(schedule)
        assert next(items) == (10, Event.OFFER, 0)
        schedule.finished(0, 10, rejected=rejected)
        later = list(items)
        assert ((40, int(Event.OFFER), 1) in later) is comes


def test_a_dependent_due_at_the_end_of_the_run_is_not_offered() -> None:
    schedule = Schedule(chain(AfterOn.FINISHED))
    items = iter(schedule)
    next(items)
    schedule.finished(0, 70, rejected=False)
    assert all(row != 1 for _, _, row in items)


def test_an_item_put_back_comes_after_what_was_inserted_before_it() -> None:
    schedule = Schedule(chain(AfterOn.REJECTED))
    items = iter(schedule)
    taken = [next(items) for _ in range(5)]
    assert taken[-1] == (60, Event.OFFER, 2)
    schedule.put_back()
    schedule.finished(0, 10, rejected=True)
    assert [item for item in items if item[1] == Event.OFFER] == [
        (40, Event.OFFER, 1),
        (60, Event.OFFER, 2),
    ]


def test_what_is_inserted_after_the_last_item_is_not_lost() -> None:
    schedule = Schedule(chain(AfterOn.FINISHED))
    assert list(schedule)
    assert not schedule.has_inserted
    schedule.finished(0, 35, rejected=False)
    assert schedule.has_inserted
    assert next(schedule.inserted()) == (65, Event.OFFER, 1)


def test_the_earliest_dependent_is_what_an_answer_can_lead_to() -> None:
    redials = Schedule(chain(AfterOn.REJECTED))
    assert redials.earliest_dependent_us((10, Event.OFFER, 0)) == 40
    assert redials.earliest_dependent_us((15, Event.ACCEPT, 0)) == 45
    assert redials.earliest_dependent_us((35, Event.END, 0)) is None
    assert redials.earliest_dependent_us((60, Event.OFFER, 2)) is None
    sources = Schedule(chain(AfterOn.FINISHED))
    assert sources.earliest_dependent_us((35, Event.END, 0)) == 65
    assert sources.earliest_dependent_us((70, Event.END, 0)) is None


def test_changes_come_first_and_checkpoints_last_at_their_instant() -> None:
    trace = make_trace(
        conditions(
            duration_us=100,
            changes=[LimitsChange(20, 5), LimitsChange(20, 6)],
            checkpoints=[20],
        ),
        [Row(offer=10, setup=10, hold=5), Row(offer=20, setup=0, hold=0)],
    )
    at_20 = [(kind, row) for at_us, kind, row in Schedule(trace) if at_us == 20]
    assert at_20 == [
        (CHANGE, 0),
        (CHANGE, 1),
        (Event.ACCEPT, 0),
        (Event.START, 0),
        (Event.OFFER, 1),
        (Event.ACCEPT, 1),
        (Event.START, 1),
        (Event.END, 1),
        (CHECKPOINT, 0),
    ]
