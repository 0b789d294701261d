"""Whatever is done to a scenario file, it is either read or refused, with places that are right."""

import functools
import io
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from simulator.scenario_file import ScenarioInvalid, json_schema, load_scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SHIPPED = sorted(path for path in SCENARIOS.rglob("*.yaml") if path.stem != "long-day")
IN_A_TMP_PATH = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@functools.cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema())


def refused(path: Path, text: str) -> ScenarioInvalid | None:
    """Why a text is refused, None when it is not; every problem has a place in it, in order."""
    path.write_text(text, encoding="utf-8")
    refusal = None
    try:
        load_scenario(path)
    except ScenarioInvalid as error:
        refusal = error
    if refusal is not None:
        lines = text.splitlines()
        for problem in refusal.problems:
            assert problem.message
            assert "\n" not in str(problem)
            assert 1 <= problem.line <= len(lines) + 1
            assert problem.column >= 1
        places = [(problem.line, problem.column) for problem in refusal.problems]
        assert places == sorted(places)
        assert len(set(refusal.problems)) == len(refusal.problems)
    return refusal


@st.composite
def misspelt(draw: st.DrawFn) -> tuple[str, int, int]:
    """A shipped scenario with one fixed key misspelt, and where that is."""
    lines = text_of(draw(st.sampled_from(SHIPPED))).splitlines()
    fixed = r"(version|name|duration|seed|capacity|checkpoints|max_concurrent_calls|arrivals|setup|"
    fixed += r"hold|connect|outcomes|patience|instructions|thresholds|faults|warm_up)"
    found = [
        (number, match.start(1))
        for number, line in enumerate(lines)
        if (match := re.match(rf"\s*{fixed}:", line))
    ]
    number, column = draw(st.sampled_from(found))
    key = lines[number][column:].split(":")[0]
    lines[number] = f"{lines[number][:column]}{key}zz{lines[number][column + len(key) :]}"
    return "\n".join(lines) + "\n", number + 1, column + 1


@IN_A_TMP_PATH
@given(misspelt())
def test_a_misspelt_key_is_found_where_it_stands(
    tmp_path: Path, case: tuple[str, int, int]
) -> None:
    text, line, column = case
    error = refused(tmp_path / "s.yaml", text)
    assert error is not None
    at_place = [each for each in error.problems if (each.line, each.column) == (line, column)]
    assert any("did you mean" in each.message for each in at_place), error


def nodes(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = (
        list(tree.items())
        if isinstance(tree, dict)
        else list(enumerate(tree))
        if isinstance(tree, list)
        else []
    )
    return [path, *(inner for key, item in items for inner in nodes(item, (*path, key)))]


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats()
    | st.sampled_from(["", "1s", "2/s", "poisson", "unlimited", "acme", "value<1", "-1s", "~"])
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "kind", "mean", "cv", "at", "rate", "min", "every", "parts"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """The tree of a shipped scenario with up to three values replaced, dropped or added."""
    tree = YAML(typ="safe", pure=True).load(text_of(draw(st.sampled_from(SHIPPED))))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(nodes(tree)))
        if not path:
            continue
        holder = functools.reduce(lambda value, key: value[key], path[:-1], tree)
        match draw(st.sampled_from(["replace", "drop", "add"])):
            case "replace":
                holder[path[-1]] = draw(JUNK)
            case "drop":
                del holder[path[-1]]
            case "add" if isinstance(holder, dict):
                holder[draw(st.text(max_size=4))] = draw(JUNK)
            case _:
                pass
    return tree


@IN_A_TMP_PATH
@given(damaged())
def test_a_damaged_scenario_is_read_or_refused_and_the_schema_takes_what_is_read(
    tmp_path: Path, tree: Any
) -> None:
    out = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_unicode = True
    yaml.dump(tree, out)
    text = out.getvalue()
    if refused(tmp_path / "s.yaml", text) is None:
        problems = [error.message for error in validator().iter_errors(tree)]
        assert not problems, problems


@IN_A_TMP_PATH
@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_file_at_all_is_read_or_refused(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "ignore"))
    with pytest.raises(ScenarioInvalid) as caught:
        load_scenario(path)
    assert caught.value.problems


@IN_A_TMP_PATH
@given(st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_any_override_is_laid_over_or_refused(tmp_path: Path, overrides: list[str]) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text_of(SCENARIOS / "smoke.yaml"), encoding="utf-8")
    with pytest.raises(ScenarioInvalid) as caught:
        load_scenario(path, overrides)
    assert all(problem.file == "--set" for problem in caught.value.problems)
