"""The oracle: what every counter of a run must be, computed without running anything."""

from simulator.oracle.expected import expect

__all__ = ["expect"]
