"""Tenants, visitors, words, read marks."""

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from xiaoer_server.errors import NotFound
from xiaoer_server.store import conversations as conversations_module
from xiaoer_server.store import schema
from xiaoer_server.store.conversations import Conversations
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenant, Tenants
from xiaoer_server.store.visitors import Visitors
from xiaoer_server.store.words import WordRow, Words


@pytest.fixture
async def tenants(store: Store) -> Tenants:
    tenants = Tenants(store)
    await tenants.ensure("demo", name="Demo")
    await tenants.ensure("other", name="Other", allowed_sites=["https://other.example"], settings={"a": 1})
    return tenants


async def test_tenants(tenants: Tenants) -> None:
    other = Tenant("other", "Other", ["https://other.example"], {"a": 1})
    assert await tenants.get("other") == other
    assert await tenants.get("none") is None
    assert await tenants.all() == [Tenant("demo", "Demo", [], {}), other]


async def test_ensure_brings_a_tenant_up_to_date_and_keeps_its_settings(tenants: Tenants) -> None:
    changed = await tenants.ensure("other", name="Renamed", allowed_sites=["https://new.example"])
    assert changed == Tenant("other", "Renamed", ["https://new.example"], {"a": 1})
    assert await tenants.get("other") == changed
    assert await tenants.ensure("other", name="Renamed", settings={}) == Tenant("other", "Renamed", [], {})
    assert await tenants.get("demo") == Tenant("demo", "Demo", [], {})


@pytest.mark.usefixtures("tenants")
async def test_a_visitor_belongs_to_one_tenant(store: Store) -> None:
    visitors = Visitors(store)
    visitor, conversation = await visitors.create("demo", external_id="u1", profile={"name": "小二"})
    assert await visitors.conversation_of("demo", visitor) == conversation
    assert await visitors.conversation_of("other", visitor) is None
    async with store.engine.connect() as connection:
        row = (await connection.execute(select(schema.visitors))).one()
    assert (row.tenant, row.id, row.external_id, row.profile) == ("demo", visitor, "u1", {"name": "小二"})
    # An external id proves nothing: it never leads to somebody's conversation.
    assert (await visitors.create("demo", external_id="u1"))[1] != conversation


async def test_an_unknown_tenant_gets_no_visitors(store: Store) -> None:
    with pytest.raises(NotFound) as raised:
        await Visitors(store).create("none")
    assert raised.value.code == "unknown_tenant"


@pytest.mark.usefixtures("tenants")
async def test_words_are_replaced_as_a_whole(store: Store) -> None:
    words = Words(store)
    many = [WordRow(f"word{number:04}", 2, "block", ["a", "b"]) for number in range(1200)]
    await words.replace("demo", many)
    await words.replace("other", [WordRow("word0000")])
    assert await words.all("demo") == many
    with pytest.raises(IntegrityError):
        await words.replace("demo", [WordRow("new"), WordRow("new")])
    assert await words.all("demo") == many
    await words.replace("demo", [WordRow("Café"), WordRow("cafe")])
    assert await words.all("demo") == [WordRow("Café"), WordRow("cafe")]
    assert await words.all("other") == [WordRow("word0000")]


@pytest.mark.usefixtures("tenants")
async def test_read_marks_are_coalesced_and_never_go_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations_module, "MARK_SECONDS", 0.01)
    conversations = Conversations(store)
    _, mine = await Visitors(store).create("demo")
    _, theirs = await Visitors(store).create("other")
    for seq in (3, 5, 4):
        conversations.mark_read("demo", mine, seq)
    assert await conversations.read_seq("demo", mine) == 5
    while await Conversations(store).read_seq("demo", mine) != 5:
        await asyncio.sleep(0.01)
    conversations.mark_read("demo", mine, 2)
    conversations.mark_read("other", mine, 9)
    await asyncio.sleep(0.03)
    await store.writer.drain()
    assert await Conversations(store).read_seq("demo", mine) == 5
    assert await conversations.read_seq("other", theirs) == 0


@pytest.mark.usefixtures("tenants")
async def test_a_read_mark_is_known_while_it_is_being_stored(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations_module, "MARK_SECONDS", 0.0)
    conversations = Conversations(store)
    _, mine = await Visitors(store).create("demo")
    for seq in range(1, 200):
        conversations.mark_read("demo", mine, seq)
        await asyncio.sleep(0)
        assert await conversations.read_seq("demo", mine) == seq
        if seq % 3 == 0:
            await store.writer.drain()


@pytest.mark.usefixtures("tenants")
async def test_read_marks_are_stored_at_the_end(store: Store) -> None:
    folder = store.folder
    _, mine = await Visitors(store).create("demo")
    Conversations(store).mark_read("demo", mine, 7)
    await store.close()
    again = await Store.open(folder)
    assert await Conversations(again).read_seq("demo", mine) == 7
    await again.close()
