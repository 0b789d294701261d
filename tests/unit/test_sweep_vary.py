"""``--vary``: the values it stands for, and what is said of one that stands for none."""

from pathlib import Path

import pytest

from simulator.planning.vary import Choice, axes_of, grid
from simulator.scenario_file import ScenarioInvalid
from simulator.scenario_file.load import ScenarioSource

SCENARIO = """\
version: 1
name: office
duration: 1h
capacity: {max_concurrent_calls: 10}
tenants:
  acme:
    max_concurrent_calls: 7
    arrivals: {type: poisson, rate: 2/m}
    hold: {type: exponential, mean: 90s}
    redial: {probability: 0.5, delay: 10s, max_attempts: 3}
  b.eta:
    arrivals: {type: poisson, erlangs: 3}
    hold: 3m
"""


@pytest.fixture
def source(tmp_path: Path) -> ScenarioSource:
    path = tmp_path / "office.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return ScenarioSource(path)


def choices(source: ScenarioSource, text: str) -> tuple[Choice, ...]:
    (axis,) = axes_of([text], source, ())
    return axis.choices


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("seed=1..3", ["1", "2", "3"]),
        ("seed=80..95:5", ["80", "85", "90", "95"]),
        ("seed=80..94:5", ["80", "85", "90"]),
        ("seed=4..4", ["4"]),
        ("tenants.acme.redial.probability=0.1..0.3:0.1", ["0.1", "0.2", "0.3"]),
        ("seed=7, 1..2 ,9", ["7", "1", "2", "9"]),
        ("tenants.acme.hold={type: gamma, mean: 1m, cv: 2},3m", None),
    ],
)
def test_ranges_and_lists(source: ScenarioSource, text: str, labels: list[str] | None) -> None:
    expected = labels or ["{type: gamma, mean: 1m, cv: 2}", "3m"]
    found = choices(source, text)
    key = text.partition("=")[0]
    assert [choice.label for choice in found] == expected
    assert [choice.overrides for choice in found] == [(f"{key}={label}",) for label in expected]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("tenants.acme.arrivals.rate=x0.8", "1.6/m"),
        ("tenants.acme.hold.mean=x1.5", "2m15s"),
        ('tenants."b.eta".hold=x0.5', "1m30s"),
        ('tenants."b.eta".arrivals.erlangs=x1.1', "3.3"),
        ("tenants.acme.redial.probability=x1.2", "0.60"),
        ("tenants.acme.max_concurrent_calls=x1.5", "11"),  # 10.5, and slots are whole
        ("tenants.acme.max_concurrent_calls=x1.2", "8"),  # 8.4
        ("capacity.max_concurrent_calls=x1.1", "11"),
    ],
)
def test_factors_of_what_is_written(source: ScenarioSource, text: str, written: str) -> None:
    (choice,) = choices(source, text)
    assert choice.label == text.partition("=")[2]
    (override,) = choice.overrides
    assert override.partition("=")[2] == written
    source.scenario(choice.overrides)


def test_a_factor_counts_from_what_is_set(source: ScenarioSource) -> None:
    (axis,) = axes_of(["seed=x2"], source, ["seed=21"])
    assert axis.choices[0].overrides == ("seed=42",)


def test_a_star_stands_for_every_tenant(source: ScenarioSource) -> None:
    (choice,) = choices(source, "tenants.*.max_concurrent_calls=4")
    assert [
        tenant.max_concurrent_calls for tenant in source.scenario(choice.overrides).tenants
    ] == [
        4,
        4,
    ]
    (choice,) = choices(source, "tenants.*.max_concurrent_calls=x2")
    assert choice.overrides == ("tenants.acme.max_concurrent_calls=14",)


def test_the_grid_has_every_combination_the_last_fastest(source: ScenarioSource) -> None:
    axes = axes_of(["seed=1..2", "capacity.max_concurrent_calls=8,9"], source, ())
    assert [tuple(choice.label for choice in point) for point in grid(axes)] == [
        ("1", "8"),
        ("1", "9"),
        ("2", "8"),
        ("2", "9"),
    ]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["seed"], "is not KEY=VALUES"),
        (["seed="], "is not KEY=VALUES"),
        (["=3"], "is not KEY=VALUES"),
        (["seed=5..1"], "is empty"),
        (["seed=1..5:0"], "must be above zero"),
        (["seed=1..5:-1"], "must be above zero"),
        (["seed=a..b"], "not a range of numbers"),
        (["seed=1..9999999"], "more than 100,000"),
        (["seed=1,,2"], "an empty value"),
        (["seed=1,2,1"], "has 1 twice"),
        (["seed=1", "seed=2"], "varied twice"),
        (["seed=1..1000", "tenants.acme.redial.max_attempts=1..1000"], "1,000,000 points"),
        (["tenants.acme.hold=x2"], "multiply one of them: type or mean"),
        (["name=x2"], "not a number, a duration or a rate"),
        (["drain=x2"], "nothing to multiply"),
        (["tenants.*.nix=x2"], "is not in the scenario"),
        (["tenants.acme.hlod=x2"], "did you mean 'hold'"),
        (["seed.*=3"], "nothing at seed"),
    ],
)
def test_what_stands_for_nothing_is_refused(
    source: ScenarioSource, texts: list[str], said: str
) -> None:
    with pytest.raises(ScenarioInvalid) as refused:
        axes_of(texts, source, ())
    (problem,) = refused.value.problems
    assert said in str(problem)
    assert problem.file == "--vary"
