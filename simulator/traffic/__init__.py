"""Drawing traffic: from what a scenario says to the calls of a trace."""

from simulator.traffic.build import build_trace, conditions_of, iter_chunks

__all__ = ["build_trace", "conditions_of", "iter_chunks"]
