"""A real nginx in front: WebSocket, event stream and the visitor's address get through."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets

from services.conftest import require
from support.process import Visitor, XiaoerProcess, running

pytestmark = pytest.mark.services

CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream xiaoer {{ server 127.0.0.1:{upstream}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://xiaoer;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
    }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XiaoerProcess]:
    data = tmp_path_factory.mktemp("nginx") / "data"
    toml = "[answer]\nburst_ms = 100\n[limits]\nsession_burst = 3\nsession_rate = 0.01\n"
    with running(data, toml=toml) as server:
        yield server


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, server: XiaoerProcess) -> Iterator[int]:
    """The port nginx listens on."""
    program = require("nginx", "nginx-light")
    folder = tmp_path_factory.mktemp("front")
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, upstream=server.port))
    process = subprocess.Popen([program, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        else:
            pytest.fail(f"nginx did not start: {Path(folder / 'error.log').read_text()}")
        yield port
    finally:
        process.terminate()
        process.wait()


def session(port: int, address: str) -> httpx.Response:
    """Open a session as somebody who is, or claims to be, at that address."""
    return httpx.post(f"http://127.0.0.1:{port}/api/visitor/sessions", json={}, headers={"X-Forwarded-For": address})


async def test_chat_streams_through_nginx(front: int) -> None:
    token = session(front, "192.0.2.1").json()["token"]
    uri = f"ws://127.0.0.1:{front}/api/chat/ws?token={token}"
    async with websockets.connect(uri, compression=None, origin=f"http://127.0.0.1:{front}") as connection:  # type: ignore[arg-type]
        visitor = Visitor(connection)
        await visitor.say("怎么退货", "1")
        text, done = await visitor.answer()
    assert "退" in text
    assert done["finish_reason"] == "stop"


async def test_events_are_not_held_back(front: int) -> None:
    token = session(front, "192.0.2.2").json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{front}", headers=headers, timeout=10) as client,
        client.stream("GET", "/api/chat/events") as events,
    ):
        lines = events.aiter_lines()
        assert await asyncio.wait_for(anext(lines), 5) == "retry: 2000"
        body = {"type": "message", "client_id": "1", "text": "怎么退货"}
        assert (await client.post("/api/chat/messages", json=body)).status_code == 200
        kinds: list[str] = []
        async for line in lines:
            if line.startswith("data:"):
                kinds.append(json.loads(line[5:])["type"])
                if kinds[-1] == "done":
                    break
    assert kinds.count("delta") > 3


def test_limits_count_the_visitor_and_not_the_proxy(front: int) -> None:
    """nginx adds its own peer (127.0.0.1, trusted) behind what the client claims; the hop before that counts."""
    answers = [session(front, "198.51.100.7").status_code for _ in range(5)]
    assert answers.count(429) == 2, answers
    refused = session(front, "198.51.100.7")
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert session(front, "198.51.100.8").status_code == 200
