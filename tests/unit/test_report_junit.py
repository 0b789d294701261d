"""``junit.xml``: one case for each check, whatever the names look like."""

from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.report.junit import render
from simulator.result import RunResult
from simulator.verdict import Check
from tests.report_samples import HOSTILE, failing, nothing_to_judge, passing

anything = st.text(st.characters(), max_size=20)


def cases(result: RunResult) -> list[tuple[str, ElementTree.Element]]:
    """The kind (the suite's name) and the case, for every case."""
    root = ElementTree.fromstring(render(result))
    return [
        (suite.attrib["name"], case)
        for suite in root.findall("testsuite")
        for case in suite.findall("testcase")
    ]


def test_one_case_for_each_check_in_a_suite_of_its_kind() -> None:
    result = failing()
    judgement = result.judgement
    checks = (*judgement.expectations, *judgement.invariants, *judgement.thresholds)
    found = [(kind, case.attrib["name"], case.find("failure") is None) for kind, case in
             cases(result)]  # fmt: skip
    assert found == [(check.kind, check.name, check.ok) for check in checks]


def test_a_failure_says_what_was_expected_observed_and_why() -> None:
    (_, case) = cases(failing())[0]
    failure = case.find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "expected 3, observed 4"
    assert failure.text is not None
    assert "only the counting differs" in failure.text


def test_counts_of_the_whole() -> None:
    root = ElementTree.fromstring(render(failing()))
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("6", "4", "0")
    assert float(root.attrib["time"]) == 3.21


def test_nothing_to_judge_is_an_error_and_not_silence() -> None:
    ((kind, case),) = cases(nothing_to_judge())
    error = case.find("error")
    assert (kind, case.attrib["name"]) == ("run", "verdict")
    assert error is not None
    assert error.attrib["message"] == "no call was offered"


def test_a_pass_has_neither_failures_nor_errors() -> None:
    found = cases(passing(HOSTILE))
    assert len(found) == 6
    assert all(case.find("failure") is None and case.find("error") is None for _, case in found)
    # The escape character cannot stand in XML; it is shown as what it is.
    assert any("\\x1b" in case.attrib["name"] for _, case in found)


@settings(max_examples=150, deadline=None)
@given(name=anything, detail=anything, scenario=anything)
def test_any_text_gives_xml_that_can_be_read(name: str, detail: str, scenario: str) -> None:
    result = passing()
    check = Check(name, "scenario", False, name, None, detail)
    result = replace(
        result,
        scenario=replace(result.scenario, name=scenario),
        judgement=replace(result.judgement, expectations=(check,)),
    )
    kinds = [kind for kind, _ in cases(result)]
    assert kinds == ["scenario", "invariant", "threshold"]
