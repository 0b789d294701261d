"""Which running kernel a process belongs to."""

from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def kernel_id() -> str:
    """An id that processes share exactly when they share a kernel, and so its monotonic clock.

    Empty where there is no telling.
    """
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
