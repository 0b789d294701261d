"""The frame every page shares: its template environment, and scripts that alone may run."""

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from simulator.report import figures


def environment() -> Environment:
    """Templates of this package, with everything that is put into them escaped."""
    made = Environment(
        loader=PackageLoader("simulator", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (figures.number, figures.fixed, figures.signed, figures.percent)
    for write in (*filters, figures.clock, figures.elapsed):
        made.filters[write.__name__] = write
    return made


def verbatim(text: str) -> Markup:
    """Text of our own that the page takes as it is; nothing of a scenario may pass through here."""
    return Markup(text)  # noqa: S704 (see above)


def text_of(name: str) -> str:
    """A file of this package."""
    return files("simulator.report").joinpath(name).read_text("utf-8")


def source_of(script: str) -> str:
    """What a content security policy calls a script."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def data_of(json_text: str) -> Markup:
    """JSON for a script element: no ``<`` in it, so that nothing can end the element."""
    return verbatim(json_text.replace("<", "\\u003c"))
