"""Who is measured, and how each is started: on one core, in front of the same simulator.

Nothing here is tuned against a peer: each runs as its own documents recommend for production, with one worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benches.load.callers import Endpoint
from benches.load.checks import MODEL
from benches.load.machine import Child
from benches.words import make_words

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "load"
LITELLM = "litellm[proxy]==1.106.2"
PORTKEY = "@portkey-ai/gateway@1.15.2"
KEY = "upstream-secret"


class Missing(Exception):
    """What would be measured is not installed; the message says what is missing."""


class Place(NamedTuple):
    """Where a subject runs: its folder for this run, its core, and the simulator's port."""

    folder: Path
    core: int
    upstream: int


class Subject(NamedTuple):
    """One of those measured. `ours` marks Xiaoer's own, `does` says what it does to a request."""

    name: str
    does: str
    start: Callable[[Place], contextlib.AbstractContextManager[tuple[Child, Endpoint]]]
    ours: bool = False


@contextlib.contextmanager
def _running(child: Child, headers: dict[str, str] | None = None) -> Iterator[tuple[Child, Endpoint]]:
    try:
        yield child, Endpoint(child.port, headers)
    finally:
        child.stop()


_PASS = "[gateway]\nfilter = false\n"
_FILTER = "[gateway]\nfilter = true\n"
_ALL = (
    _FILTER
    # Nobody listens there: spans are made, sampled, sent in vain, and dropped.
    + "[tracing]\nendpoint = 'http://127.0.0.1:9/v1/traces'\nratio = 0.01\n"
)
_LIMITS = (
    *("--requests-per-minute", "1000000000", "--tokens-per-minute", "1000000000"),
    *("--streams", "100000", "--budget", "1000000000"),
)


def _xiaoer(toml: str, *limits: str) -> Callable[[Place], contextlib.AbstractContextManager[tuple[Child, Endpoint]]]:
    @contextlib.contextmanager
    def start(place: Place) -> Iterator[tuple[Child, Endpoint]]:
        with xiaoer(place, toml, *limits) as found:
            yield found

    return start


@contextlib.contextmanager
def xiaoer(place: Place, toml: str, *limits: str, provider: str = "") -> Iterator[tuple[Child, Endpoint]]:
    """`xiaoer serve` with a fresh folder, a key and a list of 10,000 words.

    Raises:
        Missing: this xiaoer makes no keys.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    data, config, words = place.folder / "data", place.folder / "xiaoer.toml", place.folder / "words.txt"
    words.write_text("".join(f"mask\t1\tbench\t{word}\n" for word in make_words(10_000)), "utf-8")
    config.write_text(
        f"{toml}[tenants.demo]\nname = 'Bench'\nwords_file = '{words}'\n"
        f"[providers.sim]\nbase_url = 'http://127.0.0.1:{place.upstream}/v1'\napi_key = '{KEY}'\nallow_private = true\n"
        f"connections_max = 4096\n{provider}[models.'{MODEL}']\ntargets = ['sim/{MODEL}']\n",
        "utf-8",
    )
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("XIAOER_", "OPENAI_"))}
    made = subprocess.run(
        [
            *(sys.executable, "-m", "xiaoer_server.cli", "keys", "create", "--data", str(data)),
            *("--config", str(config), "--tenant", "demo", "--name", "bench", *limits),
        ],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    if made.returncode:
        raise Missing(f"`xiaoer keys create` ended with {made.returncode}: {made.stderr.strip()[-300:]}")
    secret = made.stdout.split()[-1]
    arguments = ["-m", "xiaoer_server.cli", "serve", "--port", "0", "--data", str(data), "--config", str(config)]
    child = Child("xiaoer", arguments, place.core, place.folder / "server.log")
    with _running(child, {"Authorization": f"Bearer {secret}"}) as found:
        yield found


@contextlib.contextmanager
def _bare(place: Place) -> Iterator[tuple[Child, Endpoint]]:
    arguments = ["-m", "benches.load.bare_relay", "--upstream-port", str(place.upstream)]
    with _running(Child("bare relay", arguments, place.core, place.folder / "log")) as found:
        yield found


@contextlib.contextmanager
def _litellm(place: Place) -> Iterator[tuple[Child, Endpoint]]:
    program = ROOT / ".venv-litellm" / "bin" / "litellm"
    if not program.exists():
        raise Missing("no .venv-litellm; `make load-gateway` makes it")
    config = place.folder / "config.yaml"
    parameters = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{place.upstream}/v1", "api_key": KEY}
    settings = {
        "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
        "litellm_settings": {"set_verbose": False, "json_logs": True, "request_timeout": 600},
        "general_settings": {"master_key": "sk-bench"},
    }
    config.write_text(json.dumps(settings))  # YAML reads JSON
    port = free_port()
    child = Child(
        "LiteLLM",
        ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"],
        *(place.core, place.folder / "log"),
        program=str(program),
        environ={
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "NO_DOCS": "True",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the network for prices
        },
        port=port,
    )
    with _running(child, {"Authorization": "Bearer sk-bench"}) as found:
        yield found


@contextlib.contextmanager
def _portkey(place: Place) -> Iterator[tuple[Child, Endpoint]]:
    server = BUILD / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    node = shutil.which("node")
    if node is None or not server.exists():
        raise Missing("no Node, or Portkey is not installed; `make load-gateway` installs it")
    port = free_port()
    child = Child(
        "Portkey",
        [str(server), "--headless", f"--port={port}"],
        *(place.core, place.folder / "log"),
        program=node,
        environ={"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"},
        port=port,
    )
    headers = {
        "Authorization": f"Bearer {KEY}",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{place.upstream}/v1",
    }
    with _running(child, headers) as found:
        yield found


@contextlib.contextmanager
def _go(place: Place) -> Iterator[tuple[Child, Endpoint]]:
    program = BUILD / "go-relay"
    if not program.exists():
        raise Missing("not built; `make load-gateway` builds it where there is Go")
    arguments = ["127.0.0.1:0", f"http://127.0.0.1:{place.upstream}"]
    # Go's own default would be as many threads as it may use cores: one.
    with _running(Child("Go", arguments, place.core, place.folder / "log", program=str(program))) as found:
        yield found


@contextlib.contextmanager
def _rust(place: Place) -> Iterator[tuple[Child, Endpoint]]:
    program = BUILD / "rust" / "release" / "bare-relay"
    if not program.exists():
        raise Missing("not built; `make load-gateway` builds it where there is Rust")
    arguments = ["127.0.0.1:0", f"127.0.0.1:{place.upstream}"]
    with _running(Child("Rust", arguments, place.core, place.folder / "log", program=str(program))) as found:
        yield found


SUBJECTS = (
    Subject("Xiaoer, pass-through", "key, metrics", _xiaoer(_PASS), ours=True),
    Subject("Xiaoer, filter", "and 10,000 words both ways", _xiaoer(_FILTER), ours=True),
    Subject("Xiaoer, everything", "and limits, 1 % traced", _xiaoer(_ALL, *_LIMITS), ours=True),
    Subject("bare relay, uvloop", "nothing", _bare),
    Subject("bare relay, Go net/http", "nothing", _go),
    Subject("bare relay, Rust hyper", "nothing", _rust),
    Subject("Portkey (Node)", "no key of its own", _portkey),
    Subject("LiteLLM", "master key", _litellm),
)


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def versions() -> list[str]:
    """Versions of those that are not ours, as far as they are there."""
    found = [LITELLM.replace("[proxy]==", " "), PORTKEY.replace("@portkey-ai/gateway@", "Portkey gateway ")]
    for program, pattern in (("go", r"go[\d.]+"), ("rustc", r"rustc [\d.]+"), ("node", r"v[\d.]+")):
        if shutil.which(program):
            argument = "version" if program == "go" else "--version"
            text = subprocess.run([program, argument], capture_output=True, text=True, check=False).stdout
            match = re.search(pattern, text.replace("go version ", ""))
            if match:
                found.append(match[0].replace("go", "Go ").replace("v", "Node ", 1) if program != "rustc" else match[0])
    return found
