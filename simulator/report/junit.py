"""``junit.xml``: one case per expectation, invariant and threshold, in one suite per kind."""

import re
from typing import Final

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from simulator.result import RunResult
from simulator.verdict import Check, Verdict

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot say, even escaped (section 2.2 of its specification)."""


def render(result: RunResult) -> bytes:
    """The judgement as JUnit XML. An inconclusive run has one case more, in error.

    Without it a run that could not be judged would read as one in which nothing failed.
    """
    judgement = result.judgement
    checks = (*judgement.expectations, *judgement.invariants, *judgement.thresholds)
    document = JUnitXml(_xml(result.scenario.name))
    for kind in dict.fromkeys(check.kind for check in checks):
        cases = [_case(check, result) for check in checks if check.kind == kind]
        document.add_testsuite(_suite(kind, cases, result))
    if judgement.verdict is Verdict.INCONCLUSIVE:
        case = TestCase("verdict", _class_name(result, "run"))
        case.result = [Error(_xml(judgement.reason), judgement.verdict.value)]
        document.add_testsuite(_suite("run", [case], result))
    document.update_statistics()  # type: ignore[no-untyped-call]
    document.time = round(result.duration_s, 3)
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text + b"\n"


def _suite(kind: str, cases: list[TestCase], result: RunResult) -> TestSuite:
    suite = TestSuite(_xml(kind))
    suite.timestamp = result.started_at.replace(microsecond=0, tzinfo=None).isoformat()
    for name, value in (
        ("engine", result.engine),
        ("seed", str(result.scenario.seed)),
        ("scenario_hash", result.scenario.digest),
        ("trace_hash", result.trace_hash),
    ):
        suite.add_property(name, _xml(value))
    suite.add_testcases(cases)
    return suite


def _case(check: Check, result: RunResult) -> TestCase:
    case = TestCase(_xml(check.name), _class_name(result, check.kind), time=0)
    if not check.ok:
        sides = f"expected {_side(check.expected)}, observed {_side(check.observed)}"
        failure = Failure(_xml(sides), _xml(check.kind))
        failure.text = _xml("\n".join(filter(None, (sides, check.detail))))
        case.result = [failure]
    return case


def _class_name(result: RunResult, kind: str) -> str:
    return _xml(f"{result.scenario.name}.{kind}")


def _side(value: str | int | float | None) -> str:
    return "nothing" if value is None else str(value)


def _xml(text: str) -> str:
    """The text with each character that XML cannot hold written as ``\\x1b`` or ``\\ud800``."""
    return _NOT_XML.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
