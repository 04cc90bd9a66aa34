"""Spans that a collector really gets, and collectors that are dead, slow or broken."""

from __future__ import annotations

import asyncio
import gzip
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from xiaoer_server.config import TracingSettings
from xiaoer_server.ops import metrics, tracing
from xiaoer_server.ops.tracing import Outbox, Sampled, Tracer

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """Takes OTLP over HTTP; answers `status` after `hold` is set."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.paths: list[str] = []
        self.resources: list[dict[str, str]] = []
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.hold.wait(20)
                request = ExportTraceServiceRequest.FromString(body)
                if collector.status == 200:
                    collector.paths.append(self.path)
                    for resource in request.resource_spans:
                        attributes = resource.resource.attributes
                        collector.resources.append({item.key: item.value.string_value for item in attributes})
                        for scope in resource.scope_spans:
                            collector.spans.extend(scope.spans)
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def opened(endpoint: str, ratio: float = 1.0) -> Tracer:
    tracer = Tracer.open(TracingSettings(endpoint=endpoint, ratio=ratio))
    assert tracer is not None
    return tracer


def count(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("xiaoer_trace_spans_total", {"outcome": outcome}) or 0.0


def values(span: Span) -> dict[str, Any]:
    return {item.key: getattr(item.value, str(item.value.WhichOneof("value"))) for item in span.attributes}


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


def test_without_an_endpoint_nothing_is_traced() -> None:
    assert Tracer.open(TracingSettings()) is None


@pytest.mark.parametrize("path", ["", "/", "/v1/traces", "/otlp/mine"])
async def test_a_span_arrives_as_it_was(collector: Collector, path: str) -> None:
    tracer = opened(collector.url + path)
    start, end = 1_700_000_000_123_456_789, 1_700_000_002_000_000_001
    sent = count("sent")
    parent = tracer.sampled(f"00-{TRACE}-{PARENT}-01".encode())
    root = tracer.sampled(None)
    assert parent is not None
    assert root is not None
    tracer.finish(parent, "chat m", start, end, {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 7}, None)
    tracer.finish(root, "chat n", start, end, {"big": "x" * 5_000}, "timeout")
    await tracer.close()
    assert collector.paths == [path if len(path) > 1 else "/v1/traces"]
    assert collector.resources[0]["service.name"] == "xiaoer"
    child, alone = collector.spans
    assert (child.name, child.start_time_unix_nano, child.end_time_unix_nano) == ("chat m", start, end)
    assert (child.trace_id.hex(), child.parent_span_id.hex()) == (TRACE, PARENT)
    assert child.kind == Span.SPAN_KIND_CLIENT
    assert child.status.code == Status.STATUS_CODE_UNSET
    assert values(child) == {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 7}
    assert alone.parent_span_id == b""
    assert alone.trace_id not in (b"\0" * 16, child.trace_id)
    assert alone.status.code == Status.STATUS_CODE_ERROR
    assert values(alone) == {"big": "x" * 1_024, "error.type": "timeout"}
    assert count("sent") == sent + 2


async def test_spans_leave_without_being_asked_to(collector: Collector) -> None:
    tracer = opened(collector.url)
    tracer.finish(Sampled(0, 0), "one", 1, 2, {}, None)
    await until(lambda: len(collector.spans) == 1)
    await tracer.close()


@pytest.mark.parametrize(
    ("traceparent", "sampled"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-00", False),
        (f"00-{TRACE}-{PARENT}-03", True),
        (f"00-{TRACE}-{PARENT}-0a", False),
        (f"00-{TRACE}-{PARENT}-fb", True),
        (f"cc-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-01-what the future brings", True),
    ],
)
def test_the_caller_decides_whatever_the_ratio_is(traceparent: str, sampled: bool) -> None:
    for ratio in (0.0, 1.0):
        found = Tracer(ratio, Taking()).sampled(traceparent.encode())
        assert found == (Sampled(int(TRACE, 16), int(PARENT, 16)) if sampled else None)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "00",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"cc-{TRACE}-{PARENT}-01more",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00-{TRACE}-{PARENT}-1",
    ],
)
def test_where_the_header_is_none_the_ratio_decides(traceparent: str) -> None:
    assert Tracer(0.0, Taking()).sampled(traceparent.encode()) is None
    assert Tracer(1.0, Taking()).sampled(traceparent.encode()) == Sampled(0, 0)


def test_the_ratio_is_kept() -> None:
    tracer = Tracer(0.1, Taking())
    assert 800 < sum(tracer.sampled(None) is not None for _ in range(10_000)) < 1_200


class Taking(SpanExporter):
    """Takes what comes, or fails as it is told."""

    def __init__(self, failure: Exception | SpanExportResult = SpanExportResult.SUCCESS) -> None:
        self.failure = failure
        self.go = threading.Event()
        self.go.set()
        self.batches: list[int] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.go.wait(20)
        self.batches.append(len(spans))
        if isinstance(self.failure, Exception):
            raise self.failure
        return self.failure


def test_what_does_not_fit_is_dropped_and_counted_and_nobody_waits() -> None:
    exporter = Taking()
    exporter.go.clear()
    outbox = Outbox(exporter, most=1_000, seconds=0.01)
    span = ReadableSpan("one")
    outbox.put(span)
    time.sleep(0.1)  # the thread has taken it and waits for the collector
    sent, dropped = count("sent"), count("dropped")
    began = time.perf_counter()
    for _ in range(1_500):
        outbox.put(span)
    assert time.perf_counter() - began < 0.5
    assert count("dropped") == dropped + 500
    exporter.go.set()
    outbox.close(5)
    assert sum(exporter.batches) == 1_001
    assert max(exporter.batches) <= tracing.BATCH
    assert count("sent") == sent + 1_001
    outbox.put(span)
    assert count("dropped") == dropped + 501


@pytest.mark.parametrize("failure", [SpanExportResult.FAILURE, ValueError("secret")])
def test_what_the_collector_does_not_take_is_counted(
    failure: Exception | SpanExportResult, caplog: pytest.LogCaptureFixture
) -> None:
    dropped = count("dropped")
    outbox = Outbox(Taking(failure), seconds=0.01)
    for _ in range(3):
        outbox.put(ReadableSpan("one"))
    outbox.close(5)
    assert count("dropped") == dropped + 3
    assert "secret" not in caplog.text


@pytest.mark.parametrize("kind", ["dead", "stuck", "refusing"])
async def test_a_bad_collector_slows_nobody_and_the_end_is_bounded(collector: Collector, kind: str) -> None:
    url = collector.url
    if kind == "dead":
        url = "http://127.0.0.1:9"
    elif kind == "stuck":
        collector.hold.clear()
    else:
        collector.status = 503
    tracer = opened(url)
    dropped = count("dropped")
    longest, last = 0.0, time.perf_counter()
    for _ in range(200):
        for _ in range(5):
            tracer.finish(Sampled(0, 0), "one", 1, 2, {"a": 1}, None)
        await asyncio.sleep(0.002)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    assert longest < 0.25, "the loop was held up"
    began = time.perf_counter()
    await tracer.close()
    assert time.perf_counter() - began < tracing.GOODBYE_SECONDS + 0.5
    if kind != "stuck":
        await until(lambda: count("dropped") == dropped + 1_000)
    collector.hold.set()


def test_who_is_not_sampled_pays_next_to_nothing() -> None:
    """Gross: the figure is about 0.1 µs."""
    sampled = Tracer(0.0, Taking()).sampled
    best = math.inf
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(10_000):
            sampled(None)
        best = min(best, (time.perf_counter() - began) / 10_000)
    assert best < 1e-6
