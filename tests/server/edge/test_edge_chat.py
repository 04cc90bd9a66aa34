"""Messages and history over HTTP: what is taken, what is refused and how."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from edge_server import Edge, Start
from edge_wire import Reply, Wire, bearer, request

from xiaoer_server.chat.entries import Source
from xiaoer_server.edge.auth import Signer

MESSAGES = "/api/chat/messages"
SECRET = b"0123456789abcdef0123456789abcdef"


async def say(wire: Wire, token: str, text: str, client_id: str = "a", *headers: str) -> Reply:
    body = msgspec.json.encode({"client_id": client_id, "text": text})
    return await wire.post(MESSAGES, body, bearer(token), *headers)


async def test_history_in_pages(edge: Edge) -> None:
    token = (await edge.session())["token"]
    async with edge.connect() as wire:
        for number in range(1, 8):
            assert (await say(wire, token, f"text {number}", f"id-{number}")).json == {"seq": number}
        newest = (await wire.get(f"{MESSAGES}?limit=3", bearer(token))).json
        assert [frame["seq"] for frame in newest["messages"]] == [5, 6, 7]
        assert newest["more"] is True
        assert newest["messages"][0] == {
            "type": "message",
            "seq": 5,
            "role": "visitor",
            "text": "text 5",
            "at": newest["messages"][0]["at"],
            "client_id": "id-5",
        }
        older = (await wire.get(f"{MESSAGES}?before=5&limit=200", bearer(token))).json
        assert [frame["seq"] for frame in older["messages"]] == [1, 2, 3, 4]
        assert older["more"] is False
        assert (await wire.get(f"{MESSAGES}?before=1", bearer(token))).json == {"messages": [], "more": False}


async def test_long_texts_make_a_page_shorter(edge: Edge) -> None:
    session = await edge.session()
    conversation = await edge.context.log.open("demo", session["conversation"])
    append = edge.context.log.append_wait
    for _ in range(30):
        await append(conversation, "visitor", "\U0001f375" * 4_000)
    await append(conversation, "assistant", "x" * 100_000)
    async with edge.connect() as wire:
        seen: list[int] = []
        sizes: list[int] = []
        query, more = "limit=200", True
        while more:
            reply = await wire.get(f"{MESSAGES}?{query}", bearer(session["token"]))
            page = reply.json
            more = page["more"]
            sizes.append(len(page["messages"]))
            seen[:0] = [frame["seq"] for frame in page["messages"]]
            query = f"limit=200&before={seen[0]}"
    assert seen == list(range(1, 32))
    assert sizes == [1, 16, 14]


async def test_history_ends_before_an_answer_that_grows(edge: Edge) -> None:
    session = await edge.session()
    conversation = await edge.context.log.open("demo", session["conversation"])
    async with edge.connect() as wire:
        await say(wire, session["token"], "question", "a")
        live = await edge.context.log.begin_answer(conversation, "knowledge")
        live.append("half an ")
        await say(wire, session["token"], "another", "b")
        page = (await wire.get(MESSAGES, bearer(session["token"]))).json
        assert [frame["seq"] for frame in page["messages"]] == [1]
        page = (await wire.get(f"{MESSAGES}?limit=2", bearer(session["token"]))).json
        assert [frame["seq"] for frame in page["messages"]] == [1]
        live.append("answer")
        await live.finish(sources=[Source("Half", "/help/demo/half")])
        page = (await wire.get(MESSAGES, bearer(session["token"]))).json
        assert [frame["text"] for frame in page["messages"]] == ["question", "half an answer", "another"]
        assert page["messages"][1]["sources"] == [{"title": "Half", "url": "/help/demo/half"}]


async def test_resend_is_stored_once(edge: Edge) -> None:
    token = (await edge.session())["token"]
    async with edge.connect() as wire:
        assert [(await say(wire, token, "hello", "same")).json for _ in range(3)] == [{"seq": 1}] * 3


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[" * 10_000, 400, "invalid_json"),
        (b"[]", 400, "invalid_frame"),
        (b"{}", 400, "invalid_frame"),
        (b'{"client_id":"a"}', 400, "invalid_frame"),
        (b'{"client_id":"","text":"a"}', 400, "invalid_frame"),
        (b'{"client_id":"%b","text":"a"}' % (b"a" * 65), 400, "invalid_frame"),
        ('{"client_id":"小","text":"a"}'.encode(), 400, "invalid_frame"),
        (b'{"type":"typing","client_id":"a","text":"a"}', 400, "invalid_frame"),
        (b'{"type":"shout","client_id":"a","text":"a"}', 400, "unknown_type"),
        (b'{"client_id":"a","text":" \\n"}', 400, "invalid_text"),
        (b'{"client_id":"a","text":"a\\u0000"}', 400, "invalid_text"),
        (b'{"client_id":"a","text":"\\ud800"}', 400, "invalid_text"),
        (b'{"client_id":"a","text":"%b"}' % ("小" * 4_001).encode(), 413, "text_too_long"),
    ],
)
async def test_bad_message(edge: Edge, body: bytes, status: int, code: str) -> None:
    token = (await edge.session())["token"]
    async with edge.connect() as wire:
        reply = await wire.post(MESSAGES, body, bearer(token))
        assert reply.status == status
        assert reply.problem()["code"] == code
        assert (await say(wire, token, "小" * 4_000)).json == {"seq": 1}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "unauthorized"),
        ("Authorization: Basic YTpi", "unauthorized"),
        ("Authorization: Bearer", "unauthorized"),
        ("Authorization: Bearer a.b.c", "unauthorized"),
        (bearer(Signer(b"x" * 32, 60).issue("demo", "v", "c")), "unauthorized"),
        (bearer(Signer(SECRET, -5).issue("demo", "v", "c")), "token_expired"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_bad_token(edge: Edge, method: str, header: str | None, code: str) -> None:
    headers = [header] if header else []
    body = b'{"client_id":"a","text":"a"}' if method == "POST" else None
    async with edge.connect() as wire:
        await wire.send(request(method, MESSAGES, *headers, body=body))
        reply = await wire.reply()
        assert reply.status == 401
        assert reply.problem()["code"] == code
        assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_and_foreign_conversation(edge: Edge, method: str) -> None:
    mine, yours = await edge.session(), await edge.session()
    signer = edge.context.signer
    body = b'{"client_id":"a","text":"a"}' if method == "POST" else None
    async with edge.connect() as wire:
        for token in (
            signer.issue("demo", mine["visitor"], "01a20484-94d8-7572-b822-e5c7613744c9"),
            signer.issue("demo", mine["visitor"], yours["conversation"]),
            signer.issue("other", mine["visitor"], mine["conversation"]),
        ):
            await wire.send(request(method, MESSAGES, bearer(token), body=body))
            reply = await wire.reply()
            assert reply.status == 404
            assert reply.problem()["code"] == "unknown_conversation"


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=a", "before=0", "before=-1", "before=x", "limit="])
async def test_bad_page(edge: Edge, query: str) -> None:
    token = (await edge.session())["token"]
    async with edge.connect() as wire:
        reply = await wire.get(f"{MESSAGES}?{query}", bearer(token))
        assert reply.status == 400
        assert reply.problem()["code"] == "invalid_request"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_page_on_a_foreign_site(edge: Edge, method: str) -> None:
    token = (await edge.session())["token"]
    body = b'{"client_id":"a","text":"a"}' if method == "POST" else None
    async with edge.connect() as wire:
        for origin, status in (("https://other.example", 403), ("https://shop.example", 200)):
            await wire.send(request(method, MESSAGES, bearer(token), f"Origin: {origin}", body=body))
            reply = await wire.reply()
            assert reply.status == status
            # Another tenant's site may read why it was refused.
            assert reply.headers["access-control-allow-origin"] == origin


async def test_visitor_who_writes_too_fast(start: Start) -> None:
    edge = await start(visitor_burst=3, visitor_rate=0.5)
    mine, yours = await edge.session(), await edge.session()
    async with edge.connect() as wire:
        for number in range(3):
            assert (await say(wire, mine["token"], "hello", str(number))).status == 200
        reply = await say(wire, mine["token"], "hello", "3")
        assert reply.status == 429
        assert reply.problem()["code"] == "rate_limited"
        assert reply.headers["retry-after"] == "2"
        assert (await say(wire, yours["token"], "hello")).status == 200


async def test_proxy_is_believed_about_the_last_hop_only(start: Start) -> None:
    edge = await start(address_burst=2, address_rate=0.1, security={"trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8"]})
    tokens = [(await edge.session())["token"] for _ in range(8)]
    async with edge.connect() as wire:
        for number in range(3):
            # What the client itself wrote in front changes nothing.
            hops = f"X-Forwarded-For: 1.2.3.{number}, 203.0.113.9, 10.0.0.1"
            reply = await say(wire, tokens[number], "hello", "a", hops)
            assert reply.status == (200 if number < 2 else 429)
        # Another client behind the same proxies is another one; two headers are one list.
        split = ("X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 203.0.113.10")
        assert (await say(wire, tokens[3], "hello", "a", *split)).status == 200


async def test_header_of_a_peer_that_is_no_proxy_is_ignored(start: Start) -> None:
    edge = await start(address_burst=2, address_rate=0.1, security={"trusted_proxies": []})
    tokens = [(await edge.session())["token"] for _ in range(3)]
    async with edge.connect() as wire:
        replies = [
            await say(wire, token, "hello", "a", f"X-Forwarded-For: 203.0.113.{number}")
            for number, token in enumerate(tokens)
        ]
    assert [reply.status for reply in replies] == [200, 200, 429]


async def test_draining_takes_no_message(edge: Edge) -> None:
    token = (await edge.session())["token"]
    async with edge.connect() as wire:
        assert (await say(wire, token, "hello")).status == 200
        edge.context.draining = True
        reply = await say(wire, token, "hello", "b")
        assert reply.status == 503
        assert reply.problem()["code"] == "draining"
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.headers["connection"] == "close"
    edge.context.draining = False


async def test_store_that_cannot_write(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    from xiaoer_server.errors import Unavailable

    token = (await edge.session())["token"]

    def accept(conversation: object, client_id: str, text: str, done: object) -> None:
        done(0, Unavailable("Full.", code="store_unavailable", retry_after=1), None)  # type: ignore[operator]

    monkeypatch.setattr(edge.recorder, "accept", accept)
    async with edge.connect() as wire:
        reply = await say(wire, token, "hello")
        assert reply.status == 503
        assert reply.problem()["code"] == "store_unavailable"
        assert reply.headers["retry-after"] == "1"


async def test_fifty_at_once_from_one_visitor(edge: Edge) -> None:
    token = (await edge.session())["token"]

    async def one(number: int) -> int:
        async with edge.connect() as wire:
            seq: int = (await say(wire, token, f"text {number}", str(number))).json["seq"]
            return seq

    assert sorted(await asyncio.gather(*(one(number) for number in range(50)))) == list(range(1, 51))
