"""What calls of models took, by the names of OpenTelemetry's semantic conventions for generative AI, at /metrics.

Prometheus writes a metric's dots as underscores and its unit behind it. The buckets are those that the conventions
advise. A call observes four histograms; prometheus-client's would take ten microseconds for that, so these are plain
lists that one loop owns.

Source of names, attributes and buckets: OpenTelemetry's GenAI semantic conventions (github.com/open-telemetry/
semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md, Apache-2.0, status "development" in November 2026).
`gen_ai_provider_name` is the provider's name in our settings, each of which has one address, so there is no
`server.address`; `error_type` is empty where nothing went wrong. No label holds what a caller made up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .metrics import REGISTRY

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
EACH = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)

_LABELS = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")


class FastHistogram(Collector):
    """A histogram for the hot path. Not thread-safe: only the event loop's thread may observe."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: tuple[str, ...],
        buckets: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self.name = name
        self.labels = labels
        self.buckets = tuple(buckets)
        self._documentation = documentation
        # Of each set of labels the count of every bucket by itself, then the sum of the values.
        self._rows: dict[tuple[str, ...], list[float]] = {}
        registry.register(self)

    def observe(self, value: float, *labels: str) -> None:
        """Count one value, with as many labels as the histogram was made with."""
        row = self._rows.get(labels)
        if row is None:
            if len(labels) != len(self.labels):
                raise ValueError(f"{self.name} has the labels {self.labels}, not {len(labels)}")
            row = self._rows[labels] = [0.0] * (len(self.buckets) + 2)
        row[bisect_left(self.buckets, value)] += 1
        row[-1] += value

    def describe(self) -> Iterator[Metric]:
        """The family without samples, for the registry's check of names."""
        yield HistogramMetricFamily(self.name, self._documentation, labels=self.labels)

    def collect(self) -> Iterator[Metric]:
        """The family with its samples as of now."""
        family = HistogramMetricFamily(self.name, self._documentation, labels=self.labels)
        edges = [*map(floatToGoString, self.buckets), "+Inf"]
        for labels, row in list(self._rows.items()):
            total = 0.0
            buckets = []
            for edge, count in zip(edges, row, strict=False):
                total += count
                buckets.append((edge, total))
            family.add_metric(labels, buckets, row[-1])
        yield family


DURATION = FastHistogram(
    "gen_ai_client_operation_duration_seconds", "From a call's beginning to its end", (*_LABELS, "error_type"), SECONDS
)
FIRST_TOKEN = FastHistogram(
    "gen_ai_server_time_to_first_token_seconds", "From a call's beginning to its first piece", _LABELS, FIRST
)
EACH_TOKEN = FastHistogram(
    "gen_ai_server_time_per_output_token_seconds", "Between the pieces of a stream, on average", _LABELS, EACH
)
TOKEN_USAGE = FastHistogram("gen_ai_client_token_usage", "Tokens of a call", (*_LABELS, "gen_ai_token_type"), TOKENS)


class _Cost(Collector):
    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], float] = {}
        REGISTRY.register(self)

    def describe(self) -> Iterator[Metric]:
        yield CounterMetricFamily("xiaoer_gen_ai_cost", "Money spent, by the settings' prices", labels=_LABELS)

    def collect(self) -> Iterator[Metric]:
        [family] = self.describe()
        for labels, value in list(self.values.items()):
            family.add_metric(labels, value)  # type: ignore[attr-defined]
        yield family


COST = _Cost()


def ended(operation: str, provider: str, model: str, error: str, seconds: float) -> None:
    """A call has ended; `error` says how, empty where it went well."""
    DURATION.observe(seconds, operation, provider, model, error)


def streamed(operation: str, provider: str, model: str, first: float, rest: float, tokens: int) -> None:
    """A stream has ended: seconds to its first piece and from there to its end."""
    FIRST_TOKEN.observe(first, operation, provider, model)
    if tokens > 1:
        EACH_TOKEN.observe(rest / (tokens - 1), operation, provider, model)


def used(operation: str, provider: str, model: str, prompt: int, completion: int, cost: float) -> None:
    """What a call used, in tokens and money."""
    if prompt:
        TOKEN_USAGE.observe(prompt, operation, provider, model, "input")
    if completion:
        TOKEN_USAGE.observe(completion, operation, provider, model, "output")
    if cost:
        labels = (operation, provider, model)
        COST.values[labels] = COST.values.get(labels, 0.0) + cost


# -- upstreams ------------------------------------------------------------------------------------------------


class PoolView(Protocol):
    """What is shown of a pool."""

    @property
    def size(self) -> int: ...
    @property
    def in_use(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def connecting(self) -> int: ...
    @property
    def desired(self) -> int: ...


class SnapshotView(Protocol):
    """What a breaker's window holds."""

    @property
    def calls(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def slow(self) -> int: ...
    @property
    def not_permitted(self) -> int: ...


class BreakerView(Protocol):
    """What is shown of a breaker."""

    @property
    def state(self) -> Enum: ...
    def snapshot(self) -> SnapshotView: ...


_POOL = {
    "size": "Connections of a provider's pool",
    "in_use": "Connections with a call under way",
    "waiting": "Calls that wait for a connection",
    "connecting": "Connections being opened",
    "desired": "Connections that the load asks for",
}
_WINDOW = {
    "calls": "Calls in a breaker's window",
    "failures": "Failed calls in a breaker's window",
    "slow": "Slow calls in a breaker's window",
    "not_permitted": "Calls that a breaker did not let through",
}


class _Upstreams(Collector):
    """Pools and breakers, read when somebody asks."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.watched: dict[str, tuple[PoolView | None, Mapping[str, BreakerView]]] = {}
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        for key, text in _POOL.items():
            yield GaugeMetricFamily(f"xiaoer_upstream_pool_{key}", text, labels=("provider",))
        yield GaugeMetricFamily(
            "xiaoer_breaker_state", "1 for the state it is in", labels=("provider", "model", "state")
        )
        for key, text in _WINDOW.items():
            yield GaugeMetricFamily(f"xiaoer_breaker_{key}", text, labels=("provider", "model"))

    def collect(self) -> Iterator[Metric]:
        families = {family.name: family for family in self.describe()}

        def add(name: str, labels: Sequence[str], value: float) -> None:
            families[name].add_metric(labels, value)  # type: ignore[attr-defined]

        for provider, (pool, breakers) in self.watched.items():
            for key in _POOL if pool is not None else ():
                add(f"xiaoer_upstream_pool_{key}", (provider,), getattr(pool, key))
            for model, breaker in list(breakers.items()):
                state = breaker.state
                for other in type(state):
                    add("xiaoer_breaker_state", (provider, model, other.name.lower()), float(other is state))
                now = breaker.snapshot()
                for key in _WINDOW:
                    add(f"xiaoer_breaker_{key}", (provider, model), getattr(now, key))
        yield from families.values()


_upstreams = _Upstreams()


def watch(provider: str, pool: PoolView | None, breakers: Mapping[str, BreakerView]) -> Callable[[], None]:
    """Show a provider's pool and breakers; returns what ends that. No pool: its connections are the SDK's own."""
    _upstreams.watched[provider] = (pool, breakers)
    return lambda: _upstreams.watched.pop(provider, None) and None
