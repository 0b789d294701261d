"""What the commands do. Each gives an exit code; :mod:`simulator.cli` parses and dispatches."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import simulator
from simulator.cdr.lines import CallLogInvalid
from simulator.cdr.mappings import MappingInvalid
from simulator.cdr.options import OptionInvalid, ReadingArguments
from simulator.cdr.reader import read_calls
from simulator.console import ProgressLine, report_lines, say, selftest_lines, unfinished_document
from simulator.engines import Inconclusive
from simulator.exit_codes import (
    FAILED,
    INCONCLUSIVE,
    INVALID,
    PASSED,
    THRESHOLDS_FAILED,
    first_of,
)
from simulator.live.options import LiveSettings, needs_own_service, only_live
from simulator.replay import Limits, ReplayInvalid, replay_scenario, replay_trace
from simulator.results import Engine
from simulator.run import ViolationProven, run_live, run_scenario
from simulator.scenario import Scenario
from simulator.scenario_file import (
    Problem,
    ScenarioInvalid,
    format_duration,
    json_schema,
    load_scenario,
)
from simulator.trace import CallTrace, TraceInvalid
from simulator.verdict import Verdict

if TYPE_CHECKING:
    from simulator.live.engine import LiveEngine

LIVE: Final = "live"
KERNEL: Final = "kernel"

OF_VERDICT: Final = {
    Verdict.PASS: PASSED,
    Verdict.FAIL: FAILED,
    Verdict.INCONCLUSIVE: INCONCLUSIVE,
    Verdict.THRESHOLDS_FAILED: THRESHOLDS_FAILED,
}


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine plays, and where its services are; without ``targets`` it starts one.

    ``live`` is how a live engine drives them.
    """

    name: str
    targets: tuple[str, ...] = ()
    configure: bool = False
    admin_token: str = ""
    call_token: str = ""
    live: LiveSettings = field(default_factory=LiveSettings)

    def live_engine(self) -> "LiveEngine":
        from simulator.live.engine import GivenTargets, LiveEngine

        if not self.targets:
            return LiveEngine(self.live)
        return LiveEngine(
            self.live,
            GivenTargets(self.targets, self.admin_token, self.call_token, self.configure),
        )

    def engine(self) -> Engine:
        """The engine, where it is one in virtual time."""
        if self.name == KERNEL:
            from simulator.engines.kernel import KernelEngine

            return KernelEngine()
        if self.name == "inproc":
            from simulator.engines.inproc import InprocEngine

            return InprocEngine()
        from simulator.engines.http import HttpEngine
        from simulator.engines.sources import GivenService

        if not self.targets:
            return HttpEngine()
        (target,) = self.targets
        return HttpEngine(
            GivenService(target, self.admin_token, self.call_token, configure=self.configure)
        )

    @property
    def options(self) -> list[str]:
        """The options that choose it again; tokens stay in the environment."""
        chosen = ["--engine", self.name]
        for target in self.targets:
            chosen += ["--target", target]
        if self.configure:
            chosen.append("--configure")
        if self.name == LIVE:
            live = self.live
            chosen += ["--speed", f"{live.speed:.12g}", "--retries", str(live.retries)]
            chosen += ["--timeout", format_duration(round(live.timeout_s * 1e6))]
            chosen += ["--late", format_duration(round(live.late_s * 1e6))]
            chosen += ["--max-open", str(live.most_open)]
            if live.shared_limit:
                chosen.append("--shared-limit")
        return chosen

    def troubles(self, scenario: Scenario) -> list[str]:
        """Why this engine cannot play a scenario, one line each."""
        if self.name != LIVE:
            return list(only_live(scenario, self.name))
        return list(needs_own_service(scenario)) if self.targets else []

    def policy_trouble(
        self, path: Path, overrides: Sequence[str], scenario: Scenario
    ) -> Problem | None:
        """Why this engine cannot share slots as the scenario of the file says."""
        from simulator.scenario_file.policy_trouble import policy_trouble

        if self.name == KERNEL:
            return None
        return policy_trouble(path, overrides, scenario.policy, f"--engine {self.name}")


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go: the directory of the reports, and JSON instead of a table."""

    out: Path
    as_json: bool


def run(
    paths: Sequence[Path],
    overrides: Sequence[str],
    seed: int | None,
    choice: EngineChoice,
    output: Output,
) -> int:
    """Run scenarios one after the other; none of them when one of the files is wrong."""
    scenarios, problems = _load_all(paths, overrides, seed)
    for path, scenario in scenarios:
        problems += choice.troubles(scenario)
        trouble = choice.policy_trouble(path, overrides, scenario)
        if trouble is not None:
            problems.append(trouble)
    if problems:
        return _refuse(problems)
    codes = []
    for path, scenario in scenarios:
        command = ["busyhour", "run", str(path), *choice.options, "--seed", str(scenario.seed)]
        for override in overrides:
            command += ["--set", override]
        codes.append(_run_one(scenario, None, choice, output, command))
    return first_of(codes)


def replay(
    path: Path,
    reading: ReadingArguments,
    limits: Limits,
    choice: EngineChoice,
    output: Output,
    command: Sequence[str],
) -> int:
    """Run the calls of a log against limits, and say how many found no room."""
    progress = ProgressLine("replay", sys.stderr)
    try:
        log = read_calls(
            [path],
            reading.options(),
            lambda _path, done, total: progress("reading", done, total),
        )
        scenario = replay_scenario(path, log, reading, limits)
        trace = replay_trace(scenario, log)
    except CallLogInvalid as error:
        return _refuse(error.problems)
    except (MappingInvalid, OptionInvalid, ReplayInvalid, TraceInvalid) as error:
        return _refuse([error])
    finally:
        progress.clear()
    for note in log.notes:
        say(f"{path}: {note}")
    return _run_one(scenario, trace, choice, output, command)


def validate(paths: Sequence[Path]) -> int:
    """Check scenario files and say of each whether it can be run."""
    scenarios, problems = _load_all(paths, (), None)
    for path, scenario in scenarios:
        print(f"{path}: valid ({scenario.name})")
    return _refuse(problems) if problems else PASSED


def schema() -> int:
    print(json.dumps(json_schema(), indent=2))
    return PASSED


def expect(path: Path, overrides: Sequence[str], seed: int | None) -> int:
    """Print what the oracle expects of a scenario, as its ``expect:`` block."""
    from simulator.expect_block import expect_block
    from simulator.oracle import expect as expected_of
    from simulator.traffic import build_trace

    scenarios, problems = _load_all([path], overrides, seed)
    if problems:
        return _refuse(problems)
    progress = ProgressLine(scenarios[0][1].name, sys.stderr)
    try:
        trace = build_trace(scenarios[0][1])
        expected = expected_of(trace, lambda done, total: progress("oracle", done, total))
    except TraceInvalid as error:
        return _refuse([f"{path}: {error}"])
    finally:
        progress.clear()
    print(expect_block(expected), end="")
    return PASSED


def selftest() -> int:
    """Play every broken controller of the gallery; passes when each one is caught."""
    from simulator.selftest import GALLERY, run_selftest
    from simulator.traffic import build_trace

    wanted = {name for controller in GALLERY for name in controller.caught_by}
    paths = [path for path in shipped_scenarios() if path.stem in wanted]
    if {path.stem for path in paths} != wanted:
        missing = ", ".join(sorted(wanted - {path.stem for path in paths}))
        return _refuse([f"the shipped scenarios are not here; missing: {missing}"])
    progress = ProgressLine("selftest", sys.stderr)
    try:
        report = run_selftest(
            {path.stem: build_trace(load_scenario(path)) for path in paths},
            lambda done, total: progress("engine", done, total),
        )
    finally:
        progress.clear()
    for line in selftest_lines(report):
        print(line)
    return PASSED if report.ok else FAILED


def live_selftest() -> int:
    """Serve every service of the concurrency gallery, probe it and drive it live."""
    from simulator.selftest.concurrency_runner import SCENARIO, live_lines, run_live_selftest

    paths = [path for path in shipped_scenarios() if path.stem == SCENARIO]
    if not paths:
        return _refuse([f"the shipped scenarios are not here; missing: {SCENARIO}"])
    progress = ProgressLine("selftest", sys.stderr)
    try:
        report = run_live_selftest(
            load_scenario(paths[0]), lambda done, total: progress("engine", done, total)
        )
    except Inconclusive as error:
        progress.clear()
        say(f"inconclusive: {error}")
        return INCONCLUSIVE
    finally:
        progress.clear()
    for line in live_lines(report):
        print(line)
    return PASSED if report.ok else FAILED


def shipped_scenarios() -> list[Path]:
    """The scenario files that come with the package, beside it or, when installed, inside it."""
    package = Path(simulator.__file__).resolve().parent
    for directory in (package / "scenarios", package.parent / "scenarios"):
        if directory.is_dir():
            return sorted(directory.rglob("*.yaml"))
    return []


def _load_all(
    paths: Sequence[Path], overrides: Sequence[str], seed: int | None
) -> tuple[list[tuple[Path, Scenario]], list[object]]:
    """Every scenario that can be read, and every problem of the others."""
    scenarios: list[tuple[Path, Scenario]] = []
    problems: list[object] = []
    for path in paths:
        try:
            scenarios.append((path, load_scenario(path, overrides, seed)))
        except ScenarioInvalid as error:
            problems.extend(error.problems)
    return scenarios, problems


def _run_one(
    scenario: Scenario,
    trace: CallTrace | None,
    choice: EngineChoice,
    output: Output,
    command: Sequence[str],
) -> int:
    """One run and what is printed of it."""
    progress = ProgressLine(scenario.name, sys.stderr)
    try:
        if choice.name == LIVE:
            report = run_live(
                scenario,
                choice.live_engine(),
                out=output.out,
                command=shlex.join(command),
                progress=progress,
            )
        else:
            report = run_scenario(
                scenario,
                choice.engine(),
                out=output.out,
                command=shlex.join(command),
                trace=trace,
                progress=progress,
            )
    except TraceInvalid as error:
        return _refuse([f"{scenario.name}: {error}"])
    except (Inconclusive, ViolationProven) as error:
        progress.clear()
        proven = isinstance(error, ViolationProven)
        verdict = Verdict.FAIL if proven else Verdict.INCONCLUSIVE
        say(f"{scenario.name}: {verdict.value}: {error}")
        if output.as_json:
            _print_json(unfinished_document(scenario, choice.name, str(error), verdict))
        return OF_VERDICT[verdict]
    finally:
        progress.clear()
    if output.as_json:
        from simulator.report.result_json import document

        _print_json(document(report.result))
    else:
        print("\n".join(report_lines(report)), flush=True)
    return OF_VERDICT[report.result.judgement.verdict]


def _print_json(document: Mapping[str, object]) -> None:
    print(json.dumps(document, allow_nan=False), flush=True)


def _refuse(problems: Iterable[object]) -> int:
    for problem in problems:
        say(str(problem))
    return INVALID
