"""The ASGI application without our protocol: whole by itself, and as its schema says."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from edge_server import Edge
from edge_wire import Wire, request


@pytest.fixture
async def client(edge: Edge) -> Any:
    transport = httpx.ASGITransport(edge.server.config.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_hot_routes_answer_as_on_the_wire(edge: Edge, client: httpx.AsyncClient) -> None:
    token = (await edge.session())["token"]
    authorized = {"authorization": f"Bearer {token}"}
    asked: list[tuple[str, str, dict[str, str], bytes | None]] = [
        ("GET", "/healthz", {}, None),
        ("GET", "/readyz", {}, None),
        ("POST", "/api/chat/messages", authorized, b'{"client_id":"a","text":"hello"}'),
        ("POST", "/api/chat/messages", authorized, b'{"client_id":"a"}'),
        ("POST", "/api/chat/messages", authorized, b"{"),
        ("POST", "/api/chat/messages", {}, b"{}"),
        ("GET", "/api/chat/events", {}, None),
        ("GET", "/api/chat/events", {**authorized, "last-event-id": "x"}, None),
    ]
    async with edge.connect() as wire:
        for method, target, headers, body in asked:
            lines = [f"{name}: {value}" for name, value in headers.items()]
            await wire.send(request(method, target, *lines, body=body))
            hot = await wire.reply()
            other = await client.request(method, target, headers=headers, content=body)
            assert other.status_code == hot.status
            assert other.content == hot.body
            assert other.headers["content-type"] == hot.headers["content-type"]
            assert other.headers["cache-control"] == "no-store"


async def test_body_over_the_limit(client: httpx.AsyncClient) -> None:
    reply = await client.post("/api/chat/messages", content=b"a" * 70_000)
    assert reply.status_code == 413
    assert reply.json()["code"] == "payload_too_large"


async def test_stream_over_asgi(edge: Edge) -> None:
    """Events come as they happen, and the session ends with the reader."""
    session = await edge.session()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    gone = asyncio.Event()

    async def receive() -> Any:
        if not asked:
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    asked: list[bool] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/chat/events",
        "raw_path": b"/api/chat/events",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {session['token']}".encode())],
        "client": ("1.1.1.1", 1),
        "server": ("localhost", 80),
    }
    serving = asyncio.ensure_future(edge.server.config.app(scope, receive, sent.put))
    start = await asyncio.wait_for(sent.get(), 5)
    assert start["status"] == 200
    assert (b"content-type", b"text/event-stream") in start["headers"]
    assert (await asyncio.wait_for(sent.get(), 5))["body"].startswith(b"retry: ")
    assert (await asyncio.wait_for(sent.get(), 5))["body"].startswith(b"event: pong\nid: 0\n")
    assert len(edge.context.sessions) == 1
    async with edge.connect() as wire:
        body = b'{"client_id":"a","text":"hello"}'
        assert (await wire.post("/api/chat/messages", body, f"Authorization: Bearer {session['token']}")).status == 200
    event = (await asyncio.wait_for(sent.get(), 5))["body"]
    assert event.startswith(b"event: message\n")
    assert b'"text":"hello"' in event
    gone.set()
    await asyncio.wait_for(serving, 5)
    assert not edge.context.sessions


async def schema_of(wire: Wire) -> Any:
    reply = await wire.get("/openapi.json")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    return reply.json


async def test_schema_names_what_there_is(edge: Edge) -> None:
    async with edge.connect() as wire:
        schema = await schema_of(wire)
    operations = {(method, path) for path, item in schema["paths"].items() for method in item}
    assert operations == {
        ("post", "/api/visitor/sessions"),
        ("get", "/api/chat/messages"),
        ("post", "/api/chat/messages"),
        ("get", "/api/chat/events"),
        ("post", "/api/chat/feedback"),
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/metrics"),
    }
    assert all(item[method].get("description") for item in schema["paths"].values() for method in item)


async def test_metrics(edge: Edge) -> None:
    await edge.session()
    async with edge.connect() as wire:
        await wire.get("/nothing-1")
        await wire.get("/nothing-2")
        text = (await wire.get("/metrics")).body.decode()
    assert 'xiaoer_requests_total{route="/api/visitor/sessions",status="200"}' in text
    assert "nothing" not in text, "a metric for each address that anybody thinks of"
    for name in ("messages_total", "acks_total", "answers_total", "first_token_seconds", "open_sockets", "queue_depth"):
        assert f"# TYPE xiaoer_{name}" in text
