"""Traces on disk and their hash."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from service.calls import Event, Lookup
from simulator.scenario import (
    DeliveryFault,
    Exponential,
    InstructionFault,
    Poisson,
    Redial,
    Scenario,
    Tenant,
)
from simulator.trace import (
    DELIVERY_COLUMNS,
    ROW_COLUMNS,
    CallTrace,
    DeliveryAction,
    LimitsChange,
    TenantLimitsChange,
    TraceInvalid,
    trace_hash,
)
from simulator.trace_file import load_trace, save_trace
from simulator.traffic import build_trace

MINUTE = 60_000_000


@pytest.fixture
def trace() -> CallTrace:
    change = TenantLimitsChange(max_concurrent_calls="unlimited", enabled=False)
    return build_trace(
        Scenario(
            "saved",
            "",
            3,
            MINUTE,
            10,
            (
                Tenant(
                    "a",
                    Poisson(1e-6),
                    Exponential(1e6),
                    max_concurrent_calls=4,
                    redial=Redial(0.5, Exponential(1e6), 3),
                ),
                Tenant("é", Poisson(1e-6), Exponential(1e6), configured=False),
            ),
            changes=(LimitsChange(5, 11, {"a": change}),),
            checkpoints_us=(1, 2),
            instruction_faults=(InstructionFault(Lookup.ERROR, 0, 9, 0.25, ("a",)),),
            delivery_faults=(DeliveryFault(Event.END, DeliveryAction.LOST, 0.3),),
        )
    )


def test_a_trace_comes_back_as_it_was_saved(trace: CallTrace, tmp_path: Path) -> None:
    path = tmp_path / "calls.trace"
    save_trace(trace, path)
    assert [each.name for each in tmp_path.iterdir()] == ["calls.trace"]
    loaded = load_trace(path)
    assert loaded.conditions == trace.conditions
    for name in ROW_COLUMNS:
        one, other = getattr(loaded, name), getattr(trace, name)
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    for name in DELIVERY_COLUMNS:
        one, other = getattr(loaded.deliveries, name), getattr(trace.deliveries, name)
        assert (one.dtype, one.tolist()) == (other.dtype, other.tolist())
    assert len(trace.deliveries) > 0


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceInvalid, match=r"none\.npz: cannot be read: No such file"):
        load_trace(tmp_path / "none.npz")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 cut off", b"PK\x05\x06" + bytes(18), b"call,start\n1,2\n"]
)
def test_another_kind_of_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(TraceInvalid, match=r"other\.npz: not a trace file"):
        load_trace(path)


def test_a_single_array_is_not_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "one.npy"
    np.save(path, np.arange(3))
    with pytest.raises(TraceInvalid, match=r"one\.npy: not a trace file"):
        load_trace(path)


def rewritten(path: Path, **changed: npt.NDArray[Any] | None) -> None:
    """Writes the file again with arrays replaced, or left out where None."""
    with np.load(path) as arrays:
        content = {name: arrays[name] for name in arrays.files} | changed
    with path.open("wb") as file:
        np.savez(file, **{name: kept for name, kept in content.items() if kept is not None})


def header_of(path: Path) -> dict[str, object]:
    with np.load(path) as arrays:
        return dict(msgspec.json.decode(arrays["header"].tobytes()))


def as_header(values: dict[str, object]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(msgspec.json.encode(values), dtype=np.uint8)


def test_another_version_says_so(trace: CallTrace, tmp_path: Path) -> None:
    path = tmp_path / "new.npz"
    save_trace(trace, path)
    rewritten(path, header=as_header({"format": "busyhour-trace", "version": 2, "later": []}))
    with pytest.raises(TraceInvalid, match=r"new\.npz: is busyhour-trace version 2"):
        load_trace(path)


def test_a_missing_column_is_named(trace: CallTrace, tmp_path: Path) -> None:
    path = tmp_path / "cut.npz"
    save_trace(trace, path)
    rewritten(path, hold_us=None)
    with pytest.raises(TraceInvalid, match=r"cut\.npz: not a trace file: .*hold_us"):
        load_trace(path)


def test_a_header_of_another_shape_says_where(trace: CallTrace, tmp_path: Path) -> None:
    path = tmp_path / "odd.npz"
    save_trace(trace, path)
    header = header_of(path)
    header["conditions"] = {**header["conditions"], "duration_us": "long"}  # type: ignore[dict-item]
    rewritten(path, header=as_header(header))
    with pytest.raises(TraceInvalid, match=r"odd\.npz: .*conditions\.duration_us"):
        load_trace(path)


def test_a_loaded_trace_is_checked(trace: CallTrace, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    save_trace(trace, path)
    rewritten(path, hold_us=np.array([-1], dtype=np.int64))
    with pytest.raises(TraceInvalid, match=r"bad\.npz: row 0: hold_us"):
        load_trace(path)


# --- the hash -------------------------------------------------------------------------------


def test_how_a_shared_column_is_stored_does_not_change_the_hash(trace: CallTrace) -> None:
    full = replace(trace, setup_us=np.array(trace.column("setup_us")))
    assert trace.setup_us.shape == (1,)
    assert full.setup_us.shape == (len(trace),)
    assert trace_hash(full) == trace_hash(trace)


def test_columns_of_a_trace_without_calls_do_not_count(trace: CallTrace) -> None:
    nothing = {name: np.array(trace.column(name)[:0]) for name in ROW_COLUMNS}
    shared = nothing | {"hold_us": np.array([5], dtype=np.int64)}
    hashes = set()
    for columns in (nothing, shared):
        values: dict[str, Any] = columns
        hashes.add(trace_hash(CallTrace(trace.conditions, **values)))
    assert len(hashes) == 1


@pytest.mark.parametrize("name", ROW_COLUMNS)
def test_every_column_counts(trace: CallTrace, name: str) -> None:
    changed = np.array(trace.column(name))
    changed[-1] += 1
    other = replace(trace)
    # Past the check, which lets hardly any value of a chain of redials be changed by itself.
    object.__setattr__(other, name, changed)
    assert trace_hash(other) != trace_hash(trace)


@pytest.mark.parametrize("name", DELIVERY_COLUMNS)
def test_every_part_of_a_delivery_counts(trace: CallTrace, name: str) -> None:
    changed = np.array(getattr(trace.deliveries, name))
    changed[-1] += 1
    if name == "call":
        changed[-1] = len(trace) - 1
    deliveries = replace(trace.deliveries, **{name: changed})
    same = bool((changed == getattr(trace.deliveries, name)).all())
    assert (trace_hash(replace(trace, deliveries=deliveries)) == trace_hash(trace)) == same


def test_conditions_count(trace: CallTrace) -> None:
    conditions = replace(trace.conditions, drain=False)
    assert trace_hash(replace(trace, conditions=conditions)) != trace_hash(trace)


def test_the_order_in_which_a_change_names_tenants_does_not_count(trace: CallTrace) -> None:
    one, other = TenantLimitsChange(reserved_calls=1), TenantLimitsChange(enabled=False)
    tenants = tuple(replace(each, configured=True) for each in trace.conditions.tenants)
    hashes = {
        trace_hash(
            replace(
                trace,
                conditions=replace(
                    trace.conditions, tenants=tenants, changes=(LimitsChange(5, None, named),)
                ),
            )
        )
        for named in ({"a": one, "é": other}, {"é": other, "a": one})
    }
    assert len(hashes) == 1
