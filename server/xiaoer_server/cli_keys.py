"""`xiaoer keys`: make, list and revoke the keys of the gateway."""

from __future__ import annotations

import argparse
import re
import time
from datetime import UTC, datetime
from typing import Any

from .cli_shared import EX_OK, EX_USAGE, CommandFailed, add_common, carry_out, day, limit, note, print_json, print_table
from .config import Settings

_SECONDS = {"h": 3600, "d": 86_400}


def add(commands: Any) -> None:
    """Add the command to the parser."""
    keys = commands.add_parser("keys", help="make, list and revoke keys of /v1")
    actions = keys.add_subparsers(dest="action", required=True, metavar="action")
    create = actions.add_parser("create", help="make a key; its secret is printed this once, alone on standard output")
    create.add_argument("--tenant", metavar="SLUG", help="whose key it is (default: the only tenant there is)")
    create.add_argument("--name", required=True, help="what people call it")
    create.add_argument(
        "--model", action="append", dest="models", metavar="NAME", help="a model it may use; repeatable"
    )
    create.add_argument("--requests-per-minute", type=_whole, default=0, metavar="N", help="default: no limit")
    create.add_argument("--tokens-per-minute", type=_whole, default=0, metavar="N", help="default: no limit")
    create.add_argument("--streams", type=_whole, default=0, metavar="N", help="streams at a time; default: no limit")
    create.add_argument("--budget", type=_money, default=0.0, metavar="X", help="money a calendar month (UTC)")
    create.add_argument("--expires", type=_expiry, metavar="WHEN", help="a day (2027-01-31, UTC), or 90d, or 12h")
    create.add_argument("--admin", action="store_true", help="it also opens its tenant's administration, /api/admin")
    listing = actions.add_parser("list", help="list the keys, without their secrets")
    listing.add_argument("--tenant", metavar="SLUG", help="of this tenant only")
    revoke = actions.add_parser("revoke", help="make a key invalid at once and for good")
    revoke.add_argument("key", metavar="ID", help="its id, as `xiaoer keys list` shows it")
    add_common(create, listing, revoke)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Carry it out.

    Raises:
        CommandFailed: it did not work.
    """
    if options.action == "create":
        return _create(options, settings)
    if options.action == "revoke":
        return _revoke(options, settings)
    return _list(options, settings)


def _create(options: argparse.Namespace, settings: Settings) -> int:
    tenant = options.tenant
    if tenant is None:
        if len(settings.tenants) > 1:
            raise CommandFailed(f"--tenant: one of {', '.join(settings.tenants)} is needed", EX_USAGE)
        [tenant] = settings.tenants
    made = carry_out(
        settings,
        "keys.create",
        creates=True,
        tenant=tenant,
        name=options.name,
        models=options.models or [],
        requests_per_minute=options.requests_per_minute,
        tokens_per_minute=options.tokens_per_minute,
        streams=options.streams,
        budget=options.budget,
        expires_at=options.expires,
        admin=options.admin,
    )
    if options.json:
        print_json(made)
        return EX_OK
    note(f"key {_short(made['id'])} of {tenant}; this is the only time it is shown:")
    print(made["secret"])
    return EX_OK


def _list(options: argparse.Namespace, settings: Settings) -> int:
    keys = carry_out(settings, "keys.list", tenant=options.tenant)
    if options.json:
        print_json(keys)
        return EX_OK
    numbers = ("REQ/MIN", "TOK/MIN", "STREAMS", "BUDGET")
    headers = ("ID", "KEY", "TENANT", "NAME", "STATE", "RIGHT", "MODELS", *numbers, "CREATED", "LAST USED", "EXPIRES")
    rows = [
        (
            *(
                _short(key["id"]),
                key["hint"],
                key["tenant"],
                key["name"],
                key["state"],
                "admin" if key["admin"] else "-",
                ",".join(key["models"]) or "all",
            ),
            *(limit(key[name]) for name in ("requests_per_minute", "tokens_per_minute", "streams", "budget")),
            *(day(key[name]) for name in ("created_at", "used_at", "expires_at")),
        )
        for key in keys
    ]
    print_table(headers, rows, numbers=numbers)
    return EX_OK


def _revoke(options: argparse.Namespace, settings: Settings) -> int:
    answer = carry_out(settings, "keys.revoke", key=options.key)
    if options.json:
        print_json(answer)
    else:
        what = "is revoked" if answer["revoked"] else "was revoked before"
        print(f"key {_short(answer['id'])} ({answer['hint']}, {answer['name']}) {what}")
    return EX_OK


def _short(key: str) -> str:
    """The end of an id, which no two share; `revoke` takes it."""
    return key.rpartition("-")[2]


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,10}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def _money(text: str) -> float:
    if not re.fullmatch(r"\d{1,10}(\.\d{1,9})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount such as 20 or 12.50")
    return float(text)


def _expiry(text: str) -> int:
    """Milliseconds since the epoch."""
    if re.fullmatch(r"[1-9]\d{0,4}[hd]", text, re.ASCII):
        return int((time.time() + int(text[:-1]) * _SECONDS[text[-1]]) * 1000)
    try:
        at = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a day such as 2027-01-31 nor 90d or 12h") from None
    if at <= time.time():
        raise argparse.ArgumentTypeError(f"{text} has begun already")
    return int(at * 1000)
