"""Properties of drawn traffic: what must not change, and the order rows stand in."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.calls import Event, Lookup
from simulator.scenario import (
    Arrivals,
    Batch,
    DeliveryFault,
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    ExactCount,
    Exponential,
    FiniteSource,
    FlashCrowd,
    Gamma,
    HyperExponential,
    InstructionFault,
    Lognormal,
    Mixture,
    Mmpp,
    Outcomes,
    Pareto,
    Poisson,
    RateProfile,
    Redial,
    Regular,
    Renewal,
    Scenario,
    Sinusoid,
    Tenant,
    TraceArrivals,
    Uniform,
    Weibull,
)
from simulator.trace import (
    NEVER,
    ROW_COLUMNS,
    AfterOn,
    CallTrace,
    DeliveryAction,
    trace_hash,
)
from simulator.traffic import build_trace, iter_chunks
from simulator.traffic.arrivals import ListedProcess
from simulator.traffic.merge import merge_runs
from simulator.traffic.samplers import sampler
from simulator.traffic.streams import Streams
from simulator.traffic.windows import windows

DURATION = 60_000_000
RARE = settings(max_examples=25, deadline=None)

means = st.sampled_from([0.0, 1.0, 3e3, 1e6, 2e7])
simple: st.SearchStrategy[Distribution] = st.one_of(
    st.builds(Exponential, means),
    st.builds(Deterministic, means),
    st.builds(lambda low, width: Uniform(low, low + width), means, means),
    st.builds(Gamma, means, st.sampled_from([0.0, 0.5, 3.0])),
    st.builds(Erlang, means, st.integers(1, 4)),
    st.builds(Lognormal, means, st.sampled_from([0.0, 0.5, 3.0])),
    st.builds(Weibull, means, st.sampled_from([0.0, 0.5, 3.0])),
    st.builds(Pareto, st.sampled_from([0.5, 1.0, 2.0]), st.just(1e5), st.just(1e7)),
    st.builds(HyperExponential, means, st.sampled_from([1.0, 4.0])),
    st.builds(Empirical, st.lists(means, min_size=1, max_size=5).map(tuple)),
)
distributions = st.one_of(
    simple,
    st.lists(st.tuples(st.integers(1, 3), simple), min_size=1, max_size=3).map(
        lambda parts: Mixture(tuple(parts))
    ),
)

gaps = st.sampled_from([5e4, 1e6])
rates = gaps.map(lambda gap: 1 / gap)
arrivals: st.SearchStrategy[Arrivals] = st.one_of(
    st.builds(Poisson, rates),
    st.builds(Regular, gaps),
    st.builds(lambda gap: Renewal(Gamma(gap, 2.0)), gaps),
    st.builds(
        lambda a, b, repeat: RateProfile((3, DURATION // 5), (a, b), repeat),
        rates,
        st.sampled_from([0.0, 1e-5]),
        st.sampled_from([None, DURATION // 3]),
    ),
    st.builds(Sinusoid, rates, st.sampled_from([0.0, 1.0]), st.just(DURATION // 7)),
    st.builds(lambda a, stay: Mmpp((a, 0.0, 2e-5), (stay, 3e5, stay)), rates, gaps),
    st.builds(
        lambda a, ramp: FlashCrowd(a, 5e-5, DURATION // 4, ramp, DURATION // 8),
        rates,
        st.sampled_from([0, DURATION // 3]),
    ),
    st.builds(lambda size, rate: Batch(size, rate_per_us=rate / size), st.integers(1, 300), rates),
    st.builds(lambda size, gap: Batch(size, gap_us=gap * size), st.integers(1, 300), gaps),
    st.builds(
        FiniteSource,
        st.integers(0, 20),
        st.sampled_from([Exponential(3e6), Uniform(1e6, 3e6)]),
    ),
    st.builds(ExactCount, st.integers(0, 900)),
    st.lists(st.tuples(st.integers(0, 2 * DURATION), st.integers(0, 99)), max_size=200).map(
        lambda calls: TraceArrivals(tuple(t for t, _ in calls), tuple(hold for _, hold in calls))
    ),
)
outcomes = st.builds(
    Outcomes,
    failed=st.sampled_from([0.0, 0.3]),
    hung_up=st.sampled_from([0.0, 0.3]),
    referred=st.sampled_from([0.0, 0.4]),
    referred_at=st.sampled_from([0.0, 0.7, 1.0]),
)
redials = st.builds(
    Redial, st.sampled_from([0.0, 0.5, 1.0]), distributions, max_attempts=st.integers(1, 4)
)


@st.composite
def tenants(draw: st.DrawFn, tenant_id: str) -> Tenant:
    tenant = Tenant(
        tenant_id,
        draw(arrivals),
        draw(distributions),
        setup=draw(distributions),
        connect=draw(distributions),
        patience=draw(st.none() | distributions),
        outcomes=draw(outcomes),
    )
    if isinstance(tenant.arrivals, FiniteSource):
        return tenant
    return replace(tenant, redial=draw(st.none() | redials))


FAULTS = (
    DeliveryFault(Event.END, DeliveryAction.LOST, 0.2),
    DeliveryFault(Event.START, DeliveryAction.LATE, 0.3, reordered=True),
    DeliveryFault(Event.OFFER, DeliveryAction.DOUBLED, 0.2, delay_us=7, tenants=("a", "c")),
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    ids = "abc"[: draw(st.integers(1, 3))]
    return Scenario(
        "drawn",
        "",
        draw(st.integers(0, 2**70)),
        DURATION,
        10,
        tuple(draw(tenants(tenant_id)) for tenant_id in ids),
        instruction_faults=draw(
            st.sampled_from([(), (InstructionFault(Lookup.ERROR, 0, DURATION, 0.5),)])
        ),
        delivery_faults=draw(st.sampled_from([(), FAULTS])),
    )


CHAINED = Scenario(
    "chained",
    "",
    1,
    DURATION,
    10,
    (
        Tenant("a", Poisson(2e-5), Exponential(1e6), redial=Redial(0.5, Exponential(1e6), 3)),
        Tenant("b", FiniteSource(300, Exponential(2e7)), Exponential(1e6)),
    ),
    delivery_faults=FAULTS,
)


def rows_of(trace: CallTrace, tenant_id: str, *, first_attempts: bool = False) -> dict[str, Any]:
    """A tenant's rows, without what refers to places in the trace, and its deliveries by row."""
    ids = [tenant.tenant_id for tenant in trace.conditions.tenants]
    mine = trace.column("tenant") == ids.index(tenant_id)
    if first_attempts:
        mine &= trace.column("attempt") == 0
    rows: dict[str, Any] = {
        name: trace.column(name)[mine].tolist()
        for name in ROW_COLUMNS
        if name not in ("tenant", "after")
    }
    renumbered = np.cumsum(mine) - 1
    rows["deliveries"] = [
        (int(renumbered[call]), *rest)
        for call, *rest in zip(
            trace.deliveries.call.tolist(),
            trace.deliveries.event.tolist(),
            trace.deliveries.action.tolist(),
            trace.deliveries.delay_us.tolist(),
            strict=True,
        )
        if mine[call]
    ]
    return rows


def end_to_end(chunks: list[CallTrace]) -> CallTrace:
    """Chunks laid end to end, written down plainly."""
    starts = np.cumsum([0] + [len(chunk) for chunk in chunks])
    columns: dict[str, Any] = {
        name: np.concatenate([chunk.column(name) for chunk in chunks]) for name in ROW_COLUMNS
    }
    columns["after"] = np.concatenate(
        [
            np.where(chunk.column("after") == NEVER, NEVER, chunk.column("after") + start)
            for chunk, start in zip(chunks, starts, strict=False)
        ]
    )
    deliveries = type(chunks[0].deliveries)(
        call=np.concatenate(
            [chunk.deliveries.call + start for chunk, start in zip(chunks, starts, strict=False)]
        ),
        event=np.concatenate([chunk.deliveries.event for chunk in chunks]),
        action=np.concatenate([chunk.deliveries.action for chunk in chunks]),
        delay_us=np.concatenate([chunk.deliveries.delay_us for chunk in chunks]),
    )
    return CallTrace(conditions=chunks[0].conditions, deliveries=deliveries, **columns)


@RARE
@given(scenario=scenarios(), chunk_calls=st.sampled_from([1, 20, 150, 700]))
@example(scenario=CHAINED, chunk_calls=150)
def test_chunks_laid_end_to_end_are_the_trace(scenario: Scenario, chunk_calls: int) -> None:
    chunks = list(iter_chunks(scenario, chunk_calls))
    assert trace_hash(end_to_end(chunks)) == trace_hash(build_trace(scenario))
    assert all(chunk.conditions == chunks[0].conditions for chunk in chunks)


@RARE
@given(scenario=scenarios(), chunk_calls=st.sampled_from([1, 20, 150]))
@example(scenario=CHAINED, chunk_calls=150)
def test_a_trace_built_of_many_chunks_is_the_trace_built_of_one(
    scenario: Scenario, chunk_calls: int
) -> None:
    whole = build_trace(scenario)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.traffic.build._TRACE_CHUNK", chunk_calls)
        joined = build_trace(scenario)
    assert trace_hash(joined) == trace_hash(whole)


@RARE
@given(scenario=scenarios())
def test_rows_stand_in_order_of_time_tenant_and_index_with_their_chains(scenario: Scenario) -> None:
    trace = build_trace(scenario)
    after, attempt = trace.column("after"), trace.column("attempt")
    roots = after == NEVER
    keys = list(
        zip(trace.offer_us[roots].tolist(), trace.column("tenant")[roots].tolist(), strict=True)
    )
    assert keys == sorted(keys)
    assert all(0 <= offer < DURATION for offer, _ in keys)
    later = np.flatnonzero(~roots)
    assert (after[later] == later - 1).all()
    assert (trace.column("tenant")[later] == trace.column("tenant")[later - 1]).all()
    assert (trace.column("delay_us")[later] >= 1).all()
    redial = trace.column("after_on") == AfterOn.REJECTED
    assert (attempt[redial] == attempt[np.flatnonzero(redial) - 1] + 1).all()
    assert not attempt[~redial].any()


@RARE
@given(scenario=scenarios(), newcomer=tenants("new"), place=st.integers(0, 3))
def test_another_tenant_changes_no_call_of_the_others(
    scenario: Scenario, newcomer: Tenant, place: int
) -> None:
    more = (*scenario.tenants[:place], newcomer, *scenario.tenants[place:])
    before, after = build_trace(scenario), build_trace(replace(scenario, tenants=more))
    for tenant in scenario.tenants:
        assert rows_of(after, tenant.tenant_id) == rows_of(before, tenant.tenant_id)


@RARE
@given(scenario=scenarios(), redial=redials)
def test_redials_change_no_first_attempt(scenario: Scenario, redial: Redial) -> None:
    def with_redial(to: Redial | None) -> CallTrace:
        changed = tuple(
            tenant if isinstance(tenant.arrivals, FiniteSource) else replace(tenant, redial=to)
            for tenant in scenario.tenants
        )
        return build_trace(replace(scenario, tenants=changed))

    without, added = with_redial(None), with_redial(redial)
    for tenant in scenario.tenants:
        firsts = rows_of(added, tenant.tenant_id, first_attempts=True)
        assert firsts == rows_of(without, tenant.tenant_id)


def test_a_redial_draws_values_of_its_own() -> None:
    spread = Exponential(1e6)
    tenant = Tenant(
        "a",
        Poisson(2e-6),
        spread,
        setup=spread,
        connect=spread,
        patience=spread,
        outcomes=Outcomes(failed=0.5, referred=0.5),
        redial=Redial(1.0, spread, 2),
    )
    fault = InstructionFault(Lookup.ERROR, 0, DURATION, 0.5)
    trace = build_trace(
        Scenario("own", "", 1, DURATION, 10, (tenant,), instruction_faults=(fault,))
    )
    firsts, redials = trace.column("attempt") == 0, trace.column("attempt") == 1
    assert firsts.sum() == redials.sum() > 50
    columns = ["setup_us", "connect_us", "hold_us", "patience_us", "lookup_draw", "end_kind"]
    values = [trace.column(name)[which].tolist() for name in columns for which in (firsts, redials)]
    values += [(trace.refer_us[which] != NEVER).tolist() for which in (firsts, redials)]
    assert len({tuple(each) for each in values}) == len(values)


@RARE
@given(scenario=scenarios(), connect=distributions)
def test_another_distribution_changes_no_other_column(
    scenario: Scenario, connect: Distribution
) -> None:
    first, *others = scenario.tenants
    changed = replace(scenario, tenants=(replace(first, connect=connect), *others))
    before, after = build_trace(scenario), build_trace(changed)
    for name in set(ROW_COLUMNS) - {"connect_us"}:
        assert (before.column(name) == after.column(name)).all()


@RARE
@given(distribution=distributions, sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_a_sampler_gives_the_same_values_in_blocks_of_any_size(
    distribution: Distribution, sizes: list[int]
) -> None:
    whole = np.empty(sum(sizes))
    sampler(distribution, Streams(1, "a"), "hold")(whole)
    in_blocks = sampler(distribution, Streams(1, "a"), "hold")
    pieces = []
    for size in sizes:
        pieces.append(np.empty(size))
        in_blocks(pieces[-1])
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    runs=st.lists(
        st.lists(st.integers(0, 50) | st.integers(0, 10**12), max_size=150).map(sorted), max_size=5
    )
)
def test_compiled_and_plain_merging_give_the_order_of_a_plain_sort(runs: list[list[int]]) -> None:
    instants = np.array([t for run in runs for t in run], dtype=np.int64)
    expected = sorted(range(len(instants)), key=lambda place: (int(instants[place]), place))
    for compiled in (False, True):
        merged, order = merge_runs(instants, len(runs), compiled=compiled)
        assert order.tolist() == expected
        assert merged.tolist() == sorted(instants.tolist())


@settings(max_examples=60, deadline=None)
@given(
    logs=st.lists(
        st.lists(st.integers(0, 12), min_size=5, max_size=20).map(lambda few: sorted(few * 30)),
        min_size=1,
        max_size=4,
    ),
    chunk_calls=st.integers(1, 300),
)
def test_windows_never_part_the_calls_of_one_instant(
    logs: list[list[int]], chunk_calls: int
) -> None:
    processes = [ListedProcess(100, np.array(log, dtype=np.int64)) for log in logs]
    found = list(windows(processes, chunk_calls))
    ends = [max((int(part[-1]) for part in window if len(part)), default=-1) for window in found]
    starts = [min((int(part[0]) for part in window if len(part)), default=99) for window in found]
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))
    for place, log in enumerate(logs):
        assert [t for window in found for t in window[place].tolist()] == log


def test_a_trace_is_the_same_with_and_without_the_compiled_merge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario = Scenario(
        "many",
        "",
        1,
        DURATION,
        10,
        tuple(Tenant(name, Poisson(1e-4), Exponential(1e6)) for name in "abcde"),
    )
    plain = trace_hash(build_trace(scenario))
    monkeypatch.setattr("simulator.traffic.build.COMPILED_FROM_CALLS", 0)
    assert trace_hash(build_trace(scenario)) == plain


def test_small_scenarios_never_load_numba() -> None:
    program = (
        "import sys\n"
        "from simulator.scenario import Exponential, Poisson, Scenario, Tenant\n"
        "from simulator.traffic import build_trace\n"
        "tenants = tuple(Tenant(name, Poisson(1e-6), Exponential(1e6)) for name in 'ab')\n"
        "assert len(build_trace(Scenario('s', '', 1, 60_000_000, 9, tenants))) > 0\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@RARE
@given(scenario=scenarios())
def test_the_same_scenario_gives_the_same_trace(scenario: Scenario) -> None:
    assert trace_hash(build_trace(scenario)) == trace_hash(build_trace(scenario))


def test_another_seed_gives_other_calls() -> None:
    scenario = Scenario("two", "", 1, DURATION, 10, (Tenant("a", Poisson(1e-6), Exponential(1e6)),))
    one, other = build_trace(scenario), build_trace(replace(scenario, seed=2))
    assert set(one.offer_us.tolist()).isdisjoint(other.offer_us.tolist())


def test_streams_differ_by_seed_tenant_and_purpose() -> None:
    tenants = [Streams(1, "a"), Streams(2, "a"), Streams(2**64 + 1, "a"), Streams(1, "b")]
    streams = [each.open(purpose) for each in tenants for purpose in ("hold", "setup")]
    # The id and the purpose must not run into one another.
    streams += [Streams(1, "ah").open("old"), Streams(1, "aho").open("ld")]
    assert len({int(stream.integers(2**63)) for stream in streams}) == len(streams)


def test_chunks_stay_small_where_there_are_no_chains() -> None:
    tenants = tuple(Tenant(f"t{k}", Poisson(1e-4 * (k + 1)), Exponential(1e6)) for k in range(5))
    scenario = Scenario("many", "", 1, DURATION, 10, tenants)
    sizes = [len(chunk) for chunk in iter_chunks(scenario, 4_000)]
    assert len(sizes) > 10
    assert max(sizes) <= 4_000 + 5 * 64
