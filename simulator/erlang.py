"""Closed formulas of teletraffic theory."""

from math import exp, inf, log, log1p


def erlang_b(offered_erlangs: float, servers: int) -> float:
    """Blocking probability of the Erlang loss system M/G/n/n, between 0 and 1.

    ``offered_erlangs`` a >= 0 is the arrival rate times the mean holding time, ``servers`` n >= 0
    the number of slots. The recursion I(0) = 1, I(k) = 1 + (k/a) I(k-1) for the inverse
    I(k) = 1/B(k, a) (V. B. Iversen, "Teletraffic Engineering and Network Planning", DTU, section
    "Evaluation of Erlang's B-formula") is taken in logarithms, because I itself overflows where
    blocking is tiny. Raises ValueError for a negative or infinite argument.
    """
    if not 0 <= offered_erlangs < inf:
        raise ValueError(f"offered_erlangs is {offered_erlangs}, it must be finite and >= 0")
    if servers < 0:
        raise ValueError(f"servers is {servers}, it must be >= 0")
    if offered_erlangs == 0:
        return 0.0 if servers else 1.0
    log_inverse = 0.0
    for k in range(1, servers + 1):
        term = log(k / offered_erlangs) + log_inverse
        # log(1 + exp(term)), which only a small term may be exponentiated for.
        log_inverse = term + log1p(exp(-term)) if term > 0 else log1p(exp(term))
    return exp(-log_inverse)
