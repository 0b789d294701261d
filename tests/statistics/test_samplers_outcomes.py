"""How drawn calls end and are referred: shares and places, tenant by tenant."""

import math

import numpy as np
import pytest

from simulator.scenario import Deterministic, ExactCount, Exponential, Outcomes, Scenario, Tenant
from simulator.trace import NEVER, EndKind
from simulator.traffic import build_trace

CALLS = 20_000
HOUR = 3_600_000_000

TENANTS = {
    "mixed": Outcomes(failed=0.1, hung_up=0.3, referred=0.25, referred_at=0.5),
    "failing": Outcomes(failed=1.0),
    "hanging-up": Outcomes(hung_up=1.0, referred=1.0, referred_at=1.0),
    "plain": Outcomes(),
    "early": Outcomes(failed=0.05, referred=0.6, referred_at=0.0),
}


@pytest.mark.parametrize("tenant_id", TENANTS)
def test_calls_end_and_are_referred_as_their_tenant_says(tenant_id: str) -> None:
    tenants = tuple(
        Tenant(name, ExactCount(CALLS), Exponential(9.0), outcomes=outcomes)
        for name, outcomes in TENANTS.items()
    )
    trace = build_trace(Scenario("outcomes", "", 11, HOUR, 10, tenants))
    mine = trace.column("tenant") == list(TENANTS).index(tenant_id)
    outcomes = TENANTS[tenant_id]
    share = {
        EndKind.FAILED: outcomes.failed,
        EndKind.HUNG_UP: outcomes.hung_up,
        EndKind.COMPLETED: 1 - outcomes.failed - outcomes.hung_up,
    }
    ends = np.bincount(trace.column("end_kind")[mine], minlength=3)
    for kind, p in share.items():
        assert ends[kind] / CALLS == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / CALLS))
    hold, refer = trace.column("hold_us")[mine], trace.column("refer_us")[mine]
    referred = refer != NEVER
    p = outcomes.referred
    assert referred.mean() == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / CALLS))
    # Holding times are a few microseconds, so halves are common: they go to the even one.
    places = [round(int(us) * outcomes.referred_at) for us in hold[referred]]
    assert refer[referred].tolist() == places


def test_columns_without_variety_have_one_value() -> None:
    tenants = tuple(Tenant(name, ExactCount(50), Deterministic(7.5)) for name in "ab")
    trace = build_trace(Scenario("same", "", 1, HOUR, 10, tenants))
    varied = {"offer_us", "tenant"}
    for name in set(trace.__slots__) - {"conditions", "deliveries"}:
        assert getattr(trace, name).shape == ((100,) if name in varied else (1,)), name
    assert trace.hold_us.tolist() == [8]
