"""``--policy``: which policies are compared, and those the user makes up.

``NAME`` picks a built-in policy. ``NAME: KEY=VALUE, ...`` lays values over a built-in one as it was
derived, or, under a new name, over the scenario as it is written. The keys are those of a scenario
file, as in ``--set``; ``*`` stands for every tenant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from simulator.planning.plan import least_limit
from simulator.planning.policies.result import AS_WRITTEN, ONE_POOL, OWN_POOLS
from simulator.planning.policies.rules import BUILT_IN, SHARING_KEYS, Policy, fixed, keys_of, plain
from simulator.planning.result import PlanRefused
from simulator.planning.tasks import same_calls
from simulator.planning.vary import places_of, split_values
from simulator.scenario import Scenario
from simulator.scenario_file import Problem, ScenarioInvalid
from simulator.scenario_file.document import OVERRIDE, Document
from simulator.scenario_file.load import ScenarioSource
from simulator.scenario_file.overrides import path_of
from simulator.scenario_file.problems import did_you_mean, one_of

POLICY: Final = "--policy"


@dataclass(frozen=True, slots=True)
class Asked:
    """One ``--policy``: its name and what is laid over, nothing for a built-in one as it is."""

    name: str
    overrides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """The scenario as it is written, and what was asked of it."""

    source: ScenarioSource
    overrides: tuple[str, ...]
    seed: int | None
    asked: tuple[Asked, ...]

    @property
    def built_in(self) -> tuple[str, ...]:
        """The built-in policies to show: those picked and the two that others are measured by."""
        picked = {each.name for each in self.asked if not each.overrides}
        changed = {each.name for each in self.asked if each.overrides}
        wanted = (picked or set(BUILT_IN)) - changed | {ONE_POOL, OWN_POOLS}
        return tuple(name for name in BUILT_IN if name in wanted)

    def scenario(self) -> Scenario:
        """The scenario under ``--set`` alone. Raises :class:`ScenarioInvalid`."""
        return self.source.scenario(self.overrides, self.seed)

    def made(self, derived: Callable[[str], Policy]) -> list[Policy]:
        """The policies that stay as they are given: the file's own and the user's.

        ``derived`` makes a built-in one. Raises :class:`ScenarioInvalid` and :class:`PlanRefused`.
        """
        written = self.scenario()
        policies = []
        if written != plain(written):
            rule = "what the scenario file says"
            policies.append(fixed(AS_WRITTEN, rule, written, least_limit(written)))
        problems: dict[Problem, None] = {}
        for each in self.asked:
            if not each.overrides:
                continue
            try:
                policies.append(self._laid(each, written, derived))
            except ScenarioInvalid as error:
                problems |= dict.fromkeys(_said(problem, each) for problem in error.problems)
        if problems:
            raise ScenarioInvalid(problems)
        return policies

    def _laid(self, asked: Asked, written: Scenario, derived: Callable[[str], Policy]) -> Policy:
        source, below = self.source, self.overrides
        rule = "the scenario with the keys given"
        if asked.name in BUILT_IN:
            source = self.source.edited(self.overrides, _put_aside)
            below = keys_of(derived(asked.name).scenario)
            rule = f"{asked.name} as it was derived, with the keys given"
        document = source.document(below)
        texts = [text for key in asked.overrides for text in _opened(key, document)]
        found = source.scenario([*below, *texts], self.seed)
        _refuse_other_calls(asked, found, written)
        return fixed(asked.name, rule, found, least_limit(found))


def asked_of(texts: Sequence[str]) -> tuple[Asked, ...]:
    """What ``--policy`` options ask. Raises :class:`ScenarioInvalid` with every problem."""
    asked: list[Asked] = []
    problems = []
    for text in texts:
        name, colon, keys = text.partition(":")
        name = " ".join(name.split())
        overrides = tuple(part for part in split_values(keys) if part)
        if not name:
            problems.append(_problem("", f"{text!r} has no name; write it like 'caps' or 'NAME: "
                                     "KEY=VALUE, KEY=VALUE'"))  # fmt: skip
        elif name == AS_WRITTEN:
            problems.append(_problem(name, "is what the scenario file says; choose another name"))
        elif name in (ONE_POOL, OWN_POOLS) and colon:
            problems.append(_problem(name, "is what others are measured by; choose another name"))
        elif any(each.name == name for each in asked):
            problems.append(_problem(name, "is given twice"))
        elif not overrides and (colon or name not in BUILT_IN):
            problems.append(_problem(name, _unknown(name, has_colon=bool(colon))))
        else:
            asked.append(Asked(name, overrides))
    if problems:
        raise ScenarioInvalid(problems)
    return tuple(asked)


def _unknown(name: str, *, has_colon: bool) -> str:
    if has_colon:
        return "has no keys; write it like 'NAME: tenants.acme.max_concurrent_calls=40'"
    return (
        f"is no built-in policy{did_you_mean(name, BUILT_IN)} (known: {one_of(BUILT_IN)}); for one "
        "of your own write 'NAME: KEY=VALUE, KEY=VALUE'"
    )


def _opened(text: str, document: Document) -> list[str]:
    """One override for each place its key stands for."""
    key, equals, value = text.partition("=")
    if not equals or not path_of(key.strip()):
        raise ScenarioInvalid(
            [_problem("", f"{text!r} is not KEY=VALUE, like tenants.acme.reserved_calls=5")]
        )
    return [f"{place}={value.strip()}" for place in places_of(key.strip(), document)]


def _put_aside(tree: dict[str, Any]) -> None:
    """Take all that a file says about sharing out of its values, and what it expects of it."""
    for tenant in tree["tenants"].values():
        for name in SHARING_KEYS:
            tenant.pop(name, None)
    capacity = tree["capacity"]
    capacity.pop("policy", None)
    if changes := capacity.get("changes"):
        capacity["changes"] = _openings(changes)
    for name in ("expect", "thresholds"):
        tree.pop(name, None)


def _openings(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The changes of who may call."""
    kept = []
    for change in changes:
        tenants = {
            name: {"enabled": edit["enabled"]}
            for name, edit in (change.get("tenants") or {}).items()
            if edit.get("enabled") is not None
        }
        if tenants:
            kept.append({"at": change["at"], "tenants": tenants})
    return kept


def _refuse_other_calls(asked: Asked, found: Scenario, written: Scenario) -> None:
    if any(change.max_concurrent_calls is not None for change in found.changes):
        raise PlanRefused(changing_limit(found))
    same = same_calls(found)[0] == same_calls(written)[0] and found.seed == written.seed
    if not same or plain(found).changes != plain(written).changes:
        known = ("capacity.max_concurrent_calls", "capacity.policy", "capacity.changes")
        keys = [*known, *(f"tenants.*.{name}" for name in SHARING_KEYS)]
        raise ScenarioInvalid(
            [
                _problem(
                    asked.name,
                    "changes the calls themselves, and policies are compared on the same calls; "
                    f"it may set {one_of(keys)}",
                )
            ]
        )


def changing_limit(scenario: Scenario) -> str:
    """Why a limit that changes during the run cannot be compared."""
    return (
        f"{scenario.name}: capacity.changes sets max_concurrent_calls during the run; policies are "
        "compared at one limit for the whole run, so take it out (--set capacity.changes=[])"
    )


def _problem(key: str, message: str) -> Problem:
    return Problem(POLICY, 0, 0, key, message)


def _said(problem: Problem, asked: Asked) -> Problem:
    """A problem that came with a policy, said of the option that asked for it."""
    if problem.file in (OVERRIDE, "--vary"):
        return replace(problem, file=f"{POLICY} {asked.name!r}")
    if problem.file == POLICY:
        return problem
    return replace(problem, message=f"{problem.message} (under {POLICY} {asked.name!r})")
