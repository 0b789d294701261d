"""The virtual-time kernel: plays a call trace by the rules of the service, without the service."""

from simulator.kernel.run import KernelResult, KernelRun

__all__ = ["KernelResult", "KernelRun"]
