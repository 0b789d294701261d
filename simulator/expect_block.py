"""The oracle's values as the ``expect:`` block of a scenario file."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from service.calls import COUNTERS
from simulator.results import RunOutcome

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_YAML_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Words that one version of YAML or another reads as something else than a text."""


def expect_block(expected: RunOutcome) -> str:
    """Every counter, of the total and of each tenant, exact; ends with a newline."""
    lines = ["expect:", "  total:", *_counters(expected.total, "    "), "  tenants:"]
    for tenant_id, row in expected.tenants.items():
        lines.append(f"    {_key(tenant_id)}:")
        lines.extend(_counters(row, "      "))
    return "\n".join(lines) + "\n"


def _counters(row: Sequence[int], indent: str) -> Iterator[str]:
    for spec in COUNTERS:
        yield f"{indent}{spec.name}: {row[spec.counter]}"


def _key(tenant_id: str) -> str:
    if _PLAIN_KEY.fullmatch(tenant_id) and tenant_id.lower() not in _YAML_WORDS:
        return tenant_id
    return json.dumps(tenant_id)
