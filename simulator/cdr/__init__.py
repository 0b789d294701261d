"""Call-detail records: files of calls that happened, read exactly and in bounded memory.

:func:`~simulator.cdr.reader.read_calls` reads files into
:class:`~simulator.cdr.recorded.RecordedCalls`. On the way :mod:`~simulator.cdr.lines` makes rows of
fields, :mod:`~simulator.cdr.mappings` knows which field is what, :mod:`~simulator.cdr.instants`
converts times, :mod:`~simulator.cdr.columns` makes calls of what a record says, and
:mod:`~simulator.cdr.merging` puts the records of one call together.
"""
