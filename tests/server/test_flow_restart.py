"""A dialogue on a real server: it calls the demo shop, survives a kill, and keeps its version over an import."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from support.process import WIDE_LIMITS, running, visit
from xiaoer_server.brain.flow_webhooks import sign
from xiaoer_server.demo import shop

SECRET = "s" * 32
TOML = f"""
{WIDE_LIMITS}
[answer]
burst_ms = 20
burst_max_ms = 50
[infer]
enabled = false
[tenants.demo]
demo = true
webhook_secret = "{SECRET}"
"""


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_a_dialogue_survives_a_kill_and_an_import(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, toml=TOML) as server:
        session = server.session(tenant="demo")
        token = session["token"]
        async with visit(server, token) as visitor:
            await visitor.say("我要退货", "c1")
            asked, _ = await visitor.answer()
            assert "请问要退哪一个订单" in asked
            await visitor.say("20261101-8843", "c2")
            assert "退货原因是什么" in (await visitor.answer())[0]
        server.kill()
        server.start()
        source = next(source for source in shop.flows() if "flow: return_goods" in source)
        changed = tmp_path / "return.yaml"
        changed.write_text(source.replace("确认吗？", "可以吗？"), "utf-8")
        command = [sys.executable, "-m", "xiaoer_server.cli", "flows", "import", str(changed)]
        done = subprocess.run(
            [*command, "--data", str(data), "--config", str(server.config)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        async with visit(server, token) as visitor:
            await visitor.say("茶壶碎了", "c3")
            assert "确认吗？" in (await visitor.answer())[0]
            await visitor.say("是的", "c4")
            assert "运费由我们承担" in (await visitor.answer())[0]
            await visitor.say("where is my order 20261101-8843", "c5")
            assert "XE2611018843" in (await visitor.answer())[0]
            assert "state" not in json.dumps(visitor.frames)
        now, body = 1_790_000_000, json.dumps({"tenant": "demo", "order": "20261101-8843"}).encode()
        url = f"{server.url}/demo/api/orders/status"
        stale = {
            "webhook-id": "a",
            "webhook-timestamp": str(now),
            "webhook-signature": sign(SECRET.encode(), "a", now, body),
        }
        assert post(url, body, stale) == 403
        assert post(url, body, {}) == 403
