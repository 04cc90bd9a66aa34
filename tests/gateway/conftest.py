"""One gateway for each module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from benches.load.simulator import Simulator
from support.gateway import TOML, UPSTREAM_KEY, Gateway, new_key
from support.process import running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    data = tmp_path_factory.mktemp("gateway") / "data"
    async with Simulator(tokens=20, rate=0.0, first_token=0.0) as first, Simulator(tokens=20, rate=0.0) as second:
        toml = TOML.format(first=first.base_url, second=second.base_url, key=UPSTREAM_KEY)
        with running(data, toml=toml) as server:
            yield Gateway(server, first, second, new_key(data, "--name", "tests"))
        log = server.log.read_text("utf-8")
        assert UPSTREAM_KEY not in log
        assert "Traceback" not in log
