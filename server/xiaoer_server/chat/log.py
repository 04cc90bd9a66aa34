"""The conversation log: ordered without gaps, idempotent by client id, and visible only once durable.

    append: seq given away in memory → writer (group commit, fsync) → visible, `done`, watchers notified

An order that a failed commit has broken is not mended: the conversation is dropped from memory, everything pending
is refused, and whoever comes back finds what the database has.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from ..errors import NotFound, ServerError, Unavailable
from ..store import entries as rows
from ..store.engine import Store
from ..store.writer import WriterClosed
from .conversation import Conversation
from .entries import Entry, Flags, Role, Source
from .live import LiveAnswer

log = logging.getLogger(__name__)

Done = Callable[[int, ServerError | None], None]
Key = tuple[str, str]

#: Conversations that stay in memory though nobody uses them, the most recently used ones.
RECENT = 1000

#: A visitor's message that a restart left unanswered is answered if it is younger than this, in seconds.
STILL_WAITING = 600.0

#: No conversation has as many entries.
_BEYOND = 1 << 62


class ConversationLog:
    """All conversations of this process.

    Args:
        tail: How many of a conversation's newest entries are in memory.
        recent: How many conversations stay in memory that nobody uses.
    """

    def __init__(self, store: Store, *, tail: int = 200, recent: int = RECENT) -> None:
        self._store = store
        self._writer = store.writer
        self._entries = rows.Entries(store)
        self._tail = tail
        self._keep = recent
        self._loop = asyncio.get_running_loop()
        # One object for a conversation, as long as anybody has it; if nobody has, as long as it is recent.
        self._known: WeakValueDictionary[Key, Conversation] = WeakValueDictionary()
        self._recent: OrderedDict[Key, Conversation] = OrderedDict()
        self._watched: set[Conversation] = set()
        self._live: dict[Key, LiveAnswer] = {}
        self._loading: dict[Key, asyncio.Task[Conversation]] = {}

    @property
    def writable(self) -> bool:
        """False while the store is known not to take anything."""
        return not self._writer.failing

    async def recover(self) -> list[tuple[str, str]]:
        """Set right what the last process left behind; to be called once, before anything else.

        Answers under way become interrupted, with finish reason `restart`. Returns the (tenant, conversation) of
        those whose last entry is a visitor's, not blocked and younger than ten minutes: they wait for an answer.
        Of more than 100,000 entries in that time only the newest 100,000 are looked at.

        Raises:
            SQLAlchemyError: the database cannot be read or written.
        """
        await self._writer.run(rows.ABANDON_ALL, {"new_reason": "restart"})
        waiting = await self._entries.unanswered(int((time.time() - STILL_WAITING) * 1000))
        return [
            (tenant, conversation)
            for tenant, conversation, flags in waiting
            if flags is None or flags["action"] != "block"
        ]

    def cached(self, tenant: str, conversation: str) -> Conversation | None:
        """The conversation if it is in memory."""
        key = (tenant, conversation)
        found = self._recent.get(key)
        if found is not None:
            self._recent.move_to_end(key)
            return found
        found = self._known.get(key)
        if found is not None:
            self._remember(key, found)
        return found

    async def open(self, tenant: str, conversation: str) -> Conversation:
        """The conversation, out of memory or the database.

        Raises:
            NotFound: `unknown_conversation`; also where it is another tenant's.
            Unavailable: `store_unavailable`.
        """
        found = self.cached(tenant, conversation)
        if found is not None:
            return found
        key = (tenant, conversation)
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = self._loop.create_task(self._load(key))
            task.add_done_callback(lambda _task: self._loading.pop(key))
        # One caller's cancellation is not the others'.
        return await asyncio.shield(task)

    def append(
        self,
        conversation: Conversation,
        role: Role,
        text: str,
        done: Done,
        *,
        client_id: str | None = None,
        flags: Flags | None = None,
        sources: list[Source] | None = None,
        answered_by: str | None = None,
    ) -> None:
        """Append an entry; `done(seq, None)` follows once it is durable and visible, before watchers are notified.

        A `client_id` that was seen before appends nothing and gets the seq of the first, once that is durable.
        Refusals come as `done(0, error)`; `done` is never called before this returns.
        """
        if client_id is not None:
            known = conversation.client_ids.get(client_id)
            if known is not None and conversation.failed is None:
                self._again(conversation, known, done)
                return
        entry = Entry(
            conversation.last_seq + 1,
            role,
            text,
            int(time.time() * 1000),
            client_id,
            "complete",
            None,
            sources,
            flags,
            answered_by,
        )
        self._append(conversation, entry, done)

    async def append_wait(
        self,
        conversation: Conversation,
        role: Role,
        text: str,
        *,
        client_id: str | None = None,
        flags: Flags | None = None,
        sources: list[Source] | None = None,
        answered_by: str | None = None,
    ) -> int:
        """Append an entry and return its seq once it is durable.

        Raises:
            Unavailable: `store_unavailable`.
        """
        future: asyncio.Future[int] = self._loop.create_future()
        self.append(
            conversation,
            role,
            text,
            _into(future),
            client_id=client_id,
            flags=flags,
            sources=sources,
            answered_by=answered_by,
        )
        return await future

    async def begin_answer(
        self, conversation: Conversation, answered_by: str, *, state: str | None = None
    ) -> LiveAnswer:
        """Append an answer without text, to grow; returns once it is durable and visible.

        `state` is the dialogue's after this answer, see `Entry`; it is durable with the entry. A caller that may be
        cancelled shields this call: the answer is begun all the same.

        Raises:
            Unavailable: `store_unavailable`.
            RuntimeError: an answer is under way in this conversation.
        """
        if conversation.live is not None or any(
            isinstance(operation, _Append) and operation.entry.status == "streaming"
            for operation in conversation.pending.values()
        ):
            raise RuntimeError("an answer is under way in this conversation")
        now = int(time.time() * 1000)
        entry = Entry(
            conversation.last_seq + 1,
            "assistant",
            "",
            now,
            status="streaming",
            answered_by=answered_by,
            state=state,
        )
        begun: asyncio.Future[LiveAnswer] = self._loop.create_future()

        def done(_seq: int, error: ServerError | None) -> None:
            if error is None:
                live = conversation.live = LiveAnswer(conversation, entry, self._writer, self._ended)
                self._live[(conversation.tenant, conversation.id)] = live
                if not begun.done():
                    begun.set_result(live)
            elif not begun.done():
                begun.set_exception(error)

        self._append(conversation, entry, done)
        return await begun

    async def page(self, tenant: str, conversation: str, *, before: int | None, limit: int) -> list[Entry]:
        """Up to `limit` visible entries that precede `before`, or the newest; ascending, [] if there are none.

        Raises:
            Unavailable: `store_unavailable`.
        """
        found = self.cached(tenant, conversation)
        end = _BEYOND if before is None else before
        if found is not None:
            end = min(end, found.durable + 1)
            kept = found.between(max(1, end - limit), end - 1)
            if kept is not None:
                return self._as_shown((tenant, conversation), kept)
        with _reading():
            read = await self._entries.before(tenant, conversation, end, limit)
        return self._as_shown((tenant, conversation), [_entry(row) for row in read])

    async def range(self, tenant: str, conversation: str, *, after: int, limit: int) -> list[Entry]:
        """Up to `limit` visible entries that follow entry `after`; ascending. Raises as `page` does."""
        found = self.cached(tenant, conversation)
        if found is not None:
            limit = min(limit, max(0, found.durable - after))
            kept = found.between(after + 1, after + limit)
            if kept is not None:
                return self._as_shown((tenant, conversation), kept)
        with _reading():
            read = await self._entries.after(tenant, conversation, after, limit)
        return self._as_shown((tenant, conversation), [_entry(row) for row in read])

    # -- appending --------------------------------------------------------------------------------------------

    def _append(self, conversation: Conversation, entry: Entry, done: Done) -> None:
        if conversation.failed is not None:
            self._loop.call_soon(done, 0, conversation.failed)
            return
        seq = conversation.last_seq = entry.seq
        operation = conversation.pending[seq] = _Append(self, conversation, entry, done)
        if entry.client_id is not None:
            conversation.client_ids[entry.client_id] = seq
        try:
            self._writer.submit(
                rows.INSERT,
                {
                    "tenant": conversation.tenant,
                    "conversation": conversation.id,
                    "seq": seq,
                    "role": entry.role,
                    "text": entry.text,
                    "at": entry.at,
                    "client_id": entry.client_id,
                    "status": entry.status,
                    "finish_reason": None,
                    "sources": entry.sources,
                    "flags": entry.flags,
                    "answered_by": entry.answered_by,
                    "state": entry.state,
                },
                operation,
                chain=conversation,
            )
        except WriterClosed as error:
            self._loop.call_soon(operation, error)

    def _again(self, conversation: Conversation, seq: int, done: Done) -> None:
        operation = conversation.pending.get(seq)
        if operation is None:
            self._loop.call_soon(done, seq, None)
        else:
            assert isinstance(operation, _Append)
            operation.also = (*operation.also, done)

    def _ended(self, live: LiveAnswer) -> None:
        """An answer is over."""
        conversation = live.conversation
        self._live.pop((conversation.tenant, conversation.id), None)
        conversation.live = None
        conversation.notify()

    def drop(self, conversation: Conversation) -> None:
        """Let go of a conversation of which an append failed; the next `open` reads what the database has.

        The writer fails everything of it that was pending, so that nothing comes after this.
        """
        key = (conversation.tenant, conversation.id)
        self._recent.pop(key, None)
        self._known.pop(key, None)
        conversation.drop(
            Unavailable("The message could not be stored; send it again.", code="store_unavailable", retry_after=1)
        )

    # -- loading ----------------------------------------------------------------------------------------------

    async def _load(self, key: Key) -> Conversation:
        with _reading():
            while True:
                head = await self._entries.head(*key, self._tail)
                if head is None:
                    raise NotFound("There is no such conversation.", code="unknown_conversation")
                tail = [_entry(row) for row in head.tail]
                if tail and tail[0].seq > 1:
                    client_ids = await self._entries.client_ids(*key)
                else:
                    client_ids = {entry.client_id: entry.seq for entry in tail if entry.client_id is not None}
                state = next((entry.state for entry in reversed(tail) if entry.state is not None), None)
                if state is None and tail and tail[0].seq > 1:
                    state = await self._entries.state(*key)
                live = self._live.get(key)
                lost = [
                    entry.seq
                    for entry in tail
                    if entry.status == "streaming" and (live is None or live.entry.seq != entry.seq)
                ]
                if not lost:
                    break
                await self._abandon(key, lost)
        # From here to the end without a pause: what was read and `live` belong together.
        conversation = Conversation(*key, head.visitor, tail, self._tail, self._watched, state=state)
        conversation.client_ids = client_ids
        if live is not None:
            # It outlived the drop of its conversation, and goes on in this one.
            live.conversation = conversation
            conversation.live = live
            tail[:] = [live.entry if entry.seq == live.entry.seq else entry for entry in tail]
        self._known[key] = conversation
        self._remember(key, conversation)
        return conversation

    async def _abandon(self, key: Key, lost: list[int]) -> None:
        """Answers whose end could not be stored are interrupted. One that has ended since stays as it is."""
        for seq in lost:
            await self._writer.run(
                rows.ABANDON,
                {"of_tenant": key[0], "of_conversation": key[1], "of_seq": seq, "new_reason": "restart"},
            )

    def _remember(self, key: Key, conversation: Conversation) -> None:
        self._recent[key] = conversation
        if len(self._recent) > self._keep:
            self._recent.popitem(last=False)

    def _as_shown(self, key: Key, entries: list[Entry]) -> list[Entry]:
        """The same, an answer under way with its text as far as it came."""
        live = self._live.get(key)
        if live is None:
            return entries
        return [
            msgspec.structs.replace(live.entry, text=live.text) if entry.seq == live.entry.seq else entry
            for entry in entries
        ]


class _Append:
    """An entry on its way to the disk; the writer calls it with the outcome."""

    __slots__ = ("_done", "_log", "also", "conversation", "entry")

    def __init__(self, log: ConversationLog, conversation: Conversation, entry: Entry, done: Done) -> None:
        self._log = log
        self._done = done
        self.conversation = conversation
        self.entry = entry
        self.also: tuple[Done, ...] = ()  # those who sent the same again meanwhile

    def __call__(self, error: Exception | None) -> None:
        conversation = self.conversation
        entry = self.entry
        del conversation.pending[entry.seq]
        if error is not None:
            if conversation.failed is None:
                log.error("an entry could not be stored: %s", error)
                self._log.drop(conversation)
            self._tell(0, conversation.failed)
            return
        conversation.add(entry)
        try:
            self._tell(entry.seq, None)
        finally:
            conversation.notify()

    def _tell(self, seq: int, error: ServerError | None) -> None:
        self._done(seq, error)
        for done in self.also:
            done(seq, error)


def _into(future: asyncio.Future[int]) -> Done:
    def done(seq: int, error: ServerError | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(seq)
        else:
            future.set_exception(error)

    return done


def _entry(row: Sequence[Any]) -> Entry:
    """An entry out of a row in the order of `rows.COLUMNS`."""
    entry = Entry(*row)
    if entry.sources is not None:
        entry.sources = msgspec.convert(entry.sources, list[Source])
    if entry.flags is not None:
        entry.flags = msgspec.convert(entry.flags, Flags)
    return entry


@contextmanager
def _reading() -> Iterator[None]:
    """Errors of the database, as they are told to peers."""
    try:
        yield
    except SQLAlchemyError as error:
        log.error("the log could not be read: %s", error)
        raise Unavailable("The log cannot be read.", code="store_unavailable", retry_after=1) from error
