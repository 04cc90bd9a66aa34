"""What the commands on keys, usage and providers have in common: whom they ask, how they print, how they fail."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from .config import Settings
from .errors import BadRequest, NotFound, ServerError, Unavailable
from .ops.control import ControlError, NotRunning, Refused, ask

#: Exit codes, as `sysexits.h` names them.
EX_OK, EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_SOFTWARE = 0, 64, 65, 66, 69, 70
EX_IOERR, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 74, 75, 77, 78

#: A server that is starting holds the folder before it answers.
STARTING_SECONDS = 5.0


class CommandFailed(Exception):
    """One line for the operator, and the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def carry_out(settings: Settings, command: str, *, creates: bool = False, **arguments: Any) -> Any:
    """Have the running server carry out a command of `llm.commands`; without one, do it on the store.

    Args:
        creates: The command makes sense on a data folder that has no database yet.

    Raises:
        CommandFailed: it did not work.
    """
    data = Path(settings.server.data)
    end = time.monotonic() + STARTING_SECONDS
    while True:
        with contextlib.suppress(NotRunning):
            return ask_server(data, command, **arguments)
        if not creates and not (data / "xiaoer.db").exists():
            raise CommandFailed(f"data folder {data}: has no database; choose another with --data", EX_NOINPUT)
        try:
            return _on_the_store(settings, data, command, arguments)
        except _Locked as error:
            if time.monotonic() > end:
                message = f"{error}; it does not answer on the folder's control socket"
                raise CommandFailed(message, EX_TEMPFAIL) from None
        time.sleep(0.1)


def ask_server(data: Path, command: str, **arguments: Any) -> Any:
    """Have the running server carry out a command.

    Raises:
        NotRunning: there is none.
        CommandFailed: it did not work.
    """
    try:
        return ask(data, command, **arguments)
    except Refused as error:
        raise CommandFailed(str(error), _exit_code(error.status)) from None
    except ControlError as error:
        raise CommandFailed(str(error), EX_UNAVAILABLE) from None


def add_common(*commands: argparse.ArgumentParser) -> None:
    """The options that all these commands take."""
    for command in commands:
        command.add_argument("--data", metavar="DIR", help="folder of the database and keys (default xiaoer-data)")
        command.add_argument("--config", metavar="FILE", type=Path, help="TOML file with settings, see README")
        command.add_argument("--json", action="store_true", help="print JSON")


def print_json(value: Any) -> None:
    """For scripts: one line."""
    print(msgspec.json.encode(value).decode())


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = ()) -> None:
    """For people: columns as wide as they must be; `numbers` names those that stand to the right."""
    cells = [list(headers), *([_printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    right = [header in numbers for header in headers]
    for row in cells:
        padded = (
            " " * (width - _width(cell)) + cell if to_right else cell + " " * (width - _width(cell))
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        print("  ".join(padded).rstrip())


def note(text: str) -> None:
    """For people, beside the output."""
    print(text, file=sys.stderr)


def day(milliseconds: int | None) -> str:
    """A time as a day, UTC."""
    return "-" if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d")


def limit(value: float) -> str:
    """A limit, which is none at 0."""
    return f"{value:g}" if value else "-"


class _Locked(Exception):
    """A server runs, and does not answer (yet)."""


def _on_the_store(settings: Settings, data: Path, command: str, arguments: dict[str, Any]) -> Any:
    from sqlalchemy.exc import SQLAlchemyError

    from .store.engine import StoreError, StoreLocked

    try:
        return asyncio.run(_with_store(settings, data, command, arguments))
    except StoreLocked as error:
        raise _Locked(str(error)) from None
    except StoreError as error:
        raise CommandFailed(str(error), EX_CONFIG) from None
    except ServerError as error:
        raise CommandFailed(error.message, _exit_code(error.status)) from None
    except PermissionError as error:
        raise CommandFailed(f"data folder {data}: {error.strerror}", EX_NOPERM) from None
    except OSError as error:
        raise CommandFailed(f"data folder {data}: {error.strerror}", EX_IOERR) from None
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise CommandFailed(f"data folder {data}: the database cannot be used: {cause}", EX_IOERR) from None


async def _with_store(settings: Settings, data: Path, command: str, arguments: dict[str, Any]) -> Any:
    from .llm.commands import commands
    from .llm.keyring import Keyring
    from .store.engine import Store
    from .store.keys import Keys
    from .store.tenants import Tenants
    from .store.usage import UsageRecorder

    store = await Store.open(data)
    try:
        tenant = settings.tenants.get(arguments.get("tenant") or "")
        if tenant is not None and command == "keys.create" and await Tenants(store).get(arguments["tenant"]) is None:
            # The settings name it; the server's first start would have made it.
            slug = arguments["tenant"]
            await Tenants(store).ensure(slug, name=tenant.name or slug, allowed_sites=tenant.allowed_sites)
        return await commands(Keyring(Keys(store)), UsageRecorder(store))[command](arguments)
    finally:
        await store.close()


def _exit_code(status: int) -> int:
    if status == BadRequest.status:
        return EX_USAGE
    if status == NotFound.status:
        return EX_DATAERR
    return EX_TEMPFAIL if status == Unavailable.status else EX_SOFTWARE


def _width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _printable(text: str) -> str:
    """What is stored must not steer the operator's terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)
