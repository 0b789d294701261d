"""Formulas of teletraffic theory as pure functions.

Every function states its equation, units, source, domain of validity and precision, and raises
ValueError, with a message that names the argument, outside the domain.
"""

from simulator.analytics.delay import (
    Waiting,
    erlang_c,
    servers_for_service_level,
    service_level,
    waiting,
)
from simulator.analytics.finite_sources import Engset, engset
from simulator.analytics.holding import LimitedMean, limited_mean
from simulator.analytics.loss import (
    RecallLoss,
    carried_traffic,
    erlang_b,
    erlang_b_continuous,
    erlang_b_of,
    extended_erlang_b,
    servers_for_blocking,
    traffic_for_blocking,
)
from simulator.analytics.multislot import CallClass, MultislotLoss, kaufman_roberts
from simulator.analytics.nonstationary import (
    RateSteps,
    in_steps,
    interval_blocking,
    modified_offered_load,
    offered_load,
)
from simulator.analytics.overflow import (
    EquivalentGroup,
    PeakedTraffic,
    combined,
    equivalent_group,
    equivalent_random_loss,
    hayward_loss,
    overflow_of,
    poisson,
)
from simulator.analytics.reservation import ReservationLoss, ReservedAgainst, trunk_reservation
from simulator.analytics.sharing import SharingLoss, SharingTenant, TenantLoss, shared_group

__all__ = [
    "CallClass",
    "Engset",
    "EquivalentGroup",
    "LimitedMean",
    "MultislotLoss",
    "PeakedTraffic",
    "RateSteps",
    "RecallLoss",
    "ReservationLoss",
    "ReservedAgainst",
    "SharingLoss",
    "SharingTenant",
    "TenantLoss",
    "Waiting",
    "carried_traffic",
    "combined",
    "engset",
    "equivalent_group",
    "equivalent_random_loss",
    "erlang_b",
    "erlang_b_continuous",
    "erlang_b_of",
    "erlang_c",
    "extended_erlang_b",
    "hayward_loss",
    "in_steps",
    "interval_blocking",
    "kaufman_roberts",
    "limited_mean",
    "modified_offered_load",
    "offered_load",
    "overflow_of",
    "poisson",
    "servers_for_blocking",
    "servers_for_service_level",
    "service_level",
    "shared_group",
    "traffic_for_blocking",
    "trunk_reservation",
    "waiting",
]
