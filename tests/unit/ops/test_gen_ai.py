"""Figures of model calls: exact counts, text that Prometheus reads, names that OpenTelemetry gave."""

from __future__ import annotations

import enum
import math
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics as names
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as ReferenceHistogram
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from xiaoer_server.ops import gen_ai, metrics


def parsed(registry: CollectorRegistry) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}


def prometheus(name: str, suffix: str = "") -> str:
    return name.replace(".", "_") + suffix


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["a", 'b\\"\n'])), max_size=50))
def test_it_says_what_prometheus_own_histogram_says(values: list[tuple[float, str]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    bounds = (0.5, 1.0, 2.5, 10.0)
    fast = gen_ai.FastHistogram("wait_seconds", "How long", ("who",), bounds, ours)
    reference = ReferenceHistogram("wait_seconds", "How long", ["who"], buckets=bounds, registry=theirs)
    for value, who in [*values, *((bound, "edge") for bound in bounds)]:
        fast.observe(value, who)
        reference.labels(who).observe(value)

    def samples(registry: CollectorRegistry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        family = parsed(registry)["wait_seconds"]
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    got, wanted = samples(ours), samples(theirs)
    assert got.keys() == wanted.keys()
    for key, value in got.items():
        assert math.isclose(value, wanted[key], rel_tol=1e-9)


def test_a_wrong_number_of_labels_is_refused() -> None:
    histogram = gen_ai.FastHistogram("x_seconds", "x", ("a", "b"), (1.0,), CollectorRegistry())
    with pytest.raises(ValueError, match="labels"):
        histogram.observe(1.0, "one")


def test_names_and_labels_are_the_conventions() -> None:
    call = {
        prometheus(name)
        for name in (attributes.GEN_AI_OPERATION_NAME, attributes.GEN_AI_PROVIDER_NAME, attributes.GEN_AI_REQUEST_MODEL)
    }
    wanted = {
        gen_ai.DURATION: (prometheus(names.GEN_AI_CLIENT_OPERATION_DURATION, "_seconds"), {"error_type"}),
        gen_ai.FIRST_TOKEN: (prometheus(names.GEN_AI_SERVER_TIME_TO_FIRST_TOKEN, "_seconds"), set()),
        gen_ai.EACH_TOKEN: (prometheus(names.GEN_AI_SERVER_TIME_PER_OUTPUT_TOKEN, "_seconds"), set()),
        gen_ai.TOKEN_USAGE: (
            prometheus(names.GEN_AI_CLIENT_TOKEN_USAGE),
            {prometheus(attributes.GEN_AI_TOKEN_TYPE)},
        ),
    }
    for histogram, (name, more) in wanted.items():
        assert histogram.name == name
        assert set(histogram.labels) == call | more
        assert list(histogram.buckets) == sorted(set(histogram.buckets))


class State(enum.Enum):
    CLOSED = "closed"
    OPEN = "open"


class Breaker:
    def __init__(self) -> None:
        self.state = State.CLOSED

    def snapshot(self) -> SimpleNamespace:
        return SimpleNamespace(calls=7, failures=3, slow=1, not_permitted=2)


def test_pools_and_breakers_are_shown_as_they_are_now() -> None:
    registry = CollectorRegistry()
    upstreams = gen_ai._Upstreams(registry)
    pool = SimpleNamespace(size=5, in_use=3, waiting=2, connecting=1, desired=6)
    breakers = {"m": Breaker()}
    upstreams.watched["sim"] = (pool, breakers)
    upstreams.watched["azure"] = (None, {})
    one = {"provider": "sim", "model": "m"}
    assert registry.get_sample_value("xiaoer_upstream_pool_in_use", {"provider": "sim"}) == 3
    assert registry.get_sample_value("xiaoer_upstream_pool_size", {"provider": "azure"}) is None
    pool.in_use = 4
    breakers["m"].state = State.OPEN
    breakers["later"] = Breaker()
    assert registry.get_sample_value("xiaoer_upstream_pool_in_use", {"provider": "sim"}) == 4
    assert registry.get_sample_value("xiaoer_breaker_state", one | {"state": "open"}) == 1
    assert registry.get_sample_value("xiaoer_breaker_state", one | {"state": "closed"}) == 0
    assert registry.get_sample_value("xiaoer_breaker_not_permitted", one) == 2
    assert registry.get_sample_value("xiaoer_breaker_state", one | {"model": "later", "state": "closed"}) == 1
    assert len(parsed(registry)["xiaoer_breaker_calls"].samples) == 2


def test_what_a_call_took_and_cost_is_on_the_page_until_it_is_watched_no_more() -> None:
    call = ("chat", "sim", "test-model")
    gen_ai.ended(*call, "timeout", 1.5)
    gen_ai.streamed(*call, 0.3, 2.0, 11)
    gen_ai.used(*call, 1000, 17, 0.25)
    gen_ai.used(*call, 0, 0, 0.5)
    forget = gen_ai.watch("test-provider", None, {"m": Breaker()})

    def ours() -> dict[str, dict[str, float]]:
        families = text_string_to_metric_families(metrics.render().decode())
        return {
            family.name: {
                sample.name.removeprefix(family.name)
                + ",".join(value for _, value in sorted(sample.labels.items())): sample.value
                for sample in family.samples
                if sample.labels.get("gen_ai_request_model") == "test-model"
                or sample.labels.get("provider") == "test-provider"
            }
            for family in families
        }

    page = ours()
    assert page["gen_ai_client_operation_duration_seconds"]["_sumtimeout,chat,sim,test-model"] == 1.5
    assert page["gen_ai_server_time_per_output_token_seconds"]["_sumchat,sim,test-model"] == 0.2
    assert page["gen_ai_client_token_usage"]["_sumchat,sim,test-model,input"] == 1000
    assert page["gen_ai_client_token_usage"]["_countchat,sim,test-model,output"] == 1
    assert page["xiaoer_gen_ai_cost"] == {"_totalchat,sim,test-model": 0.75}
    assert page["xiaoer_breaker_state"] == {"m,test-provider,closed": 1, "m,test-provider,open": 0}
    forget()
    assert ours()["xiaoer_breaker_state"] == {}


def test_observing_costs_next_to_nothing() -> None:
    """A gross check that nobody puts a lock or an object a call into it; the figure is about 0.25 µs."""
    histogram = gen_ai.FastHistogram("y_seconds", "y", ("a", "b", "c"), gen_ai.SECONDS, CollectorRegistry())
    best = math.inf
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(10_000):
            histogram.observe(0.3, "chat", "sim", "model")
        best = min(best, (time.perf_counter() - began) / 10_000)
    assert best < 2e-6
