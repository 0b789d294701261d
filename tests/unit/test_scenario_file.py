"""A scenario file read right: every value arrives where it belongs."""

import hashlib
from pathlib import Path
from textwrap import dedent

import pytest

from service.calls import Event, Lookup
from simulator.live.options import only_live
from simulator.scenario import (
    Batch,
    DeliveryFault,
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    ExactCount,
    Expectation,
    Exponential,
    FiniteSource,
    FlashCrowd,
    Gamma,
    HyperExponential,
    InstructionFault,
    Lognormal,
    Mixture,
    Mmpp,
    Pareto,
    Poisson,
    RateProfile,
    Regular,
    Renewal,
    Scenario,
    Sinusoid,
    Threshold,
    TraceArrivals,
    Uniform,
    Weibull,
)
from simulator.scenario_file import load_scenario
from simulator.trace import DeliveryAction, LimitsChange, TenantLimitsChange

S = 1_000_000
M = 60 * S
H = 60 * M

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SHIPPED = sorted(SCENARIOS.rglob("*.yaml"))


def read(directory: Path, text: str, overrides: tuple[str, ...] = ()) -> Scenario:
    path = directory / "scenario.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return load_scenario(path, overrides)


def of_tenant(directory: Path, lines: str) -> Scenario:
    """A scenario of one tenant ``t``, whose keys are ``lines``."""
    body = "".join(f"    {line}\n" for line in dedent(lines).strip().splitlines())
    return read(
        directory,
        "version: 1\nname: x\nduration: 1h\ncapacity: {max_concurrent_calls: 9}\n"
        f"tenants:\n  t:\n{body}",
    )


def test_the_whole_grammar_arrives(tmp_path: Path) -> None:
    scenario = read(
        tmp_path,
        """\
        version: 1
        name: busy-hour
        description: one line
        seed: 42
        duration: 1h
        warm_up: 5m
        drain: false
        capacity:
          max_concurrent_calls: 100
          deadlines: {pending: 30s, accepted: 1m, active: 4h}
          changes:
            - {at: 10m, max_concurrent_calls: 50, tenants: {acme: {max_concurrent_calls: 3}}}
            - {at: 10m, tenants: {acme: {max_concurrent_calls: unlimited, enabled: false}}}
        tenants:
          acme:
            max_concurrent_calls: 10
            reserved_calls: 2
            arrivals: {type: poisson, rate: 2/s}
            setup: 2s
            connect: {type: exponential, mean: 1s}
            hold: {type: lognormal, mean: 3m, cv: 1.2}
            outcomes: {failed: 0.05, hung_up: 0.25, referred: 1, referred_at: 0.25}
            patience: {type: exponential, mean: 20s}
            redial: {probability: 0.5, delay: 10s, max_attempts: 4}
          "no": {configured: false, arrivals: {type: exact_count, count: 3}, hold: 0s}
          off:
            enabled: false
            instructions: false
            fallback: true
            max_concurrent_calls: unlimited
            arrivals: {type: exact_count, count: 3}
            hold: 1s
        checkpoints: [10m, 5m]
        faults:
          - {kind: instructions_error, from: 10m, until: 20m, probability: 0.5, tenants: [acme]}
          - {kind: event_doubled, event: end, probability: 0.25, delay: 3s, tenants: [acme]}
          - {kind: instructions_missing, from: 30m}
          - {kind: event_lost, event: hang_up, probability: 1}
          - {kind: event_late, event: accept, probability: 0.5, delay: 2s}
          - {kind: event_reordered, event: start, probability: 0.5}
        expect:
          total: {rejected_calls_capacity: 12, minutes_processed: {min: 10.5}}
          tenants: {acme: {ended_calls: {min: 1, max: 9}}, _unknown: {offered_calls: 3}}
        thresholds:
          blocking: ["value<0.01", "value >= 0"]
          "blocking{tenant:acme}": ["value<5e-2"]
        """,
    )
    assert scenario.name == "busy-hour"
    assert scenario.description == "one line"
    assert (scenario.seed, scenario.drain) == (42, False)
    assert (scenario.duration_us, scenario.warm_up_us) == (H, 5 * M)
    assert scenario.max_concurrent_calls == 100
    deadlines = scenario.deadlines
    assert (deadlines.pending_us, deadlines.accepted_us, deadlines.active_us) == (30 * S, M, 4 * H)
    assert scenario.changes == (
        LimitsChange(10 * M, 50, {"acme": TenantLimitsChange(3, None, None)}),
        LimitsChange(10 * M, None, {"acme": TenantLimitsChange("unlimited", None, False)}),
    )
    acme, nobody, off = scenario.tenants
    assert (acme.tenant_id, nobody.tenant_id, off.tenant_id) == ("acme", "no", "off")
    assert (acme.max_concurrent_calls, acme.reserved_calls) == (10, 2)
    assert acme.arrivals == Poisson(2 / S)
    assert (acme.setup, acme.connect) == (Deterministic(2.0 * S), Exponential(1.0 * S))
    assert (acme.hold, acme.patience) == (Lognormal(3.0 * M, 1.2), Exponential(20.0 * S))
    outcomes = acme.outcomes
    assert (outcomes.failed, outcomes.hung_up) == (0.05, 0.25)
    assert (outcomes.referred, outcomes.referred_at) == (1.0, 0.25)
    assert acme.redial is not None
    assert (acme.redial.probability, acme.redial.max_attempts) == (0.5, 4)
    assert acme.redial.delay == Deterministic(10.0 * S)
    assert (nobody.configured, acme.configured) == (False, True)
    assert (off.enabled, off.instructions, off.fallback) == (False, False, True)
    assert (acme.enabled, acme.instructions, acme.fallback) == (True, True, False)
    assert off.max_concurrent_calls is None
    assert scenario.checkpoints_us == (5 * M, 10 * M)
    assert scenario.instruction_faults == (
        InstructionFault(Lookup.ERROR, 10 * M, 20 * M, 0.5, ("acme",)),
        InstructionFault(Lookup.MISSING, 30 * M, H, 1.0, None),
    )
    late = DeliveryAction.LATE
    assert scenario.delivery_faults == (
        DeliveryFault(Event.END, DeliveryAction.DOUBLED, 0.25, 3 * S, False, ("acme",)),
        DeliveryFault(Event.HANGUP, DeliveryAction.LOST, 1.0),
        DeliveryFault(Event.ACCEPT, late, 0.5, 2 * S),
        DeliveryFault(Event.START, late, 0.5, 0, True),
    )
    assert scenario.expect == (
        Expectation("rejected_calls_capacity", 12, 12),
        Expectation("minutes_processed", 10.5, None),
        Expectation("ended_calls", 1, 9, "acme"),
        Expectation("offered_calls", 3, 3, "_unknown"),
    )
    assert scenario.thresholds == (
        Threshold("blocking", "<", 0.01, "value<0.01"),
        Threshold("blocking", ">=", 0.0, "value >= 0"),
        Threshold("blocking", "<", 0.05, "value<5e-2", "acme"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", Deterministic(90.0 * S)),
        ("{type: deterministic, value: 0s}", Deterministic(0.0)),
        ("{type: exponential, mean: 1m}", Exponential(60.0 * S)),
        ("{type: uniform, low: 1s, high: 3s}", Uniform(1.0 * S, 3.0 * S)),
        ("{type: gamma, mean: 1s, cv: 0.5}", Gamma(1.0 * S, 0.5)),
        ("{type: erlang, mean: 1s, phases: 3}", Erlang(1.0 * S, 3)),
        ("{type: erlang, mean: 1s, cv: 0.5}", Erlang(1.0 * S, 4)),
        ("{type: lognormal, mean: 1s, cv: 2}", Lognormal(1.0 * S, 2.0)),
        ("{type: weibull, mean: 1s, cv: 2}", Weibull(1.0 * S, 2.0)),
        ("{type: pareto, shape: 1.5, low: 1s, high: 1h}", Pareto(1.5, 1.0 * S, 3600.0 * S)),
        ("{type: hyperexponential, mean: 1s, cv: 1.5}", HyperExponential(1.0 * S, 1.5)),
        ("{type: empirical, values: [1s, 2s, 2s]}", Empirical((1.0 * S, 2.0 * S, 2.0 * S))),
        (
            "{type: mixture, parts: [{weight: 3, type: exponential, mean: 1s}, "
            "{weight: 0.5, type: deterministic, value: 2s}]}",
            Mixture(((3.0, Exponential(1.0 * S)), (0.5, Deterministic(2.0 * S)))),
        ),
    ],
)
def test_distributions(tmp_path: Path, text: str, expected: Distribution) -> None:
    scenario = of_tenant(tmp_path, f"hold: {text}\narrivals: {{type: exact_count, count: 1}}")
    assert scenario.tenants[0].hold == expected


def test_a_uniform_by_mean_and_cv_has_them(tmp_path: Path) -> None:
    hold = "hold: {type: uniform, mean: 10s, cv: 0.2}\narrivals: {type: exact_count, count: 1}"
    uniform = of_tenant(tmp_path, hold).tenants[0].hold
    assert isinstance(uniform, Uniform)
    mean = (uniform.low_us + uniform.high_us) / 2
    # the variance of a uniform distribution is the square of its width over 12
    assert mean == pytest.approx(10 * S)
    assert (uniform.high_us - uniform.low_us) ** 2 / 12 == pytest.approx((0.2 * mean) ** 2)


@pytest.mark.parametrize("shape", [0.5, 1, 1.0000001, 2, 3.5])
def test_a_pareto_by_mean_has_it(tmp_path: Path, shape: float) -> None:
    hold = f"{{type: pareto, shape: {shape:f}, mean: 30s, high: 10m}}"
    scenario = of_tenant(tmp_path, f"hold: {hold}\narrivals: {{type: exact_count, count: 1}}")
    pareto = scenario.tenants[0].hold
    assert isinstance(pareto, Pareto)
    assert pareto.high_us == 600 * S
    # mean by the midpoint rule over equal steps of log x, where the density is smooth
    steps = 20_000
    ratio = (pareto.high_us / pareto.low_us) ** (1 / steps)
    points = [pareto.low_us * ratio ** (step + 0.5) for step in range(steps)]
    weights = [point**-pareto.shape for point in points]
    mean = sum(p * w for p, w in zip(points, weights, strict=True)) / sum(weights)
    assert mean == pytest.approx(30 * S, rel=1e-4)


def test_an_empirical_distribution_comes_from_a_column(tmp_path: Path) -> None:
    (tmp_path / "holds.csv").write_text("id,seconds\na,1.5\nb,0.25\n", encoding="utf-8")
    scenario = of_tenant(
        tmp_path,
        "hold: {type: empirical, file: holds.csv, column: seconds}\n"
        "arrivals: {type: exact_count, count: 1}",
    )
    assert scenario.tenants[0].hold == Empirical((1_500_000.0, 250_000.0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{type: poisson, rate: 300/h}", Poisson(300 / H)),
        # 12 erlang of calls that hold a slot for 2 + 1 + 57 seconds in the mean
        ("{type: poisson, erlangs: 12}", Poisson(0.2 / S)),
        ("{type: deterministic, every: 10s}", Regular(10.0 * S)),
        ("{type: deterministic, rate: 4/s}", Regular(S / 4)),
        ("{type: renewal, gap: {type: gamma, mean: 5s, cv: 2}}", Renewal(Gamma(5.0 * S, 2.0))),
        (
            "{type: renewal, rate: 1/s, distribution: weibull, cv: 0.5}",
            Renewal(Weibull(1.0 * S, 0.5)),
        ),
        (
            "{type: renewal, erlangs: 60, distribution: erlang, cv: 0.5}",
            Renewal(Erlang(1.0 * S, 4)),
        ),
        (
            "{type: profile, rates: [{from: 0s, rate: 0/s}, {from: 1m, rate: 1/s}], repeat: 2m}",
            RateProfile((0, M), (0.0, 1 / S), 2 * M),
        ),
        (
            "{type: profile, erlangs: 60, shape: [{from: 0s, factor: 0.5}, {from: 1m, factor: 2}]}",
            RateProfile((0, M), (0.5 / S, 2 / S)),
        ),
        (
            "{type: sinusoid, rate: 1/s, amplitude: 0.5, period: 1h, phase: 5m}",
            Sinusoid(1 / S, 0.5, H, 5 * M),
        ),
        (
            "{type: mmpp, states: [{rate: 1/s, mean_stay: 1m}, {rate: 0/s, mean_stay: 2m}]}",
            Mmpp((1 / S, 0.0), (1.0 * M, 2.0 * M)),
        ),
        (
            "{type: flash_crowd, rate: 1/s, peak_factor: 3, at: 10m, ramp: 1m, hold: 5m}",
            FlashCrowd(1 / S, 3 / S, 10 * M, M, 5 * M),
        ),
        (
            "{type: flash_crowd, rate: 1/s, peak_rate: 4/s, at: 0s, hold: 5m}",
            FlashCrowd(1 / S, 4 / S, 0, 0, 5 * M),
        ),
        ("{type: batch, size: 5, rate: 1/m}", Batch(5, 1 / M, None)),
        ("{type: batch, size: 5, every: 1m}", Batch(5, None, 1.0 * M)),
        (
            "{type: finite_source, sources: 7, think: {type: exponential, mean: 2m}}",
            FiniteSource(7, Exponential(2.0 * M)),
        ),
        ("{type: exact_count, count: 0}", ExactCount(0)),
    ],
)
def test_arrivals(tmp_path: Path, text: str, expected: object) -> None:
    lines = "setup: 2s\nconnect: {type: exponential, mean: 1s}\nhold: 57s"
    arrivals = of_tenant(tmp_path, f"{lines}\narrivals: {text}").tenants[0].arrivals
    if isinstance(expected, Poisson) and isinstance(arrivals, Poisson):
        assert arrivals.rate_per_us == pytest.approx(expected.rate_per_us, rel=1e-12)
    else:
        assert arrivals == expected


def test_arrivals_from_a_log(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text(
        "who,t,dur\nt,0.000001,2\nu,1,3\nt,0,0.5\n", encoding="utf-8"
    )
    log = "type: trace, file: calls.csv"
    own = of_tenant(tmp_path, f"arrivals: {{{log}, columns: {{start: t, hold: dur, tenant: who}}}}")
    assert own.tenants[0].arrivals == TraceArrivals((0, 1), (500_000, 2 * S))
    other = of_tenant(
        tmp_path, f"hold: 1s\narrivals: {{{log}, tenant: u, columns: {{start: t, tenant: who}}}}"
    )
    assert other.tenants[0].arrivals == TraceArrivals((S,), None)
    everyone = of_tenant(tmp_path, f"hold: 1s\narrivals: {{{log}, columns: {{start: t}}}}")
    assert everyone.tenants[0].arrivals == TraceArrivals((0, 1, S), None)


SMALL = """\
version: 1
name: x
duration: 1h
capacity: {max_concurrent_calls: 9}
tenants:
  a.b: {arrivals: {type: poisson, rate: 1/s}, hold: 1s}
"""


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    scenario = read(tmp_path, SMALL)
    assert (scenario.seed, scenario.description) == (0, "")
    assert (scenario.warm_up_us, scenario.drain) == (0, True)
    assert scenario.checkpoints_us == ()
    tenant = scenario.tenants[0]
    assert (tenant.setup, tenant.connect) == (Deterministic(0.0), Deterministic(0.0))
    assert (tenant.patience, tenant.redial, tenant.max_concurrent_calls) == (None, None, None)


def test_checkpoints_every_so_often_lie_inside_the_run(tmp_path: Path) -> None:
    assert read(tmp_path, SMALL + "checkpoints: {every: 20m}\n").checkpoints_us == (20 * M, 40 * M)


def test_overrides_are_laid_over_the_file(tmp_path: Path) -> None:
    scenario = read(
        tmp_path,
        SMALL,
        (
            "capacity.max_concurrent_calls=50",
            'tenants."a.b".arrivals.rate=3/s',
            'tenants."a.b".hold={type: exponential, mean: 2s}',
            "warm_up=5m",
            "capacity.deadlines.pending=30s",
            "checkpoints=[1m, 2m]",
            "checkpoints.1=3m",
            "checkpoints[0]=4m",
        ),
    )
    assert scenario.max_concurrent_calls == 50
    assert scenario.tenants[0].arrivals == Poisson(3 / S)
    assert scenario.tenants[0].hold == Exponential(2.0 * S)
    assert scenario.warm_up_us == 5 * M
    assert scenario.deadlines.pending_us == 30 * S
    assert scenario.checkpoints_us == (3 * M, 4 * M)


def test_the_digest_is_of_the_text_and_what_was_laid_over_it(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(SMALL, encoding="utf-8")
    plain = load_scenario(path)
    assert plain.digest == hashlib.sha256(SMALL.encode()).hexdigest()
    others = [
        load_scenario(path, ["warm_up=5m"]),
        load_scenario(path, ["warm_up=6m"]),
        load_scenario(path, seed=1),
    ]
    assert len({plain.digest, *(other.digest for other in others)}) == 4
    assert load_scenario(path, ["warm_up=5m"]) == others[0]


def test_the_seed_can_be_given_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(SMALL + "seed: 4\n", encoding="utf-8")
    assert load_scenario(path).seed == 4
    assert load_scenario(path, seed=2**63 - 1).seed == 2**63 - 1


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenarios_are_read(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name == path.stem
    assert scenario.description
    first_line = path.read_text(encoding="utf-8").splitlines()[0]
    near = "./" if path.parent == SCENARIOS else "../"
    assert first_line == f"# yaml-language-server: $schema={near}scenario.schema.json"


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_lies_next_to_each_other_runs_on_every_engine_and_says_what_it_shows(
    path: Path,
) -> None:
    scenario = load_scenario(path)
    for engine in ("kernel", "inproc", "http"):
        assert list(only_live(scenario, engine)) == []
    assert scenario.expect
    assert scenario.thresholds
