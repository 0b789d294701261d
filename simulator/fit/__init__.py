"""From call-detail records of real calls to a scenario: reading them, fitting, and what was lost.

:mod:`simulator.cdr.recorded` is what the two halves share: reading fills it, fitting looks at it.
"""
