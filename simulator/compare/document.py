"""A result or a baseline as figures with names, read strictly from its JSON document."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from simulator.report.result_json import SCHEMA_VERSION

TOTAL: Final = "total"
STATISTICS: Final = "statistics"
CHECKPOINTS: Final = "checkpoints"
ORACLE: Final = "oracle"
"""The engine a baseline names."""

WALL_CLOCK_ENGINES: Final = frozenset({"live", "locust"})
"""What these count depends on how quickly answers came, not on the calls alone."""

_LARGEST: Final = 2**63


class Figure(NamedTuple):
    """A figure's name: the place of its table and its own, like ``("statistics", "blocking")``.

    The figures of a checkpoint stand at ``checkpoints.<at_us>.total`` and
    ``checkpoints.<at_us>.tenants.<tenant>``.
    """

    where: str
    name: str

    @property
    def is_statistic(self) -> bool:
        return self.where.partition(".")[0] == STATISTICS

    @property
    def is_checkpoint(self) -> bool:
        return self.where.partition(".")[0] == CHECKPOINTS


Value = int | float | None
"""None: defined nowhere, like the blocking of no calls."""

Figures = Mapping[Figure, Value]


class CompareInvalid(ValueError):
    """What was asked cannot be compared; the message says why, and what would be right."""


@dataclass(frozen=True, slots=True)
class Document:
    """What one side of a comparison says.

    ``figures`` None: the run came to no result, for ``reason``. ``breaks_rules``: a check failed
    that holds whatever the seed is. ``command`` is the command line that repeats a run.
    """

    source: str
    scenario: str
    digest: str
    seed: int
    trace_hash: str
    engine: str
    verdict: str
    reason: str
    breaks_rules: bool
    command: str
    figures: Figures | None

    @property
    def is_baseline(self) -> bool:
        return self.engine == ORACLE

    @property
    def is_wall_clock(self) -> bool:
        return self.engine in WALL_CLOCK_ENGINES


def read_document(path: Path) -> Document:
    """Read ``result.json``, what ``run --json`` printed, or a baseline.

    Raises :class:`CompareInvalid`, whose message names the file and the key.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CompareInvalid(f"{path}: cannot be read: {error.strerror}") from None
    if not raw.strip():
        raise CompareInvalid(f"{path}: is empty; the run that should have written it failed")
    try:
        tree = json.loads(raw)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            what = "holds more than one document; compare the results of one run at a time"
        else:
            what = f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        raise CompareInvalid(f"{path}: {what}") from None
    except (ValueError, RecursionError):
        raise CompareInvalid(f"{path}: is not JSON") from None
    return _document(_Reader(str(path)), tree)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes values out of a tree and says what is wrong with the others."""

    source: str

    def wrong(self, key: str, message: str) -> CompareInvalid:
        return CompareInvalid(f"{self.source}: {key}: {message}")

    def mapping(self, value: object, key: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong(key, "must be an object; this is no result of a run")
        return value

    def items(self, value: object, key: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.wrong(key, "must be a list")
        return value

    def text(self, tree: Mapping[str, Any], key: str, default: str | None = None) -> str:
        value = tree.get(key.rpartition(".")[2], default)
        if not isinstance(value, str):
            raise self.wrong(key, "must be a text")
        return value

    def integer(self, value: object, key: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST:
            raise self.wrong(key, "must be an integer from 0 to 2**63 - 1")
        return value

    def figure(self, value: object, key: str) -> Value:
        if value is None:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not -_LARGEST < value < _LARGEST
        ):
            raise self.wrong(key, "must be a number between -2**63 and 2**63, or null")
        return value


def _document(reader: _Reader, tree: object) -> Document:
    source = reader.source
    if not isinstance(tree, dict) or "schema_version" not in tree:
        raise CompareInvalid(f"{source}: is no result of a run: it has no schema_version")
    version = tree["schema_version"]
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise CompareInvalid(
            f"{source}: is of schema version {version!r}; this busyhour compares version "
            f"{SCHEMA_VERSION}"
        )
    scenario = reader.mapping(tree.get("scenario"), "scenario")
    engine = reader.text(tree, "engine")
    side = "expected" if engine == ORACLE else "observed"
    return Document(
        source=source,
        scenario=reader.text(scenario, "scenario.name"),
        digest=reader.text(scenario, "scenario.hash"),
        seed=reader.integer(scenario.get("seed"), "scenario.seed"),
        trace_hash=reader.text(tree, "trace_hash", ""),
        engine=engine,
        verdict=reader.text(tree, "verdict"),
        reason=reader.text(tree, "reason"),
        breaks_rules=_breaks_rules(reader, tree),
        command=reader.text(tree, "command", ""),
        figures=None if tree.get(side) is None else dict(_figures(reader, tree, side)),
    )


def _breaks_rules(reader: _Reader, tree: Mapping[str, Any]) -> bool:
    """Whether a check failed other than what the scenario expects of its own seed."""
    for part in ("invariants", "expectations"):
        for place, entry in enumerate(reader.items(tree.get(part, []), part)):
            check = reader.mapping(entry, f"{part}[{place}]")
            if check.get("ok") is not True and check.get("kind") != "scenario":
                return True
    return False


def _figures(reader: _Reader, tree: Mapping[str, Any], side: str) -> Iterator[tuple[Figure, Value]]:
    counted = reader.mapping(tree[side], side)
    if not reader.mapping(counted.get("total"), f"{side}.total"):
        raise reader.wrong(f"{side}.total", "has no counters")
    yield from _table(reader, counted["total"], f"{side}.total", TOTAL)
    tenants = reader.mapping(counted.get("tenants"), f"{side}.tenants")
    for tenant, row in tenants.items():
        yield from _table(reader, row, f"{side}.tenants.{tenant}", f"tenants.{tenant}")
    statistics = dict(reader.mapping(tree.get("statistics"), "statistics"))
    rows = reader.mapping(statistics.pop("tenants", {}), "statistics.tenants")
    yield from _table(reader, statistics, STATISTICS, STATISTICS)
    for tenant, row in rows.items():
        where = f"{STATISTICS}.tenants.{tenant}"
        yield from _table(reader, row, where, where)
    for place, entry in enumerate(reader.items(tree.get("checkpoints", []), "checkpoints")):
        yield from _checkpoint(reader, entry, f"checkpoints[{place}]", side)


def _checkpoint(
    reader: _Reader, entry: object, key: str, side: str
) -> Iterator[tuple[Figure, Value]]:
    line = reader.mapping(entry, key)
    at_us = reader.integer(line.get("at_us"), f"{key}.at_us")
    if line.get(side) is None:
        return
    state = reader.mapping(line[side], f"{key}.{side}")
    total = dict(reader.mapping(state.get("total"), f"{key}.{side}.total"))
    total["limit"] = state.get("limit")
    yield from _table(reader, total, f"{key}.{side}.total", f"{CHECKPOINTS}.{at_us}.total")
    tenants = reader.mapping(state.get("tenants"), f"{key}.{side}.tenants")
    for tenant, row in tenants.items():
        where = f"{CHECKPOINTS}.{at_us}.tenants.{tenant}"
        yield from _table(reader, row, f"{key}.{side}.tenants.{tenant}", where)


def _table(reader: _Reader, row: object, key: str, where: str) -> Iterator[tuple[Figure, Value]]:
    for name, value in reader.mapping(row, key).items():
        yield Figure(where, name), reader.figure(value, f"{key}.{name}")
