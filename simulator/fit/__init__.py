"""From recorded calls to a scenario: what is estimated, how it is written, and what is lost.

:mod:`simulator.fit.estimating` knows the order of the steps; what they find is plain data
(:mod:`simulator.fit.fitted`), of which the scenario, the printed lines and the page are made.
"""
