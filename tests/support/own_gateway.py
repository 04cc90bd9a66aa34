"""A gateway of a test's own, before the upstreams that it names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.gateway import UPSTREAM_KEY, new_key
from support.process import WIDE_LIMITS, XiaoerProcess, running


class OwnGateway:
    """A running server and a caller's key."""

    def __init__(self, server: XiaoerProcess, key: str) -> None:
        self.server = server
        self.key = key

    @property
    def base_url(self) -> str:
        """What a client of the OpenAI API is given."""
        return f"{self.server.url}/v1"

    @property
    def log(self) -> str:
        """What the server has printed since it started."""
        return self.server.log.read_text("utf-8", "replace")


def provider(name: str, base_url: str, **settings: Any) -> str:
    """The TOML of a provider on this machine, without a breaker: tests provoke failures by the dozen."""
    keys = {"base_url": base_url, "api_key": UPSTREAM_KEY, "allow_private": True, "breaker": "disabled", **settings}
    return f"[providers.{name}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in keys.items())


def model(name: str, *targets: str, **settings: Any) -> str:
    """The TOML of a model under the name that callers use."""
    keys = {"targets": list(targets), **settings}
    return f"[models.{_value(name)}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in keys.items())


@contextlib.contextmanager
def own_gateway(data: Path, *tables: str) -> Iterator[OwnGateway]:
    """A gateway for the length of a block. At its end neither a key nor a traceback may stand in its log.

    Raises:
        AssertionError: one does.
    """
    with running(data, toml=WIDE_LIMITS + "".join(tables)) as server:
        gateway = OwnGateway(server, new_key(data, "--name", "test"))
        yield gateway
    for secret in (UPSTREAM_KEY, gateway.key):
        assert secret not in gateway.log
    assert "Traceback" not in gateway.log, gateway.log


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return str(value)
