"""What calls of models take and cost, by OpenTelemetry's names for generative AI.

Names, attributes and bucket bounds follow the GenAI semantic conventions (github.com/open-telemetry/
semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md, status: development, Apache-2.0), written as Prometheus
writes OpenTelemetry's names: dots become underscores, seconds become a suffix. `gen_ai_provider_name` is the
provider's name in the settings, of which each has one address; `error_type` is empty where nothing went wrong, else a
failure of `llm/provider.py` or the status of the response. No label holds anything that a caller made up: a model's
name is one of the settings.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import accumulate
from typing import Any, Protocol

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .metrics import REGISTRY, Tally

#: Seconds.
DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
    *(0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
TOKEN_SECONDS_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
#: Tokens: the powers of four.
TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))

#: Values of `gen_ai_operation_name`.
CHAT, EMBEDDINGS = "chat", "embeddings"
#: Values of `gen_ai_token_type`.
INPUT, OUTPUT = "input", "output"

_CALL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")


class FastHistogram(Collector):
    """A histogram for the hot path. Not thread-safe: only the event loop's thread may observe.

    Args:
        labels: Names of the labels; every set of values is a series for ever, so they must be few.
        buckets: Upper bounds, inclusive and ascending; the one above all is added.
    """

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], buckets: Sequence[float], registry: Any = REGISTRY
    ) -> None:
        self.name = name
        self.documentation = documentation
        self.labels = tuple(labels)
        self.buckets = tuple(buckets)
        # Of each series the count of every bucket by itself, then the sum of the values.
        self._series: dict[tuple[str, ...], list[float]] = {}
        registry.register(self)

    def observe(self, value: float, *labels: str) -> None:
        """Count one value under as many labels as the histogram was made with."""
        series = self._series.get(labels)
        if series is None:
            series = self._add(labels)
        series[bisect_left(self.buckets, value)] += 1
        series[-1] += value

    def at(self, *labels: str) -> Callable[[float], None]:
        """`observe` for these labels, to be kept where the same ones come again: half the cost is finding them."""
        series = self._series.get(labels) or self._add(labels)
        bounds = self.buckets

        def observe(value: float) -> None:
            series[bisect_left(bounds, value)] += 1
            series[-1] += value

        return observe

    def _add(self, labels: tuple[str, ...]) -> list[float]:
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {len(labels)}")
        series = self._series[labels] = [0] * (len(self.buckets) + 1) + [0.0]
        return series

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """The family without samples, for the registry's check of names."""
        yield HistogramMetricFamily(self.name, self.documentation, labels=self.labels)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The family with its samples as of now."""
        family = HistogramMetricFamily(self.name, self.documentation, labels=self.labels)
        bounds = [*map(floatToGoString, self.buckets), "+Inf"]
        for labels, series in list(self._series.items()):
            family.add_metric(labels, list(zip(bounds, accumulate(series[:-1]), strict=True)), series[-1])
        yield family


OPERATION_SECONDS = FastHistogram(
    "gen_ai_client_operation_duration_seconds",
    "From asking the upstream up to the end of its response",
    (*_CALL, "error_type"),
    DURATION_BUCKETS,
)
FIRST_TOKEN_SECONDS = FastHistogram(
    "gen_ai_server_time_to_first_token_seconds",
    "From taking a streamed request up to its first token, of those that succeeded",
    _CALL,
    FIRST_TOKEN_BUCKETS,
)
TOKEN_SECONDS = FastHistogram(
    "gen_ai_server_time_per_output_token_seconds",
    "Mean time of each token after the first, of streamed requests that succeeded",
    _CALL,
    TOKEN_SECONDS_BUCKETS,
)
TOKENS = FastHistogram(
    "gen_ai_client_token_usage",
    "Tokens of a request and of its response, as the upstream counted them",
    (*_CALL, "gen_ai_token_type"),
    TOKEN_BUCKETS,
)
COST = Tally(
    "xiaoer_gen_ai_cost",
    "What the tokens cost, in the currency of the settings' prices",
    ("gen_ai_provider_name", "gen_ai_request_model", "tenant"),
)


class PoolLike(Protocol):
    """What is shown of a pool of connections; see `llm/pool.py`."""

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


class BreakerLike(Protocol):
    """What is shown of a breaker: its state, and a snapshot with `calls`, `failures`, `slow`, `not_permitted`."""

    @property
    def state(self) -> Enum: ...
    def snapshot(self) -> Any: ...


_POOL = {
    "size": "Connections to the provider that are open",
    "in_use": "Connections that carry a call",
    "waiting": "Calls that wait for a connection",
    "connecting": "Connections being opened",
    "desired": "Connections that the rule of the pool asks for",
}
_CALLS = ("calls", "failures", "slow", "not_permitted")


class Upstreams(Collector):
    """Pools and breakers as they are when somebody looks. The hot path pays nothing for it."""

    def __init__(self, registry: Any = REGISTRY) -> None:
        self._watched: dict[str, tuple[PoolLike | None, Mapping[str, BreakerLike]]] = {}
        registry.register(self)

    def watch(self, provider: str, pool: PoolLike | None, breakers: Mapping[str, BreakerLike]) -> None:
        """Show these from now on, in the place of what the provider showed before.

        Args:
            pool: None where the connections are somebody else's.
            breakers: By the model's name; read anew each time, so it may grow.
        """
        self._watched[provider] = (pool, breakers)

    def forget(self, provider: str) -> None:
        """Show the provider no more. Does nothing if it is not shown."""
        self._watched.pop(provider, None)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The families without samples."""
        return self._collect({})

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families with their samples as of now."""
        return self._collect(self._watched)

    @staticmethod
    def _collect(watched: dict[str, tuple[PoolLike | None, Mapping[str, BreakerLike]]]) -> Iterator[GaugeMetricFamily]:
        for what, documentation in _POOL.items():
            family = GaugeMetricFamily(f"xiaoer_upstream_pool_{what}", documentation, labels=["provider"])
            for provider, (pool, _) in watched.items():
                if pool is not None:
                    family.add_metric([provider], getattr(pool, what))
            yield family
        states = GaugeMetricFamily(
            "xiaoer_breaker_state", "1 for the state that the breaker is in", labels=["provider", "model", "state"]
        )
        calls = GaugeMetricFamily(
            "xiaoer_breaker_calls",
            "Calls in the breaker's window, and those it has not let through",
            labels=["provider", "model", "kind"],
        )
        for provider, (_, breakers) in watched.items():
            for model, breaker in list(breakers.items()):
                now = breaker.state
                for state in type(now):
                    states.add_metric([provider, model, state.name.lower()], float(state is now))
                snapshot = breaker.snapshot()
                for kind in _CALLS:
                    calls.add_metric([provider, model, kind], getattr(snapshot, kind))
        yield states
        yield calls


UPSTREAMS = Upstreams()
watch = UPSTREAMS.watch
forget = UPSTREAMS.forget
