"""The loop of the kernel under the policy priority, where an offer may end a call that is held.

It does what :mod:`simulator.kernel.core` does and borrows that module's lives and heap, but neither
of its two shortcuts holds here: slots cannot be freed late, because who gives way depends on who is
held at that very instant, and what becomes of a call is not settled once it is offered. So this
loop goes from event to event over a whole trace, and counts when all of it is known.

The held calls of one priority are a list in the order of their offers, linked both ways; whoever
gives way is the last of the least important list. A call that gave way is what its life had been
up to that instant: its life is worked out once more with that instant as its end.
"""

from typing import Any, NamedTuple

from simulator.kernel.core import (
    ABANDONED_ACCEPTED,
    ABANDONED_ACCEPTED_CALLS,
    ABANDONED_PENDING,
    ABANDONED_PENDING_CALLS,
    ACCEPTED_CALLS,
    ACTIVE_CALLS,
    ACTIVE_US_TOTAL,
    AFTER_FINISHED,
    CONGESTED_US,
    COUNTER_COUNT,
    END_FAILED,
    ENDED,
    ENDED_CALLS,
    ERROR,
    EVENTUALLY_LOST,
    FAILED_CALLS,
    FALLBACK_INSTRUCTIONS_USED,
    FIRST_ATTEMPTS,
    FIRST_REJECTED_CAPACITY,
    FIRST_REJECTED_TENANT,
    FOREVER,
    FOUND,
    INSTRUCTIONS_DB_ERRORS,
    LIMIT,
    LIMIT_US,
    NEVER,
    NO_LOOKUP,
    OFFERED_CALLS,
    REFERRED_CALLS,
    REJECTED_CALLS_CAPACITY,
    REJECTED_CALLS_INSTRUCTIONS_MISSING,
    REJECTED_CALLS_TENANT_NOT_CONFIGURED,
    REJECTED_CAPACITY,
    REJECTED_INSTRUCTIONS,
    REJECTED_TENANT,
    ROW_BITS,
    ROW_MASK,
    STARTED_CALLS,
    STILL_ACTIVE,
    TENANT_FULL,
    TOTAL_FULL,
    W_OFFERED,
    W_PEAK,
    W_REJECTED_CAPACITY,
    W_REJECTED_TENANT,
    W_SLOT_US,
    WINDOW_COUNT,
    heap_drop,
    heap_push,
    heard_life,
    look_up,
    plain_life,
)


class Calls(NamedTuple):
    """What is known of each row; shapes (rows,). Instants are NEVER for what did not happen.

    ``before`` and ``behind`` link the held calls of one priority. ``counts``: the first attempt of
    the row's redials was offered in the window of the statistics.
    """

    fate: Any
    scopes: Any
    offered_us: Any
    accepted_us: Any
    started_us: Any
    released_us: Any
    preempted_by: Any
    found: Any
    referred: Any
    expired: Any
    counts: Any
    before: Any
    behind: Any


class Queues(NamedTuple):
    """Releases and dependents that wait, as heaps, and the links between dependents.

    A call that gave way leaves its release in the heap; it is passed over when its turn comes.
    """

    release_us: Any
    release_row: Any
    due_us: Any
    due_key: Any
    first: Any
    following: Any


class Levels(NamedTuple):
    """Priorities as numbers without gaps, 0 the most important.

    ``of``, shape (tenants,): the level of a tenant. ``newest``, shape (levels,): the held call of a
    level that was offered last. ``preempted`` and ``window_preempted``, shape (counter rows,).
    """

    of: Any
    newest: Any
    preempted: Any
    window_preempted: Any


def live(
    columns: Any,
    heard: Any,
    rules: Any,
    faults: Any,
    limits: Any,
    hearing_us: Any,
    hearing_event: Any,
    row: int,
    offered: int,
    stop: int,
) -> tuple[int, int, int, int, int, int, int]:
    """The life of the call of ``row``, admitted at ``offered``, if nothing happens from ``stop``.

    Returns what :func:`simulator.kernel.core.heard_life` returns.
    """
    steps = columns.steps
    place = columns.tenant[row * steps[0]]
    setup = columns.setup_us[row * steps[1]]
    connect = columns.connect_us[row * steps[2]]
    hold = columns.hold_us[row * steps[3]]
    refer = columns.refer_us[row * steps[5]]
    patience = columns.patience_us[row * steps[6]]
    draw = columns.lookup_draw[row * steps[7]]
    found = rules.found[place]
    fallback = rules.fallback[place]
    first = 0
    last = 0
    if limits.has_deliveries:
        first = heard.first[row]
        last = heard.first[row + 1]
    if (
        first == last
        and setup <= limits.pending_deadline_us
        and connect <= limits.accepted_deadline_us
        and hold <= limits.active_deadline_us
    ):
        found = look_up(faults, place, offered + setup, draw, found)
        fate, accepted, started, finished, found, referred = plain_life(
            offered, setup, connect, hold, refer, patience, found, fallback, stop
        )
        return fate, accepted, started, finished, found, referred, 0
    return heard_life(
        faults,
        limits,
        heard,
        first,
        last,
        hearing_us,
        hearing_event,
        place,
        offered,
        setup,
        connect,
        hold,
        refer,
        patience,
        draw,
        found,
        fallback,
        stop,
    )


def follow(
    columns: Any, queues: Any, duration: int, due_size: int, row: int, at: int, rejected: int
) -> tuple[int, int]:
    """Queue what is offered after ``row``, which finished at ``at``; their number in the heap.

    Returns also whether one of them is a redial.
    """
    redials = 0
    child = queues.first[row]
    while child != NEVER:
        due = at + columns.delay_us[child * columns.steps[10]]
        on = columns.after_on[child * columns.steps[9]]
        if due < duration and (on == AFTER_FINISHED or rejected != 0):
            attempt = columns.attempt[child * columns.steps[11]]
            heap_push(queues.due_us, queues.due_key, due_size, due, attempt << ROW_BITS | child)
            due_size += 1
            if attempt != 0:
                redials = 1
        child = queues.following[child]
    return due_size, redials


def let_go(calls: Any, levels: Any, level: int, row: int) -> None:
    """Take a call out of the list of its level."""
    before = calls.before[row]
    behind = calls.behind[row]
    if before != NEVER:
        calls.behind[before] = behind
    if behind != NEVER:
        calls.before[behind] = before
    else:
        levels.newest[level] = before


def note_states(cells: Any, base: int, at: int, columns: Any, calls: Any, levels: Any) -> None:
    """Count the held calls by tenant and state at ``at``, at places ``base`` and on."""
    for level in range(len(levels.newest)):
        row = levels.newest[level]
        while row != NEVER:
            cell = base + 3 * columns.tenant[row * columns.steps[0]]
            accepted = calls.accepted_us[row]
            started = calls.started_us[row]
            if accepted == NEVER or accepted > at:
                cells[cell] += 1
            else:
                cells[cell + 1] += 1
                if started != NEVER and started <= at:
                    cells[cell + 2] += 1
            row = calls.before[row]


def preempt(
    columns: Any,
    heard: Any,
    rules: Any,
    faults: Any,
    state: Any,
    calls: Any,
    queues: Any,
    levels: Any,
    limits: Any,
    hearing_us: Any,
    hearing_event: Any,
) -> None:
    """Play every row of ``columns`` under priorities, to the end of the run, and count them.

    Everything is left in ``state``, ``calls`` and ``levels``.
    """
    steps = columns.steps
    rows = limits.rows
    duration = limits.duration_us
    warm_up = limits.warm_up_us
    offer_us = columns.offer_us
    tenant_row = rules.tenant_row
    cap = state.cap
    is_open = state.open
    tenant_in_use = state.in_use
    window = state.window
    scalars = state.scalars
    newest = levels.newest
    limit = scalars[LIMIT]
    in_use = 0
    peak = 0
    congested_us = 0
    limit_us = 0
    releases = 0
    due_size = 0

    if limits.has_dependents:
        for row in range(rows - 1, -1, -1):
            parent = columns.after[row * steps[8]]
            if parent != NEVER:
                queues.following[row] = queues.first[parent]
                queues.first[parent] = row

    changes = len(rules.change_us)
    checkpoints = len(rules.checkpoint_us)
    next_change = 0
    next_checkpoint = 0
    next_row = 0
    while next_row < rows and offer_us[next_row] < 0:
        next_row += 1
    last = 0

    while True:
        # The next thing to happen; at one instant in the order of the tests below.
        change_at = rules.change_us[next_change] if next_change < changes else FOREVER
        release_at = queues.release_us[0] if releases > 0 else FOREVER
        offer_at = offer_us[next_row] if next_row < rows else FOREVER
        is_dependent = due_size > 0 and (
            queues.due_us[0] < offer_at
            or (
                queues.due_us[0] == offer_at
                and queues.due_key[0]
                < (columns.attempt[next_row * steps[11]] << ROW_BITS | next_row)
            )
        )
        if is_dependent:
            offer_at = queues.due_us[0]
        checkpoint_at = (
            rules.checkpoint_us[next_checkpoint] if next_checkpoint < checkpoints else FOREVER
        )
        at = min(min(change_at, release_at), min(offer_at, checkpoint_at), duration)
        since = max(last, warm_up)
        if at > since:
            limit_us += limit * (at - since)
            if in_use >= limit:
                congested_us += at - since
        last = at
        if at >= duration:
            break

        if change_at == at:
            if rules.change_limit[next_change] != NEVER:
                limit = rules.change_limit[next_change]
            for edit in range(rules.change_first[next_change], rules.change_first[next_change + 1]):
                place = rules.edit_tenant[edit]
                if rules.edit_cap[edit] != NEVER:
                    cap[place] = rules.edit_cap[edit]
                if rules.edit_enabled[edit] != NEVER:
                    is_open[place] = rules.edit_enabled[edit]
            next_change += 1
            continue

        if release_at == at:
            row = queues.release_row[0]
            heap_drop(queues.release_us, queues.release_row, releases)
            releases -= 1
            if calls.released_us[row] == at and calls.preempted_by[row] == NEVER:
                place = columns.tenant[row * steps[0]]
                in_use -= 1
                tenant_in_use[place] -= 1
                let_go(calls, levels, levels.of[place], row)
                if limits.has_dependents:
                    refused = 1 if calls.fate[row] == REJECTED_INSTRUCTIONS else 0
                    due_size, _ = follow(columns, queues, duration, due_size, row, at, refused)
            continue

        if offer_at != at:
            base = next_checkpoint * (3 * limits.tenants + 1)
            state.checkpoints[base] = limit
            note_states(state.checkpoints, base + 1, at, columns, calls, levels)
            next_checkpoint += 1
            continue

        # The offer.
        if is_dependent:
            row = queues.due_key[0] & ROW_MASK
            heap_drop(queues.due_us, queues.due_key, due_size)
            due_size -= 1
        else:
            row = next_row
            next_row += 1
            while next_row < rows and offer_us[next_row] < 0:
                next_row += 1
        place = columns.tenant[row * steps[0]]
        calls.offered_us[row] = at
        calls.counts[row] = 1 if at >= warm_up else 0
        if columns.attempt[row * steps[11]] != 0:
            calls.counts[row] = calls.counts[columns.after[row * steps[8]]]
        scopes = 0
        victim = NEVER
        fate = REJECTED_TENANT
        if is_open[place] != 0:
            if in_use >= limit:
                scopes = TOTAL_FULL
            if tenant_in_use[place] >= cap[place]:
                scopes += TENANT_FULL
            # With more in use than the limit one call less makes no room yet.
            if scopes == TOTAL_FULL and in_use == limit:
                level = len(newest) - 1
                while level > levels.of[place] and newest[level] == NEVER:
                    level -= 1
                if level > levels.of[place]:
                    victim = newest[level]
            if scopes != 0 and victim == NEVER:
                fate = REJECTED_CAPACITY
        if fate == REJECTED_CAPACITY or is_open[place] == 0:
            calls.fate[row] = fate
            calls.scopes[row] = scopes
            redials = 0
            if limits.has_dependents:
                refused = 1 if fate == REJECTED_CAPACITY else 0
                due_size, redials = follow(columns, queues, duration, due_size, row, at, refused)
            if fate == REJECTED_CAPACITY and redials == 0 and calls.counts[row] != 0:
                scalars[EVENTUALLY_LOST] += 1
            continue

        if victim != NEVER:
            other = columns.tenant[victim * steps[0]]
            in_use -= 1
            tenant_in_use[other] -= 1
            let_go(calls, levels, levels.of[other], victim)
            fate, accepted, started, finished, found, referred, expired = live(
                columns,
                heard,
                rules,
                faults,
                limits,
                hearing_us,
                hearing_event,
                victim,
                calls.offered_us[victim],
                at + 1,
            )
            # Still pending, accepted and active stand three places behind what they end as.
            calls.fate[victim] = fate - 3
            calls.accepted_us[victim] = accepted
            calls.started_us[victim] = started
            calls.released_us[victim] = at
            calls.found[victim] = found
            calls.referred[victim] = referred
            calls.preempted_by[victim] = row
            if limits.has_dependents:
                due_size, _ = follow(columns, queues, duration, due_size, victim, at, 0)

        fate, accepted, started, finished, found, referred, expired = live(
            columns,
            heard,
            rules,
            faults,
            limits,
            hearing_us,
            hearing_event,
            row,
            at,
            limits.stop_us,
        )
        calls.fate[row] = fate
        calls.accepted_us[row] = accepted
        calls.started_us[row] = started
        calls.found[row] = found
        calls.referred[row] = referred
        calls.expired[row] = expired
        if finished != FOREVER:
            calls.released_us[row] = finished
        if at >= warm_up:
            figure = tenant_row[place] * WINDOW_COUNT + W_PEAK
            window[figure] = max(window[figure], tenant_in_use[place] + 1)
            peak = max(peak, in_use + 1)
        if finished == at:
            # A call of length zero has left again before anybody can see it.
            if limits.has_dependents:
                refused = 1 if fate == REJECTED_INSTRUCTIONS else 0
                due_size, _ = follow(columns, queues, duration, due_size, row, at, refused)
            continue
        in_use += 1
        tenant_in_use[place] += 1
        level = levels.of[place]
        calls.before[row] = newest[level]
        calls.behind[row] = NEVER
        if newest[level] != NEVER:
            calls.behind[newest[level]] = row
        newest[level] = row
        if finished != FOREVER:
            heap_push(queues.release_us, queues.release_row, releases, finished, row)
            releases += 1

    scalars[LIMIT] = limit
    scalars[CONGESTED_US] = congested_us
    scalars[LIMIT_US] = limit_us
    state.window_total[W_PEAK] = peak
    for row in range(rows):
        if calls.offered_us[row] != NEVER:
            count(columns, rules, state, calls, levels, limits, row)


def count(
    columns: Any, rules: Any, state: Any, calls: Any, levels: Any, limits: Any, row: int
) -> None:
    """Count one row that was offered, once all is known of it."""
    counters = state.counters
    steps = columns.steps
    name = rules.tenant_row[columns.tenant[row * steps[0]]]
    counter = name * COUNTER_COUNT
    figure = name * WINDOW_COUNT
    fate = calls.fate[row]
    found = calls.found[row]
    offered = calls.offered_us[row]
    started = calls.started_us[row]
    released = calls.released_us[row]
    was_preempted = calls.preempted_by[row] != NEVER
    is_first = columns.attempt[row * steps[11]] == 0
    in_window = offered >= limits.warm_up_us

    counters[counter + OFFERED_CALLS] += 1
    if fate == REJECTED_TENANT:
        counters[counter + REJECTED_CALLS_TENANT_NOT_CONFIGURED] += 1
    elif fate == REJECTED_CAPACITY:
        counters[counter + REJECTED_CALLS_CAPACITY] += 1
    elif fate == REJECTED_INSTRUCTIONS:
        counters[counter + REJECTED_CALLS_INSTRUCTIONS_MISSING] += 1
    elif fate == ABANDONED_PENDING:
        counters[counter + ABANDONED_PENDING_CALLS] += 1
    elif fate == ABANDONED_ACCEPTED:
        counters[counter + ABANDONED_ACCEPTED_CALLS] += 1
    elif fate == STILL_ACTIVE:
        counters[counter + ACTIVE_CALLS] += 1
    elif fate == ENDED:
        counters[counter + ENDED_CALLS] += 1
        counters[counter + ACTIVE_US_TOTAL] += released - started
        if (
            was_preempted
            or calls.expired[row] != 0
            or columns.end_kind[row * steps[4]] == END_FAILED
        ):
            counters[counter + FAILED_CALLS] += 1
    if found == ERROR:
        counters[counter + INSTRUCTIONS_DB_ERRORS] += 1
    if calls.accepted_us[row] != NEVER:
        counters[counter + ACCEPTED_CALLS] += 1
        if found != FOUND and found != NO_LOOKUP:
            counters[counter + FALLBACK_INSTRUCTIONS_USED] += 1
    if started != NEVER:
        counters[counter + STARTED_CALLS] += 1
    if calls.referred[row] != 0:
        counters[counter + REFERRED_CALLS] += 1
    if was_preempted:
        levels.preempted[name] += 1

    if in_window:
        state.window[figure + W_OFFERED] += 1
        if is_first:
            state.scalars[FIRST_ATTEMPTS] += 1
        if fate == REJECTED_TENANT:
            state.window[figure + W_REJECTED_TENANT] += 1
            if is_first:
                state.scalars[FIRST_REJECTED_TENANT] += 1
        elif fate == REJECTED_CAPACITY:
            state.window[figure + W_REJECTED_CAPACITY] += 1
            if is_first:
                state.scalars[FIRST_REJECTED_CAPACITY] += 1
        if was_preempted:
            levels.window_preempted[name] += 1
    if fate >= REJECTED_INSTRUCTIONS:
        until = min(released, limits.duration_us) if released != NEVER else limits.duration_us
        since = max(offered, limits.warm_up_us)
        if until > since:
            state.window[figure + W_SLOT_US] += until - since
