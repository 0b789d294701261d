"""The inner loop of the virtual-time kernel, in the subset of Python that numba compiles.

The same functions run compiled (arguments are numpy arrays) and interpreted (arguments are lists):
they only index, compare and add integers. Everything they need is an argument or a constant of
this file, because numba's cache notices changes in this file alone; that is also why the values of
the shared enumerations stand here as plain numbers (a unit test holds them to their originals).

After its admission a call's life is a function of its trace row and the instant of its offer, so
only admission couples calls. The loop therefore walks over offers: it computes an admitted call's
whole life at once, counts it, and remembers the slot's release. Releases wait in a calendar queue:
a ring of buckets a few mean gaps between offers wide, each a linked list of slots, and a small heap
of the slots due in the bucket that time has reached. Slots are freed lazily, only when it matters.
"""

from typing import Any, NamedTuple

NEVER = -1
FOREVER = 1 << 62

ACTIVE_CALLS = 0
ACCEPTED_CALLS = 1
REJECTED_CALLS_CAPACITY = 2
REJECTED_CALLS_TENANT_NOT_CONFIGURED = 3
REJECTED_CALLS_INSTRUCTIONS_MISSING = 4
INSTRUCTIONS_DB_ERRORS = 5
FALLBACK_INSTRUCTIONS_USED = 6
STARTED_CALLS = 7
ENDED_CALLS = 8
FAILED_CALLS = 9
REFERRED_CALLS = 10
ACTIVE_US_TOTAL = 11
OFFERED_CALLS = 12
ABANDONED_PENDING_CALLS = 13
ABANDONED_ACCEPTED_CALLS = 14
COUNTER_COUNT = 15

ACCEPT = 1
START = 2
REFER = 3
END = 4
HANGUP = 5

REJECTED_TENANT = 1
REJECTED_CAPACITY = 2
REJECTED_INSTRUCTIONS = 3
ABANDONED_PENDING = 4
ABANDONED_ACCEPTED = 5
ENDED = 6
STILL_PENDING = 7
STILL_ACCEPTED = 8
STILL_ACTIVE = 9

AFTER_REJECTED = 1
AFTER_FINISHED = 2

END_FAILED = 2

LOST = 0
LATE = 1
DOUBLED = 2

FOUND = 0
MISSING = 1
ERROR = 2
NO_LOOKUP = -1

TOTAL_FULL = 1
TENANT_FULL = 2
RESERVED_FULL = 4

# Places in ``State.scalars``.
IN_USE = 0
RESERVED_SUM = 1
LIMIT = 2
FULL_SINCE = 3
LIMIT_SINCE = 4
NEXT_CHANGE = 5
NEXT_CHECKPOINT = 6
DUE_SIZE = 7
FREE_SLOT = 8
SLOTS_USED = 9
NOW = 10
CONGESTED_US = 11
LIMIT_US = 12
FIRST_ATTEMPTS = 13
FIRST_REJECTED_CAPACITY = 14
FIRST_REJECTED_TENANT = 15
EVENTUALLY_LOST = 16
SCALAR_COUNT = 17

# Places in a row of ``State.window``: what the statistics need, of offers after the warm-up.
W_OFFERED = 0
W_REJECTED_CAPACITY = 1
W_REJECTED_TENANT = 2
W_SLOT_US = 3
W_PEAK = 4
WINDOW_COUNT = 5

ROW_BITS = 32
"""A waiting dependent's key is ``attempt << ROW_BITS | row``, so that keys sort as offers do."""
ROW_MASK = (1 << ROW_BITS) - 1


class Columns(NamedTuple):
    """The rows of a trace; a column read at ``row * step`` serves one value or one a row."""

    tenant: Any
    offer_us: Any
    setup_us: Any
    connect_us: Any
    hold_us: Any
    end_kind: Any
    refer_us: Any
    patience_us: Any
    lookup_draw: Any
    after: Any
    after_on: Any
    delay_us: Any
    attempt: Any
    steps: Any
    """0 or 1 for tenant, setup, ..., attempt, in the order above without ``offer_us``."""


class Heard(NamedTuple):
    """Deliveries of row i stand at places ``first[i]`` to ``first[i + 1]``."""

    first: Any
    event: Any
    action: Any
    delay_us: Any


class Rules(NamedTuple):
    """What the run is played against, as numbers; places of tenants are those of the trace."""

    tenant_row: Any
    found: Any
    """What a lookup without a fault finds."""
    fallback: Any
    leave_free: Any
    """Slots that must stay free after an admission: trunk reservation, else 0."""
    change_us: Any
    change_limit: Any
    change_first: Any
    edit_tenant: Any
    edit_cap: Any
    edit_reserved: Any
    edit_enabled: Any
    checkpoint_us: Any


class Faults(NamedTuple):
    """Lookup faults in listed order; ``applies`` is read at ``place * faults + fault``."""

    result: Any
    from_us: Any
    until_us: Any
    span: Any
    applies: Any


class State(NamedTuple):
    """Everything that lives from one chunk of rows to the next."""

    scalars: Any
    cap: Any
    reserved: Any
    open: Any
    in_use: Any
    counters: Any
    total: Any
    window: Any
    window_total: Any
    checkpoints: Any


class Slots(NamedTuple):
    """The held slots, and the calendar queue their releases wait in."""

    tenant: Any
    release_us: Any
    accepted_us: Any
    started_us: Any
    following: Any
    near_us: Any
    near_slot: Any
    buckets: Any


class Dependents(NamedTuple):
    """Rows whose predecessor was served: a heap of offers, and the links between rows."""

    due_us: Any
    due_key: Any
    first: Any
    following: Any
    root_counts: Any
    """1 where the first attempt of a redial was offered in the window of the statistics."""


class Log(NamedTuple):
    """Per-row results, written only when they are kept."""

    fate: Any
    scopes: Any
    offered_us: Any
    accepted_us: Any
    started_us: Any
    released_us: Any


class Limits(NamedTuple):
    """The scalars of one call of :func:`advance`."""

    rows: int
    tenants: int
    duration_us: int
    warm_up_us: int
    stop_us: int
    """Nothing happens at or after this instant."""
    pending_deadline_us: int
    accepted_deadline_us: int
    active_deadline_us: int
    """FOREVER for a state without a deadline."""
    shift: int
    """A bucket is ``1 << shift`` microseconds wide."""
    mask: int
    has_dependents: int
    has_deliveries: int
    keeps_log: int
    is_last: int
    """Whether waiting dependents are played to the end of the run."""


def heap_push(times: Any, keys: Any, size: int, at: int, key: int) -> None:
    """Add (at, key) to a binary heap of ``size`` pairs."""
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if times[parent] < at or (times[parent] == at and keys[parent] <= key):
            break
        times[i] = times[parent]
        keys[i] = keys[parent]
        i = parent
    times[i] = at
    keys[i] = key


def heap_drop(times: Any, keys: Any, size: int) -> None:
    """Remove the least pair of a binary heap of ``size`` pairs."""
    last = size - 1
    at = times[last]
    key = keys[last]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= last:
            break
        right = child + 1
        if right < last and (
            times[right] < times[child]
            or (times[right] == times[child] and keys[right] < keys[child])
        ):
            child = right
        if at < times[child] or (at == times[child] and key <= keys[child]):
            break
        times[i] = times[child]
        keys[i] = keys[child]
        i = child
    times[i] = at
    keys[i] = key


def look_up(faults: Any, place: int, at: int, draw: int, otherwise: int) -> int:
    """What the instructions lookup of an accept at ``at`` finds; without a fault ``otherwise``."""
    low = 0
    count = len(faults.span)
    for fault in range(count):
        if (
            faults.from_us[fault] <= at < faults.until_us[fault]
            and faults.applies[place * count + fault] != 0
        ):
            low += faults.span[fault]
            if draw < low:
                return faults.result[fault]  # type: ignore[no-any-return]
    return otherwise


def plain_life(
    offered: int,
    setup: int,
    connect: int,
    hold: int,
    refer: int,
    patience: int,
    found: int,
    fallback: int,
    stop: int,
) -> tuple[int, int, int, int, int, int]:
    """The life of an admitted call whose every event is heard when due, without deadlines.

    ``found`` is what a lookup finds when the accept is due; nothing happens from ``stop`` on.
    Returns fate, accepted, started and released instants, lookup result, and whether referred.
    Only numbers go in and out, so that the compiler can put it in place.
    """
    accepted = offered + setup
    started = accepted + connect
    hung_up = offered + patience
    gives_up = patience != NEVER and hung_up < started
    if gives_up and hung_up < accepted:
        if hung_up >= stop:
            return STILL_PENDING, NEVER, NEVER, FOREVER, NO_LOOKUP, 0
        return ABANDONED_PENDING, NEVER, NEVER, hung_up, NO_LOOKUP, 0
    if accepted >= stop:
        return STILL_PENDING, NEVER, NEVER, FOREVER, NO_LOOKUP, 0
    if found != FOUND and fallback == 0:
        return REJECTED_INSTRUCTIONS, NEVER, NEVER, accepted, found, 0
    if gives_up:
        if hung_up >= stop:
            return STILL_ACCEPTED, accepted, NEVER, FOREVER, found, 0
        return ABANDONED_ACCEPTED, accepted, NEVER, hung_up, found, 0
    if started >= stop:
        return STILL_ACCEPTED, accepted, NEVER, FOREVER, found, 0
    referred = 1 if refer != NEVER and started + refer < stop else 0
    released = started + hold
    if released >= stop:
        return STILL_ACTIVE, accepted, started, FOREVER, found, referred
    return ENDED, accepted, started, released, found, referred


def hear(
    heard: Any,
    first: int,
    last: int,
    event: int,
    due: int,
    hearing_us: Any,
    hearing_event: Any,
    size: int,
) -> int:
    """Add the instants at which ``event`` is heard to the sorted hearings; their new number."""
    action = -1
    delay = 0
    for place in range(first, last):
        if heard.event[place] == event:
            action = heard.action[place]
            delay = heard.delay_us[place]
    if action == LOST:
        return size
    times = 2 if action == DOUBLED else 1
    for copy in range(times):
        at = due + delay if action == LATE or copy == 1 else due
        i = size
        while i > 0 and hearing_us[i - 1] > at:
            hearing_us[i] = hearing_us[i - 1]
            hearing_event[i] = hearing_event[i - 1]
            i -= 1
        # Events are added in their order at one instant, so equals stay as they are.
        hearing_us[i] = at
        hearing_event[i] = event
        size += 1
    return size


def heard_life(
    faults: Any,
    limits: Any,
    heard: Any,
    first: int,
    last: int,
    hearing_us: Any,
    hearing_event: Any,
    place: int,
    offered: int,
    setup: int,
    connect: int,
    hold: int,
    refer: int,
    patience: int,
    draw: int,
    otherwise: int,
    fallback: int,
    stop: int,
) -> tuple[int, int, int, int, int, int, int]:
    """The life of an admitted call under deadlines and its deliveries ``first`` to ``last``.

    Nothing happens from ``stop`` on. Returns what :func:`plain_life` returns, and whether the call
    expired.
    """
    size = 0
    gives_up = patience != NEVER and patience < setup + connect
    if not gives_up or setup <= patience:
        size = hear(heard, first, last, ACCEPT, offered + setup, hearing_us, hearing_event, size)
    if gives_up:
        size = hear(heard, first, last, HANGUP, offered + patience, hearing_us, hearing_event, size)
    else:
        due = offered + setup + connect
        size = hear(heard, first, last, START, due, hearing_us, hearing_event, size)
        if refer != NEVER:
            size = hear(heard, first, last, REFER, due + refer, hearing_us, hearing_event, size)
        size = hear(heard, first, last, END, due + hold, hearing_us, hearing_event, size)

    # Until the call is final its fate is the state it is in.
    fate = STILL_PENDING
    accepted = NEVER
    started = NEVER
    found = NO_LOOKUP
    referred = 0
    deadline = offered + limits.pending_deadline_us
    i = 0
    while True:
        at = hearing_us[i] if i < size else FOREVER
        is_expiry = deadline < at
        if is_expiry:
            at = deadline
        if at >= stop:
            break
        event = END
        if not is_expiry:
            event = hearing_event[i]
            i += 1
        if event == ACCEPT:
            if fate == STILL_PENDING:
                found = look_up(faults, place, at, draw, otherwise)
                if found != FOUND and fallback == 0:
                    return REJECTED_INSTRUCTIONS, NEVER, NEVER, at, found, 0, 0
                fate = STILL_ACCEPTED
                accepted = at
                deadline = at + limits.accepted_deadline_us
        elif event == START:
            if fate == STILL_ACCEPTED:
                fate = STILL_ACTIVE
                started = at
                deadline = at + limits.active_deadline_us
        elif event == REFER:
            if fate == STILL_ACTIVE:
                referred = 1
        else:
            expired = 1 if is_expiry else 0
            # Pending, accepted and active stand three places behind what they end as.
            return fate - 3, accepted, started, at, found, referred, expired
    return fate, accepted, started, FOREVER, found, referred, 0


def advance(
    columns: Any,
    heard: Any,
    rules: Any,
    faults: Any,
    state: Any,
    slots: Any,
    dependents: Any,
    log: Any,
    limits: Any,
    hearing_us: Any,
    hearing_event: Any,
) -> None:
    """Play every independent row of ``columns`` and the dependents due before the last of them.

    With ``limits.is_last`` the remaining dependents, changes and checkpoints follow, and the
    statistics are closed at the end of the run. Everything that must live on is left in ``state``,
    ``slots`` and ``dependents``.
    """
    steps = columns.steps
    tenant_step = steps[0]
    setup_step = steps[1]
    connect_step = steps[2]
    hold_step = steps[3]
    end_kind_step = steps[4]
    refer_step = steps[5]
    patience_step = steps[6]
    draw_step = steps[7]
    after_on_step = steps[9]
    delay_step = steps[10]
    attempt_step = steps[11]

    rows = limits.rows
    tenants = limits.tenants
    duration = limits.duration_us
    warm_up = limits.warm_up_us
    shift = limits.shift
    mask = limits.mask
    has_faults = len(faults.span) > 0
    has_dependents = limits.has_dependents
    has_deliveries = limits.has_deliveries
    pending_deadline = limits.pending_deadline_us
    accepted_deadline = limits.accepted_deadline_us
    active_deadline = limits.active_deadline_us
    keeps_log = limits.keeps_log
    is_last = limits.is_last
    stop_us = limits.stop_us

    tenant_column = columns.tenant
    offer_us = columns.offer_us
    setup_us = columns.setup_us
    connect_us = columns.connect_us
    hold_us = columns.hold_us
    end_kind = columns.end_kind
    refer_us = columns.refer_us
    patience_us = columns.patience_us
    lookup_draw = columns.lookup_draw
    after = columns.after
    after_on = columns.after_on
    delay_us = columns.delay_us
    attempt_column = columns.attempt
    delivery_first = heard.first
    tenant_row = rules.tenant_row
    rule_found = rules.found
    rule_fallback = rules.fallback
    leave_free = rules.leave_free
    change_us = rules.change_us
    change_limit = rules.change_limit
    change_first = rules.change_first
    edit_tenant = rules.edit_tenant
    edit_cap = rules.edit_cap
    edit_reserved = rules.edit_reserved
    edit_enabled = rules.edit_enabled
    checkpoint_us = rules.checkpoint_us
    cap = state.cap
    reserved = state.reserved
    is_open = state.open
    tenant_in_use = state.in_use
    states = state.checkpoints
    slot_tenant = slots.tenant
    slot_release_us = slots.release_us
    slot_accepted_us = slots.accepted_us
    slot_started_us = slots.started_us
    slot_following = slots.following
    near_us = slots.near_us
    near_slot = slots.near_slot
    buckets = slots.buckets
    due_us = dependents.due_us
    due_key = dependents.due_key
    child_first = dependents.first
    child_following = dependents.following
    root_counts_of = dependents.root_counts
    log_fate = log.fate
    log_scopes = log.scopes
    log_offered_us = log.offered_us
    log_accepted_us = log.accepted_us
    log_started_us = log.started_us
    log_released_us = log.released_us
    scalars = state.scalars
    in_use = scalars[IN_USE]
    reserved_sum = scalars[RESERVED_SUM]
    limit = scalars[LIMIT]
    full_since = scalars[FULL_SINCE]
    next_change = scalars[NEXT_CHANGE]
    next_checkpoint = scalars[NEXT_CHECKPOINT]
    due_size = scalars[DUE_SIZE]
    free_slot = scalars[FREE_SLOT]
    slots_used = scalars[SLOTS_USED]
    congested_us = scalars[CONGESTED_US]
    peak = state.window_total[W_PEAK]
    counters = state.counters
    total = state.total
    window = state.window
    window_total = state.window_total

    if has_dependents:
        for row in range(rows - 1, -1, -1):
            parent = after[row * steps[8]]
            if parent != NEVER:
                child_following[row] = child_first[parent]
                child_first[parent] = row

    # The buckets fit the rows at hand, so the releases still waiting move into the new ones.
    t = scalars[NOW]
    bucket = t >> shift
    wheel_size = 0
    near_size = 0
    for slot in range(slots_used):
        released = slot_release_us[slot]
        if slot_tenant[slot] >= 0 and released != FOREVER:
            if released >> shift <= bucket:
                heap_push(near_us, near_slot, near_size, released, slot)
                near_size += 1
            else:
                slot_following[slot] = buckets[released >> shift & mask]
                buckets[released >> shift & mask] = slot
                wheel_size += 1

    changes = len(change_us)
    checkpoints = len(checkpoint_us)
    change_at = change_us[next_change] if next_change < changes else FOREVER
    checkpoint_at = checkpoint_us[next_checkpoint] if next_checkpoint < checkpoints else FOREVER
    # Independent rows are in order of time; those at or after the end of the run are not made.
    next_row = 0
    while next_row < rows and offer_us[next_row] < 0:
        next_row += 1
    if next_row < rows and offer_us[next_row] >= duration:
        next_row = rows

    while True:
        # The next offer: the least (instant, attempt, row) of both queues.
        if next_row < rows:
            row = next_row
            t = offer_us[row]
            if due_size > 0 and (
                due_us[0] < t
                or (
                    due_us[0] == t
                    and due_key[0] < (attempt_column[row * attempt_step] << ROW_BITS | row)
                )
            ):
                t = due_us[0]
                row = due_key[0] & ROW_MASK
                heap_drop(due_us, due_key, due_size)
                due_size -= 1
            else:
                next_row += 1
                while next_row < rows and offer_us[next_row] < 0:
                    next_row += 1
                if next_row < rows and offer_us[next_row] >= duration:
                    next_row = rows
        elif is_last and due_size > 0:
            t = due_us[0]
            row = due_key[0] & ROW_MASK
            heap_drop(due_us, due_key, due_size)
            due_size -= 1
        elif is_last:
            row = NEVER
            t = duration
        else:
            break

        # Slots whose release lies behind are freed no earlier than somebody can tell. Until then
        # the numbers in use are too high, which does no harm while even so there is room, no peak
        # is passed and no new slot has to be opened.
        in_window = t >= warm_up
        is_exact = row == NEVER or change_at <= t or checkpoint_at < t
        if not is_exact:
            place = tenant_column[row * tenant_step]
            used = tenant_in_use[place]
            is_exact = (
                in_use + 1 >= limit
                or in_use + leave_free[place] >= limit
                or used >= cap[place]
                or (reserved_sum >= limit and used >= reserved[place])
                or free_slot < 0
                or (
                    in_window
                    and (
                        in_use >= peak or used >= window[tenant_row[place] * WINDOW_COUNT + W_PEAK]
                    )
                )
            )

        # Changes up to the offer, checkpoints before it, and the releases before each of them.
        while is_exact:
            until = t
            if change_at <= until:
                until = change_at
            if checkpoint_at < until:
                until = checkpoint_at
            until_bucket = until >> shift
            walk = NEVER
            while True:
                if walk >= 0:
                    slot = walk
                    walk = slot_following[slot]
                    released = slot_release_us[slot]
                    if released >> shift != bucket:
                        slot_following[slot] = buckets[bucket & mask]
                        buckets[bucket & mask] = slot
                        continue
                    wheel_size -= 1
                    # Order only matters where time begins to count as no longer congested, and
                    # not at all in a bucket that lies wholly behind.
                    if bucket == until_bucket or in_use >= limit:
                        heap_push(near_us, near_slot, near_size, released, slot)
                        near_size += 1
                        continue
                elif near_size > 0 and near_us[0] <= until:
                    released = near_us[0]
                    slot = near_slot[0]
                    heap_drop(near_us, near_slot, near_size)
                    near_size -= 1
                elif bucket >= until_bucket:
                    break
                elif wheel_size == 0:
                    bucket = until_bucket
                    break
                else:
                    bucket += 1
                    walk = buckets[bucket & mask]
                    buckets[bucket & mask] = NEVER
                    continue
                if in_use == limit and released > full_since:
                    congested_us += min(released, duration) - full_since
                in_use -= 1
                place = slot_tenant[slot]
                tenant_in_use[place] -= 1
                if tenant_in_use[place] >= reserved[place]:
                    reserved_sum -= 1
                slot_tenant[slot] = NEVER
                slot_following[slot] = free_slot
                free_slot = slot

            if change_at <= t and change_at <= checkpoint_at:
                at = min(max(change_at, warm_up), duration)
                if in_use >= limit and at > full_since:
                    congested_us += at - full_since
                scalars[LIMIT_US] += limit * (at - scalars[LIMIT_SINCE])
                scalars[LIMIT_SINCE] = at
                if change_limit[next_change] != NEVER:
                    limit = change_limit[next_change]
                full_since = at
                for edit in range(change_first[next_change], change_first[next_change + 1]):
                    place = edit_tenant[edit]
                    if edit_cap[edit] != NEVER:
                        cap[place] = edit_cap[edit]
                    if edit_reserved[edit] != NEVER:
                        reserved_sum -= max(tenant_in_use[place], reserved[place])
                        reserved[place] = edit_reserved[edit]
                        reserved_sum += max(tenant_in_use[place], reserved[place])
                    if edit_enabled[edit] != NEVER:
                        is_open[place] = edit_enabled[edit]
                next_change += 1
                change_at = change_us[next_change] if next_change < changes else FOREVER
            elif checkpoint_at < t:
                base = next_checkpoint * (3 * tenants + 1)
                states[base] = limit
                for slot in range(slots_used):
                    place = slot_tenant[slot]
                    if place >= 0:
                        cell = base + 1 + 3 * place
                        accepted = slot_accepted_us[slot]
                        started = slot_started_us[slot]
                        if accepted == NEVER or accepted > checkpoint_at:
                            states[cell] += 1
                        else:
                            states[cell + 1] += 1
                            if started != NEVER and started <= checkpoint_at:
                                states[cell + 2] += 1
                next_checkpoint += 1
                checkpoint_at = (
                    checkpoint_us[next_checkpoint] if next_checkpoint < checkpoints else FOREVER
                )
            else:
                break

        if row == NEVER:
            break

        # The offer.
        attempt = attempt_column[row * attempt_step]
        place = tenant_column[row * tenant_step]
        counter = tenant_row[place] * COUNTER_COUNT
        figure = tenant_row[place] * WINDOW_COUNT
        counters[counter + OFFERED_CALLS] += 1
        total[OFFERED_CALLS] += 1
        if in_window:
            window[figure + W_OFFERED] += 1
            window_total[W_OFFERED] += 1
            if attempt == 0:
                scalars[FIRST_ATTEMPTS] += 1
        scopes = 0
        accepted = NEVER
        started = NEVER
        finished = t
        if is_open[place] == 0:
            fate = REJECTED_TENANT
            counters[counter + REJECTED_CALLS_TENANT_NOT_CONFIGURED] += 1
            total[REJECTED_CALLS_TENANT_NOT_CONFIGURED] += 1
            if in_window:
                window[figure + W_REJECTED_TENANT] += 1
                window_total[W_REJECTED_TENANT] += 1
                if attempt == 0:
                    scalars[FIRST_REJECTED_TENANT] += 1
        else:
            used = tenant_in_use[place]
            if in_use >= limit:
                scopes = TOTAL_FULL
            elif in_use + leave_free[place] >= limit or (
                used >= reserved[place] and reserved_sum >= limit
            ):
                scopes = RESERVED_FULL
            if used >= cap[place]:
                scopes += TENANT_FULL
            if scopes != 0:
                fate = REJECTED_CAPACITY
                counters[counter + REJECTED_CALLS_CAPACITY] += 1
                total[REJECTED_CALLS_CAPACITY] += 1
                if in_window:
                    window[figure + W_REJECTED_CAPACITY] += 1
                    window_total[W_REJECTED_CAPACITY] += 1
                    if attempt == 0:
                        scalars[FIRST_REJECTED_CAPACITY] += 1
            else:
                first = 0
                last = 0
                if has_deliveries:
                    first = delivery_first[row]
                    last = delivery_first[row + 1]
                setup = setup_us[row * setup_step]
                connect = connect_us[row * connect_step]
                hold = hold_us[row * hold_step]
                refer = refer_us[row * refer_step]
                patience = patience_us[row * patience_step]
                draw = lookup_draw[row * draw_step]
                found = rule_found[place]
                fallback = rule_fallback[place]
                expired = 0
                # A deadline that no state of the call can reach when all is heard has no effect.
                if (
                    first == last
                    and setup <= pending_deadline
                    and connect <= accepted_deadline
                    and hold <= active_deadline
                ):
                    if has_faults:
                        found = look_up(faults, place, t + setup, draw, found)
                    fate, accepted, started, finished, found, referred = plain_life(
                        t, setup, connect, hold, refer, patience, found, fallback, stop_us
                    )
                else:
                    fate, accepted, started, finished, found, referred, expired = heard_life(
                        faults,
                        limits,
                        heard,
                        first,
                        last,
                        hearing_us,
                        hearing_event,
                        place,
                        t,
                        setup,
                        connect,
                        hold,
                        refer,
                        patience,
                        draw,
                        found,
                        fallback,
                        stop_us,
                    )

                if found == ERROR:
                    counters[counter + INSTRUCTIONS_DB_ERRORS] += 1
                    total[INSTRUCTIONS_DB_ERRORS] += 1
                if accepted != NEVER:
                    counters[counter + ACCEPTED_CALLS] += 1
                    total[ACCEPTED_CALLS] += 1
                    if found != FOUND:
                        counters[counter + FALLBACK_INSTRUCTIONS_USED] += 1
                        total[FALLBACK_INSTRUCTIONS_USED] += 1
                if started != NEVER:
                    counters[counter + STARTED_CALLS] += 1
                    total[STARTED_CALLS] += 1
                if referred != 0:
                    counters[counter + REFERRED_CALLS] += 1
                    total[REFERRED_CALLS] += 1
                if fate == ENDED:
                    counters[counter + ENDED_CALLS] += 1
                    total[ENDED_CALLS] += 1
                    counters[counter + ACTIVE_US_TOTAL] += finished - started
                    total[ACTIVE_US_TOTAL] += finished - started
                    if expired != 0 or end_kind[row * end_kind_step] == END_FAILED:
                        counters[counter + FAILED_CALLS] += 1
                        total[FAILED_CALLS] += 1
                elif fate == STILL_ACTIVE:
                    counters[counter + ACTIVE_CALLS] += 1
                    total[ACTIVE_CALLS] += 1
                elif fate == REJECTED_INSTRUCTIONS:
                    counters[counter + REJECTED_CALLS_INSTRUCTIONS_MISSING] += 1
                    total[REJECTED_CALLS_INSTRUCTIONS_MISSING] += 1
                elif fate == ABANDONED_PENDING:
                    counters[counter + ABANDONED_PENDING_CALLS] += 1
                    total[ABANDONED_PENDING_CALLS] += 1
                elif fate == ABANDONED_ACCEPTED:
                    counters[counter + ABANDONED_ACCEPTED_CALLS] += 1
                    total[ABANDONED_ACCEPTED_CALLS] += 1

                if in_window:
                    if used + 1 > window[figure + W_PEAK]:
                        window[figure + W_PEAK] = used + 1
                    if in_use + 1 > peak:
                        peak = in_use + 1
                held_until = min(finished, duration)
                held_from = max(t, warm_up)
                if held_until > held_from:
                    window[figure + W_SLOT_US] += held_until - held_from
                    window_total[W_SLOT_US] += held_until - held_from

                # A call of length zero has left again before anybody can see it.
                if finished > t:
                    in_use += 1
                    if in_use == limit:
                        full_since = held_from
                    tenant_in_use[place] = used + 1
                    if used >= reserved[place]:
                        reserved_sum += 1
                    if free_slot >= 0:
                        slot = free_slot
                        free_slot = slot_following[slot]
                    else:
                        slot = slots_used
                        slots_used += 1
                    slot_tenant[slot] = place
                    slot_release_us[slot] = finished
                    if checkpoints > 0 or finished == FOREVER:
                        slot_accepted_us[slot] = accepted
                        slot_started_us[slot] = started
                    release_bucket = finished >> shift
                    if release_bucket <= bucket:
                        heap_push(near_us, near_slot, near_size, finished, slot)
                        near_size += 1
                    elif finished != FOREVER:
                        slot_following[slot] = buckets[release_bucket & mask]
                        buckets[release_bucket & mask] = slot
                        wheel_size += 1

        if has_dependents:
            root_counts = root_counts_of[row] != 0 if attempt != 0 else in_window
            is_last_attempt = True
            child = child_first[row]
            while child != NEVER:
                due = finished + delay_us[child * delay_step]
                if due < duration and (
                    after_on[child * after_on_step] == AFTER_FINISHED
                    or fate in (REJECTED_CAPACITY, REJECTED_INSTRUCTIONS)
                ):
                    child_attempt = attempt_column[child * attempt_step]
                    heap_push(
                        due_us,
                        due_key,
                        due_size,
                        due,
                        child_attempt << ROW_BITS | child,
                    )
                    due_size += 1
                    if child_attempt != 0:
                        is_last_attempt = False
                        root_counts_of[child] = 1 if root_counts else 0
                child = child_following[child]
            if fate == REJECTED_CAPACITY and is_last_attempt and root_counts:
                scalars[EVENTUALLY_LOST] += 1
        elif fate == REJECTED_CAPACITY and in_window:
            scalars[EVENTUALLY_LOST] += 1

        if keeps_log:
            log_fate[row] = fate
            log_scopes[row] = scopes
            log_offered_us[row] = t
            log_accepted_us[row] = accepted
            log_started_us[row] = started
            if fate >= REJECTED_INSTRUCTIONS and finished != FOREVER:
                log_released_us[row] = finished

    if is_last:
        if in_use >= limit and duration > full_since:
            congested_us += duration - full_since
        if duration > scalars[LIMIT_SINCE]:
            scalars[LIMIT_US] += limit * (duration - scalars[LIMIT_SINCE])
            scalars[LIMIT_SINCE] = duration
    scalars[IN_USE] = in_use
    scalars[RESERVED_SUM] = reserved_sum
    scalars[LIMIT] = limit
    scalars[FULL_SINCE] = full_since
    scalars[NEXT_CHANGE] = next_change
    scalars[NEXT_CHECKPOINT] = next_checkpoint
    scalars[DUE_SIZE] = due_size
    scalars[FREE_SLOT] = free_slot
    scalars[SLOTS_USED] = slots_used
    scalars[NOW] = t
    scalars[CONGESTED_US] = congested_us
    window_total[W_PEAK] = peak
