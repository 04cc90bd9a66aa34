"""`xiaoer providers`: what the upstreams do, and taking one out or in by hand."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .cli_shared import EX_OK, EX_UNAVAILABLE, CommandFailed, add_common, ask_server, note, print_json, print_table
from .config import Settings
from .ops.control import NotRunning

_ACTIONS = {
    "open": "send it nothing until it is closed again",
    "close": "send it calls, and judge it anew",
    "disable": "send it calls whatever happens",
    "reset": "forget what it did, and judge it anew",
}
_POOL = ("size", "in_use", "idle", "waiting", "connecting", "desired")
_CALLS = ("calls", "failures", "slow", "not_permitted")


class Configured(msgspec.Struct, frozen=True):
    """A provider as the settings have it. `key` says whether there is one."""

    name: str
    address: str
    key: bool
    adapter: str
    connections_max: int
    breaker: str
    models: list[str]


def configured(settings: Settings, environ: Mapping[str, str]) -> list[Configured]:
    """The providers of the settings, with `[model]` first if it is set; no secret is in what this returns."""
    found: list[Configured] = []
    model = settings.model
    if model.configured:
        address = shown_address(model.base_url) if model.base_url else "the API of OpenAI"
        found.append(Configured("model", address, bool(model.api_key), "raw", model.connections, "on", [model.name]))
    for name, provider in settings.providers.items():
        key = bool(provider.api_key or (provider.api_key_env and environ.get(provider.api_key_env)))
        models = [
            route
            for route, of in settings.models.items()
            if any(target.partition("/")[0] == name for target in of.targets)
        ]
        found.append(
            Configured(
                name,
                shown_address(provider.base_url),
                key,
                provider.adapter,
                provider.connections_max,
                provider.breaker,
                models,
            )
        )
    return found


def shown_address(base_url: str) -> str:
    """An address without what may be secret in it: user, password, query."""
    try:
        parts = urlsplit(base_url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"
    except ValueError:
        return "an address that cannot be read"


def add(commands: Any) -> None:
    """Add the command to the parser."""
    providers = commands.add_parser("providers", help="show the upstreams, take one out or in")
    actions = providers.add_subparsers(dest="action", required=True, metavar="action")
    add_common(actions.add_parser("list", help="breaker, pool and failures; without a server, the settings"))
    for action, meaning in _ACTIONS.items():
        command = actions.add_parser(action, help=meaning)
        command.add_argument("name", metavar="NAME", help="the provider")
        command.add_argument("--model", metavar="NAME", help="this model's breaker only")
        add_common(command)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Carry it out.

    Raises:
        CommandFailed: it did not work.
    """
    data = Path(settings.server.data)
    try:
        if options.action == "list":
            providers = ask_server(data, "providers.list")
        else:
            providers = ask_server(data, "providers.switch", name=options.name, to=options.action, model=options.model)
    except NotRunning as error:
        if options.action != "list":
            raise CommandFailed(f"{error}; breakers live in the running server", EX_UNAVAILABLE) from None
        return _list_configured(options, settings, str(error))
    if options.json:
        print_json({"running": True, "providers": providers})
    else:
        _print_running(providers)
    return EX_OK


def _print_running(providers: list[dict[str, Any]]) -> None:
    rows: list[tuple[object, ...]] = []
    for provider in providers:
        pool = provider["pool"] or {}
        of_pool = tuple(pool.get(name, "-") for name in _POOL)
        for model, breaker in (provider["breakers"] or {"-": {}}).items():
            state = breaker.get("state", "-").replace("_", "-")
            if state == "open":
                state += f" ({breaker['retry_after']:.0f} s)"
            calls = (breaker.get(name, "-") for name in _CALLS)
            rows.append((provider["name"], model, state, *calls, *of_pool))
            of_pool = ("",) * len(_POOL)  # one pool, however many models
    counts = ("CALLS", "FAILED", "SLOW", "REFUSED")
    numbers = (*counts, "POOL", "IN USE", "IDLE", "WAITING", "CONNECTING", "DESIRED")
    print_table(("PROVIDER", "MODEL", "BREAKER", *numbers), rows, numbers=numbers)
    if not rows:
        note("no providers are set")


def _list_configured(options: argparse.Namespace, settings: Settings, why: str) -> int:
    found = configured(settings, os.environ)
    if options.json:
        print_json({"running": False, "providers": found})
        return EX_OK
    note(f"{why}; this is what the settings say")
    rows = [
        (each.name, each.address, "set" if each.key else "not set", each.adapter, each.connections_max,
         each.breaker.replace("_", "-"), ",".join(each.models) or "-")
        for each in found
    ]  # fmt: skip
    headers = ("PROVIDER", "ADDRESS", "KEY", "ADAPTER", "CONNECTIONS", "BREAKER", "MODELS")
    print_table(headers, rows, numbers=("CONNECTIONS",))
    return EX_OK
