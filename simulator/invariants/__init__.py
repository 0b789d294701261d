"""What must hold of any observed run, whatever the traffic: no expected values needed."""

from simulator.invariants.laws import LAWS, Law, check_counters, check_invariants
from simulator.invariants.slots import Finding

__all__ = ["LAWS", "Finding", "Law", "check_counters", "check_invariants"]
