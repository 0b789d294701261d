"""``busyhour load``: starts Locust with the locustfile, and a service where none is given."""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, TextIO

import simulator
from simulator.commands import OF_VERDICT
from simulator.console import say, unfinished_document
from simulator.engines import Inconclusive
from simulator.engines.service_process import ServiceProcess, Tokens, service_settings
from simulator.exit_codes import INCONCLUSIVE, INTERRUPTED, INVALID
from simulator.load.judging import ENGINE
from simulator.load.master import Load, ScenarioUnfit, load_of
from simulator.load.settings import LoadSettings
from simulator.run import proven_in
from simulator.scenario_file import ScenarioInvalid
from simulator.scenario_file.units import format_duration
from simulator.trace import TraceInvalid
from simulator.verdict import Verdict

LOCUSTFILE: Final = Path(simulator.__file__).resolve().parent / "locustfile.py"

_STOP_S: Final = 60.0


class Role(StrEnum):
    """What a process is: everything at once, or one side of many machines."""

    ALONE = "alone"
    MASTER = "master"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Crew:
    """How the work is spread. ``processes`` 0: one process is master and worker."""

    role: Role = Role.ALONE
    processes: int = 0
    expect_workers: int = 1
    master_host: str = "127.0.0.1"
    master_port: int = 5557

    @property
    def locust_options(self) -> list[str]:
        """As Locust is told."""
        port = str(self.master_port)
        if self.role is Role.WORKER:
            return ["--worker", "--master-host", self.master_host, "--master-port", port]
        options = []
        if self.role is Role.MASTER:
            options = ["--master", "--expect-workers", str(self.expect_workers)]
        elif self.processes:
            options = ["--processes", str(self.processes), "--master-port", port]
        else:
            return []
        return [*options, "--master-bind-port", port]


def load(
    settings: LoadSettings,
    crew: Crew,
    target: str | None,
    locust_options: Sequence[str],
    *,
    as_json: bool = False,
) -> int:
    """Play a scenario through Locust; the exit code is the verdict's.

    Without a ``target`` a service is started for the run and set up for it. ``as_json``: the
    result alone goes to stdout, what Locust says to stderr.
    """
    settings = replace(settings, command=command_line(settings, crew, target))
    try:
        played = load_of(settings)
    except ScenarioInvalid as error:
        return _refuse(*error.problems)
    except (TraceInvalid, ScenarioUnfit) as error:
        return _refuse(error)
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="busyhour-"))
        settings = replace(
            settings, parent=os.getpid(), result_file=Path(directory) / "result.json"
        )
        try:
            if target is None and crew.role is not Role.WORKER:
                settings = _own_service(settings, played, stack)
        except Inconclusive as error:
            return _unfinished(played, str(error), as_json=as_json)
        code = _run_locust(settings, crew, locust_options, sys.stderr if as_json else None)
        if crew.role is Role.WORKER:
            return code if code >= 0 else INCONCLUSIVE
        return _concluded(played, settings, code, as_json=as_json)


def _concluded(played: Load, settings: LoadSettings, code: int, *, as_json: bool) -> int:
    """What the master made of the run, whatever else Locust ended with."""
    assert settings.result_file is not None
    if settings.result_file.exists():
        result = settings.result_file.read_text(encoding="utf-8")
        if as_json:
            print(result, flush=True)
        return code if code == INTERRUPTED else OF_VERDICT[Verdict(json.loads(result)["verdict"])]
    if code in (INVALID, INTERRUPTED):
        return code
    ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    reason = f"Locust {ended} before there was a result"
    assert settings.directory_file is not None
    if not settings.directory_file.exists():
        return _unfinished(played, reason, as_json=as_json)
    directory = Path(settings.directory_file.read_text(encoding="utf-8"))
    reason += f"; what was measured is in {directory}"
    proven = proven_in(directory)
    if proven is None:
        return _unfinished(played, reason, as_json=as_json)
    return _unfinished(played, f"{proven}; {reason}", Verdict.FAIL, as_json=as_json)


def _unfinished(
    played: Load, reason: str, verdict: Verdict = Verdict.INCONCLUSIVE, *, as_json: bool
) -> int:
    """Say that there is no result, and what is known all the same."""
    scenario = played.scenario
    say(f"{scenario.name}: {verdict.value}: {reason}")
    if as_json:
        print(json.dumps(unfinished_document(scenario, ENGINE, reason, verdict)), flush=True)
    return OF_VERDICT[verdict]


def _own_service(settings: LoadSettings, played: Load, stack: ExitStack) -> LoadSettings:
    """The settings for a service started here, with tokens of its own."""
    tokens = Tokens()
    service = service_settings(played.trace, speed=settings.speed)
    process = stack.enter_context(ServiceProcess(service, tokens))
    return replace(
        settings,
        url=process.wait_until_ready(),
        admin_token=tokens.admin,
        call_token=tokens.call,
        configure=True,
    )


def _run_locust(
    settings: LoadSettings, crew: Crew, locust_options: Sequence[str], out: TextIO | None
) -> int:
    """Locust's exit code; that of a signal is negative. What it prints goes to ``out``."""
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"]
    command += [*crew.locust_options, "--host", settings.url, *locust_options]
    paths = [str(LOCUSTFILE.parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("BUSYHOUR_")}
    environment = {
        **inherited,
        **settings.to_environment(),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    # A session of its own: a Ctrl-C reaches the master alone, which then winds down its workers.
    process = subprocess.Popen(  # noqa: S603
        command, env=environment, start_new_session=True, stdout=out
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        _interrupt(process)
        return INTERRUPTED
    except BaseException:
        process.kill()
        process.wait()
        raise


def _interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Ask Locust to stop and wait while it hangs up and saves; a second Ctrl-C kills it."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def command_line(settings: LoadSettings, crew: Crew, target: str | None) -> str:
    """The command line that does it again; tokens stay in the environment."""
    words = ["busyhour", "load", str(settings.scenario), "--speed", f"{settings.speed:g}"]
    if target is not None:
        words += ["--target", target]
    if settings.configure:
        words.append("--configure")
    if crew.role is Role.MASTER:
        words += ["--master", "--expect-workers", str(crew.expect_workers)]
    elif crew.processes:
        words += ["--processes", str(crew.processes)]
    if settings.late_s is not None:
        words += ["--late", format_duration(round(settings.late_s * 1e6))]
    if settings.seed is not None:
        words += ["--seed", str(settings.seed)]
    for override in settings.overrides:
        words += ["--set", override]
    return shlex.join(words)


def _refuse(*problems: object) -> int:
    for problem in problems:
        say(str(problem))
    return INVALID
