"""A gateway with two simulated providers behind it, and a key, as its tests see it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import openai

from benches.load.simulator import Simulator
from support.process import XiaoerProcess

UPSTREAM_KEY = "sk-upstream-0123456789-never-to-be-seen"

TOML = """
[gateway]
retry_budget = 1.0
[providers.first]
base_url = "{first}"
api_key = "{key}"
allow_private = true
breaker = "disabled"
first_token_seconds = 1.0
token_seconds = 0.5
answer_seconds = 5.0
[providers.second]
base_url = "{second}"
api_key = "{key}"
allow_private = true
breaker = "disabled"
first_token_seconds = 1.0
token_seconds = 0.5
answer_seconds = 5.0
[providers.private]
base_url = "{first}"
api_key = "{key}"
[models."sim-model"]
targets = ["first"]
[models."two"]
targets = ["first/sim-model", "second/sim-model"]
[models."refused"]
targets = ["private/sim-model"]
[models."small"]
targets = ["first/sim-model"]
context_tokens = 300
[models."parts"]
targets = ["first/sim-model"]
context_tokens = 2000
long_input = "map_reduce"
"""


def new_key(data: Path, *arguments: str) -> str:
    """A key, as the command line makes it."""
    command = [sys.executable, "-m", "xiaoer_server.cli", "keys", "create", "--data", str(data), "--tenant", "demo"]
    # What tests are told by the environment is none of the server's settings.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("XIAOER_", "OPENAI_"))}
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True, timeout=60, env=environ)
    return done.stdout.strip().splitlines()[-1]


class Gateway(NamedTuple):
    """What the tests talk to."""

    server: XiaoerProcess
    first: Simulator
    second: Simulator
    key: str

    @property
    def base_url(self) -> str:
        return f"{self.server.url}/v1"

    def client(self, **options: object) -> openai.AsyncOpenAI:
        """The official client, without retries of its own."""
        return openai.AsyncOpenAI(api_key=self.key, base_url=self.base_url, **{"max_retries": 0, **options})  # type: ignore[arg-type]
