"""What the server counts, for Prometheus. Each label has few values: never names, nor anything that clients make up.

Counting is plain addition, as it is done for each request; the form for Prometheus is made only when it asks. The
counts of other modules (`hot`, `builds`) are looked up then, too.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from lamella.server.builds.jobs import Tally
from lamella.server.monitoring.amounts import Amounts

_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0)
_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"})
_OTHER = "other"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REGISTRY = {
    "manifests": "manifest",
    "blobs": "blob",
    "uploads": "upload",
    "tags": "tags",
    "referrers": "referrers",
}
"""The kinds of requests to a registry, by the second to last part of their address."""
_PAGES = {"healthz": "health", "readyz": "health", "metrics": "metrics"}


def kind_of(path: str) -> str:
    """Return the kind of a request: one of a few words, whatever the path."""
    if path.startswith("/v2/"):
        parts = path.rsplit("/", 2)
        return _REGISTRY.get(parts[1], "registry") if len(parts) == 3 else "registry"
    if path.startswith("/nix/"):
        if path.endswith(".narinfo"):
            return "narinfo"
        return "nar" if "/nar/" in path else "nix"
    return _PAGES.get(path[1:], "page")


class _Count:
    """The counts for requests of one kind, method and status."""

    __slots__ = ("buckets", "received", "requests", "seconds", "sent")

    def __init__(self) -> None:
        self.requests = self.sent = self.received = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(_SECONDS) + 1)


class Metrics(Collector):
    """The counters of one server, as plain numbers. Use them only in the event loop."""

    def __init__(self) -> None:
        self.running = 0
        self.bucket_errors = 0
        self._counts: dict[tuple[str, str, int], _Count] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def answered(self, key: tuple[str, str, int], seconds: float, sent: int, received: int) -> None:
        """Count a request by its kind, method and status."""
        count = self._counts.get(key)
        if count is None:
            kind, method, status = key
            known = kind, method if method in _METHODS else _OTHER, status
            count = self._counts.setdefault(known, _Count())
        count.requests += 1
        count.seconds += seconds
        count.buckets[bisect_left(_SECONDS, seconds)] += 1
        count.sent += sent
        count.received += received

    def text(self) -> bytes:
        """Return all metrics in the format of Prometheus."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        requests = CounterMetricFamily(
            "lamella_requests",
            "Requests that were answered. 499: the client went away.",
            labels=["kind", "method", "status"],
        )
        for (kind, method, status), count in self._counts.items():
            requests.add_metric([kind, method, str(status)], count.requests)
        yield requests
        yield self._seconds()
        yield from self._bytes()
        yield GaugeMetricFamily("lamella_requests_running", "Requests being answered now.", self.running)
        failed = "Requests that failed because the bucket did."
        yield CounterMetricFamily("lamella_bucket_errors", failed, self.bucket_errors)

    def _seconds(self) -> Metric:
        found: dict[tuple[str, str], tuple[float, list[int]]] = {}
        for (kind, method, _), count in self._counts.items():
            seconds, buckets = found.get((kind, method), (0.0, [0] * len(count.buckets)))
            added = [one + other for one, other in zip(buckets, count.buckets, strict=True)]
            found[kind, method] = seconds + count.seconds, added
        family = HistogramMetricFamily(
            "lamella_request_seconds",
            "How long answers took, until the last byte was on its way.",
            labels=["kind", "method"],
        )
        limits = [*map(str, _SECONDS), "+Inf"]
        for (kind, method), (seconds, buckets) in found.items():
            family.add_metric([kind, method], list(zip(limits, accumulate(buckets), strict=True)), seconds)
        return family

    def _bytes(self) -> Iterator[Metric]:
        sent, received = Counter[str](), Counter[str]()
        for (kind, _, _), count in self._counts.items():
            sent[kind] += count.sent
            received[kind] += count.received
        for name, what, found in (
            ("lamella_sent_bytes", "Bytes of answers.", sent),
            ("lamella_received_bytes", "Bytes of requests.", received),
        ):
            family = CounterMetricFamily(name, what, labels=["kind"])
            for kind, number in found.items():
                family.add_metric([kind], number)
            yield family


@dataclass(eq=False)
class House(Collector):
    """The counts of other modules."""

    version: str
    lookups: Callable[[], Mapping[str, tuple[int, int]]]
    tally: Tally
    amounts: Amounts

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering this collects nothing yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        info = GaugeMetricFamily("lamella_info", "The version of lamella.", labels=["version"])
        info.add_metric([self.version], 1)
        yield info
        found = CounterMetricFamily(
            "lamella_cache_lookups", "Whether what was needed was still in memory.", labels=["cache", "result"]
        )
        for cache, (hits, misses) in self.lookups().items():
            found.add_metric([cache, "hit"], hits)
            found.add_metric([cache, "miss"], misses)
        yield found
        yield from self._builds()
        yield from self._bucket()

    def _builds(self) -> Iterator[Metric]:
        tally = self.tally
        yield CounterMetricFamily("lamella_builds_started", "Builds that this server started.", tally.started)
        yield GaugeMetricFamily("lamella_builds_running", "Builds that this server runs now.", tally.running)
        ended = CounterMetricFamily("lamella_builds_ended", "Builds that this server ended.", labels=["state"])
        ended.add_metric(["done"], tally.done)
        ended.add_metric(["failed"], tally.failed)
        yield ended
        seconds = "How long the builds that this server ended took."
        yield SummaryMetricFamily("lamella_build_seconds", seconds, tally.done + tally.failed, tally.seconds)
        yield GaugeMetricFamily("lamella_pulls_waiting", "Pulls that wait for a build.", tally.waiting)

    def _bucket(self) -> Iterator[Metric]:
        measured = self.amounts.latest()
        if measured is None:
            return
        sizes = GaugeMetricFamily("lamella_bucket_bytes", "How many bytes the bucket holds.", labels=["part"])
        counts = GaugeMetricFamily("lamella_bucket_items", "How many items the bucket holds.", labels=["part"])
        for amount in measured.amounts:
            sizes.add_metric([amount.part], amount.size)
            counts.add_metric([amount.part], amount.count)
        yield sizes
        yield counts
        when = "When the bucket was last measured."
        yield GaugeMetricFamily("lamella_bucket_measured_timestamp_seconds", when, measured.when)
