"""`xiaoer usage`: requests, tokens and money by key, model and provider."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from typing import Any

from .cli_shared import EX_OK, add_common, carry_out, note, print_json, print_table
from .config import Settings
from .store.months import month_bounds

_COUNTS = ("requests", "failed", "cached", "prompt", "completion")


def add(commands: Any) -> None:
    """Add the command to the parser."""
    usage = commands.add_parser("usage", help="what was used in a month or on a day (UTC)")
    period = usage.add_mutually_exclusive_group()
    period.add_argument("--month", type=_month, metavar="YYYY-MM", help="default: this month")
    period.add_argument("--day", type=_day, metavar="YYYY-MM-DD")
    usage.add_argument("--tenant", metavar="SLUG", help="of this tenant only")
    add_common(usage)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Carry it out.

    Raises:
        CommandFailed: it did not work.
    """
    since, until = options.day or options.month or _month(datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m"))
    rows = carry_out(settings, "usage", since=since, until=until, tenant=options.tenant)
    names = {key["id"]: f"{key['name']} ({key['hint']})" for key in carry_out(settings, "keys.list")}
    for row in rows:
        row["key_name"] = names.get(row["key"], row["key"])
    if options.json:
        print_json(rows)
        return EX_OK
    numbers = ("REQUESTS", "FAILED", "CACHED", "PROMPT", "ANSWER", "COST")
    table: list[tuple[object, ...]] = [
        (
            *(row["tenant"], row["key_name"] or "chat", row["model"], row["provider"]),
            *(row[name] for name in _COUNTS),
            _money(row["cost"]),
        )
        for row in rows
    ]
    if len(rows) > 1:
        cost = sum(row["cost"] for row in rows)
        table.append(("total", "", "", "", *(sum(row[name] for row in rows) for name in _COUNTS), _money(cost)))
    print_table(("TENANT", "KEY", "MODEL", "PROVIDER", *numbers), table, numbers=numbers)
    if not rows:
        note("nothing was used")
    return EX_OK


def _money(amount: float) -> str:
    return f"{amount:.6f}".rstrip("0").rstrip(".")


def _month(text: str) -> tuple[float, float]:
    return month_bounds(_begin(text, "%Y-%m", "a month such as 2026-11"))


def _day(text: str) -> tuple[float, float]:
    begin = _begin(text, "%Y-%m-%d", "a day such as 2026-11-23")
    return begin, begin + 86_400


def _begin(text: str, form: str, what: str) -> float:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None
