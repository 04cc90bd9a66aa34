"""Sampled spans to an OpenTelemetry collector.

A request that is not sampled costs one random number. One that is costs its span only when it has ended: it is made
then, with the times it really had. It leaves in a thread; a collector that is slow or dead holds nobody up, what does
not fit the queue, or was not taken, is dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import threading
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from prometheus_client import Counter

from ..config import TracingSettings
from .metrics import REGISTRY

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger(__name__)

#: W3C Trace Context, https://www.w3.org/TR/trace-context/: version, trace, parent, flags; a later version may have
#: more behind them. Version ff and ids of zeros alone are invalid.
_read_parent = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:(?<!^00.{53})-.*)?", re.DOTALL
).fullmatch
#: The flags' last digit where the lowest bit is set: sampled.
_ODD = b"13579bdf"

#: How long the last spans may take to leave, in seconds.
GOODBYE_SECONDS = 2.0

#: Spans that wait for the thread; how many leave at once, how long the first of them waits, how long the collector
#: may take for them, in seconds.
MOST_WAITING, BATCH, BATCH_SECONDS, EXPORT_SECONDS = 4_096, 256, 1.0, 5.0

SPANS = Counter("xiaoer_trace_spans", "Spans, by what became of them", ["outcome"], registry=REGISTRY)


class Sampled(NamedTuple):
    """A request whose span will be made; whose child it is, or 0 and 0."""

    trace: int
    parent: int


_ROOT = Sampled(0, 0)


class Outbox:
    """Spans on their way out, in a thread of their own.

    Args:
        most: Spans that may wait; the next ones are dropped.
    """

    def __init__(self, exporter: SpanExporter, *, most: int = MOST_WAITING, seconds: float = BATCH_SECONDS) -> None:
        self._exporter = exporter
        self._most = most
        self._seconds = seconds
        self._waiting: deque[ReadableSpan] = deque()
        self._closing = False
        self._wake = threading.Event()
        self._sent = SPANS.labels("sent")
        self._dropped = SPANS.labels("dropped")
        self._thread = threading.Thread(target=self._work, name="xiaoer-tracing", daemon=True)
        self._thread.start()

    def put(self, span: ReadableSpan) -> None:
        """Send it at some time, or drop it. Never waits."""
        if self._closing or len(self._waiting) >= self._most:
            self._dropped.inc()
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH:
            self._wake.set()

    def close(self, limit: float) -> None:
        """Send what waits, for at most `limit` seconds; blocks as long. What is left then is dropped."""
        self._closing = True
        self._wake.set()
        self._thread.join(limit)
        self._dropped.inc(len(self._waiting))
        self._waiting.clear()
        self._exporter.shutdown()  # ends its pauses between two tries

    def _work(self) -> None:
        while not self._closing:
            self._wake.wait(self._seconds)
            self._wake.clear()
            self._export()
        self._export()

    def _export(self) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        while self._waiting:
            batch: list[ReadableSpan] = []
            with contextlib.suppress(IndexError):
                while len(batch) < BATCH:
                    batch.append(self._waiting.popleft())
            try:
                taken = self._exporter.export(batch) is SpanExportResult.SUCCESS
            except Exception as error:
                log.warning("spans could not be sent: %s", type(error).__name__)
                taken = False
            (self._sent if taken else self._dropped).inc(len(batch))


class Tracer:
    """Decides who is sampled, and makes the spans; see `open`.

    Args:
        ratio: The share of requests that are sampled where the caller has not decided.
    """

    def __init__(self, ratio: float, exporter: SpanExporter) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        self._ratio = ratio
        self._outbox = Outbox(exporter)
        # No processor: a span is made and ended in one breath, and then goes into the outbox.
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": "xiaoer"}),
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_span_attribute_length=1_024),
        )
        self._tracer = provider.get_tracer("xiaoer")
        self._api = trace
        self._error = trace.Status(trace.StatusCode.ERROR)

    @classmethod
    def open(cls, settings: TracingSettings) -> Tracer | None:
        """The tracer of the settings; None without an endpoint.

        An endpoint without a path is the collector's, which takes spans under /v1/traces.
        """
        if not settings.endpoint:
            return None
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        endpoint = settings.endpoint
        if urlsplit(endpoint).path in ("", "/"):
            endpoint = endpoint.rstrip("/") + "/v1/traces"
        return cls(settings.ratio, OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS))

    def sampled(self, traceparent: bytes | None) -> Sampled | None:
        """Whether this request is traced: as its caller decided (W3C Trace Context), else by the ratio."""
        if traceparent is not None:
            match = _read_parent(traceparent)
            if match is not None:
                return Sampled(int(match[1], 16), int(match[2], 16)) if traceparent[54] in _ODD else None
        return _ROOT if random.random() < self._ratio else None  # noqa: S311 - picks samples, guards nothing

    def finish(
        self, sampled: Sampled, name: str, start: int, end: int, attributes: Mapping[str, Any], error: str | None
    ) -> None:
        """Make the span of a request that has ended; times in nanoseconds since the epoch."""
        trace = self._api
        context = None
        if sampled.trace:
            parent = trace.SpanContext(sampled.trace, sampled.parent, True, trace.TraceFlags(trace.TraceFlags.SAMPLED))
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        span = self._tracer.start_span(
            name, context, kind=trace.SpanKind.CLIENT, attributes=attributes, start_time=start
        )
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(self._error)
        span.end(end)
        self._outbox.put(span)  # type: ignore[arg-type] # the SDK's own tracer makes spans that can be read

    async def close(self) -> None:
        """Send what is left, for at most two seconds."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def leave() -> None:
            self._outbox.close(GOODBYE_SECONDS)
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(done.set)

        # A thread that may be left behind: the collector decides how long it takes.
        threading.Thread(target=leave, name="xiaoer-tracing-end", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), GOODBYE_SECONDS + 0.2)
