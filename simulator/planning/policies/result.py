"""What a comparison of sharing policies found, as plain data; text and pages are made from it.

A call is *lost* when it is blocked (turned away for want of a slot) or preempted (it held a slot
and had to give way). Shares are of the calls offered after the warm-up by tenants that may call.
"""

from dataclasses import dataclass

from simulator.planning.estimate import Estimate
from simulator.planning.target import Target

AS_WRITTEN = "as written"
ONE_POOL = "one pool"
OWN_POOLS = "own pools"
CAPS = "caps"
MINIMUM = "guaranteed minimum"
RESERVATION = "trunk reservation"
PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two shares of the same calls, paired by replication, with its interval.

    ``is_sure``: it is beyond chance, allowing for the number of tenants looked at together.
    """

    value: float
    low: float
    high: float
    is_sure: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a policy sets for one tenant.

    ``max_concurrent_calls`` None: no cap. ``leave_free``: slots its calls must leave free.
    ``priority``: 1 is the most important; None where the policy knows no priorities.
    """

    tenant: str
    max_concurrent_calls: int | None = None
    reserved_calls: int = 0
    leave_free: int = 0
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What one tenant brings: calls in progress where there is always room, in erlang.

    ``own_need`` is the least cap with which it meets the target by itself, when nobody else is ever
    in its way, by the average of the same calls.
    """

    tenant: str
    offered_calls: float
    offered_erlangs: float
    own_need: int


@dataclass(frozen=True, slots=True)
class TenantOutcome:
    """One tenant under one policy.

    ``preempted_calls`` is the average of a run. ``over_one_pool`` and ``over_own_pools`` are how
    much more of its calls are lost than there (None for those policies themselves);
    ``by_overload`` how much more when another tenant overloads (None for that tenant, and where no
    overload was played).
    """

    tenant: str
    offered_calls: float
    blocking: Estimate | None
    lost: Estimate | None
    preempted_calls: float
    carried_erlangs: float
    peak_in_use: int
    over_one_pool: Difference | None
    over_own_pools: Difference | None
    by_overload: Difference | None


@dataclass(frozen=True, slots=True)
class Fairness:
    """How unequally tenants fare.

    ``jain_index``: of the shares of calls that were served, 1 when all tenants fare alike and 1/n
    when one of n gets everything (R. Jain, D. Chiu and W. Hawe, "A quantitative measure of
    fairness and discrimination for resource allocation in shared computer systems", DEC Research
    Report TR-301, 1984). ``worst_tenant`` loses the largest share; ``worst_over_average`` is that
    share over the share lost of all calls together, None where nothing is lost. ``unequal``: that
    tenant loses more than all together beyond chance.

    ``worse_than_own_pools`` are the tenants that beyond chance lose more than with a pool of their
    own; where there is none, every tenant has an incentive to share (A. Ghodsi et al., "Dominant
    resource fairness", 8th USENIX Symposium on Networked Systems Design and Implementation, 2011).
    ``hurt_by_overload`` are those that beyond chance lose more when another tenant overloads.
    """

    jain_index: float | None
    worst_tenant: str | None
    worst_over_average: float | None
    unequal: bool
    worse_than_own_pools: tuple[str, ...]
    hurt_by_overload: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slots:
    """What a policy costs: the least limit with which each protected tenant meets the target.

    ``needed`` is the least limit whose averages meet it, None where none does; ``why_none`` says
    why then. The truth lies between ``least_possible`` and ``surely_enough`` (None: no limit is
    surely enough on these calls), each end at the confidence of the comparison.
    ``over_one_pool`` and ``over_own_pools`` are ``needed`` less that of those policies.
    ``in_overload`` is the least limit with which the protected tenants meet the target while
    another one overloads; None where none does, or no overload was played.
    """

    needed: int | None
    least_possible: int | None
    surely_enough: int | None
    over_one_pool: int | None
    over_own_pools: int | None
    why_none: str | None
    in_overload: int | None


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """One policy at ``max_concurrent_calls`` slots.

    ``rule`` says in a sentence where the parameters come from, ``keys`` what a scenario file would
    say in their place. ``lost`` is of all calls together. ``over_one_pool`` is how much more of
    all calls are lost than in one pool, None for that itself. ``slots`` is None where none were
    sought.
    """

    name: str
    rule: str
    max_concurrent_calls: int
    parameters: tuple[Parameters, ...]
    keys: tuple[str, ...]
    offered_calls: float
    blocking: Estimate | None
    first_attempt_blocking: Estimate | None
    lost: Estimate | None
    over_one_pool: Difference | None
    preempted_calls: float
    carried_erlangs: float
    occupancy: Estimate | None
    tenants: tuple[TenantOutcome, ...]
    fairness: Fairness
    slots: Slots | None


@dataclass(frozen=True, slots=True)
class Overload:
    """A tenant that offers ``factor`` times its calls while nobody's parameters change."""

    tenant: str
    factor: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Policies side by side; every one was played on the same calls of each replication.

    ``protected`` are the tenants that must meet the target, ``favoured`` those that reservation and
    priority prefer; ``overload`` is None where none was played. ``notes`` are sentences on what
    could not be done or must be known to read the figures.
    """

    scenario: str
    digest: str
    seed: int
    duration_us: int
    warm_up_us: int
    target: Target
    protected: tuple[str, ...]
    favoured: tuple[str, ...]
    confidence: float
    replications: int
    loads: tuple[Load, ...]
    overload: Overload | None
    policies: tuple[PolicyOutcome, ...]
    notes: tuple[str, ...]
