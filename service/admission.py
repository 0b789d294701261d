"""Who gets a slot: the admission rule, and what makes a set of limits valid. Pure functions."""

from collections.abc import Mapping
from typing import Final

from service.calls import UNKNOWN_TENANT
from service.state.base import LimitsInvalid, TenantPolicy

TOTAL_FULL: Final = 1
TENANT_FULL: Final = 2
RESERVED_FULL: Final = 4

NO_CAP: Final = 1 << 62
"""The cap of a tenant without one: more calls than can ever be held."""


def full_scopes(
    limit: int, in_use: int, cap: int, tenant_in_use: int, reserved: int, committed: int
) -> int:
    """Which scopes are full for a tenant's next call, as the bit mask of ``SCOPE_SETS``.

    ``committed`` is the sum over all tenants j of max(n_j, reserved_j): the slots in use and those
    that are kept for the guaranteed minimum of tenants that use less than theirs. It is never less
    than ``in_use``, so a free slot without a commitment means that the total has room as well.

    - ``total`` is full when ``in_use >= limit``;
    - ``tenant`` is full when ``tenant_in_use >= cap``;
    - ``reserved`` is full when the total is not, the tenant uses its own minimum up, and every
      free slot is committed to others.
    """
    full = TENANT_FULL if tenant_in_use >= cap else 0
    if committed < limit:
        return full
    if in_use >= limit:
        return full | TOTAL_FULL
    return full | RESERVED_FULL if tenant_in_use >= reserved else full


def check_limits(limit: int, policies: Mapping[str, TenantPolicy]) -> None:
    """Raise :class:`LimitsInvalid` unless these limits can be kept together.

    Required: no negative number, ``reserved <= cap`` for each tenant, and the sum of what is
    reserved ``<= limit``; disabled tenants count like the others.
    """
    if limit < 0:
        raise LimitsInvalid(f"max_concurrent_calls must be 0 or more, not {limit}")
    reserved_sum = 0
    for tenant_id, policy in policies.items():
        cap, reserved = policy.max_concurrent_calls, policy.reserved_calls
        if tenant_id == UNKNOWN_TENANT:
            raise LimitsInvalid(
                f"{UNKNOWN_TENANT!r} is the row of tenants that are not configured; "
                "choose another tenant id"
            )
        if cap is not None and cap < 0:
            raise LimitsInvalid(
                f"tenant {tenant_id!r}: max_concurrent_calls must be 0 or more, not {cap}"
            )
        if reserved < 0:
            raise LimitsInvalid(
                f"tenant {tenant_id!r}: reserved_calls must be 0 or more, not {reserved}"
            )
        if cap is not None and reserved > cap:
            raise LimitsInvalid(
                f"tenant {tenant_id!r}: reserved_calls {reserved} is more than its "
                f"max_concurrent_calls {cap}"
            )
        reserved_sum += reserved
    if reserved_sum > limit:
        raise LimitsInvalid(
            f"reserved_calls of all tenants add up to {reserved_sum}, more than "
            f"max_concurrent_calls {limit}"
        )
