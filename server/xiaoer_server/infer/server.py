"""The model process: `python -m xiaoer_server.infer --listen unix:… | host:port --models DIR`.

Ends by SIGTERM or SIGINT, after what runs, and with `--with-parent` when its standard input ends, which it does when
the parent is gone in whatever way.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from . import service_pb2_grpc as stubs
from .limits import MESSAGE_BYTES
from .loader import CannotLoad, Models, load
from .servicer import InferService

log = logging.getLogger(__name__)

#: Folder, encoder, verifier, threads; raises CannotLoad.
Loader = Callable[[Path, str, str, int], Models]

#: The service's full name, as grpc.health.v1 is asked for it.
NAME = "xiaoer.infer.v1.Infer"

#: Seconds that calls under way have when the process is asked to end.
GRACE = 2.0

#: Seconds that the whole process has for that, after which it is ended hard; only when the parent is gone.
ORPHAN_SECONDS = 5.0

#: `sysexits.h`: a model that cannot be loaded, an address that cannot be had.
EX_UNAVAILABLE, EX_CONFIG = 69, 78

OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # Two servers on one port would share its connections, and nobody would notice.
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


def main(arguments: Sequence[str] | None = None, load: Loader = load) -> int:
    """Run until asked to end, with the models that `load` gives; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    if options.nice:
        with contextlib.suppress(OSError):
            os.nice(options.nice)
    try:
        models = load(options.models, options.model, options.verifier, options.threads)
    except CannotLoad as error:
        log.error("%s", error)
        return EX_CONFIG
    return uvloop.run(_serve(options, models))


async def _serve(options: argparse.Namespace, models: Models) -> int:
    service = InferService(
        models,
        max_batch=options.max_batch,
        wait_seconds=options.batch_wait_ms / 1_000,
        queue_max=options.queue,
    )
    state = health.HealthServicer()
    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=2 * options.queue)
    stubs.add_InferServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    try:
        where = _listen(server, options.listen)
    except RuntimeError:
        log.error("cannot listen on %s: it is taken, or not an address of this machine", options.listen)
        return EX_UNAVAILABLE
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.with_parent:
        threading.Thread(target=_watch_parent, args=(loop, stop), daemon=True, name="parent").start()
    serving = health_pb2.HealthCheckResponse.SERVING
    await state.set(NAME, serving if models.encoder is not None else health_pb2.HealthCheckResponse.NOT_SERVING)
    service.batcher.start()
    await server.start()
    log.info("listening on %s", where)
    await stop.wait()
    log.info("ending: %d texts and pairs were run in %d batches", service.batcher.ran, service.batcher.batches)
    await state.enter_graceful_shutdown()
    await server.stop(GRACE)
    await service.batcher.close()
    return 0


def _listen(server: grpc.aio.Server, address: str) -> str:
    """Bind; a Unix socket is for this user alone from its first moment.

    Raises:
        RuntimeError: gRPC cannot have the address.
    """
    if not address.startswith("unix:"):
        port = server.add_insecure_port(address)
        host = address.rpartition(":")[0]
        if host not in {"127.0.0.1", "localhost", "[::1]"}:
            log.warning("%s: whoever reaches this port may use the models; keep it in a private network", address)
        return f"{host}:{port}"
    before = os.umask(0o177)
    try:
        server.add_insecure_port(address)
    finally:
        os.umask(before)
    return address


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 1_024):
        pass
    with contextlib.suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(stop.set)
    time.sleep(ORPHAN_SECONDS)
    os._exit(EX_UNAVAILABLE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xiaoer_server.infer", description="Runs Xiaoer's models behind gRPC.")
    parser.add_argument("--listen", required=True, metavar="ADDRESS", help="unix:/path or host:port (0: a free one)")
    parser.add_argument("--models", required=True, type=Path, metavar="DIR", help="folder of models")
    parser.add_argument("--model", default="e5-small", metavar="NAME", help="the encoder (default e5-small)")
    parser.add_argument("--verifier", default="verifier", metavar="NAME", help="the verifier (default verifier)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of a run (default 1)")
    parser.add_argument("--max-batch", type=int, default=8, metavar="N", help="texts in a batch (default 8)")
    parser.add_argument("--batch-wait-ms", type=float, default=0.0, metavar="MS", help="wait for more (default 0)")
    parser.add_argument("--queue", type=int, default=1_024, metavar="N", help="texts that may wait (default 1024)")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="give way to other processes (default 0)")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    return parser
