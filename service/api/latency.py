"""How long requests took, by route: the histogram that routes and fast lane both feed."""

from typing import Final

from prometheus_client import CollectorRegistry, Histogram

KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip


class Latency:
    """Labels are bounded: known methods, the route's template, the status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._histogram = Histogram(
            "busyhour_request_duration_seconds",
            "Time from a request's arrival to the end of its response",
            ("method", "route", "status"),
            registry=registry,
            buckets=BUCKETS_S,
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method if method in KNOWN_METHODS else "other", route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._histogram.labels(*map(str, key))
        child.observe(seconds)
