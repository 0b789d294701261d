"""What tells installations apart."""

import platform
from pathlib import Path

import numba
import numpy as np
import pytest

from simulator.planning.installation import differences, installation, sources_digest


def test_an_installation_names_what_decides_the_calls() -> None:
    found = installation()
    assert found["numpy"] == np.__version__
    assert found["numba"] == numba.__version__
    assert found["Python"].endswith(platform.python_version())
    found["numpy"] = "changed by the caller"
    assert installation()["numpy"] == np.__version__


def test_differences_name_both_sides_and_what_is_missing() -> None:
    here = {"numpy": "2.4", "numba": "0.68", "new": "1"}
    there = {"numpy": "2.3", "numba": "0.68", "old": "7"}
    assert differences(here, here) == []
    assert differences(here, there) == [
        "numpy 2.3 there, 2.4 here",
        "new none there, 1 here",
        "old 7 there, none here",
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("service/a.py", "simulator/b.py", "simulator/deep/c.py", "simulator/d.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# {name}\n", encoding="utf-8")
    return tmp_path


def test_a_digest_of_sources_changes_with_names_and_contents_alone(root: Path) -> None:
    before = sources_digest(root)
    (root / "simulator/d.yaml").write_text("other: data\n", encoding="utf-8")
    (root / "elsewhere.py").write_text("# no part of it\n", encoding="utf-8")
    assert sources_digest(root) == before
    source = root / "simulator/deep/c.py"
    source.write_text("# other\n", encoding="utf-8")
    changed = sources_digest(root)
    source.rename(root / "simulator/c.py")
    assert len({before, changed, sources_digest(root)}) == 3


def test_text_moved_from_one_file_to_the_next_is_another_source(root: Path) -> None:
    first, second = root / "simulator/x.py", root / "simulator/y.py"
    first.write_text("ab", encoding="utf-8")
    second.write_text("c", encoding="utf-8")
    before = sources_digest(root)
    first.write_text("a", encoding="utf-8")
    second.write_text("bc", encoding="utf-8")
    assert sources_digest(root) != before
