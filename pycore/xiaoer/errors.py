"""Every exception that the library raises on purpose.

XiaoerError
├── BackendError (ImportError)        the compiled kernels are missing, of another version, or a debug build
├── InvalidWord (ValueError)          a word or an allowed text that no filter can hold
├── DamagedFile (ValueError)          a saved filter that is cut off, altered, foreign or of an unknown format
├── EventTooLarge (ValueError)        an SSE event grew over the decoder's bound
├── InvalidDelta (ValueError)         a chunk of a model's stream is not what the protocol says
├── QueueFull (asyncio.QueueFull)     a bounded queue has no room
└── QueueEmpty (asyncio.QueueEmpty)   nothing is waiting

A wrong type is a TypeError and a wrong number (a limit of 0, an unknown unit) a plain ValueError, as everywhere.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xiaoer.sse import SSEEvent

__all__ = [
    "BackendError",
    "DamagedFile",
    "EventTooLarge",
    "InvalidDelta",
    "InvalidWord",
    "QueueEmpty",
    "QueueFull",
    "XiaoerError",
]


class XiaoerError(Exception):
    """Base of all exceptions of this library."""


class BackendError(XiaoerError, ImportError):
    """The kernels that were asked for cannot be used; the message says which and what to do."""


class InvalidWord(XiaoerError, ValueError):
    """A word is empty or longer than a filter takes."""


class DamagedFile(XiaoerError, ValueError):
    """A file is not a filter that this version saved, or not all of it, or not any more."""


class EventTooLarge(XiaoerError, ValueError):
    """An event of a stream is larger than the decoder was told to hold.

    `events` are those that the same feed had completed before; they are not given again.
    """

    def __init__(self, message: str, events: "Sequence[Any]" = ()) -> None:
        super().__init__(message)
        self.events: Sequence[SSEEvent] = events


class InvalidDelta(XiaoerError, ValueError):
    """A chunk of a model's stream is not JSON, or not shaped like a chat completion chunk."""


class QueueFull(XiaoerError, asyncio.QueueFull):
    """A bounded queue has no room for one more item."""


class QueueEmpty(XiaoerError, asyncio.QueueEmpty):
    """A queue was asked for an item without waiting, and has none."""
