"""The call state as Prometheus metrics, all from one snapshot."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.calls import COUNTERS, MINUTES_PROCESSED, Counter, Reason, minutes_processed
from service.state.base import Decision, Snapshot

PREFIX = "busyhour_"


class SnapshotCollector(Collector):
    """Exports the snapshot that was shown last.

    Rows carry the label ``tenant``: every tenant that ever was configured, and ``_unknown``. Only
    administration adds rows, so the label is bounded, and the sum over it is the total.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._snapshot: Snapshot | None = None
        registry.register(self)

    def exposition(self, snapshot: Snapshot) -> bytes:
        """The whole registry in Prometheus text, with these numbers of the call state."""
        self._snapshot = snapshot
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        snapshot = self._snapshot
        if snapshot is not None:
            yield from _rows(snapshot)
            yield from _slots(snapshot)
            yield _decisions(snapshot)


def _rows(snapshot: Snapshot) -> Iterator[Metric]:
    for spec in COUNTERS:
        if spec.counter is Counter.ACTIVE_US_TOTAL:
            continue  # exported in minutes
        family = GaugeMetricFamily if spec.is_gauge else CounterMetricFamily
        metric = family(PREFIX + spec.name, spec.help, labels=("tenant",))
        for tenant_id, tenant in snapshot.tenants.items():
            metric.add_metric((tenant_id,), tenant.counters[spec.counter])
        yield metric
    minutes = CounterMetricFamily(
        PREFIX + MINUTES_PROCESSED,
        "Minutes between start and end of ended calls",
        labels=("tenant",),
    )
    for tenant_id, tenant in snapshot.tenants.items():
        minutes.add_metric(
            (tenant_id,), minutes_processed(tenant.counters[Counter.ACTIVE_US_TOTAL])
        )
    yield minutes


def _slots(snapshot: Snapshot) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        PREFIX + "limit", "Calls that may hold a slot", value=snapshot.max_concurrent_calls
    )
    in_use = GaugeMetricFamily(PREFIX + "in_use", "Calls that hold a slot", labels=("tenant",))
    pending = GaugeMetricFamily(
        PREFIX + "pending", "Calls that hold a slot and are not yet accepted", labels=("tenant",)
    )
    own_limit = GaugeMetricFamily(
        PREFIX + "tenant_limit", "A tenant's own limit, where it has one", labels=("tenant",)
    )
    reserved = GaugeMetricFamily(
        PREFIX + "tenant_reserved", "Slots guaranteed to a tenant", labels=("tenant",)
    )
    for tenant_id, tenant in snapshot.tenants.items():
        in_use.add_metric((tenant_id,), tenant.occupancy.in_use)
        pending.add_metric((tenant_id,), tenant.occupancy.pending)
        if tenant.policy is not None:
            reserved.add_metric((tenant_id,), tenant.policy.reserved_calls)
            if tenant.policy.max_concurrent_calls is not None:
                own_limit.add_metric((tenant_id,), tenant.policy.max_concurrent_calls)
    yield from (in_use, pending, own_limit, reserved)


def _decisions(snapshot: Snapshot) -> Metric:
    metric = CounterMetricFamily(
        PREFIX + "decisions",
        "Offers admitted, accepts accepted, and both rejected, by reason and full scopes",
        labels=("decision", "reason", "scopes"),
    )
    rejected_offers = sum(
        count
        for (reason, _), count in snapshot.decisions.items()
        if reason is not Reason.INSTRUCTIONS_MISSING
    )
    row = snapshot.total.counters
    metric.add_metric((Decision.ADMITTED, "", ""), row[Counter.OFFERED_CALLS] - rejected_offers)
    metric.add_metric((Decision.ACCEPTED, "", ""), row[Counter.ACCEPTED_CALLS])
    for (reason, scopes), count in sorted(snapshot.decisions.items()):
        metric.add_metric((Decision.REJECTED, reason, "+".join(scopes)), count)
    return metric
