"""One request and its answer, as a handler sees them; the same on the hot path and over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from ..errors import ServerError
from . import problem

Headers = Sequence[tuple[bytes, bytes]]
JSON = b"application/json"


class HotStream(Protocol):
    """An answer of unknown length, written as it comes. Not buffered beyond the transport: see `writable`."""

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up. Writing nevertheless is allowed and costs memory."""

    def write(self, data: bytes) -> None:
        """Send some bytes; nothing happens once the peer is gone or the stream has ended."""

    def end(self) -> None:
        """End the answer. `on_disconnect` is not called any more."""

    def cut(self) -> None:
        """End it so that the peer can tell that it is not whole: without the last chunk, and the connection closes."""


class Exchange:
    """A request that has arrived whole.

    `headers` have lower-case names; `query` is raw, without the question mark. Exactly one of `respond`, `fail` and
    `stream` is called, at once or later; once the peer is gone they do nothing.
    """

    __slots__ = ("body", "headers", "method", "path", "query")

    def __init__(self, method: bytes, path: bytes, query: bytes, headers: Headers, body: bytes) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body

    @property
    def address(self) -> str:
        """The client's address, by X-Forwarded-For where a trusted proxy says so; empty if there is none."""
        raise NotImplementedError

    def header(self, name: bytes) -> bytes | None:
        """The first header of this lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def respond(self, status: int, body: bytes, content_type: bytes = JSON, headers: Headers = ()) -> None:
        """Answer whole. It is sent once the answers of earlier requests on the connection are."""
        raise NotImplementedError

    def stream(
        self,
        content_type: bytes,
        on_writable: Callable[[], None],
        on_disconnect: Callable[[], None],
        headers: Headers = (),
    ) -> HotStream:
        """Answer 200 and go on writing.

        Args:
            on_writable: Called when the stream becomes writable again.
            on_disconnect: Called once if the peer goes before `end`.
        """
        raise NotImplementedError

    def when_gone(self, call: Callable[[], None]) -> None:
        """Have `call` called once if the peer goes before it is answered; the end of what it sends counts as that.

        A handler that keeps something costly running for the answer wants to know. Without it a peer may close its
        sending half and wait.
        """
        raise NotImplementedError

    def fail(self, error: ServerError) -> None:
        """Answer with problem details."""
        status, body, content_type, headers = problem.answer(error, self.path)
        self.respond(status, body, content_type, headers)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run what has to wait in a task of its own; what it raises is answered as `run` does."""
        task = asyncio.get_running_loop().create_task(self._guard(work))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
        return task

    def run(self, handler: HotHandler) -> None:
        """Call a handler; a ServerError is answered as what it says, another exception as 500 with an id."""
        try:
            handler(self)
        except ServerError as error:
            self.fail(error)
        except Exception as error:
            self.fail(problem.unexpected(error))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ServerError as error:
            self.fail(error)
        except Exception as error:
            self.fail(problem.unexpected(error))


HotHandler = Callable[[Exchange], None]
Routes = dict[tuple[bytes, bytes], HotHandler]
"""(method, path) → handler. A HEAD is answered by the GET of its path."""

#: The loop itself holds tasks only weakly.
_tasks: set[asyncio.Task[None]] = set()
