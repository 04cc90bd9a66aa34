"""`xiaoer flows`: check, draw and test files of dialogue flows; list, import and remove a tenant's."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli_shared import (
    EX_CONFIG,
    EX_DATAERR,
    EX_IOERR,
    EX_NOINPUT,
    EX_OK,
    EX_TEMPFAIL,
    EX_USAGE,
    CommandFailed,
    add_common,
    ask_server,
    day,
    note,
    print_json,
    print_table,
)
from .config import Settings
from .errors import ServerError
from .ops.control import NotRunning

if TYPE_CHECKING:
    from .brain.flow_model import Flow, Problem

#: A server that is starting holds the folder before it answers.
STARTING_SECONDS = 5.0


def add(commands: Any) -> None:
    """Add the command to the parser."""
    flows = commands.add_parser("flows", help="dialogue flows: check, draw, test, import")
    actions = flows.add_subparsers(dest="action", required=True, metavar="action")
    check = actions.add_parser("check", help="find what is wrong with files, by line")
    check.add_argument("--intents", metavar="FILE", help="the tenant's intents (default: those that come with xiaoer)")
    test = actions.add_parser("test", help="run the dialogues that files have as test cases")
    draw = actions.add_parser("draw", help="draw a flow as SVG")
    draw.add_argument("file", metavar="FILE")
    draw.add_argument("-o", "--output", metavar="SVG", help="where to (default: beside the file)")
    draw.add_argument("--language", choices=("zh", "en"), default="zh")
    importing = actions.add_parser("import", help="check files and use them for new dialogues")
    for command in (check, test, importing):
        command.add_argument("files", nargs="+", metavar="FILE")
    listing = actions.add_parser("list", help="list a tenant's flows and their versions")
    remove = actions.add_parser("remove", help="begin no new dialogue on a flow; those that run go on")
    remove.add_argument("name", metavar="NAME")
    for command in (importing, listing, remove):
        command.add_argument("--tenant", metavar="SLUG", help="whose flows (default: the only tenant there is)")
    add_common(check, test, draw, importing, listing, remove)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Carry it out.

    Raises:
        CommandFailed: it did not work.
    """
    if options.action == "check":
        return _check(options)
    if options.action == "test":
        return _test(options)
    if options.action == "draw":
        return _draw(options)
    tenant = options.tenant
    if tenant is None:
        if len(settings.tenants) > 1:
            raise CommandFailed(f"--tenant: one of {', '.join(settings.tenants)} is needed", EX_USAGE)
        [tenant] = settings.tenants
    if options.action == "list":
        return _list(options, settings, tenant)
    if options.action == "remove":
        answers = [_carry_out(settings, "flows.remove", tenant=tenant, name=options.name)]
    else:
        # All files are read before the first one is imported.
        sources = [_source(file) for file in options.files]
        answers = [_carry_out(settings, "flows.import", tenant=tenant, source=source) for source in sources]
    if options.json:
        print_json(answers)
    elif options.action == "remove":
        print(f"{options.name}: no new dialogue begins on it")
    else:
        for answer in answers:
            print(f"{answer['name']}: version {answer['version']} is in use, {answer['states']} states")
    return EX_OK


def _list(options: argparse.Namespace, settings: Settings, tenant: str) -> int:
    rows = _carry_out(settings, "flows.list", tenant=tenant)
    if options.json:
        print_json(rows)
        return EX_OK
    shown = [
        (row["name"], row["version"], row["state"], day(row["imported_at"]), day(row["retired_at"])) for row in rows
    ]
    print_table(("FLOW", "VERSION", "STATE", "IMPORTED", "REPLACED"), shown)
    return EX_OK


def _check(options: argparse.Namespace) -> int:
    from .brain import intent_examples
    from .demo import intents

    try:
        known = set(intent_examples.read(Path(options.intents) if options.intents else intents.FILE))
    except OSError as error:
        raise CommandFailed(f"{options.intents}: {error.strerror}", EX_NOINPUT) from None
    except intent_examples.ExamplesError as error:
        raise CommandFailed(f"{options.intents}: {error}", EX_DATAERR) from None
    found: list[dict[str, Any]] = []
    for file in options.files:
        for problem in _read(file, known)[1]:
            found.append({"file": file, "line": problem.line, "error": problem.error, "what": problem.what})
            if not options.json:
                print(f"{file}:{problem}")
    if options.json:
        print_json(found)
    errors = sum(problem["error"] for problem in found)
    note(f"{len(options.files)} files, {errors} errors, {len(found) - errors} warnings")
    return EX_DATAERR if errors else EX_OK


def _test(options: argparse.Namespace) -> int:
    from .brain.flow_cases import run_cases

    flows = [(file, _good(file)) for file in options.files]
    outcomes = [
        (file, outcome)
        for file, flow in flows
        for outcome in asyncio.run(run_cases(flow, [other for _, other in flows]))
    ]
    failed = [(file, outcome) for file, outcome in outcomes if outcome.why]
    if options.json:
        print_json([{"file": file, "case": one.case, "line": one.line, "why": one.why} for file, one in outcomes])
    else:
        for file, outcome in outcomes:
            print(f"{'FAIL' if outcome.why else 'ok  '}  {file}:{outcome.line}: {outcome.case}")
            if outcome.why:
                print(f"      {outcome.why}")
    note(f"{len(outcomes)} dialogues, {len(failed)} failed")
    return EX_DATAERR if failed or not outcomes else EX_OK


def _draw(options: argparse.Namespace) -> int:
    from .brain.flow_draw import draw

    flow = _good(options.file)
    output = Path(options.output) if options.output else Path(options.file).with_suffix(".svg")
    try:
        output.write_text(draw(flow, options.language), "utf-8")
    except OSError as error:
        raise CommandFailed(f"{output}: {error.strerror}", EX_IOERR) from None
    note(f"{output}: {len(flow.states)} states")
    return EX_OK


def _source(file: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}", EX_NOINPUT) from None
    except UnicodeDecodeError:
        raise CommandFailed(f"{file}: is not UTF-8", EX_DATAERR) from None


def _read(file: str, intents: set[str] | None) -> tuple[Flow | None, list[Problem]]:
    from .brain.flow_checks import check
    from .brain.flow_file import read_flow
    from .brain.flow_model import FlowError

    try:
        flow = read_flow(_source(file))
    except FlowError as error:
        return None, error.problems
    return flow, check(flow, intents)


def _good(file: str) -> Flow:
    """A flow without errors."""
    flow, problems = _read(file, None)
    errors = [problem for problem in problems if problem.error]
    if flow is None or errors:
        raise CommandFailed("\n".join(f"{file}:{problem}" for problem in errors), EX_DATAERR)
    return flow


def _carry_out(settings: Settings, command: str, **arguments: Any) -> Any:
    """By the running server; without one, on the store."""
    from sqlalchemy.exc import SQLAlchemyError

    from .store.engine import StoreError, StoreLocked

    data = Path(settings.server.data)
    end = time.monotonic() + STARTING_SECONDS
    while True:
        with contextlib.suppress(NotRunning):
            return ask_server(data, command, **arguments)
        if not (data / "xiaoer.db").exists():
            raise CommandFailed(f"data folder {data}: has no database; choose another with --data", EX_NOINPUT)
        try:
            return asyncio.run(_on_the_store(settings, data, command, arguments))
        except StoreLocked as error:
            if time.monotonic() > end:
                raise CommandFailed(str(error), EX_TEMPFAIL) from None
        except StoreError as error:
            raise CommandFailed(str(error), EX_CONFIG) from None
        except ServerError as error:
            raise CommandFailed(error.message, EX_USAGE if error.status == 400 else EX_DATAERR) from None
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise CommandFailed(f"data folder {data}: the database cannot be used: {cause}", EX_IOERR) from None
        time.sleep(0.1)


async def _on_the_store(settings: Settings, data: Path, command: str, arguments: dict[str, Any]) -> Any:
    from .brain.flow_commands import commands
    from .brain.flow_library import Flows
    from .store.engine import Store

    store = await Store.open(data)
    try:
        return await commands(store, {tenant: Flows() for tenant in settings.tenants})[command](arguments)
    finally:
        await store.close()
