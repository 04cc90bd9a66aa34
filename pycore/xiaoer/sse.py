"""Server-sent events in and out, and the text of a chat completion chunk."""

from typing import TYPE_CHECKING

from xiaoer._backend import load

# Re-exported as they are: a wrapper would cost a frame a call. The docstrings are on the objects.
if TYPE_CHECKING or load("xiaoer._sse") is not None:
    from xiaoer._sse import SSEDecoder, SSEEvent, chat_delta, encode_sse
else:
    from xiaoer.pure.sse import SSEDecoder, SSEEvent, chat_delta, encode_sse

__all__ = ["SSEDecoder", "SSEEvent", "chat_delta", "encode_sse"]
