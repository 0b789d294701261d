"""How a page was made, and whether it can be written where it is asked for."""

import os
import platform
import shlex
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from simulator.report.pages.blocks import Fact

Given = str | int | float | Path | bool | None | tuple[str, ...] | tuple[Path, ...]


def command_text(
    command: str, subject: Path | Sequence[Path], options: Iterable[tuple[str, Given]]
) -> str:
    """A command to type again: ``busyhour plan office.yaml --target 'blocking<0.01'``.

    ``subject`` is what it is about, a file or several. Of ``options``, names with dashes and
    values, those that are None, False or empty are left out; True stands for a flag, and a tuple
    for an option given several times.
    """
    subjects = (subject,) if isinstance(subject, Path) else subject
    words = ["busyhour", command, *map(str, subjects)]
    for name, value in options:
        if value is True:
            words.append(name)
        elif isinstance(value, tuple):
            for each in value:
                words += [name, str(each)]
        elif value is not None and value is not False:
            words += [name, str(value)]
    return shlex.join(words)


def origin_facts(command: str, **more: object) -> tuple[Fact, ...]:
    """How a page was made: its command, what else is named, and what it ran on."""
    named = (Fact(_worded(name), str(value), code=True) for name, value in more.items())
    return (
        Fact("Command", command, code=True),
        *named,
        Fact(
            "Versions",
            f"busyhour {version('busyhour')}, Python {platform.python_version()}, "
            f"numpy {version('numpy')}, {platform.platform()}",
        ),
    )


def _worded(name: str) -> str:
    return name.replace("_", " ").capitalize()


def check_writable(option: str, path: Path | None) -> None:
    """Raises OSError now, and not after long work, where no page can be written; None is fine."""
    if path is None:
        return
    if path.is_dir():
        raise IsADirectoryError(f"{option}: {path} is a directory; name a file like plan.html")
    if not path.parent.is_dir():
        raise NotADirectoryError(f"{option}: there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"{option}: {path.parent} may not be written to")
