"""Two tenants on one server with everything switched on: neither gets anything of the other's."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from benches.load.simulator import Simulator
from support.asking import stored
from support.gateway import new_key
from support.process import WIDE_LIMITS, XiaoerProcess, visit
from support.process import running as serving

from .conftest import ModelProcess

FLOW = """
flow: size
title: {en: size}
languages: [en]
start: {phrases: {en: [open the size chart]}}
slots:
  order: {type: order_number, names: {en: [order number]}}
states:
  ask:
    ask: order
    prompt: {en: SHOP ASKS FOR THE ORDER}
    go: [{on: slot, to: tell}]
  tell: {do: [{reply: {en: done}}], end: true}
"""
QUESTION = "How long does delivery of green tea take?"


def toml(base_url: str) -> str:
    return (
        WIDE_LIMITS + "[tenants.shop]\nname = 'Shop'\n[tenants.bank]\nname = 'Bank'\n[answer]\nburst_ms = 0\n"
        f"[model]\nbase_url = '{base_url}'\nname = 'sim-model'\nallow_private = true\napi_key = 'k'\n"
    )


def call(server: XiaoerProcess, key: str, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{server.url}/api/admin{path}", method=method, data=body, headers={"authorization": f"Bearer {key}"}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            content = answer.read()
            return answer.status, json.loads(content) if content else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


async def ask(server: XiaoerProcess, tenant: str, question: str) -> dict[str, Any]:
    """What is stored of the answer to a new visitor."""
    session = await asyncio.to_thread(server.session, tenant=tenant)
    async with visit(server, session["token"]) as visitor:
        await visitor.say(question, "q")
        await visitor.answer()
    return stored(server, session["conversation"])[-1]


async def test_neither_gets_anything_of_the_other(running: ModelProcess, tmp_path: Path) -> None:
    environ = {
        "XIAOER_INFER_ENABLED": "true",
        "XIAOER_INFER_ADDRESS": running.address,
        "XIAOER_CACHE_ENABLED": "true",
    }
    async with Simulator(rate=0, first_token=0, models=["sim-model"]) as simulator:
        simulator.reply = ["Three working days."]
        with serving(tmp_path / "data", toml=toml(simulator.base_url), environ=environ) as server:
            await asyncio.to_thread(_fill, server, tmp_path)
            shop, bank = (
                new_key(server.data, "--name", "a", "--tenant", tenant, "--admin") for tenant in ("shop", "bank")
            )

            assert [row["slug"] for row in call(server, shop, "GET", "/kb/articles")[1]] == ["delivery"]
            assert call(server, bank, "GET", "/kb/articles") == (200, [])
            assert call(server, bank, "GET", "/kb/articles/delivery")[0] == 404
            assert call(server, bank, "DELETE", "/kb/articles/delivery")[0] == 404
            asked = "/kb/search?q=green%20tea%20delivery"
            assert call(server, shop, "GET", asked)[1]["passages"][0]["article"] == "delivery"
            assert call(server, bank, "GET", asked)[1]["passages"] == []
            assert call(server, shop, "GET", "/intents")[1] == [{"intent": "refund", "examples": 2}]
            assert call(server, bank, "GET", "/intents") == (200, [])
            assert call(server, bank, "GET", "/intents/examples/refund")[0] == 404

            assert (await ask(server, "shop", QUESTION))["answered_by"].startswith("model")
            again = await ask(server, "shop", QUESTION)
            assert (again["answered_by"].partition(":")[0], again["text"]) == ("cache", "Three working days.")
            other = await ask(server, "bank", QUESTION)
            assert other["answered_by"].partition(":")[0] == "model"
            assert not other["sources"] or other["sources"] == "null"

            assert (await ask(server, "shop", "open the size chart"))["text"] == "SHOP ASKS FOR THE ORDER"
            assert "SHOP" not in (await ask(server, "bank", "open the size chart"))["text"]
            server.stop()
    files = {path.name.partition(".")[0] for path in (tmp_path / "data" / "knowledge").iterdir()}
    assert "shop" in files
    for path in (tmp_path / "data" / "knowledge").glob("bank.*"):
        assert b"delivery" not in path.read_bytes()


def _fill(server: XiaoerProcess, folder: Path) -> None:
    """All that the shop has."""
    shop = new_key(server.data, "--name", "a", "--tenant", "shop", "--admin")
    article = b"# Delivery of green tea\n\nDelivery of green tea takes three working days. SHOP ARTICLE."
    assert call(server, shop, "POST", "/kb/articles?name=delivery.md", article)[1]["added"] == 1
    examples = {"intents": {"refund": ["refund my money", "I want a refund"]}}
    assert call(server, shop, "PUT", "/intents", json.dumps(examples).encode())[0] == 200
    flow = folder / "size.yaml"
    flow.write_text(FLOW, "utf-8")
    command = [sys.executable, "-m", "xiaoer_server.cli", "flows", "import", str(flow), "--tenant", "shop"]
    subprocess.run([*command, "--data", str(server.data)], check=True, capture_output=True, text=True, timeout=60)
