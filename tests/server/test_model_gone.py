"""The model is gone while visitors ask: what they are told, over the whole server and through a kill."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from benches.load.simulator import Simulator
from support.asking import toml
from support.process import XiaoerProcess, visit
from xiaoer_server.chat.handoff import NOTICE

UNKNOWN = "Can you mend the spout of a Yixing pot?"


def handoffs(server: XiaoerProcess) -> list[tuple[str, int, str]]:
    with sqlite3.connect(f"file:{server.data / 'xiaoer.db'}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT conversation, number, state FROM handoffs").fetchall()
    connection.close()
    return rows


def metric(server: XiaoerProcess, name: str) -> float:
    page = server.get("/metrics")[1].decode()
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))


def waiting(server: XiaoerProcess) -> float:
    return metric(server, "xiaoer_handoffs_waiting ")


def handed_over(server: XiaoerProcess) -> float:
    return metric(server, 'xiaoer_answers_total{answerer="handoff"')


async def told(server: XiaoerProcess, token: str, question: str) -> list[dict[str, object]]:
    """Ask, wait until the server (anew) has counted a hand-over, and return the messages of the system."""
    async with visit(server, token) as visitor:
        await visitor.say(question, question)
        async with asyncio.timeout(15):
            while await asyncio.to_thread(handed_over, server) < 1:
                await asyncio.sleep(0.05)
        with contextlib.suppress(TimeoutError):
            while True:
                await visitor.next(0.5)
        assert not any(frame["type"] == "delta" for frame in visitor.frames)
        return [frame for frame in visitor.frames if frame.get("role") == "system" and frame["type"] == "message"]


async def test_the_visitor_is_told_once_and_the_queue_survives_a_kill(tmp_path: Path) -> None:
    server = XiaoerProcess(tmp_path / "data", toml=toml("http://127.0.0.1:9/v1"))
    await asyncio.to_thread(server.start)
    try:
        session = await asyncio.to_thread(server.session)
        [notice] = await told(server, session["token"], UNKNOWN)
        assert notice["text"] == NOTICE["en"]
        assert "client_id" not in notice
        assert handoffs(server) == [(session["conversation"], 1, "waiting")]
        assert await asyncio.to_thread(waiting, server) == 1
        server.kill()
        await asyncio.to_thread(server.start)
        assert await asyncio.to_thread(waiting, server) == 1
        assert await told(server, session["token"], UNKNOWN + " Please!") == []
        assert len(handoffs(server)) == 1
    finally:
        server.kill()


async def test_what_was_answered_before_is_answered_again_once_the_model_is_gone(tmp_path: Path) -> None:
    server = XiaoerProcess(tmp_path / "data", toml="", environ={"XIAOER_CACHE_ENABLED": "true"})
    try:
        async with Simulator(tokens=5, rate=0, first_token=0) as simulator:
            server.config.write_text(toml(simulator.base_url), "utf-8")
            await asyncio.to_thread(server.start)
            question = f"{UNKNOWN} [[reply:We mend spouts, not lids.]]"
            for number in range(2):
                session = await asyncio.to_thread(server.session)
                if number:
                    simulator.faults["500"] = 1.0
                async with visit(server, session["token"]) as visitor:
                    await visitor.say(question, "q")
                    text, done = await visitor.answer()
                assert (text, done["finish_reason"]) == ("We mend spouts, not lids.", "stop")
        with sqlite3.connect(f"file:{server.data / 'xiaoer.db'}?mode=ro", uri=True) as connection:
            rows = connection.execute("SELECT answered_by FROM entries WHERE role = 'assistant' ORDER BY at").fetchall()
        connection.close()
        assert [by.partition(":")[0] for (by,) in rows] == ["model", "cache"]
        assert handoffs(server) == []
    finally:
        server.kill()
