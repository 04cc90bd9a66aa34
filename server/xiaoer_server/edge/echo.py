"""The WebSocket that answers each message with itself, for conformance tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import wire

if TYPE_CHECKING:
    from .websocket import WebSocketProtocol


class Echo:
    """See `websocket.Receiver`."""

    __slots__ = ("_socket",)

    def __init__(self, socket: WebSocketProtocol) -> None:
        self._socket = socket

    def text(self, payload: bytes) -> None:
        """Send it back as text."""
        self._socket.send_frame(wire.ws_frame(payload))

    def binary(self, payload: bytes) -> None:
        """Send it back as binary."""
        self._socket.send_frame(wire.ws_frame(payload, wire.BINARY))

    def stalled(self) -> None:
        """Take nothing more in while nothing goes out."""
        self._socket.read_on(False)

    def flowing(self) -> None:
        """Go on."""
        self._socket.read_on(True)

    def restart(self) -> None:
        """Close."""
        self._socket.start_close(1012, "restart")

    def lost(self) -> None:
        """Nothing is held."""
