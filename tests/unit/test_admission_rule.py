"""The admission rule against its definition, added up naively."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.admission import NO_CAP, check_limits, full_scopes
from service.calls import SCOPE_SETS, Scope
from service.state.base import LimitsInvalid, TenantPolicy

small = st.integers(0, 4)
caps = st.none() | small


@given(
    limit=st.integers(0, 8),
    others=st.lists(st.tuples(small, small), max_size=4),
    mine=small,
    reserved=small,
    cap=caps,
)
def test_full_scopes_are_those_of_the_definition(
    limit: int, others: list[tuple[int, int]], mine: int, reserved: int, cap: int | None
) -> None:
    tenants = [*others, (mine, reserved)]
    in_use = sum(n for n, _ in tenants)
    full = []
    if in_use >= limit:
        full.append(Scope.TOTAL)
    if cap is not None and mine >= cap:
        full.append(Scope.TENANT)
    if in_use < limit and mine >= reserved and sum(max(n, r) for n, r in tenants) >= limit:
        full.append(Scope.RESERVED)

    mask = full_scopes(
        limit,
        in_use,
        NO_CAP if cap is None else cap,
        mine,
        reserved,
        sum(max(n, r) for n, r in tenants),
    )
    assert SCOPE_SETS[mask] == tuple(full)


@given(
    limit=st.integers(1, 8),
    tenants=st.lists(st.tuples(small, caps), min_size=1, max_size=4),
    offers=st.lists(st.integers(0, 3), max_size=40),
)
def test_a_tenant_below_its_minimum_always_gets_in(
    limit: int, tenants: list[tuple[int, int | None]], offers: list[int]
) -> None:
    """The guarantee itself: whatever was admitted before, a reserved slot is there when needed."""
    policies = {
        str(place): TenantPolicy(max_concurrent_calls=cap, reserved_calls=reserved)
        for place, (reserved, cap) in enumerate(tenants)
    }
    try:
        check_limits(limit, policies)
    except LimitsInvalid:
        return
    held = [0] * len(tenants)
    for offer in offers:
        who = offer % len(tenants)
        reserved, cap = tenants[who]
        committed = sum(max(n, r) for n, (r, _) in zip(held, tenants, strict=True))
        mask = full_scopes(
            limit, sum(held), NO_CAP if cap is None else cap, held[who], reserved, committed
        )
        if held[who] < reserved:
            assert mask == 0
        held[who] += mask == 0
    assert sum(held) <= limit
    assert all(cap is None or n <= cap for n, (_, cap) in zip(held, tenants, strict=True))


@given(
    limit=st.integers(-1, 8),
    tenants=st.lists(st.tuples(st.integers(-1, 4), st.none() | st.integers(-1, 4)), max_size=4),
)
def test_limits_are_valid_exactly_when_they_can_be_kept(
    limit: int, tenants: list[tuple[int, int | None]]
) -> None:
    policies = {
        f"t{place}": TenantPolicy(max_concurrent_calls=cap, reserved_calls=reserved)
        for place, (reserved, cap) in enumerate(tenants)
    }
    valid = (
        limit >= 0
        and all(r >= 0 and (c is None or 0 <= r <= c) for r, c in tenants)
        and sum(r for r, _ in tenants) <= limit
    )
    if valid:
        check_limits(limit, policies)
    else:
        with pytest.raises(LimitsInvalid):
            check_limits(limit, policies)


@pytest.mark.parametrize(
    ("limit", "tenant", "policy", "words"),
    [
        (-1, "acme", TenantPolicy(), ["max_concurrent_calls", "-1"]),
        (9, "acme", TenantPolicy(max_concurrent_calls=-2), ["acme", "max_concurrent_calls", "-2"]),
        (9, "acme", TenantPolicy(reserved_calls=-3), ["acme", "reserved_calls", "-3"]),
        (
            9,
            "acme",
            TenantPolicy(max_concurrent_calls=4, reserved_calls=5),
            ["acme", "reserved_calls 5", "max_concurrent_calls 4"],
        ),
        (6, "acme", TenantPolicy(reserved_calls=7), ["reserved_calls", "7", "6"]),
        (6, "_unknown", TenantPolicy(), ["_unknown", "tenant id"]),
    ],
)
def test_the_message_names_what_is_wrong(
    limit: int, tenant: str, policy: TenantPolicy, words: list[str]
) -> None:
    with pytest.raises(LimitsInvalid) as raised:
        check_limits(limit, {tenant: policy})
    for word in words:
        assert word in str(raised.value)
