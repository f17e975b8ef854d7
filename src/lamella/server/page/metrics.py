"""What the server counts, for Prometheus. Labels are of few values each: never names, nor what clients make up.

Requests are counted as they pass; what others count themselves (`hot`, `builds`) is looked up when somebody asks.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from lamella.server.builds.jobs import Tally
from lamella.server.page.amounts import Amounts

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
"""What requests to a registry are about, by the last part but one of their address."""
_PAGES = {"healthz": "health", "readyz": "health", "metrics": "metrics"}


def kind_of(path: str) -> str:
    """What a request is about: one word of few, whatever the path."""
    if path.startswith("/v2/"):
        parts = path.rsplit("/", 2)
        return _REGISTRY.get(parts[1], "registry") if len(parts) == 3 else "registry"
    if path.startswith("/nix/"):
        if path.endswith(".narinfo"):
            return "narinfo"
        return "nar" if "/nar/" in path else "nix"
    return _PAGES.get(path[1:], "page")


@dataclass(frozen=True, slots=True)
class Answered:
    """What is counted of a request."""

    kind: str
    method: str
    status: int
    seconds: float
    sent: int
    received: int


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("kind", "method", "status")
        self._requests = Counter(
            "lamella_requests",
            "Requests that were answered. 499: the client went away.",
            labels,
            registry=self.registry,
        )
        self._seconds = Histogram(
            "lamella_request_seconds",
            "How long answers took, until the last byte was on its way.",
            labels[:2],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._sent = Counter("lamella_sent_bytes", "Bytes of answers.", labels[:1], registry=self.registry)
        self._received = Counter("lamella_received_bytes", "Bytes of requests.", labels[:1], registry=self.registry)
        self._running = Gauge("lamella_requests_running", "Requests being answered now.", registry=self.registry)
        self._bucket_errors = Counter(
            "lamella_bucket_errors", "Requests that failed because the bucket did.", registry=self.registry
        )
        self._count: dict[tuple[str, str, int], Callable[[Answered], None]] = {}
        ProcessCollector(registry=self.registry)
        self.started = self._running.inc
        self.ended = self._running.dec
        self.bucket_failed = self._bucket_errors.inc

    def answered(self, told: Answered) -> None:
        """Counts a request."""
        key = told.kind, told.method, told.status
        count = self._count.get(key)
        if count is None:
            count = self._count[key] = self._counting(*key)
        count(told)

    def _counting(self, kind: str, method: str, status: int) -> Callable[[Answered], None]:
        method = method if method in _METHODS else _OTHER
        one = self._requests.labels(kind, method, str(status)).inc
        seconds = self._seconds.labels(kind, method).observe
        sent, received = self._sent.labels(kind).inc, self._received.labels(kind).inc

        def count(told: Answered) -> None:
            one()
            seconds(told.seconds)
            if told.sent:
                sent(told.sent)
            if told.received:
                received(told.received)

        return count

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)


@dataclass(eq=False)
class House(Collector):
    """What others count themselves."""

    version: str
    lookups: Callable[[], Mapping[str, tuple[int, int]]]
    tally: Tally
    amounts: Amounts

    def describe(self) -> list[Metric]:
        """Nothing, so that nobody looks before it is time to."""
        return []

    def collect(self) -> Iterator[Metric]:
        """As it is now."""
        info = GaugeMetricFamily("lamella_info", "Which lamella this is.", labels=["version"])
        info.add_metric([self.version], 1)
        yield info
        found = CounterMetricFamily(
            "lamella_cache_lookups", "Whether what was asked for was still in memory.", labels=["cache", "result"]
        )
        for cache, (hits, misses) in self.lookups().items():
            found.add_metric([cache, "hit"], hits)
            found.add_metric([cache, "miss"], misses)
        yield found
        yield from self._builds()
        yield from self._bucket()

    def _builds(self) -> Iterator[Metric]:
        tally = self.tally
        yield CounterMetricFamily("lamella_builds_started", "Builds that this server began.", tally.started)
        yield GaugeMetricFamily("lamella_builds_running", "Builds that this server does now.", tally.running)
        ended = CounterMetricFamily("lamella_builds_ended", "Builds that this server ended.", labels=["state"])
        ended.add_metric(["done"], tally.done)
        ended.add_metric(["failed"], tally.failed)
        yield ended
        seconds = "How long builds took that this server ended."
        yield SummaryMetricFamily("lamella_build_seconds", seconds, tally.done + tally.failed, tally.seconds)
        yield GaugeMetricFamily("lamella_pulls_waiting", "Pulls that wait for a build.", tally.waiting)

    def _bucket(self) -> Iterator[Metric]:
        measured = self.amounts.latest()
        if measured is None:
            return
        sizes = GaugeMetricFamily("lamella_bucket_bytes", "What the bucket holds.", labels=["part"])
        counts = GaugeMetricFamily("lamella_bucket_items", "How many items that is.", labels=["part"])
        for amount in measured.amounts:
            sizes.add_metric([amount.part], amount.size)
            counts.add_metric([amount.part], amount.count)
        yield sizes
        yield counts
        when = "When that was looked up."
        yield GaugeMetricFamily("lamella_bucket_measured_timestamp_seconds", when, measured.when)
