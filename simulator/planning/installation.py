"""What an installation must have in common with another for both to draw the same calls."""

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_LIBRARIES: Final = ("busyhour", "numpy", "numba", "llvmlite")
_SOURCES: Final = ("service", "simulator")


def installation() -> dict[str, str]:
    """Versions by name: busyhour and its sources, Python, the numerical libraries, the machine.

    One trace is one answer only where all of these agree: another numpy or numba may draw other
    values from the same seed, and so may another processor architecture.
    """
    return dict(_installation())


@cache
def _installation() -> tuple[tuple[str, str], ...]:
    found = {name: _version(name) for name in _LIBRARIES}
    found["busyhour sources"] = sources_digest(Path(__file__).resolve().parents[2])
    found["Python"] = f"{platform.python_implementation()} {platform.python_version()}"
    found["machine"] = f"{platform.system()} {platform.machine()}"
    return tuple(found.items())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def sources_digest(root: Path) -> str:
    """The first twelve hexadecimal digits of SHA-256 over the Python files of both packages.

    A version alone does not tell a checkout from a release.
    """
    digest = hashlib.sha256()
    for package in _SOURCES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix().encode()
            content = path.read_bytes()
            digest.update(b"%d %s %d\n" % (len(name), name, len(content)))
            digest.update(content)
    return digest.hexdigest()[:12]


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """``numpy 2.1 there, 2.4 here`` for everything that differs, in a fixed order."""
    names = [*here, *(name for name in there if name not in here)]
    return [
        f"{name} {there.get(name, 'none')} there, {here.get(name, 'none')} here"
        for name in names
        if there.get(name) != here.get(name)
    ]
