"""Tenants that share one group: caps, guaranteed minima and one limit for all, exactly.

The rule is the service's: tenant k, with n_k slots in use, is refused when n_k has reached its cap,
or when the total is full, or when n_k has reached its guaranteed minimum r_k and what is committed,
sum over j of max(n_j, r_j), has reached the limit C. A tenant below its minimum always finds a
slot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np

from simulator.analytics.arguments import require_count, require_traffic
from simulator.analytics.birth_death import Floats, peaked_weights

_MAX_LIMIT: Final = 100_000
_TILT_STEPS: Final = 60


@dataclass(frozen=True, slots=True)
class SharingTenant:
    """A tenant's traffic and its limits, in slots of one call each.

    With ``sources`` None calls are Poisson and ``offered_erlangs`` is what they offer together.
    Otherwise ``sources`` callers offer ``offered_erlangs`` each *per idle source*, as in
    :func:`~simulator.analytics.finite_sources.engset`.
    """

    offered_erlangs: float
    cap: int | None = None
    reserved: int = 0
    sources: int | None = None


@dataclass(frozen=True, slots=True)
class TenantLoss:
    """What one tenant meets. Shares of its calls, or of time."""

    call_congestion: float
    """Share of its calls that are refused."""
    time_congestion: float
    """Share of time in which a call of it would be refused; the same for Poisson calls."""
    cap_congestion: float
    """Share of time in which it has reached its own cap, whatever else is full."""
    carried_erlangs: float


@dataclass(frozen=True, slots=True)
class SharingLoss:
    """The whole group."""

    tenants: tuple[TenantLoss, ...]
    time_congestion: float
    """Share of time with every slot in use."""
    committed_congestion: float
    """Share of time with every slot in use or kept for a tenant below its minimum."""
    carried_erlangs: float


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    """One tenant's states: weights of n calls, shape (m + 1,), tilted by tilt**max(n, reserved)."""

    by_calls: Floats
    reserved: int
    cap: int

    def by_committed(self, limit: int) -> Floats:
        """Weights of max(n, reserved), shape (limit + 1,)."""
        weights = np.zeros(limit + 1)
        kept = min(self.reserved, len(self.by_calls) - 1)
        weights[self.reserved] = self.by_calls[: kept + 1].sum()
        above = self.by_calls[self.reserved + 1 :]
        weights[self.reserved + 1 : self.reserved + 1 + len(above)] = above
        return weights

    def at_least_reserved(self, limit: int) -> Floats:
        """Weights of n where n >= reserved, else 0; shape (limit + 1,)."""
        weights = np.zeros(limit + 1)
        weights[self.reserved : len(self.by_calls)] = self.by_calls[self.reserved :]
        return weights


def shared_group(limit: int, tenants: Sequence[SharingTenant]) -> SharingLoss:
    """Congestion of tenants with caps and guaranteed minima under one ``limit`` C.

    The states n with n_k <= cap_k and sum of max(n_k, r_k) <= C have the product form
    p(n) ~ product of a_k**n_k / n_k! (binomial(S_k, n_k) alpha_k**n_k for S_k sources), because a
    call that leaves never makes room forbidden. Each tenant's weights are convolved over what it
    commits, max(n_k, r_k), once without each tenant; congestion sums the states that refuse it.

    Source: product form and independence of the holding times' distribution: J. S. Kaufman,
    "Blocking in a shared resource environment", IEEE Transactions on Communications 29 (1981), for
    coordinate convex sets of states; convolution: V. B. Iversen, "The exact evaluation of
    multi-service loss systems with access control", Teleteknik 31 (1987).
    Domain: blocked calls lost, Poisson or finite sources, one slot a call, any distribution of
    holding times, different for each tenant; 0 <= C <= 100,000, r_k <= cap_k, sum of r_k <= C.
    Work grows as tenants times C**2.
    Precision: relative error below 1e-9; shares of time below 1e-290 may be 0.
    Raises ValueError outside the domain.
    """
    _check(limit, tenants)
    tilt = _tilt(limit, tenants)
    states = [_states(limit, each, tilt) for each in tenants]
    committed = [each.by_committed(limit) for each in states]
    others = _without_each(committed, limit)
    together = _convolved(others[0], committed[0], limit)
    # What a state with s slots committed weighs is its tilted weight times tilt**(C - s).
    whole = _discounted(together, tilt)[limit]
    in_use = states[0].at_least_reserved(limit)
    for each in states[1:]:
        in_use = _convolved(in_use, each.at_least_reserved(limit), limit)
    losses = tuple(
        _loss(each, state, rest, tilt, whole)
        for each, state, rest in zip(tenants, states, others, strict=True)
    )
    return SharingLoss(
        tenants=losses,
        time_congestion=float(in_use[limit] / whole),
        committed_congestion=float(together[limit] / whole),
        carried_erlangs=float(sum(each.carried_erlangs for each in losses)),
    )


def _check(limit: int, tenants: Sequence[SharingTenant]) -> None:
    require_count("limit", limit, most=_MAX_LIMIT)
    if not tenants:
        raise ValueError("tenants is empty, at least one is required")
    for place, each in enumerate(tenants):
        name = f"tenants[{place}]"
        require_traffic(f"{name}.offered_erlangs", each.offered_erlangs)
        require_count(f"{name}.reserved", each.reserved)
        if each.cap is not None:
            require_count(f"{name}.cap", each.cap)
            if each.reserved > each.cap:
                raise ValueError(f"{name}.reserved is {each.reserved}, above its cap {each.cap}")
        if each.sources is not None:
            require_count(f"{name}.sources", each.sources, least=1)
    reserved = sum(each.reserved for each in tenants)
    if reserved > limit:
        raise ValueError(f"limit is {limit}, it must be at least the {reserved} slots reserved")


def _cap(limit: int, tenant: SharingTenant) -> int:
    return limit if tenant.cap is None else min(tenant.cap, limit)


def _tilt(limit: int, tenants: Sequence[SharingTenant]) -> float:
    """A factor in (0, 1] a committed slot that brings the likeliest states to the limit.

    Where far more is offered than there is room for, the likeliest states without a limit lie so
    far outside it that those inside would all be too small for a float. Any factor is exact.
    """

    def committed(tilt: float) -> float:
        return sum(_likeliest(limit, each, tilt) for each in tenants)

    if committed(1.0) <= limit:
        return 1.0
    low, high = -700.0, 0.0
    for _ in range(_TILT_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if committed(np.exp(middle)) <= limit else (low, middle)
    return float(np.exp(low))


def _likeliest(limit: int, tenant: SharingTenant, tilt: float) -> float:
    load = tenant.offered_erlangs * tilt
    calls = load if tenant.sources is None else tenant.sources * load / (1 + load)
    return max(float(tenant.reserved), min(calls, float(_cap(limit, tenant))))


def _states(limit: int, tenant: SharingTenant, tilt: float) -> _Weights:
    cap = _cap(limit, tenant)
    if tenant.offered_erlangs == 0:
        return _Weights(np.ones(1), tenant.reserved, cap)
    most = cap if tenant.sources is None else min(cap, tenant.sources)
    calls = np.arange(1, most + 1)
    growth = tenant.offered_erlangs / calls
    if tenant.sources is not None:
        growth *= tenant.sources - calls + 1
    growth[tenant.reserved :] *= tilt
    return _Weights(peaked_weights(growth), tenant.reserved, cap)


def _convolved(first: Floats, second: Floats, limit: int) -> Floats:
    """Weights of the sum, up to the limit; shape (limit + 1,)."""
    # Zeros at the end, as a cap leaves them, would only cost time.
    short = np.trim_zeros(second, "b")
    return np.convolve(first, short)[: limit + 1] if len(short) else np.zeros(limit + 1)


def _without_each(committed: Sequence[Floats], limit: int) -> list[Floats]:
    """For each tenant the convolution of all the others; shapes (limit + 1,)."""
    nobody = np.zeros(limit + 1)
    nobody[0] = 1.0
    before = [nobody]
    for each in committed[:-1]:
        before.append(_convolved(before[-1], each, limit))
    after = [nobody]
    for each in committed[:0:-1]:
        after.append(_convolved(after[-1], each, limit))
    return [
        _convolved(first, second, limit)
        for first, second in zip(before, reversed(after), strict=True)
    ]


def _discounted(weights: Floats, tilt: float) -> Floats:
    """U(x) = sum over s <= x of weights(s) tilt**(x - s)."""
    if tilt == 1:
        return np.cumsum(weights)
    return np.array(list(accumulate(weights.tolist(), lambda sum_, each: sum_ * tilt + each)))


def _loss(
    tenant: SharingTenant, state: _Weights, others: Floats, tilt: float, whole: float
) -> TenantLoss:
    calls = np.arange(len(state.by_calls))
    room = len(others) - 1 - np.maximum(calls, state.reserved)
    # A tenant that is alone with its reservation may still leave no room for the others' own.
    possible = room >= 0
    room = np.where(possible, room, 0)
    share = np.where(possible, state.by_calls * _discounted(others, tilt)[room], 0.0) / whole
    boundary = np.where(possible, state.by_calls * others[room], 0.0) / whole
    refused = np.where(calls >= state.reserved, boundary, 0.0)
    at_cap = 0.0
    if len(calls) == state.cap + 1:
        refused[state.cap] = share[state.cap]
        at_cap = float(share[state.cap])
    callers = np.ones(len(calls)) if tenant.sources is None else tenant.sources - calls
    calling = float(callers @ share)
    return TenantLoss(
        call_congestion=float(callers @ refused) / calling if calling > 0 else 0.0,
        time_congestion=float(refused.sum()),
        cap_congestion=at_cap,
        carried_erlangs=float(calls @ share),
    )
