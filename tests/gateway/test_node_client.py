"""The official Node client against the gateway."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.gateway import Gateway

FOLDER = Path(__file__).parents[1] / "node"


@pytest.mark.services
@pytest.mark.asyncio(loop_scope="module")
async def test_ordinary_uses(gateway: Gateway) -> None:
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules" / "openai").is_dir():
        message = "needs Node and `npm ci` in tests/node"
        if os.environ.get("XIAOER_REQUIRE_SERVICES") == "1":
            pytest.fail(message)
        pytest.skip(message)
    environ = {**os.environ, "GATEWAY_URL": gateway.base_url, "GATEWAY_KEY": gateway.key}
    done = await asyncio.to_thread(
        subprocess.run,
        [node, "ordinary_uses.mjs"],
        cwd=FOLDER,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert len(json.loads(done.stdout)) == 10
