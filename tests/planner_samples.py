"""Findings of plans, sweeps and policies, written by hand for the tests of their pages."""

from simulator.planning.concurrency import Concurrency
from simulator.planning.estimate import Estimate
from simulator.planning.formula import Formula, FormulaKind
from simulator.planning.measure import Interval, Point, TenantPoint
from simulator.planning.policies.result import (
    AS_WRITTEN,
    ONE_POOL,
    OWN_POOLS,
    Comparison,
    Difference,
    Fairness,
    Load,
    Overload,
    Parameters,
    PolicyOutcome,
    Slots,
    TenantOutcome,
)
from simulator.planning.result import (
    CurvePoint,
    NodeLoss,
    OfferedInterval,
    Plan,
    Sensitivity,
    SensitivityRow,
    SlotsNeeded,
    Stopped,
)
from simulator.planning.sweep import Sweep, SweepPoint
from simulator.planning.target import Target

MINUTE = 60_000_000
OTHER = "b|b"


def share(per_mille: float) -> Estimate:
    """A share with an interval a fifth of it to either side."""
    return Estimate(per_mille / 1000, 0.8 * per_mille / 1000, 1.2 * per_mille / 1000)


def point(limit: int, per_mille: float, other: str = OTHER, intervals: int = 4) -> Point:
    """All shares as multiples of one number; the third of the clock intervals is the worst."""
    by_interval = tuple(
        Interval(
            place * 15 * MINUTE,
            (place + 1) * 15 * MINUTE,
            share(per_mille * (2 if place == 2 else 0.5)),
            300.0,
            0.3 * per_mille * (2 if place == 2 else 0.5),
        )
        for place in range(intervals)
    )
    worst = by_interval[2] if intervals > 2 else None
    return Point(
        max_concurrent_calls=limit,
        replications=64,
        offered_calls=1234.4,
        blocking=share(per_mille),
        first_attempt_blocking=share(0.9 * per_mille),
        eventual_loss=share(0.5 * per_mille),
        time_congestion=share(0.6 * per_mille),
        occupancy=share(810),
        carried_erlangs=38.25,
        carried_minutes=2104.5,
        peak_in_use=limit,
        worst_interval=worst,
        intervals=by_interval,
        tenants={
            "acme": TenantPoint(share(per_mille / 2), worst, 20.5, 30),
            other: TenantPoint(share(2 * per_mille), worst, 17.75, 25),
        },
    )


def formulas() -> tuple[Formula, ...]:
    """Erlang B, too low because callers try again, and the load at each instant."""
    return (
        Formula(
            FormulaKind.ERLANG_B, 40.25, None, True, 53, 0.0173,
            tuple(0.06 / 2**place for place in range(7)),
            ("rejected callers try again", "the rate varies"),
        ),
        Formula(
            FormulaKind.MODIFIED_OFFERED_LOAD, 48.75, 44 * MINUTE, False, 48, 0.0081,
            tuple(0.03 / 2**place for place in range(7)),
            ("rejected callers try again",),
        ),
    )  # fmt: skip


def sensitivity() -> Sensitivity:
    """Load and holding time up and down, a lost node, three months of growth."""
    return Sensitivity(
        replications=12,
        base=SlotsNeeded(49, 47, 52),
        rows=(
            SensitivityRow("load", "load -25 %", -0.25, SlotsNeeded(37, 36, 39), share(0.1)),
            SensitivityRow("load", "load +25 %", 0.25, None, share(80)),
            SensitivityRow("hold", "holding time -10 %", -0.1, SlotsNeeded(45, 44, 47), share(3)),
            SensitivityRow("hold", "holding time +10 %", 0.1, SlotsNeeded(54, 52, None), share(21)),
        ),
        node=NodeLoss(8, 42, share(40), 58),
        growth=(
            SensitivityRow(
                "growth", "month 1: load +3.0 %", 0.03, SlotsNeeded(51, 49, 54), share(9)
            ),
            SensitivityRow(
                "growth", "month 2: load +6.1 %", 0.0609, SlotsNeeded(52, 50, None), share(12)
            ),
            SensitivityRow("growth", "month 3: load +9.3 %", 0.0927, None, share(17)),
        ),
        notes=("the load of few callers is varied by their number",),
    )


def plan(scenario: str = "office", other: str = OTHER) -> Plan:
    """50 slots for blocking below 1 %, in an hour with a worst quarter."""
    points = tuple(
        point(limit, per_mille, other) for limit, per_mille in ((49, 11), (50, 9), (51, 7))
    )
    curve = tuple(
        CurvePoint(44 + 2 * place, share(40 / 2**place)) for place in range(7)
    )  # 44: 4 %, ... 56: 0.0625 %
    return Plan(
        scenario=scenario,
        digest="d" * 64,
        seed=7,
        target=Target("blocking", 0.01, is_strict=True),
        per_tenant=False,
        confidence=0.95,
        precision=0.0002,
        interval_us=15 * MINUTE,
        duration_us=60 * MINUTE,
        warm_up_us=5 * MINUTE,
        answer=50,
        least_possible=49,
        stopped=Stopped.BOUNDED,
        replications=64,
        points=points,
        target_values=tuple(
            CurvePoint(limit, share(per_mille)) for limit, per_mille in ((49, 11), (50, 9), (51, 7))
        ),
        curve=curve,
        curve_replications=16,
        offered_erlangs=40.25,
        offered=tuple(
            OfferedInterval(place * 15 * MINUTE, (place + 1) * 15 * MINUTE, erlangs)
            for place, erlangs in enumerate((30.0, 38.0, 48.5, 41.0))
        ),
        concurrency=tuple(
            Concurrency(place * MINUTE, 0.5 * place, 0.6 * place, 0.75 * place)
            for place in range(60)
        ),
        worst_answer=53,
        with_room_for_all=share(1),
        worst_with_room_for_all=share(2),
        formulas=formulas(),
        sensitivity=sensitivity(),
        explanation=("50 slots meet blocking<0.01.",),
        assumptions=(f"The traffic is as {scenario} says.", "Losses come in clusters."),
    )


def sweep(keys: int = 1, scenario: str = "office", other: str = OTHER) -> Sweep:
    """Limits 40, 50, 60 under none, one or two more keys of two values each."""
    names = ("capacity.max_concurrent_calls", "tenants.*.arrivals.erlangs", "tenants.acme.hold")
    values: list[tuple[str, ...]] = [("40",), ("50",), ("60",)]
    for choices in (("x1", "x1.5"), ("30s", "{type: exponential, mean: 30s}"))[: keys - 1]:
        values = [(*each, choice) for each in values for choice in choices]
    points = tuple(
        SweepPoint(
            each,
            tuple(f"{key}={value}" for key, value in zip(names, each, strict=False)),
            7,
            "e" * 64,
            point(int(each[0]), 2 ** (len(values) - place), other),
        )
        for place, each in enumerate(values)
    )
    return Sweep(scenario, names[:keys], 30, 0.95, 15 * MINUTE, points)


def _tenant(name: str, per_mille: float, apart: Difference | None) -> TenantOutcome:
    return TenantOutcome(
        name, 600.0, share(per_mille), share(per_mille), 0.0, 19.5, 30, apart, None,
        None if name == "acme" else Difference(0.02, 0.01, 0.03, is_sure=True),
    )  # fmt: skip


def _policy(
    name: str, per_mille: float, other: str, apart: Difference | None, slots: Slots
) -> PolicyOutcome:
    return PolicyOutcome(
        name=name,
        rule=f"how {name} is made",
        max_concurrent_calls=50,
        parameters=(Parameters("acme", 30, 5), Parameters(other, leave_free=3, priority=2)),
        keys=("tenants.acme.max_concurrent_calls=30",),
        offered_calls=1200.0,
        blocking=share(per_mille),
        first_attempt_blocking=share(per_mille),
        lost=share(per_mille),
        over_one_pool=apart,
        preempted_calls=2.5,
        carried_erlangs=38.0,
        occupancy=share(760),
        tenants=(_tenant("acme", per_mille / 2, apart), _tenant(other, 2 * per_mille, apart)),
        fairness=Fairness(0.9876, other, 2.0, True, (), (other,)),
        slots=slots,
    )


def comparison(scenario: str = "office", other: str = OTHER) -> Comparison:
    """Three policies: as written cannot be met, own pools lose more than one pool beyond chance."""
    more = Difference(0.03, 0.02, 0.04, is_sure=True)
    perhaps = Difference(-0.001, -0.004, 0.002, is_sure=False)
    return Comparison(
        scenario=scenario,
        digest="d" * 64,
        seed=7,
        duration_us=60 * MINUTE,
        warm_up_us=5 * MINUTE,
        target=Target("blocking", 0.01, is_strict=True),
        protected=("acme", other),
        favoured=("acme",),
        confidence=0.95,
        replications=30,
        loads=(Load("acme", 600.0, 20.5, 31), Load(other, 600.0, 19.5, 29)),
        overload=Overload("acme", 2.0),
        policies=(
            _policy(
                AS_WRITTEN, 9, other, perhaps,
                Slots(None, None, None, None, None, "acme may hold too few", None),
            ),
            _policy(ONE_POOL, 10, other, None, Slots(52, 50, 55, None, -8, None, 70)),
            _policy(OWN_POOLS, 40, other, more, Slots(60, 57, None, 8, None, None, 61)),
        ),
        notes=("what must be known",),
    )  # fmt: skip
