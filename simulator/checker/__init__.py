"""Judges a history on intervals: what the service must have done, and what it may have done.

Every request took effect, if at all, at one instant between its invocation and its completion.
From that alone follow the least and the greatest number of slots in use at every instant, and a
lower and an upper bound of every counter at every read. An alarm is raised only where no choice of
instants explains what the service answered. ``docs/history-format.md`` says what this cannot see.
"""

from simulator.checker.judge import check_history
from simulator.checker.judgement import Alarm, Bound, HistoryJudgement

__all__ = ["Alarm", "Bound", "HistoryJudgement", "check_history"]
