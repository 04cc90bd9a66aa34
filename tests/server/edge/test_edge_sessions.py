"""Visitors' sessions: who gets which token, and who does not."""

from __future__ import annotations

import msgspec
import pytest
from edge_server import Edge, Start
from edge_wire import Reply, bearer
from sqlalchemy import select

from xiaoer_server.edge.auth import RENEWAL_GRACE, Signer
from xiaoer_server.store import schema

SESSIONS = "/api/visitor/sessions"


async def ask(edge: Edge, body: object, *headers: str) -> Reply:
    async with edge.connect() as wire:
        return await wire.post(SESSIONS, body if isinstance(body, bytes) else msgspec.json.encode(body), *headers)


async def test_new_visitor_can_chat(edge: Edge) -> None:
    session = await edge.session(profile={"plan": "gold", "orders": 3, "vip": True, "note": None})
    assert set(session) == {"token", "visitor", "conversation"}
    identity = edge.context.signer.verify(session["token"])
    assert (identity.tenant, identity.visitor, identity.conversation) == (
        "demo",
        session["visitor"],
        session["conversation"],
    )
    async with edge.connect() as wire:
        reply = await wire.post("/api/chat/messages", b'{"client_id":"a","text":"hello"}', bearer(session["token"]))
        assert reply.json == {"seq": 1}


async def test_tenant(edge: Edge) -> None:
    session = await edge.session(tenant="other")
    assert edge.context.signer.verify(session["token"]).tenant == "other"
    reply = await ask(edge, {"tenant": "nobody"})
    assert reply.status == 404
    assert reply.problem()["code"] == "unknown_tenant"


async def test_token_continues_its_visitor(edge: Edge) -> None:
    first = await edge.session()
    for body in (b"", {}, {"tenant": "demo"}, {"visitor": first["visitor"]}):
        again = (await ask(edge, body, bearer(first["token"]))).json
        assert (again["visitor"], again["conversation"]) == (first["visitor"], first["conversation"])


async def test_expired_token_continues_its_visitor_for_a_month(edge: Edge) -> None:
    first = await edge.session()
    for age, same in ((60, True), (RENEWAL_GRACE - 60, True), (RENEWAL_GRACE + 60, False)):
        old = Signer(b"0123456789abcdef0123456789abcdef", -age)
        token = old.issue("demo", first["visitor"], first["conversation"])
        again = (await ask(edge, {}, bearer(token))).json
        assert (again["visitor"] == first["visitor"]) is same
        assert edge.context.signer.verify(again["token"])


async def test_sites_own_name_continues_only_with_the_token(edge: Edge) -> None:
    first = await edge.session(visitor="customer-42")
    again = (await ask(edge, {"visitor": "customer-42"}, bearer(first["token"]))).json
    assert again["visitor"] == first["visitor"]
    # The fresh token still knows the name.
    once_more = (await ask(edge, {"visitor": "customer-42"}, bearer(again["token"]))).json
    assert once_more["visitor"] == first["visitor"]
    # Nor is it forgotten by a renewal that does not give it, or gives our id.
    for body in ({}, {"visitor": first["visitor"]}):
        again = (await ask(edge, body, bearer(again["token"]))).json
        assert again["visitor"] == first["visitor"]
    assert (await ask(edge, {"visitor": "customer-42"}, bearer(again["token"]))).json["visitor"] == first["visitor"]
    # Somebody else logged in on the same browser.
    other = (await ask(edge, {"visitor": "customer-43"}, bearer(first["token"]))).json
    assert other["visitor"] != first["visitor"]
    assert other["conversation"] != first["conversation"]


@pytest.mark.parametrize("known", [True, False])
async def test_bare_name_or_id_gives_nothing_away(edge: Edge, known: bool) -> None:
    first = await edge.session(visitor="customer-42")
    for visitor in (first["visitor"], "customer-42") if known else ("01a20484-94d8-7572-b822-e5c6ecc994b4", "nobody"):
        reply = await ask(edge, {"visitor": visitor})
        assert reply.status == 200
        assert reply.json["visitor"] not in (first["visitor"], visitor)
        assert reply.json["conversation"] != first["conversation"]
        async with edge.store.engine.connect() as connection:
            columns = schema.visitors.c
            stored = await connection.scalar(select(columns.external_id).where(columns.id == reply.json["visitor"]))
        assert stored == visitor


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer a.b.c", "Basic YTpi", "Bearer", "Bearer " + "a" * 2_000])
async def test_worthless_proof_makes_a_new_visitor(edge: Edge, header: str) -> None:
    reply = await ask(edge, {}, f"Authorization: {header}")
    assert reply.status == 200


async def test_token_of_another_tenant_or_key_proves_nothing(edge: Edge) -> None:
    first = await edge.session(tenant="other")
    assert (await ask(edge, {"tenant": "demo"}, bearer(first["token"]))).json["visitor"] != first["visitor"]
    forged = Signer(b"x" * 32, 60).issue("other", first["visitor"], first["conversation"])
    assert (await ask(edge, {"tenant": "other"}, bearer(forged))).json["visitor"] != first["visitor"]


async def test_visitor_whose_data_is_gone_becomes_a_new_one(edge: Edge) -> None:
    token = edge.context.signer.issue("demo", "gone", "gone")
    reply = await ask(edge, {}, bearer(token))
    assert reply.status == 200
    assert reply.json["visitor"] != "gone"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b"[]", "invalid_request"),
        (b"null", "invalid_request"),
        (b'{"tenant":1}', "invalid_request"),
        (b'{"tenant":""}', "invalid_request"),
        (b'{"tenants":"demo"}', "invalid_request"),
        (b'{"visitor":"%b"}' % (b"a" * 129), "invalid_request"),
        (b'{"visitor":"a\\u0000"}', "invalid_text"),
        (b'{"visitor":"\\ud800"}', "invalid_json"),
        (b'{"profile":{"a":{"b":1}}}', "invalid_request"),
        (b'{"profile":{"a":[1]}}', "invalid_request"),
        (b'{"profile":{"a\\u0000":1}}', "invalid_text"),
        (b'{"profile":{"a":"%b"}}' % (b"b" * 4_096), "profile_too_large"),
        (b"[" * 10_000, "invalid_request"),
    ],
)
async def test_bad_request(edge: Edge, body: bytes, code: str) -> None:
    reply = await ask(edge, body)
    assert reply.status == 400
    assert reply.problem()["code"] == code


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://shop.example", True),
        ("https://www.tea.example", True),
        ("http://localhost", True),  # our own page: the Host header says localhost
        ("https://tea.example", False),
        ("https://shop.example.evil.example", False),
        ("https://eviltea.example", False),
        ("http://shop.example", False),
        ("https://other.example", False),
        ("null", False),
    ],
)
async def test_sites(edge: Edge, origin: str, allowed: bool) -> None:
    reply = await ask(edge, {"tenant": "demo"}, f"Origin: {origin}")
    if allowed:
        assert reply.status == 200
        assert reply.headers["access-control-allow-origin"] == origin
    else:
        assert reply.status == 403
        assert reply.problem()["code"] == "forbidden_origin"


async def test_sessions_of_an_address_are_limited(start: Start) -> None:
    edge = await start(session_burst=3, session_rate=0.5)
    for _ in range(3):
        await edge.session()
    reply = await ask(edge, {})
    assert reply.status == 429
    assert reply.problem()["code"] == "rate_limited"
    assert 1 <= int(reply.headers["retry-after"]) <= 2
    assert 0 < reply.json["retry_after"] <= 2
