"""Pages, files, CORS and the shapes of errors."""

from __future__ import annotations

import gzip

import pytest
from edge_server import Edge
from edge_wire import bearer, request

from xiaoer_server.edge.cors import site_allowed
from xiaoer_server.edge.pages import WEB


@pytest.mark.parametrize(
    ("target", "file", "media_type"),
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/widget.js", "widget.js", "text/javascript; charset=utf-8"),
        ("/widget/view.js", "widget/view.js", "text/javascript; charset=utf-8"),
        ("/assets/shop.css", "assets/shop.css", "text/css; charset=utf-8"),
        ("/assets/logo.svg", "assets/logo.svg", "image/svg+xml"),
    ],
)
async def test_file(edge: Edge, target: str, file: str, media_type: str) -> None:
    content = (WEB / file).read_bytes()
    async with edge.connect() as wire:
        reply = await wire.get(target)
        assert reply.status == 200
        assert reply.body == content
        assert reply.headers["content-type"] == media_type
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "referrer-policy" in reply.headers
        assert "cache-control" in reply.headers
        small = await wire.get(target, "Accept-Encoding: br, gzip")
        assert small.headers["content-encoding"] == "gzip"
        assert gzip.decompress(small.body) == content
        assert small.headers["etag"] != reply.headers["etag"]
        assert small.headers["vary"] == "accept-encoding"
        for tag in (reply.headers["etag"], f'"other", W/{reply.headers["etag"]}'):
            again = await wire.get(target, f"If-None-Match: {tag}")
            assert again.status == 304
            assert again.headers["etag"] == reply.headers["etag"]
        assert (await wire.get(target, 'If-None-Match: "other"')).status == 200


async def test_page_may_run_only_our_own_scripts(edge: Edge) -> None:
    async with edge.connect() as wire:
        policy = (await wire.get("/")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


async def test_widget_may_be_embedded_anywhere(edge: Edge) -> None:
    async with edge.connect() as wire:
        for target in ("/widget.js", "/widget/view.js", "/assets/logo.svg"):
            reply = await wire.get(target, "Origin: https://anywhere.example")
            assert reply.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-origin" not in (await wire.get("/")).headers


@pytest.mark.parametrize(
    "target",
    [
        "/assets/../index.html",
        "/assets/../../config.py",
        "/assets/%2e%2e/%2e%2e/config.py",
        "/assets/..%2f..%2fconfig.py",
        "/assets//etc/passwd",
        "/assets/%2fetc%2fpasswd",
        "/assets/shop.css%00",
        "/assets/shop.css/",
        "/assets/",
        "/assets",
        "/widget/../widget.js",
        "/index.html",
        "/nothing",
        "/api",
        "/api/chat",
        "/healthz/",
        "//healthz",
    ],
)
async def test_nothing_else_is_served(edge: Edge, target: str) -> None:
    async with edge.connect() as wire:
        reply = await wire.get(target)
        assert reply.body != (WEB / "index.html").read_bytes() or target == "/"
        if reply.status != 200:
            assert reply.status == 404
            assert reply.problem()["code"] == "not_found"
        else:
            assert target in ("/assets/shop.css/", "/healthz/", "//healthz")


@pytest.mark.parametrize("target", ["/", "/widget.js", "/widget/view.js", "/assets/logo.svg", "/nothing"])
async def test_head_is_answered_like_get_without_a_body(edge: Edge, target: str) -> None:
    async with edge.connect() as wire:
        full = await wire.get(target)
        await wire.send(request("HEAD", target) + request("GET", "/healthz"))
        reply = await wire.reply(head_only=True)
        assert reply.status == full.status
        assert {**reply.headers, "date": ""} == {**full.headers, "date": ""}
        assert (await wire.reply()).body == b'{"status":"ok"}', "nothing of the first answer's body is in the way"


async def test_address_of_the_websocket_without_a_handshake(edge: Edge) -> None:
    async with edge.connect() as wire:
        reply = await wire.get("/api/chat/ws")
        assert reply.status == 426
        assert reply.headers["upgrade"] == "websocket"
        assert reply.problem()["code"] == "upgrade_required"


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("POST", "/healthz", "GET"),
        ("DELETE", "/api/chat/messages", "GET"),
        ("GET", "/api/visitor/sessions", "POST"),
        ("PUT", "/", "GET"),
    ],
)
async def test_method_that_an_address_does_not_take(edge: Edge, method: str, target: str, allowed: str) -> None:
    async with edge.connect() as wire:
        await wire.send(request(method, target))
        reply = await wire.reply()
        assert reply.status == 405
        assert reply.problem()["code"] == "method_not_allowed"
        assert allowed in reply.headers["allow"]


async def test_unknown_address_under_v1(edge: Edge) -> None:
    async with edge.connect() as wire:
        reply = await wire.get("/v1/nothing")
        assert reply.status == 404
        assert reply.json["error"]["code"] == "not_found"


# -- CORS -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/api/visitor/sessions", "/api/chat/messages", "/api/chat/events"])
async def test_preflight(edge: Edge, target: str) -> None:
    asked = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization, content-type")
    async with edge.connect() as wire:
        for origin in ("https://shop.example", "https://other.example", "http://localhost"):
            await wire.send(request("OPTIONS", target, f"Origin: {origin}", *asked))
            reply = await wire.reply()
            assert reply.status == 204
            assert reply.headers["access-control-allow-origin"] == origin
            assert "POST" in reply.headers["access-control-allow-methods"]
            assert {"authorization", "content-type", "last-event-id"} <= {
                name.strip() for name in reply.headers["access-control-allow-headers"].split(",")
            }
            assert reply.headers["vary"] == "origin"
        await wire.send(request("OPTIONS", target, "Origin: https://evil.example", *asked))
        reply = await wire.reply()
        assert reply.status == 403
        assert "access-control-allow-origin" not in reply.headers
        assert (await wire.get("/healthz")).status == 200


async def test_answers_may_be_read_on_allowed_sites_only(edge: Edge) -> None:
    token = (await edge.session())["token"]
    body = b'{"client_id":"a","text":"hello"}'
    async with edge.connect() as wire:
        for target in ("/api/chat/messages", "/api/visitor/sessions"):
            reply = await wire.post(
                target, body if "chat" in target else b"{}", bearer(token), "Origin: https://shop.example"
            )
            assert reply.status == 200
            assert reply.headers["access-control-allow-origin"] == "https://shop.example"
            reply = await wire.post(target, body, bearer(token), "Origin: https://evil.example")
            assert reply.status in (400, 403)
            assert "access-control-allow-origin" not in reply.headers
        reply = await wire.get("/api/chat/messages", "Origin: https://shop.example")
        assert reply.status == 401
        assert reply.headers["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-origin" not in (await wire.get("/healthz", "Origin: https://shop.example")).headers


@pytest.mark.parametrize(
    ("sites", "origin", "host", "allowed"),
    [
        ([], "https://a.example", "a.example", True),
        ([], "http://localhost:8000", "LOCALHOST:8000", True),
        ([], "http://localhost:8000", "localhost:8001", False),
        ([], "https://a.example", "b.example", False),
        ([], "null", "null", False),
        ([], "", "", False),
        (["*"], "null", "b", True),
        (["https://a.example"], "https://a.example", "b", True),
        (["https://a.example/"], "https://A.example", "b", True),
        (["https://a.example"], "http://a.example", "b", False),
        (["https://a.example"], "https://a.example:8443", "b", False),
        (["a.example"], "http://a.example", "b", True),
        (["a.example"], "https://xa.example", "b", False),
        (["https://*.a.example"], "https://w.a.example", "b", True),
        (["https://*.a.example"], "https://v.w.a.example", "b", True),
        (["https://*.a.example"], "https://a.example", "b", False),
        (["https://*.a.example"], "http://w.a.example", "b", False),
        (["https://*.a.example"], "https://wa.example", "b", False),
        (["*.a.example"], "http://w.a.example", "b", True),
        (["https://a.example"], "null", "b", False),
    ],
)
def test_site(sites: list[str], origin: str, host: str, allowed: bool) -> None:
    assert site_allowed(sites, origin, host) is allowed
