"""What keeps a server from starting or working, and how it says so."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import socket
import sqlite3
from pathlib import Path

import httpx
import pytest

from support.process import WIDE_LIMITS, XiaoerProcess, running


def refusal(server: XiaoerProcess, port: int = 0) -> str:
    """The one line that a start which fails leaves behind."""
    try:
        with pytest.raises(RuntimeError, match="ended with 78"):
            server.start(port=port)
    finally:
        server.kill()
    [line] = server.log.read_text().splitlines()
    assert line.startswith("xiaoer: ")
    return line


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal(XiaoerProcess(tmp_path / "data"), port)
    assert f"127.0.0.1:{port}: Address already in use" in line
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert "data: File exists" in refusal(XiaoerProcess(tmp_path / "data"))


@pytest.mark.parametrize("kept", [0, 100])
def test_a_damaged_database(tmp_path: Path, kept: int) -> None:
    """Nothing of it, or only its header, is what SQLite wrote."""
    data = tmp_path / "data"
    data.mkdir()
    with sqlite3.connect(data / "xiaoer.db") as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (zeroblob(40000))")
    connection.close()
    whole = (data / "xiaoer.db").read_bytes()
    (data / "xiaoer.db").write_bytes(whole[:kept] + os.urandom(len(whole) - kept))
    assert re.search(r"xiaoer\.db cannot be opened: .*(not a database|malformed)", refusal(XiaoerProcess(data)))


def test_a_setting_that_cannot_be_used(tmp_path: Path) -> None:
    assert "answer: is a section" in refusal(XiaoerProcess(tmp_path / "data", toml="answer = 3\n"))


async def test_a_disk_that_takes_nothing_for_a_while(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: every write fails, wherever in the file it is."""
    with running(tmp_path / "data", toml=WIDE_LIMITS + "[answer]\nburst_ms = 0\n") as server:
        token = server.session()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:

            async def post(client_id: str) -> httpx.Response:
                return await client.post("/api/chat/messages", json={"client_id": client_id, "text": "怎么退货？"})

            assert (await post("1")).json() == {"seq": 1}
            assert server.process is not None
            limit = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, limit[1]))
            refused = await post("2")
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["code"]) == (503, "store_unavailable")
            assert (await client.get("/healthz")).status_code == 200
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limit)
            async with asyncio.timeout(10):
                while (await client.get("/readyz")).status_code != 200:
                    await asyncio.sleep(0.05)
            assert (await post("2")).status_code == 200
            async with asyncio.timeout(15):
                while True:
                    messages = (await client.get("/api/chat/messages")).json()["messages"]
                    if messages[-1]["role"] == "assistant" and messages[-1].get("status") != "streaming":
                        break
                    await asyncio.sleep(0.05)
    assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
    assert sum(message.get("client_id") == "2" for message in messages) == 1
