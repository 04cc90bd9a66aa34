"""Ask a server whose upstream is a simulator, and look at what it stored."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from support.process import WIDE_LIMITS, XiaoerProcess, visit

REPLY = "The parcel left our house on Monday and will be with you on Wednesday at noon."


def toml(base_url: str) -> str:
    return (
        WIDE_LIMITS + "[answer]\nburst_ms = 0\n"
        # So many failures as these tests provoke would open a breaker and use a budget up.
        "[gateway]\nretry_budget = 1.0\n"
        f"[providers.main]\nbase_url = '{base_url}'\nallow_private = true\nbreaker = 'disabled'\n"
        "token_seconds = 0.5\nfirst_token_seconds = 2.0\n"
        "[models.simulated]\ntargets = ['main']\n[model]\nname = 'simulated'\n"
    )


def stored(server: XiaoerProcess, conversation: str) -> list[dict[str, Any]]:
    """A conversation's assistant entries as the database holds them."""
    with sqlite3.connect(f"file:{server.data / 'xiaoer.db'}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        query = "SELECT * FROM entries WHERE conversation = ? AND role = 'assistant' ORDER BY seq"
        rows = connection.execute(query, (conversation,)).fetchall()
    connection.close()
    return [dict(row) for row in rows]


async def ask(server: XiaoerProcess, question: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Ask as a new visitor; the text and the `done` frame that came, and the one entry that is stored."""
    session = await asyncio.to_thread(server.session)
    async with visit(server, session["token"]) as visitor:
        await visitor.say(question, "q")
        text, done = await visitor.answer()
    [entry] = stored(server, session["conversation"])
    return text, done, entry
