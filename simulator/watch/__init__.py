"""Watches a running service from outside: every law its published documents must obey.

:mod:`~simulator.watch.documents`, :mod:`~simulator.watch.laws`, :mod:`~simulator.watch.lives` and
:mod:`~simulator.watch.checker` decide and know no I/O; the others ask and show.
"""
