"""The conversation log on a real database."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from xiaoer_server.chat import live as live_module
from xiaoer_server.chat.conversation import Conversation
from xiaoer_server.chat.entries import Flags, Source
from xiaoer_server.chat.log import ConversationLog
from xiaoer_server.errors import NotFound, ServerError, Unavailable
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants
from xiaoer_server.store.visitors import Visitors

Start = Callable[..., Awaitable[Conversation]]


class Watcher:
    """A subscriber that remembers what it was told."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.seen: list[int] = []
        self.events: list[object] = []
        self.error: ServerError | None = None
        conversation.subscribe(self)

    def changed(self) -> None:
        self.seen.append(self.conversation.durable)

    def transient(self, event: object) -> None:
        self.events.append(event)

    def dropped(self, error: ServerError) -> None:
        self.error = error


@pytest.fixture
async def again(store: Store) -> ConversationLog:
    """A log that has nothing in memory, as after a restart."""
    return ConversationLog(store)


async def fill(store: Store) -> None:
    """Leave the database no page to grow by, as on a full disk."""
    await store.writer.run(text("CREATE TABLE filler (data BLOB)"), {})
    await store.writer.drain()
    connection = store._connection
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    connection.rollback()


def empty(store: Store) -> None:
    store._connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    store._connection.rollback()


async def test_long_texts_leave_memory_early(log: ConversationLog, again: ConversationLog, start: Start) -> None:
    conversation = await start()
    for number in range(40):
        await log.append_wait(conversation, "visitor", "\U0001f375" * 4_000, client_id=f"id-{number}")
    for kept in (conversation, await again.open("demo", conversation.id)):
        assert [entry.seq for entry in kept.recent(200)] == list(range(25, 41))
        assert kept.entry(24) is None
        assert kept.durable == 40
        assert len(kept.client_ids) == 40
    assert [entry.seq for entry in await log.range("demo", conversation.id, after=0, limit=50)] == list(range(1, 41))
    assert await log.append_wait(conversation, "visitor", "x" * 100_000) == 41
    assert [entry.seq for entry in conversation.recent(200)] == [41]


async def test_what_a_visitor_wrote_is_not_in_the_operators_log(
    log: ConversationLog, store: Store, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    conversation = await start()
    await fill(store)
    with pytest.raises(Unavailable):
        await log.append_wait(conversation, "visitor", "my card is 4111 " * 10_000)
    empty(store)
    assert "full" in caplog.text
    assert "4111" not in caplog.text


async def test_append_gives_seqs_without_gaps_and_shows_only_what_is_durable(
    log: ConversationLog, start: Start
) -> None:
    conversation = await start()
    watcher = Watcher(conversation)
    outcome: list[tuple[int, ServerError | None, int]] = []
    for number in range(5):
        log.append(
            conversation,
            "visitor",
            f"message {number}",
            lambda seq, error: outcome.append((seq, error, conversation.durable)),
        )
    assert conversation.last_seq == 5
    assert conversation.durable == 0
    assert conversation.entry(1) is None
    await log.append_wait(conversation, "visitor", "last")
    assert outcome == [(seq, None, seq) for seq in range(1, 6)]
    assert watcher.seen == [1, 2, 3, 4, 5, 6]
    assert [entry.text for entry in conversation.recent(2)] == ["message 4", "last"]
    assert conversation.pending == {}


async def test_all_of_an_entry_comes_back(log: ConversationLog, again: ConversationLog, start: Start) -> None:
    conversation = await start()
    await log.append_wait(conversation, "visitor", "你好 **** 😀", client_id="a", flags=Flags("mask", ["spam"]))
    sources = [Source("退货", "/help/demo/returns")]
    await log.append_wait(conversation, "assistant", "可以退货", sources=sources, answered_by="knowledge")
    reopened = await again.open("demo", conversation.id)
    assert reopened is not conversation
    assert reopened.visitor == conversation.visitor
    assert reopened.recent(9) == conversation.recent(9)
    assert (await again.page("demo", conversation.id, before=None, limit=9))[1].sources == sources


async def test_a_client_id_is_appended_once(log: ConversationLog, again: ConversationLog, start: Start) -> None:
    conversation = await start()
    outcome: list[int] = []
    for _ in range(3):  # all while the first is in flight
        log.append(conversation, "visitor", "hi", lambda seq, _error: outcome.append(seq), client_id="a")
    assert outcome == []
    assert await log.append_wait(conversation, "visitor", "other", client_id="b") == 2
    assert outcome == [1, 1, 1]
    assert await log.append_wait(conversation, "visitor", "hi", client_id="a") == 1

    reopened = await again.open("demo", conversation.id)
    assert await again.append_wait(reopened, "visitor", "hi", client_id="a") == 1
    assert await again.append_wait(reopened, "visitor", "new", client_id="c") == 3
    assert [entry.client_id for entry in reopened.recent(9)] == ["a", "b", "c"]


async def test_client_ids_older_than_the_tail_are_known(store: Store, log: ConversationLog, start: Start) -> None:
    conversation = await start()
    for number in range(30):
        log.append(conversation, "visitor", str(number), lambda *_: None, client_id=f"c{number}")
    await store.writer.drain()
    short = ConversationLog(store, tail=5)
    reopened = await short.open("demo", conversation.id)
    assert reopened.entry(25) is None
    assert reopened.entry(26) is not None
    assert await short.append_wait(reopened, "visitor", "0", client_id="c0") == 1


async def test_pages_and_ranges_from_memory_and_database_are_alike(
    store: Store, log: ConversationLog, start: Start
) -> None:
    conversation = await start()
    for number in range(1, 41):
        log.append(conversation, "visitor", str(number), lambda *_: None)
    await store.writer.drain()
    short = ConversationLog(store, tail=10)
    cold = ConversationLog(store)
    await short.open("demo", conversation.id)
    for log_ in (log, short, cold):

        async def page(before: int | None, limit: int, log_: ConversationLog = log_) -> list[int]:
            return [entry.seq for entry in await log_.page("demo", conversation.id, before=before, limit=limit)]

        async def range_(after: int, limit: int, log_: ConversationLog = log_) -> list[int]:
            return [entry.seq for entry in await log_.range("demo", conversation.id, after=after, limit=limit)]

        assert await page(None, 3) == [38, 39, 40]
        assert await page(38, 3) == [35, 36, 37]
        assert await page(3, 10) == [1, 2]
        assert await page(1, 10) == []
        assert await page(1000, 2) == [39, 40]
        assert await range_(0, 2) == [1, 2]
        assert await range_(38, 10) == [39, 40]
        assert await range_(40, 10) == []
        assert await range_(99, 10) == []
    assert cold.cached("demo", conversation.id) is None
    assert [entry.text for entry in await cold.range("demo", conversation.id, after=4, limit=2)] == ["5", "6"]


async def test_pages_show_nothing_that_is_not_durable(log: ConversationLog, start: Start) -> None:
    conversation = await start()
    log.append(conversation, "visitor", "in flight", lambda *_: None)
    assert await log.range("demo", conversation.id, after=0, limit=9) == []
    assert await log.page("demo", conversation.id, before=None, limit=9) == []


async def test_tenants_never_mix(store: Store, log: ConversationLog, start: Start) -> None:
    await Tenants(store).ensure("other", name="Other")
    mine = await start()
    # The same ids once more, under the other tenant.
    for table, values in (
        ("visitors", "'other', id, external_id, profile, created_at"),
        ("conversations", "'other', id, visitor, created_at, read_seq"),
    ):
        await store.writer.run(text(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE tenant = 'demo'"), {})
    theirs = await log.open("other", mine.id)
    assert theirs is not mine
    await log.append_wait(mine, "visitor", "mine", client_id="a")
    assert theirs.last_seq == 0
    assert await log.append_wait(theirs, "visitor", "theirs", client_id="a") == 1
    answer = await log.begin_answer(theirs, "knowledge")
    answer.append("their answer")
    await answer.finish()
    for log_ in (log, ConversationLog(store)):
        assert [e.text for e in await log_.range("demo", mine.id, after=0, limit=9)] == ["mine"]
        assert [e.text for e in await log_.page("other", mine.id, before=None, limit=9)] == ["theirs", "their answer"]
        assert (await log_.open("demo", mine.id)).last_seq == 1


async def test_unknown_conversation(store: Store, log: ConversationLog, start: Start) -> None:
    await Tenants(store).ensure("other", name="Other")
    mine = await start()
    for tenant, conversation in (("demo", "nothing"), ("other", mine.id)):
        with pytest.raises(NotFound) as raised:
            await log.open(tenant, conversation)
        assert raised.value.code == "unknown_conversation"
        assert await log.page(tenant, conversation, before=None, limit=9) == []


async def test_concurrent_opens_load_once(again: ConversationLog, start: Start) -> None:
    conversation = await start()
    tasks = [asyncio.create_task(again.open("demo", conversation.id)) for _ in range(10)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    opened = await asyncio.gather(*tasks[1:])
    assert len(set(map(id, opened))) == 1
    assert again._loading == {}


async def test_conversations_leave_memory_only_when_unused(store: Store, log: ConversationLog, start: Start) -> None:
    small = ConversationLog(store, recent=2)
    watched, held, pending, idle, *fillers = [(await start()).id for _ in range(7)]
    watcher = Watcher(await small.open("demo", watched))
    reference = await small.open("demo", held)
    await small.open("demo", idle)
    others = [await small.open("demo", filler) for filler in fillers]
    small.append(await small.open("demo", pending), "visitor", "hi", lambda *_: None)
    for other in others:
        assert small.cached("demo", other.id) is other
    gc.collect()
    assert small.cached("demo", idle) is None
    assert small.cached("demo", held) is reference
    assert small.cached("demo", watched) is watcher.conversation
    in_flight = small.cached("demo", pending)
    assert in_flight is not None
    assert in_flight.durable == 0
    await store.writer.drain()
    assert in_flight.durable == 1
    del in_flight
    watcher.conversation.unsubscribe(watcher)
    del watcher
    for filler in fillers:
        await small.open("demo", filler)
    gc.collect()
    assert small.cached("demo", watched) is None
    assert small.cached("demo", pending) is None


async def test_a_watched_conversation_stays_though_nobody_else_has_it(store: Store, start: Start) -> None:
    small = ConversationLog(store, recent=1)
    watched, other = (await start()).id, (await start()).id
    Watcher(await small.open("demo", watched))
    await small.open("demo", other)
    gc.collect()
    assert small.cached("demo", watched) is not None


async def test_transient_events(start: Start) -> None:
    conversation = await start()
    first, second = Watcher(conversation), Watcher(conversation)
    conversation.tell("typing", but=first)
    conversation.unsubscribe(second)
    conversation.unsubscribe(second)
    conversation.tell("typing")
    assert first.events == ["typing"]
    assert second.events == ["typing"]


# -- answers --------------------------------------------------------------------------------------------------


async def test_an_answer_grows_and_is_whole_only_once_that_is_durable(
    store: Store, log: ConversationLog, again: ConversationLog, start: Start
) -> None:
    conversation = await start()
    watcher = Watcher(conversation)
    beginning = asyncio.create_task(log.begin_answer(conversation, "model:x"))
    await asyncio.sleep(0)
    assert conversation.live is None  # not durable, not visible
    with pytest.raises(RuntimeError):
        await log.begin_answer(conversation, "model:x")
    answer = await beginning
    assert conversation.live is answer
    with pytest.raises(RuntimeError):
        await log.begin_answer(conversation, "model:x")
    answer.append("你好")
    answer.append("")
    answer.append("😀!")
    assert [(piece.offset, piece.end, piece.text) for piece in answer.pieces] == [(0, 2, "你好"), (2, 4, "😀!")]
    assert answer.length == 4
    assert watcher.seen == [1, 1, 1]
    shown = await log.page("demo", conversation.id, before=None, limit=1)
    assert (shown[0].status, shown[0].text) == ("streaming", "你好😀!")
    assert await log.append_wait(conversation, "visitor", "meanwhile") == 2

    sources = [Source("t", "/help/demo/t")]
    ending = asyncio.create_task(answer.finish("stop", sources))
    await asyncio.sleep(0)
    assert answer.entry.status == "streaming"
    entry = await ending
    assert entry is conversation.entry(1)
    assert (entry.status, entry.finish_reason, entry.text, entry.sources) == ("complete", "stop", "你好😀!", sources)
    assert conversation.live is None
    assert (await again.open("demo", conversation.id)).entry(1) == entry
    with pytest.raises(RuntimeError):
        answer.append("more")


async def test_the_first_end_of_an_answer_counts(log: ConversationLog, again: ConversationLog, start: Start) -> None:
    conversation = await start()
    answer = await log.begin_answer(conversation, "model:x")
    answer.append("half")
    ending = asyncio.create_task(answer.interrupt("timeout"))
    await asyncio.sleep(0)
    ending.cancel()  # the caller goes, the end is carried through
    with pytest.raises(asyncio.CancelledError):
        await ending
    entry = await answer.finish()
    assert (entry.status, entry.finish_reason, entry.text) == ("interrupted", "timeout", "half")
    assert (await again.open("demo", conversation.id)).entry(1) == entry


async def test_a_growing_answer_is_checkpointed(
    log: ConversationLog, again: ConversationLog, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "CHECKPOINT_SECONDS", 0.01)
    conversation = await start()
    answer = await log.begin_answer(conversation, "model:x")
    answer.append("so far")
    while True:
        (stored,) = await again.range("demo", conversation.id, after=0, limit=1)
        if stored.text:
            break
        await asyncio.sleep(0.01)
    assert (stored.text, stored.status) == ("so far", "streaming")
    await answer.finish()


async def test_recover(store: Store, log: ConversationLog, again: ConversationLog, start: Start) -> None:
    cut, asked, answered, blocked, masked, old = [await start() for _ in range(6)]
    await log.append_wait(cut, "visitor", "q")
    (await log.begin_answer(cut, "model:x")).append("half")
    await log.append_wait(asked, "visitor", "q")
    await log.append_wait(answered, "visitor", "q")
    await log.append_wait(answered, "agent", "a")
    await log.append_wait(blocked, "visitor", "q", flags=Flags("block", ["w"]))
    await log.append_wait(masked, "visitor", "q", flags=Flags("mask", ["w"]))
    await log.append_wait(old, "visitor", "q")
    await store.writer.run(text("UPDATE entries SET at = at - 601000 WHERE conversation = :id"), {"id": old.id})
    waiting = await again.recover()
    assert sorted(waiting) == sorted([("demo", asked.id), ("demo", masked.id)])
    entry = (await again.open("demo", cut.id)).entry(2)
    assert entry is not None
    assert (entry.status, entry.finish_reason) == ("interrupted", "restart")


# -- a disk that fails ----------------------------------------------------------------------------------------


async def append_until_refused(log: ConversationLog, conversation: Conversation) -> tuple[list[int], list[ServerError]]:
    """Append large messages; returns the seqs that were acked, and the errors."""
    acked: list[int] = []
    errors: list[ServerError] = []

    def done(seq: int, error: ServerError | None) -> None:
        if error is None:
            acked.append(seq)
        else:
            errors.append(error)

    for number in range(200):
        log.append(conversation, "visitor", "x" * 4000, done, client_id=f"c{number}")
        if number % 20 == 0:
            await asyncio.sleep(0.01)
        if errors:
            break
    await log._writer.drain()
    await asyncio.sleep(0)
    return acked, errors


async def test_a_full_disk_refuses_and_leaves_no_gap(store: Store, log: ConversationLog, start: Start) -> None:
    conversation = await start()
    watcher = Watcher(conversation)
    await fill(store)
    acked, errors = await append_until_refused(log, conversation)
    assert errors
    assert {(error.code, error.retry_after) for error in errors} == {("store_unavailable", 1)}
    assert isinstance(watcher.error, Unavailable)
    assert not conversation.watched
    assert acked == list(range(1, len(acked) + 1))
    # What still has the old object is refused, nothing is invented.
    with pytest.raises(Unavailable):
        await log.append_wait(conversation, "visitor", "late")

    empty(store)
    reopened = await log.open("demo", conversation.id)
    assert reopened is not conversation
    assert reopened.durable == len(acked)
    # A resend of everything: what was acked keeps its seq, the rest gets the next ones.
    for number in range(len(acked) + len(errors)):
        assert await log.append_wait(reopened, "visitor", "x", client_id=f"c{number}") == number + 1
    read = await ConversationLog(store).range("demo", conversation.id, after=0, limit=1000)
    assert [entry.seq for entry in read] == list(range(1, len(acked) + len(errors) + 1))


async def test_an_answer_outlives_the_drop_of_its_conversation(
    store: Store, log: ConversationLog, start: Start
) -> None:
    conversation = await start()
    answer = await log.begin_answer(conversation, "model:x")
    answer.append("before, ")
    await fill(store)
    _, errors = await append_until_refused(log, conversation)
    assert errors
    empty(store)
    reopened = await log.open("demo", conversation.id)
    assert reopened.live is answer
    watcher = Watcher(reopened)
    answer.append("after")
    entry = await answer.finish()
    assert reopened.entry(entry.seq) is entry
    assert len(watcher.seen) == 2
    assert (entry.text, entry.status) == ("before, after", "complete")
    assert reopened.live is None


async def test_an_answer_whose_end_cannot_be_stored_is_interrupted(
    store: Store, log: ConversationLog, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "END_RETRIES", (0.01,))
    conversation = await start()
    answer = await log.begin_answer(conversation, "model:x")
    await fill(store)
    answer.append("x" * 200_000)
    with pytest.raises(Unavailable):
        await answer.finish()
    assert conversation.live is None
    entry = conversation.entry(1)
    assert entry is not None
    assert (entry.status, entry.finish_reason) == ("interrupted", "store_unavailable")
    empty(store)
    reopened = await ConversationLog(store).open("demo", conversation.id)
    assert reopened.live is None
    entry = reopened.entry(1)
    assert entry is not None
    assert (entry.status, entry.finish_reason) == ("interrupted", "restart")


async def test_an_answer_that_cannot_begin(store: Store, log: ConversationLog, start: Start) -> None:
    conversation = await start()
    await store.writer.run(
        text(
            "CREATE TRIGGER no_answers BEFORE INSERT ON entries WHEN new.status = 'streaming' "
            "BEGIN SELECT RAISE(FAIL, 'no'); END"
        ),
        {},
    )
    with pytest.raises(Unavailable):
        await log.begin_answer(conversation, "model:x")
    reopened = await log.open("demo", conversation.id)
    assert (reopened.live, reopened.last_seq) == (None, 0)


async def test_one_refused_row_concerns_only_its_conversation(store: Store, log: ConversationLog, start: Start) -> None:
    first, second = await start(), await start()
    await log.append_wait(first, "visitor", "ok")
    await store.writer.run(
        text("CREATE TRIGGER no BEFORE INSERT ON entries WHEN new.text = 'bad' BEGIN SELECT RAISE(FAIL, 'no'); END"),
        {},
    )
    outcome: dict[str, list[int]] = {first.id: [], second.id: []}
    for text_ in ("good", "bad", "good", "good"):
        for conversation in (first, second):
            if conversation is second and text_ == "bad":
                text_ = "fine"
            log.append(conversation, "visitor", text_, lambda seq, _e, at=conversation.id: outcome[at].append(seq))
    await store.writer.drain()
    await asyncio.sleep(0)
    assert outcome == {first.id: [2, 0, 0, 0], second.id: [1, 2, 3, 4]}
    reopened = await log.open("demo", first.id)
    assert reopened.last_seq == 2
    assert await log.append_wait(reopened, "visitor", "good") == 3
    assert await log.open("demo", second.id) is second


async def test_appending_to_a_closed_store_is_refused(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await Tenants(store).ensure("demo", name="Demo")
    log = ConversationLog(store)
    conversation = await log.open("demo", (await Visitors(store).create("demo"))[1])
    await store.close()
    with pytest.raises(Unavailable):
        await log.append_wait(conversation, "visitor", "late")
