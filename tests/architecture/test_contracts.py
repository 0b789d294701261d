"""The architecture as checks: who may import whom, what a start costs, where a word may stand."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.calls import COUNTER_NAMES

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for package in ("service", "simulator")
    for path in (ROOT / package).rglob("*.py")
    if "__pycache__" not in path.parts
)
COMPILED_KERNELS = {
    "simulator/kernel/core.py",
    "simulator/kernel/preemption.py",
    "simulator/planning/ladder_core.py",
}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules_after(statement: str) -> set[str]:
    """Names of all modules loaded in a fresh interpreter after a statement."""
    program = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_help_imports_nothing_heavy() -> None:
    loaded = modules_after("import simulator.cli")
    heavy = {"numpy", "numba", "pydantic", "fastapi", "sqlalchemy", "httpx", "jinja2", "locust"}
    assert not loaded & heavy


def test_nothing_but_the_locustfile_names_locust() -> None:
    naming = {
        relative(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
        if name.split(".")[0] in {"locust", "gevent", "geventhttpclient"}
    }
    assert naming == {"simulator/locustfile.py"}


def test_the_vocabulary_needs_only_the_standard_library() -> None:
    tree = ast.parse((ROOT / "service/calls.py").read_text(encoding="utf-8"))
    imported = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", [n for n in COUNTER_NAMES if n not in {"offered_calls"}])
def test_a_counter_is_named_once(name: str) -> None:
    """Every document derives its names from the one list, so no other source spells one out.

    ``offered_calls`` is a statistic's name as well. The published debug document has a key
    ``active_calls`` of its own, a list of calls.
    """
    spelled = re.compile(rf"""["']{name}["']""")
    places = {
        relative(path) for path in SOURCES if spelled.search(path.read_text(encoding="utf-8"))
    }
    allowed = {"service/calls.py"}
    if name == "active_calls":
        allowed |= {p for p in places if p.startswith("service/api/")}
        allowed |= {"simulator/engines/observe.py"}  # reads that document
    assert places <= allowed


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_modules_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if relative(path) not in COMPILED_KERNELS:
        assert text.count("\n") <= 450, "a file of this size wants to be two things"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                # A command's options are declared in its signature: that is data, not length.
                length = (node.end_lineno or node.lineno) - node.body[0].lineno
                assert length <= 70, f"{node.name} wants to be two things"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_module_level_application_or_client(path: Path) -> None:
    """The composition root builds these; a module that builds one on import cannot be composed."""
    built = {"FastAPI", "Client", "AsyncClient", "CollectorRegistry", "Settings", "Generator"}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            callee = node.value.func
            name = callee.attr if isinstance(callee, ast.Attribute) else getattr(callee, "id", "")
            assert name not in built, f"line {node.lineno} builds a {name} on import"
