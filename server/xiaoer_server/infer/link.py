"""One gRPC channel to the model process, as the pool of connections holds it."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from . import service_pb2_grpc as stubs
from .limits import MESSAGE_BYTES

#: Milliseconds: a peer that is gone without a word is noticed after both together.
_PING_AFTER, _PING_WAIT = 10_000, 3_000

_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # Without this, channels to one address share one connection behind the pool's back.
    ("grpc.use_local_subchannel_pool", 1),
    # Retrying is the client's, who knows the deadline and the other addresses.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", _PING_AFTER),
    ("grpc.keepalive_timeout_ms", _PING_WAIT),
)

_closing: set[asyncio.Task[None]] = set()


class Link:
    """A channel that was connected. `usable` is False from its first call that found nobody."""

    __slots__ = ("_channel", "stub", "usable")

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self.stub = stubs.InferStub(channel)  # type: ignore[no-untyped-call]
        self.usable = True

    def close(self) -> None:
        """Close the channel, beside whatever the caller does next; what is under way on it is cancelled."""
        self.usable = False
        task = asyncio.get_running_loop().create_task(self._channel.close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)


async def connect(address: str, seconds: float) -> Link:
    """Connect to `host:port` or `unix:/path`.

    Raises:
        ConnectionError: it was refused, or not accepted in time.
    """
    channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
    try:
        async with asyncio.timeout(seconds):
            await _connected(channel, address)
    except BaseException as error:
        await channel.close()
        if isinstance(error, TimeoutError):
            raise ConnectionError(f"the model process at {address} did not accept the connection in time") from error
        raise
    return Link(channel)


async def _connected(channel: Any, address: str) -> None:
    """`channel_ready` would go on trying where nobody listens; here the first refusal ends it."""
    state = channel.get_state(try_to_connect=True)
    while state is not grpc.ChannelConnectivity.READY:
        if state in (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN):
            raise ConnectionError(f"the model process at {address} cannot be reached")
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)


async def closed() -> None:
    """Wait for the channels that are being closed."""
    while _closing:
        await asyncio.wait(_closing)
