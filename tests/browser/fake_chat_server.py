"""A server that speaks the wire format and does what a test tells it to.

Only for what a real server can hardly be brought to do: gaps, repeats, refusals, dead links, hostile markup.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

import xiaoer_server

WEB = Path(xiaoer_server.__file__).parent / "web"

#: The strictest policy that an embedding page can have and still load the widget.
STRICT = (
    "default-src 'none'; script-src {server}; connect-src {server} {socket}; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types xiaoer"
)


class Peer:
    """One WebSocket of the widget, from the server's side."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.query = dict(request.query)
        self.frames: list[dict[str, Any]] = []
        self.arrived = asyncio.Condition()

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"type": kind, **fields}))

    async def message(self, seq: int, role: str, text: str, **fields: Any) -> None:
        await self.send("message", seq=seq, role=role, text=text, at="2026-11-22T12:00:00.123Z", **fields)

    async def answer(self, seq: int, text: str, *, html: str | None = None, **fields: Any) -> None:
        """A whole answer: one delta and its end."""
        await self.send("delta", seq=seq, offset=0, text=text)
        await self.send("done", seq=seq, finish_reason="stop", html=html or f"<p>{text}</p>", **fields)

    async def next(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The `count`th frame of a type, once it has come."""
        async with asyncio.timeout(20), self.arrived:
            while len(found := [frame for frame in self.frames if frame["type"] == kind]) < count:
                await self.arrived.wait()
        return found[count - 1]

    async def close(self, code: int) -> None:
        await self.socket.close(code=code)

    def cut(self) -> None:
        """End the TCP connection, as a network does."""
        transport = self.socket._req.transport  # type: ignore[union-attr]
        if transport is not None:
            transport.abort()


class FakeServer:
    """Serves the widget, sessions and sockets; `page` is the markup at `/`."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.sessions: list[dict[str, Any]] = []
        self.session_answers: list[tuple[int, dict[str, Any]]] = []  # what to answer next, instead of a session
        self.refuse_tokens: set[str] = set()
        self.page = ""
        self.csp = ""
        self.url = ""
        self._came = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._index)
        app.router.add_post("/api/visitor/sessions", self._session)
        app.router.add_route("OPTIONS", "/api/visitor/sessions", self._preflight)
        app.router.add_get("/api/chat/ws", self._socket)
        app.router.add_get("/{path:.+}", self._file)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        for peer in self.peers:
            await peer.socket.close()
        assert self._runner is not None
        await self._runner.cleanup()

    async def peer(self, count: int = 1) -> Peer:
        """The `count`th socket, once it has been opened and has said `resume`."""
        async with asyncio.timeout(20), self._came:
            while len(self.peers) < count:
                await self._came.wait()
        peer = self.peers[count - 1]
        await peer.next("resume")
        return peer

    def embed(self, server: str, attributes: str = "", body: str = "") -> None:
        """Make `/` a strict page that embeds the widget of `server`."""
        self.page = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>host</title>'
            f'<meta name="viewport" content="width=device-width"><body><a href="#" id="before">before</a>{body}'
            f'<script type="module" src="{server}/widget.js" data-tenant="demo" {attributes}></script></body></html>'
        )
        self.csp = STRICT.format(server=server, socket=server.replace("http", "ws"))

    async def _index(self, request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": self.csp} if self.csp else {}
        return web.Response(text=self.page, content_type="text/html", headers=headers)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = (WEB / request.match_info["path"]).resolve()
        if WEB not in path.parents or not path.is_file():
            return web.Response(status=404)
        return web.FileResponse(path, headers={"Access-Control-Allow-Origin": "*"})

    async def _preflight(self, request: web.Request) -> web.Response:
        return web.Response(status=204, headers=self._cors())

    async def _session(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.sessions.append({**body, "authorization": request.headers.get("Authorization")})
        if self.session_answers:
            status, answer = self.session_answers.pop(0)
        else:
            count = len(self.sessions)
            visitor = body.get("visitor") or f"visitor-{count}"
            status, answer = 200, {"token": f"t{count}", "visitor": visitor, "conversation": f"of-{visitor}"}
        return web.json_response(answer, status=status, headers=self._cors())

    def _cors(self) -> dict[str, str]:
        return {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Max-Age": "600",
        }

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if request.query["token"] in self.refuse_tokens:
            return web.json_response({"code": "token_expired"}, status=401)
        socket = web.WebSocketResponse(protocols=("xiaoer.v1",))
        await socket.prepare(request)
        peer = Peer(socket, request)
        self.peers.append(peer)
        async with self._came:
            self._came.notify_all()
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                peer.frames.append(json.loads(message.data))
                async with peer.arrived:
                    peer.arrived.notify_all()
        return socket
