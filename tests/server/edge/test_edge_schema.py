"""What /openapi.json promises is what the server does: schemathesis, over the wire."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest
from edge_server import Edge

#: 413 is how a body or text over its limit is refused; schemathesis knows it only when told.
CONFIG = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "413", "429"]
"""


@pytest.mark.slow
async def test_schema_tells_no_lies(edge: Edge, tmp_path: Path) -> None:
    token = (await edge.session())["token"]
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config)),
        *("run", f"{edge.server.address}/openapi.json", "--header", f"Authorization: Bearer {token}"),
        # The stream has no end; its own tests read it.
        *("--exclude-path", "/api/chat/events", "--phases", "coverage,fuzzing", "--max-examples", "5"),
        *("--seed", str(random.randrange(2**32)), "--request-timeout", "5", "--no-color"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, output.decode()
