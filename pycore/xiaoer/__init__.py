"""Native text kernels: a sensitive-word filter, a chunker, a priority queue and an SSE codec.

Each runs compiled (Rust, Cython) or, where nobody built it, as a pure-Python twin with the same results;
`build_info()` says which.
"""

from xiaoer._backend import build_info
from xiaoer._version import __version__
from xiaoer.chunker import Chunker, count_tokens
from xiaoer.errors import (
    BackendError,
    DamagedFile,
    EventTooLarge,
    InvalidDelta,
    InvalidWord,
    QueueEmpty,
    QueueFull,
    XiaoerError,
)
from xiaoer.filter import FilterStream, Fold, Match, Skip, Variant, Word, WordFilter
from xiaoer.queue import LevelStats, PriorityQueue, Ticket
from xiaoer.sse import SSEDecoder, SSEEvent, chat_delta, encode_sse

__all__ = [
    "BackendError",
    "Chunker",
    "DamagedFile",
    "EventTooLarge",
    "FilterStream",
    "Fold",
    "InvalidDelta",
    "InvalidWord",
    "LevelStats",
    "Match",
    "PriorityQueue",
    "QueueEmpty",
    "QueueFull",
    "SSEDecoder",
    "SSEEvent",
    "Skip",
    "Ticket",
    "Variant",
    "Word",
    "WordFilter",
    "XiaoerError",
    "__version__",
    "build_info",
    "chat_delta",
    "count_tokens",
    "encode_sse",
]
