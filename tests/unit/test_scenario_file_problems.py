"""A scenario file read wrong: every mistake is named, with its place and what would be right."""

from pathlib import Path

import pytest

from simulator.scenario_file import Problem, ScenarioInvalid, load_scenario

BASE = """\
version: 1
name: base
duration: 1h
capacity: {max_concurrent_calls: 10}
tenants:
  acme: {arrivals: {type: poisson, rate: 1/s}, hold: 1s}
  ghost: {configured: false, arrivals: {type: poisson, rate: 1/s}, hold: 1s}
"""


def problems_of(
    directory: Path, text: str | bytes, overrides: tuple[str, ...] = (), seed: int | None = None
) -> list[Problem]:
    path = directory / "s.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ScenarioInvalid) as caught:
        load_scenario(path, overrides, seed)
    return list(caught.value.problems)


def one_problem(directory: Path, marked: str, key: str, message: str) -> None:
    """``marked`` has exactly one mistake, whose place is marked with a paragraph sign."""
    before, mark, _ = marked.partition("¶")
    assert mark
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    (problem,) = problems_of(directory, marked.replace("¶", ""))
    assert (problem.line, problem.column, problem.key) == (line, column, key), str(problem)
    assert message in problem.message, str(problem)
    assert str(problem).startswith(f"{directory / 's.yaml'}:{line}:{column}: {key}: ")
    assert "\n" not in str(problem)


TOP = [
    ("¶warmup: 5m", "warmup", "is not a key here; did you mean 'warm_up'?"),
    ("warm_up: ¶90", "warm_up", "90 has no unit; write 90s"),
    ("warm_up: ¶1.5", "warm_up", "write 1.5s"),
    ("warm_up: ¶-5s", "warm_up", "is negative"),
    ("warm_up: ¶5 minutes", "warm_up", "is not a duration"),
    ("warm_up: ¶1h", "warm_up", "must be shorter than the duration 1h"),
    ("¶warm_up:", "warm_up", "has no value"),
    ("warm_up: 5m\n¶warm_up: 6m", "warm_up", "stands twice; the first is on line 8"),
    ("seed: ¶-1", "seed", "must be at least 0, not -1"),
    ("seed: ¶9223372036854775808", "seed", "must be at most"),
    ("seed: ¶true", "seed", "must be a whole number, not true"),
    ("seed: ¶1.0", "seed", "must be a whole number, not 1.0"),
    ("seed: ¶'1'", "seed", "must be a whole number, not '1' (a text)"),
    ("drain: ¶no", "drain", "must be true or false, not 'no' (a text)"),
    ("drain: ¶0", "drain", "must be true or false, not 0"),
    ("description: ¶12", "description", "must be a text, not 12"),
    ("description: ¶!x y", "description", "uses no tags"),
    ("checkpoints: [5m, ¶1h]", "checkpoints[1]", "lies outside the run"),
    ("checkpoints: [5m, ¶300s]", "checkpoints[1]", "stands twice"),
    ("checkpoints: ¶5m", "checkpoints", "must be a list, not '5m'"),
    ("checkpoints: {every: ¶0s}", "checkpoints.every", "must be longer than zero"),
    ("checkpoints: {every: ¶1h}", "checkpoints.every", "must be shorter than the duration"),
    ("checkpoints: {every: ¶1ms}", "checkpoints.every", "makes more than 10000 checkpoints"),
]

LIMITS = [
    ("{max_concurrent_calls: ¶0}", "max_concurrent_calls", "must be at least 1"),
    ("{max_concurrent_calls: ¶true}", "max_concurrent_calls", "must be a whole number, not true"),
    ("¶{}", "max_concurrent_calls", "is missing: calls the platform may hold at once"),
    (
        "{max_concurrent_calls: 9, deadlines: {¶pendin: 3s}}",
        "deadlines.pendin",
        "did you mean 'pending'?",
    ),
    (
        "{max_concurrent_calls: 9, changes: [{at: 5m, max_concurrent_calls: 8}, "
        "{at: ¶4m, max_concurrent_calls: 7}]}",
        "changes[1].at",
        "is earlier than the change before it",
    ),
    (
        "{max_concurrent_calls: 9, changes: [{at: ¶1h, max_concurrent_calls: 8}]}",
        "changes[0].at",
        "lies outside the run; it must be before 1h",
    ),
    ("{max_concurrent_calls: 9, changes: [¶{at: 5m}]}", "changes[0]", "changes nothing"),
    (
        "{max_concurrent_calls: 9, changes: [{at: 5m, tenants: {acme: ¶{}}}]}",
        "changes[0].tenants.acme",
        "changes nothing",
    ),
    (
        "{max_concurrent_calls: 9, changes: [{at: 5m, tenants: {¶acne: {enabled: false}}}]}",
        "changes[0].tenants.acne",
        "did you mean 'acme'?",
    ),
    (
        "{max_concurrent_calls: 9, changes: [{at: 5m, tenants: {¶ghost: {enabled: false}}}]}",
        "changes[0].tenants.ghost",
        "is not configured, so it has no limits to change",
    ),
    (
        "{max_concurrent_calls: 9, changes: [¶{at: 5m, tenants: {acme: {reserved_calls: 10}}}]}",
        "changes[0]",
        "reserved slots come to 10, more than the total limit 9",
    ),
    (
        # right at each change taken alone, wrong after both
        "{max_concurrent_calls: 9, changes: [{at: 5m, tenants: {acme: {reserved_calls: 6}}}, "
        "{at: 6m, tenants: {acme: ¶{max_concurrent_calls: 5}}}]}",
        "changes[1].tenants.acme",
        "6 reserved slots are more than the tenant's max_concurrent_calls 5",
    ),
]

TENANT = [
    ("{¶hold: 1s}", "arrivals", "is missing: when calls come"),
    ("{arrivals: ¶poisson, hold: 1s}", "arrivals", "must be a mapping, not 'poisson'"),
    ("{arrivals: {type: ¶poison}, hold: 1s}", "arrivals.type", "did you mean 'poisson'?"),
    ("{¶arrivals: {rate: 1/s}, hold: 1s}", "arrivals.type", "is missing: one of poisson"),
    (
        "{arrivals: ¶{type: poisson}, hold: 1s}",
        "arrivals",
        "needs one of rate and erlangs, not both",
    ),
    (
        "{arrivals: ¶{type: poisson, rate: 1/s, erlangs: 3}, hold: 1s}",
        "arrivals",
        "needs one of rate and erlangs, not both",
    ),
    ("{arrivals: {type: poisson, rate: ¶2}, hold: 1s}", "arrivals.rate", "write 2/s"),
    ("{arrivals: {type: poisson, rate: ¶0/s}, hold: 1s}", "arrivals.rate", "above zero"),
    ("{arrivals: {type: poisson, rate: ¶2000000/s}, hold: 1s}", "arrivals.rate", "a million"),
    (
        "{arrivals: {type: poisson, erlangs: ¶3}, hold: 0s}",
        "arrivals.erlangs",
        "needs calls that last",
    ),
    ("{arrivals: {type: poisson, erlangs: ¶.inf}, hold: 1s}", "arrivals.erlangs", "finite"),
    (
        "{arrivals: {type: exact_count, count: 1, ¶erlangs: 3}, hold: 1s}",
        "arrivals.erlangs",
        "is not a key here",
    ),
    (
        "{arrivals: ¶{type: renewal, rate: 1/s}, hold: 1s}",
        "arrivals",
        "needs either gap, or rate (or erlangs), distribution and cv",
    ),
    (
        "{arrivals: {type: renewal, rate: 1/s, distribution: hyperexponential, cv: ¶0.5}, "
        "hold: 1s}",
        "arrivals.cv",
        "has cv 1 or more",
    ),
    (
        "{arrivals: {type: renewal, gap: ¶0s}, hold: 1s}",
        "arrivals.gap",
        "must have a mean above zero",
    ),
    (
        "{arrivals: {type: profile, rates: [{from: ¶1m, rate: 1/s}]}, hold: 1s}",
        "arrivals.rates[0].from",
        "must be 0s",
    ),
    (
        "{arrivals: {type: profile, rates: [{from: 0s, rate: 1/s}, {from: ¶0s, rate: 1/s}]}, "
        "hold: 1s}",
        "arrivals.rates[1].from",
        "must be later than the entry before it",
    ),
    (
        "{arrivals: {type: profile, rates: [{from: 0s, rate: 1/s}, {from: ¶2h, rate: 1/s}]}, "
        "hold: 1s}",
        "arrivals.rates[1].from",
        "lies beyond the end of the run",
    ),
    (
        "{arrivals: {type: profile, rates: ¶[{from: 0s, rate: 0/s}]}, hold: 1s}",
        "arrivals.rates",
        "offers nothing",
    ),
    (
        "{arrivals: {type: flash_crowd, rate: 2/s, peak_rate: ¶1/s, at: 5m, hold: 1m}, hold: 1s}",
        "arrivals.peak_rate",
        "must be at least the base rate",
    ),
    (
        "{arrivals: {type: flash_crowd, rate: 2/s, peak_factor: 2, at: ¶5m, ramp: 6m, hold: 1m}, "
        "hold: 1s}",
        "arrivals.at",
        "must leave room for the ramp",
    ),
    (
        "{arrivals: {type: finite_source, sources: 3, think: 1m}, hold: 1s, "
        "redial: ¶{probability: 0.5, delay: 1s, max_attempts: 2}}",
        "redial",
        "does not go with finite_source",
    ),
    (
        "{arrivals: {type: finite_source, sources: ¶500000, think: 1s}, hold: 1s}",
        "arrivals.sources",
        "calls in the run, more than 200,000,000; take fewer sources",
    ),
    ("{arrivals: {type: exact_count, count: ¶1.5}, hold: 1s}", "arrivals.count", "whole number"),
    ("{¶arrivals: {type: exact_count, count: 1}}", "hold", "is missing: start to end"),
    (
        "{arrivals: {type: trace, file: calls.csv, columns: {start: t}, tenant: ¶x}, hold: 1s}",
        "arrivals.tenant",
        "needs columns.tenant",
    ),
]
TENANT_PLACES = {"{¶hold: 1s}": "acme", "{¶arrivals: {type: exact_count, count: 1}}": "acme"}

HOLD = [
    ("{type: ¶lognorma, mean: 1s, cv: 1}", ".type", "did you mean 'lognormal'?"),
    ("{type: hyperexponential, mean: 1s, cv: ¶0.9}", ".cv", "must be at least 1, not 0.9"),
    ("{type: exponential, mean: ¶0s}", ".mean", "must be longer than zero"),
    ("{type: exponential, mean: 1s, ¶cv: 1}", ".cv", "is not a key here"),
    ("{type: gamma, mean: 1s, cv: ¶0}", ".cv", "must be above 0"),
    ("¶{type: erlang, mean: 1s}", "", "needs either phases or cv"),
    ("{type: erlang, mean: 1s, cv: ¶0.6}", ".cv", "3 phases have 0.5774"),
    ("¶{type: uniform, low: 1s}", "", "needs either low and high, or mean and cv"),
    ("¶{type: uniform, low: 1s, cv: 0.5}", "", "needs either low and high, or mean and cv"),
    ("{type: uniform, low: ¶3s, high: 1s}", ".low", "is above high"),
    ("{type: uniform, mean: 3s, cv: ¶0.6}", ".cv", "must be at most 0.57735"),
    ("{type: pareto, shape: 1, low: ¶1h, high: 1h}", ".low", "must be below high"),
    ("{type: pareto, shape: 1, mean: ¶2h, high: 1h}", ".mean", "must be below high"),
    ("¶{type: pareto, shape: 1, high: 1h}", "", "needs either low or mean"),
    ("¶{type: empirical}", "", "needs either values, or file and column"),
    ("{type: empirical, values: ¶[]}", ".values", "at least 1"),
    ("{type: mixture, parts: [{weight: ¶0, type: exponential, mean: 1s}]}", ".parts[0].weight", ""),
    (
        "{type: mixture, parts: [{weight: 1, type: exponential, ¶men: 1s, mean: 1s}]}",
        ".parts[0].men",
        "did you mean 'mean'?",
    ),
    ("¶5", "", "5 has no unit"),
    ("¶[1s]", "", "must be a duration"),
]

FAULTS = [
    ("{kind: ¶event_reorder, event: end}", ".kind", "did you mean 'event_reordered'?"),
    ("{kind: event_lost, event: ¶offer, probability: 1}", ".event", "an offer can only be doubled"),
    (
        "{kind: event_late, event: ¶offer, probability: 1, delay: 1s}",
        ".event",
        "an offer can only be doubled",
    ),
    (
        "{kind: event_lost, event: end, probability: 1, ¶delay: 1s}",
        ".delay",
        "is not a key here",
    ),
    (
        "{kind: event_reordered, event: ¶end, probability: 1}",
        ".event",
        "nothing follows end in a call",
    ),
    (
        "{kind: event_doubled, event: offer, probability: 1, delay: ¶1h}",
        ".delay",
        "must be under 1h",
    ),
    ("{kind: event_lost, event: end, probability: ¶1.1}", ".probability", "must be at most 1"),
    ("{kind: event_lost, event: end, probability: ¶.nan}", ".probability", "finite"),
    (
        "{kind: event_lost, event: end, probability: 1, tenants: [acme, ¶acne]}",
        ".tenants[1]",
        "did you mean 'acme'?",
    ),
    (
        "{kind: event_lost, event: end, probability: 1, tenants: [acme, ¶acme]}",
        ".tenants[1]",
        "stands twice",
    ),
    ("{kind: instructions_error, from: ¶1h}", ".from", "lies outside the run"),
    ("{kind: instructions_error, from: 5m, until: ¶5m}", ".until", "the window is empty"),
    ("{kind: instructions_error, until: ¶61m}", ".until", "it must be 1h at most"),
    ("¶5", "", "must be a mapping, not 5"),
]

JUDGING = [
    ("expect: {total: {¶accepted_call: 3}}", "expect.total.accepted_call", "'accepted_calls'"),
    ("expect: {total: {ended_calls: ¶1.5}}", "expect.total.ended_calls", "whole calls"),
    ("expect: {total: {ended_calls: ¶-1}}", "expect.total.ended_calls", "must be at least 0"),
    ("expect: {total: {ended_calls: ¶true}}", "expect.total.ended_calls", "must be a number"),
    ("expect: {total: {ended_calls: ¶{}}}", "expect.total.ended_calls", "needs min, max or both"),
    (
        "expect: {total: {ended_calls: ¶{min: 3, max: 2}}}",
        "expect.total.ended_calls",
        "min 3 is above max 2",
    ),
    (
        "expect: {tenants: {¶acne: {ended_calls: 1}}}",
        "expect.tenants.acne",
        "did you mean 'acme'?",
    ),
    (
        "expect: {tenants: {¶ghost: {ended_calls: 1}}}",
        "expect.tenants.ghost",
        "its offers count in _unknown",
    ),
    ("thresholds: {¶blockin: ['value<1']}", "thresholds.blockin", "did you mean 'blocking'?"),
    (
        "thresholds: {'¶occupancy{tenant:acme}': ['value<1']}",
        "thresholds.occupancy{tenant:acme}",
        "is not a statistic",
    ),
    (
        "thresholds: {'¶blocking{tenant:acne}': ['value<1']}",
        "thresholds.blocking{tenant:acne}",
        "did you mean 'acme'?",
    ),
    ("thresholds: {blocking: [¶'p95<1']}", "thresholds.blocking[0]", "write it like value<0.01"),
    ("thresholds: {blocking: [¶'value<1%']}", "thresholds.blocking[0]", "is not a threshold"),
    ("thresholds: {blocking: ¶'value<1'}", "thresholds.blocking", "must be a list"),
    ("thresholds: {blocking: [¶'value<1e999']}", "thresholds.blocking[0]", "is too large"),
]


@pytest.mark.parametrize(("added", "key", "message"), TOP)
def test_top_level(tmp_path: Path, added: str, key: str, message: str) -> None:
    one_problem(tmp_path, BASE + added + "\n", key, message)


@pytest.mark.parametrize(("capacity", "key", "message"), LIMITS)
def test_capacity(tmp_path: Path, capacity: str, key: str, message: str) -> None:
    marked = BASE.replace("capacity: {max_concurrent_calls: 10}", f"capacity: {capacity}")
    if capacity == "¶{}":
        # a missing key has the place of the key it is missing from
        marked = marked.replace("capacity: ¶{}", "¶capacity: {}")
    one_problem(tmp_path, marked, f"capacity.{key}", message)


@pytest.mark.parametrize(("tenant", "key", "message"), TENANT)
def test_tenants(tmp_path: Path, tenant: str, key: str, message: str) -> None:
    old = "  acme: {arrivals: {type: poisson, rate: 1/s}, hold: 1s}"
    assert old in BASE
    marked = BASE.replace(old, f"  acme: {tenant}")
    if tenant in TENANT_PLACES:
        marked = marked.replace("¶", "").replace("  acme:", "  ¶acme:")
    one_problem(tmp_path, marked, f"tenants.acme.{key}", message)


@pytest.mark.parametrize(("hold", "key", "message"), HOLD)
def test_distributions(tmp_path: Path, hold: str, key: str, message: str) -> None:
    marked = BASE.replace("rate: 1/s}, hold: 1s}", f"rate: 1/s}}, hold: {hold}}}", 1)
    one_problem(tmp_path, marked, f"tenants.acme.hold{key}", message)


@pytest.mark.parametrize(("fault", "key", "message"), FAULTS)
def test_faults(tmp_path: Path, fault: str, key: str, message: str) -> None:
    one_problem(tmp_path, f"{BASE}faults:\n  - {fault}\n", f"faults[0]{key}", message)


@pytest.mark.parametrize(("added", "key", "message"), JUDGING)
def test_expect_and_thresholds(tmp_path: Path, added: str, key: str, message: str) -> None:
    marked = BASE + added + "\n"
    if "'¶" in marked:
        # the place of a quoted key is its quotation mark
        marked = marked.replace("'¶", "¶'")
    one_problem(tmp_path, marked, key, message)


def test_faults_of_one_event_take_shares_of_it(tmp_path: Path) -> None:
    marked = BASE + (
        "faults:\n"
        "  - {kind: event_lost, event: end, probability: 0.6}\n"
        "  - {kind: event_late, event: end, probability: ¶0.5, delay: 1s, tenants: [acme]}\n"
    )
    one_problem(tmp_path, marked, "faults[1].probability", "more than 1 in all")


def test_overlapping_lookup_faults_take_shares_of_the_accepts(tmp_path: Path) -> None:
    apart = (
        "faults:\n"
        "  - {kind: instructions_error, until: 10m, probability: 0.6}\n"
        "  - {kind: instructions_missing, from: 10m, probability: 0.5}\n"
    )
    path = tmp_path / "s.yaml"
    path.write_text(BASE + apart, encoding="utf-8")
    load_scenario(path)
    together = apart.replace("from: 10m, probability: ", "from: 9m, probability: ¶")
    one_problem(tmp_path, BASE + together, "faults[1].probability", "come to 1.1, more than 1")


@pytest.mark.parametrize(
    ("tenant_id", "message"),
    [
        ("_unknown", "is reserved"),
        ('""', "1 to 200 printable characters"),
        ('"a\\tb"', "1 to 200 printable characters"),
        ("x" * 201, "1 to 200 printable characters"),
    ],
)
def test_tenant_ids(tmp_path: Path, tenant_id: str, message: str) -> None:
    text = f"{BASE}  {tenant_id}: {{arrivals: {{type: exact_count, count: 1}}, hold: 1s}}\n"
    (problem,) = problems_of(tmp_path, text)
    assert (problem.line, problem.column) == (8, 3)
    assert message in problem.message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "is empty"),
        ("# only a comment\n", 1, "is empty"),
        ("- a\n- b\n", 1, "is not a mapping"),
        ("just text", 1, "is not a mapping"),
        ("version: 1\nname: [a\nduration: 1h\n", 3, "is not YAML"),
        ("version: 1\n\tname: a\n", 2, "is not YAML"),
        ("version: 1\n---\nversion: 1\n", 2, "is not YAML"),
        ("version: *nothing\n", 1, "is not YAML"),
        ("version: 1\nname: \x01\n", 1, "is not YAML"),
        (b"\xff\xfe\x00v", 0, "is not a UTF-8 text file"),
        ("a: &a [*a]\n", 1, "refers to itself"),
        ("? [a]\n: b\n", 1, "a key must be a plain text"),
        ("[" * 600, 1, "is nested too deeply"),
        (
            "a0: &a0 [1]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(30)),
            1,
            "has more than 200000 values",
        ),
    ],
)
def test_what_is_no_scenario_at_all(
    tmp_path: Path, text: str | bytes, line: int, message: str
) -> None:
    found = problems_of(tmp_path, text)
    assert any(each.line == line and message in each.message for each in found), found


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "missing.yaml", "cannot be read: No such file"),
        (tmp_path, f"is a directory; name the scenario files in it, like {tmp_path}/*.yaml"),
    ):
        with pytest.raises(ScenarioInvalid) as caught:
            load_scenario(path)
        (problem,) = caught.value.problems
        assert problem.file == str(path)
        assert message in problem.message


@pytest.mark.parametrize(
    ("override", "rest"),
    [
        # Each of these would be wrong of the duration, or the policy, that stands in for the other.
        ("duration=2x", "checkpoints: {every: 1m}"),
        (
            "duration=2x",
            "  bank: {hold: 1s, arrivals: {type: finite_source, sources: 9000, think: 9s}}",
        ),
        ("duration=2x", "warm_up: 30m"),
        (
            "capacity.policy=2x",
            "  bank: {arrivals: {type: poisson, rate: 1/s}, hold: 1s, priority: 2}",
        ),
        ("capacity.policy=2x", "thresholds: {'preempted_calls{tenant:acme}': [value < 3]}"),
    ],
)
def test_a_value_that_is_wrong_makes_no_other_wrong(
    tmp_path: Path, override: str, rest: str
) -> None:
    (problem,) = problems_of(tmp_path, f"{BASE}{rest}\n", (override,))
    assert (problem.file, problem.key) == ("--set", override.partition("=")[0])


SHIPPED = sorted((Path(__file__).parents[2] / "scenarios").rglob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_wrong_duration_is_one_mistake_of_a_shipped_scenario(path: Path) -> None:
    with pytest.raises(ScenarioInvalid) as caught:
        load_scenario(path, ("duration=2x",))
    (problem,) = caught.value.problems
    assert (problem.file, problem.key) == ("--set", "duration")


def test_all_problems_at_once_in_order(tmp_path: Path) -> None:
    text = """\
version: 2
nam: x
duration: 60
capacity:
  max_concurrent_calls: 4
  changes:
    - {at: 5m, max_concurrent_calls: 0}
    - {at: 6m, tenants: {acme: {reserved_calls: 5}}}
tenants:
  acme:
    arrivals: {type: poisson, rate: 1}
    hold: {type: lognormal, mean: 3m}
    max_concurrent_calls: 3
    reserved_calls: 4
expect: {total: {x: 1}}
"""
    problems = problems_of(tmp_path, text)
    assert [(each.line, each.key) for each in problems] == [
        (1, "name"),
        (1, "version"),
        (2, "nam"),
        (3, "duration"),
        (7, "capacity.changes[0].max_concurrent_calls"),
        (8, "capacity.changes[1]"),
        (8, "capacity.changes[1].tenants.acme"),
        (11, "tenants.acme.arrivals.rate"),
        (12, "tenants.acme.hold.cv"),
        (14, "tenants.acme.reserved_calls"),
        (15, "expect.total.x"),
    ]


@pytest.mark.parametrize(
    ("override", "key", "message"),
    [
        ("capcity.max_concurrent_calls=3", "capcity", "did you mean 'capacity'?"),
        ("capacity.max_calls=3", "capacity.max_calls", "did you mean 'max_concurrent_calls'?"),
        ("tenants.acne.hold=3s", "tenants.acne", "did you mean 'acme'?"),
        ("tenants.acme.hold.mean=3s", "tenants.acme.hold.mean", "is not in the scenario"),
        ("tenants.acme.hold=3", "tenants.acme.hold", "3 has no unit"),
        ("tenants.acme.arrivals.rate=[", "tenants.acme.arrivals.rate", "is not YAML"),
        ("tenants.acme.reserved_calls=11", "", "come to 11, more than the total limit 10"),
        ("warm_up", "", "is not key=value"),
        ("=3", "", "is not key=value"),
        ("a..b=3", "", "is not key=value"),
        ("faults.0.event=end", "faults[0]", "is not in the scenario; the list has 0 entries"),
    ],
)
def test_wrong_overrides(tmp_path: Path, override: str, key: str, message: str) -> None:
    (problem,) = problems_of(tmp_path, BASE + "faults: []\n", (override,))
    assert message in problem.message, str(problem)
    if "more than the total" in message:
        # the limit it collides with stands in the file
        assert (problem.line, problem.key) == (4, "capacity.max_concurrent_calls")
    else:
        assert (problem.file, problem.key) == ("--set", key), str(problem)
        assert str(problem).startswith("--set: ")


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range(tmp_path: Path, seed: int) -> None:
    (problem,) = problems_of(tmp_path, BASE, seed=seed)
    assert str(problem) == f"--seed: {seed} is not between 0 and 2**63 - 1"


def test_mistakes_in_a_log_have_the_place_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text("t,d\n0,1\nx,2\n", encoding="utf-8")
    arrivals = "{type: trace, file: calls.csv, columns: {start: t, hold: d}}"
    text = BASE.replace(
        "  acme: {arrivals: {type: poisson, rate: 1/s}, hold: 1s}",
        f"  acme: {{arrivals: {arrivals}}}",
    )
    (problem,) = problems_of(tmp_path, text)
    assert (problem.file, problem.line) == (str(tmp_path / "calls.csv"), 3)
    (tmp_path / "calls.csv").write_text("t,d\n0,1\n3600,2\n4000,2\n", encoding="utf-8")
    (problem,) = problems_of(tmp_path, text)
    assert problem.line == 3
    assert "2 rows in all" in problem.message
