"""Traces on disk: one npz file, the columns as arrays and the conditions as JSON beside them.

npz rather than Parquet: it needs nothing beyond numpy, arrays map to it one to one with their
dtypes (shared columns of shape (1,) included), and nobody queries a trace by column from outside.
A file can be read with numpy alone: ``numpy.load(path)["offer_us"]``.
"""

import zipfile
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from simulator.trace import (
    DELIVERY_COLUMNS,
    ROW_COLUMNS,
    CallTrace,
    Conditions,
    Deliveries,
    TraceInvalid,
)

FORMAT: Final = "busyhour-trace"
VERSION: Final = 1

_HEADER: Final = "header"


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    conditions: Conditions


class _Kind(msgspec.Struct):
    """What is read first, so that a file of another version says so and nothing else."""

    format: str
    version: int


def save_trace(trace: CallTrace, path: Path) -> None:
    """Writes a trace, compressed. Raises OSError when the file cannot be written."""
    header = msgspec.json.encode(_Header(FORMAT, VERSION, trace.conditions))
    arrays: dict[str, Any] = {name: getattr(trace, name) for name in ROW_COLUMNS}
    for name in DELIVERY_COLUMNS:
        arrays[f"deliveries.{name}"] = getattr(trace.deliveries, name)
    arrays[_HEADER] = np.frombuffer(header, dtype=np.uint8)
    # An open file, because numpy would add .npz to a name that does not end in it.
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_trace(path: Path) -> CallTrace:
    """Reads and checks a trace that :func:`save_trace` wrote.

    Raises :class:`~simulator.trace.TraceInvalid`, with the file's name, for a file that cannot be
    read, is of another kind or version, lacks a column or holds a trace that contradicts itself.
    """
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise TraceInvalid("not a trace file")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return _trace_of(arrays)
    except TraceInvalid as error:
        raise TraceInvalid(f"{path}: {error}") from error
    except OSError as error:
        raise TraceInvalid(f"{path}: cannot be read: {error.strerror or error}") from error
    except KeyError as error:
        raise TraceInvalid(f"{path}: not a trace file: {error.args[0]}") from error
    except (ValueError, zipfile.BadZipFile, msgspec.MsgspecError) as error:
        raise TraceInvalid(f"{path}: not a trace file: {error}") from error


def _trace_of(arrays: Any) -> CallTrace:
    header = arrays[_HEADER].tobytes()
    kind = msgspec.json.decode(header, type=_Kind)
    if (kind.format, kind.version) != (FORMAT, VERSION):
        raise TraceInvalid(
            f"is {kind.format} version {kind.version}, this program reads {FORMAT} {VERSION}"
        )
    return CallTrace(
        conditions=msgspec.json.decode(header, type=_Header).conditions,
        deliveries=Deliveries(**{name: arrays[f"deliveries.{name}"] for name in DELIVERY_COLUMNS}),
        **{name: arrays[name] for name in ROW_COLUMNS},
    )
