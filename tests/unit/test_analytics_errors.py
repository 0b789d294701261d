"""Outside its domain every formula says which argument is wrong and what would be right."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from simulator import analytics as formulas
from simulator.scenario import Exponential

HOLD = formulas.limited_mean(Exponential(1.0))
STEPS = formulas.RateSteps((0.0,), (1.0,))
CALL = formulas.CallClass(1.0)
TENANT = formulas.SharingTenant

WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: formulas.erlang_b(-1.0, 1), "offered_erlangs is -1.0"),
    (lambda: formulas.erlang_b(1.0, 1_000_001), "servers is 1000001, it must be >= 0 and <= 1000"),
    (lambda: formulas.erlang_b_of(np.array([1.0, math.nan]), 3), "offered_erlangs must be finite"),
    (lambda: formulas.erlang_b_continuous(1.0, -0.5), "servers is -0.5"),
    (lambda: formulas.erlang_b_continuous(math.inf, 0.5), "offered_erlangs is inf"),
    (lambda: formulas.servers_for_blocking(1.0, 0.0), "blocking is 0.0, it must be above 0"),
    (lambda: formulas.servers_for_blocking(2e6, 0.01), "more than 1000000 servers"),
    (lambda: formulas.traffic_for_blocking(0, 0.01), "servers is 0, it must be >= 1"),
    (lambda: formulas.traffic_for_blocking(3, 1.0), "blocking is 1.0"),
    (lambda: formulas.carried_traffic(math.nan, 0), "offered_erlangs is nan"),
    (lambda: formulas.extended_erlang_b(1.0, 3, 1.1), "recall is 1.1"),
    (lambda: formulas.extended_erlang_b(3.0, 3, 1.0), "recalls grow without bound"),
    (lambda: formulas.erlang_c(3.0, 3), "the queue grows without bound"),
    (lambda: formulas.erlang_c(0.0, 0), "servers is 0, it must be >= 1"),
    (lambda: formulas.waiting(1.0, 3, 0.0), "hold_mean is 0.0"),
    (lambda: formulas.service_level(1.0, 3, 1.0, -1.0), "within is -1.0"),
    (lambda: formulas.servers_for_service_level(1.0, 1.0, 1.0, 1.0), "share is 1.0"),
    (
        lambda: formulas.servers_for_service_level(2e6, 1.0, 1.0, 0.5),
        "offered_erlangs is 2000000.0: more than 1000000 servers",
    ),
    (
        lambda: formulas.servers_for_service_level(999_999.5, 1.0, 0.0, 0.999999),
        "offered_erlangs is 999999.5: more than 1000000 servers",
    ),
    (lambda: formulas.engset(3, 0, per_source=0.1), "sources is 0"),
    (lambda: formulas.engset(3, 4), "exactly one of per_idle_source and per_source"),
    (lambda: formulas.engset(3, 4, per_idle_source=0.1, per_source=0.1), "exactly one"),
    (lambda: formulas.engset(3, 4, per_source=1.0), "per_source is 1.0"),
    (lambda: formulas.engset(3, 4, per_idle_source=-0.1), "per_idle_source is -0.1"),
    (lambda: formulas.kaufman_roberts(3, []), "classes is empty"),
    (lambda: formulas.kaufman_roberts(-1, [CALL]), "slots is -1"),
    (
        lambda: formulas.kaufman_roberts(3, [CALL, formulas.CallClass(1.0, 0)]),
        r"classes\[1\]\.slots is 0",
    ),
    (lambda: formulas.shared_group(3, []), "tenants is empty"),
    (lambda: formulas.shared_group(100_001, [TENANT(1.0)]), "limit is 100001"),
    (lambda: formulas.shared_group(3, [TENANT(1.0, 1, 2)]), r"tenants\[0\]\.reserved is 2, above"),
    (
        lambda: formulas.shared_group(3, [TENANT(1.0, None, 2)] * 2),
        "limit is 3, it must be at least the 4",
    ),
    (lambda: formulas.shared_group(3, [TENANT(1.0, sources=0)]), r"tenants\[0\]\.sources is 0"),
    (lambda: formulas.shared_group(3, [TENANT(1.0, -1)]), r"tenants\[0\]\.cap is -1"),
    (lambda: formulas.trunk_reservation(3, []), "classes is empty"),
    (
        lambda: formulas.trunk_reservation(3, [formulas.ReservedAgainst(1.0, 4)]),
        r"classes\[0\]\.kept_free is 4, it must be >= 0 and <= 3",
    ),
    (lambda: formulas.poisson(-1.0), "offered_erlangs is -1.0"),
    (lambda: formulas.equivalent_group(formulas.PeakedTraffic(2.0, 1.0)), "peakedness is 0.5"),
    (lambda: formulas.equivalent_group(formulas.PeakedTraffic(0.0, 1.0)), "mean is 0.0"),
    (lambda: formulas.hayward_loss(formulas.PeakedTraffic(1.0, 0.0), 3), "variance is 0.0"),
    (lambda: formulas.RateSteps((), ()), "at least one"),
    (lambda: formulas.RateSteps((0.0, 0.0), (1.0, 2.0)), "must be finite and rise"),
    (lambda: formulas.RateSteps((0.0,), (-1.0,)), "a rate is -1.0"),
    (lambda: formulas.in_steps(lambda _: 1.0, 2.0, 1.0, 0.1), "end - begin is -1.0"),
    (lambda: formulas.in_steps(lambda _: 1.0, 0.0, 1.0, 0.0), "step is 0.0"),
    (lambda: formulas.offered_load(STEPS, HOLD, [math.inf]), "instants must be finite"),
    (lambda: formulas.modified_offered_load(STEPS, HOLD, -1, [1.0]), "servers is -1"),
    (lambda: formulas.interval_blocking(STEPS, HOLD, 3, [1.0]), "bounds must rise"),
    (lambda: formulas.interval_blocking(STEPS, HOLD, 3, [1.0, 2.0], 0), "points is 0"),
    (lambda: formulas.limited_mean(Exponential(-1.0)), "the mean must be >= 0"),
]


@pytest.mark.parametrize(("ask", "complaint"), WRONG)
def test_what_has_no_answer_is_refused_by_name(ask: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ask()


def test_part_of_a_server_needs_the_continuous_formula() -> None:
    with pytest.raises(ValueError, match=r"servers is 2\.5, it must be a whole number"):
        formulas.erlang_b(1.0, 2.5)  # type: ignore[arg-type]
