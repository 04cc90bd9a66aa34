"""`xiaoer kb`: what the shop knows. Import, list, delete, search, measure; fixed answers; what nobody could answer."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from .cli_shared import (
    EX_CONFIG,
    EX_DATAERR,
    EX_IOERR,
    EX_NOINPUT,
    EX_OK,
    EX_SOFTWARE,
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

#: Seconds that the server may take for a command, and between looks at an import.
SECONDS, LOOK = 600.0, 0.2

#: Columns of the progress bar, and refusals that are shown.
BAR, SHOWN = 30, 50


def add(commands: Any) -> None:
    """Add the command to the parser."""
    kb = commands.add_parser("kb", help="the shop's articles: import, search, measure")
    actions = kb.add_subparsers(dest="action", required=True, metavar="action")
    importing = actions.add_parser("import", help="import files, folders, and sites by the address of their site map")
    importing.add_argument("places", nargs="+", metavar="PLACE", help=".md .txt .html .csv .pdf .docx, a folder, a URL")
    importing.add_argument("--lang", choices=("zh", "en"), help="the language of all of it (default: as it looks)")
    importing.add_argument("--allow-private", action="store_true", help="a site may be on this machine or network")
    listing = actions.add_parser("list", help="list the articles")
    delete = actions.add_parser("delete", help="remove articles, their vectors and what was answered from them")
    delete.add_argument("slugs", nargs="+", metavar="SLUG")
    search = actions.add_parser("search", help="what a question is answered from")
    search.add_argument("question")
    search.add_argument("--limit", type=int, default=5, metavar="N")
    search.add_argument("--by", choices=("words", "meaning", "both"), help="one way alone, without fixed answers")
    evaluate = actions.add_parser("eval", help="measure recall@5 and MRR on a file of questions")
    evaluate.add_argument("file", nargs="?", metavar="FILE", help="JSON lines: question, slugs (default: the demo's)")
    evaluate.add_argument("--missed", action="store_true", help="name the questions whose article was not in front")
    curate = actions.add_parser("curate", help="give a question a fixed answer; without arguments list them")
    curate.add_argument("questions", nargs="*", metavar="QUESTION")
    curate.add_argument("--answer", metavar="TEXT", help="the answer, in Markdown")
    curate.add_argument("--slug", help="the article that is named as its source")
    curate.add_argument("--id", help="the fixed answer to change")
    curate.add_argument("--delete", metavar="ID", help="remove this one")
    unanswered = actions.add_parser("unanswered", help="what nobody could answer, the most asked first")
    unanswered.add_argument("--delete", metavar="ID", help="forget this group")
    every = (importing, listing, delete, search, evaluate, curate, unanswered)
    for action in every:
        action.add_argument("--tenant", metavar="SLUG", help="whose articles (default: the only tenant there is)")
    add_common(*every)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Carry it out.

    Raises:
        CommandFailed: it did not work.
    """
    tenant = options.tenant
    if tenant is None:
        if len(settings.tenants) > 1:
            raise CommandFailed(f"--tenant: one of {', '.join(settings.tenants)} is needed", EX_USAGE)
        [tenant] = settings.tenants
    actions = {
        "import": _import,
        "list": _list,
        "delete": _delete,
        "search": _search,
        "eval": _eval,
        "curate": _curate,
        "unanswered": _unanswered,
    }
    return actions[options.action](options, settings, tenant)


def _import(options: argparse.Namespace, settings: Settings, tenant: str) -> int:
    places = [
        place if place.startswith(("http://", "https://")) else str(Path(place).absolute()) for place in options.places
    ]
    missing = [place for place in places if not place.startswith(("http://", "https://")) and not Path(place).exists()]
    if missing:
        raise CommandFailed(f"{missing[0]}: there is no such file or folder", EX_NOINPUT)
    arguments = {"tenant": tenant, "places": places, "lang": options.lang, "allow_private": options.allow_private}
    bar = _Bar()
    try:
        number = ask_server(_data(settings), "kb.import", **arguments)["import"]
    except NotRunning:
        report = _alone(settings, "kb.import", {**arguments, "wait": True}, bar)
    else:
        while True:
            report = ask_server(_data(settings), "kb.import_state", **{"import": number})
            bar.show(report["done"], report["total"])
            if report["finished"]:
                break
            time.sleep(LOOK)
    bar.end()
    if options.json:
        print_json(report)
    else:
        for refusal in report["refused"][:SHOWN]:
            note(f"left out: {_line(refusal['name'])}: {_line(refusal['reason'])}")
        if (more := report.get("refusals", 0) - SHOWN) > 0:
            note(f"left out: {more} more, see --json")
        print(
            f"{report['added']} added, {report['changed']} changed, {report['unchanged']} as before, "
            f"{report.get('refusals', 0)} left out"
        )
    done = report["added"] + report["changed"] + report["unchanged"]
    return EX_OK if done or not report["refused"] else EX_DATAERR


def _list(options: argparse.Namespace, settings: Settings, tenant: str) -> int:
    found = _carry_out(settings, "kb.list", tenant=tenant)
    if options.json:
        print_json(found)
    else:
        rows = [(row["slug"], row["lang"], row["title"], day(row["updated_at"])) for row in found]
        print_table(("SLUG", "LANG", "TITLE", "CHANGED"), rows)
    return EX_OK


def _delete(options: argparse.Namespace, settings: Settings, tenant: str) -> int:
    gone = _carry_out(settings, "kb.delete", tenant=tenant, slugs=options.slugs)
    if options.json:
        print_json(gone)
    else:
        print(f"deleted: {', '.join(gone['deleted'])}")
        for slug in options.slugs:
            if slug not in gone["deleted"]:
                note(f"there was no {_line(slug)}")
    return EX_OK


def _search(options: argparse.Namespace, settings: Settings, tenant: str) -> int:
    answer = _carry_out(
        settings, "kb.search", tenant=tenant, question=options.question, limit=options.limit, by=options.by
    )
    if options.json:
        print_json(answer)
        return EX_OK
    passages = answer["passages"]
    rows = [
        (f"{passage['score']:.2f}", passage["article"], passage["lang"], passage["title"], _line(passage["text"])[:60])
        for passage in passages
    ]
    print_table(("EVIDENCE", "ARTICLE", "LANG", "TITLE", "TEXT"), rows, numbers=("EVIDENCE",))
    if not passages or passages[0]["score"] < answer["threshold"]:
        note(f"nothing has evidence of {answer['threshold']:g}: a human would be offered")
    return EX_OK


def _eval(options: argparse.Namespace, settings: Settings, tenant: str) -> int:
    file = str(Path(options.file).absolute()) if options.file else None
    answer = _carry_out(settings, "kb.eval", tenant=tenant, file=file)
    if options.json:
        print_json(answer)
        return EX_OK
    shares = ("recall", "mrr", "right", "wrong", "false")
    headers = ("BY", "RECALL@5", "MRR", "RIGHT", "WRONG", "FALSE", "P50 MS", "P99 MS")
    rows = [
        (
            figures["by"],
            *(f"{figures[name]:.3f}" for name in shares),
            f"{figures['p50_ms']:.1f}",
            f"{figures['p99_ms']:.1f}",
        )
        for figures in answer["figures"]
    ]
    note(f"{answer['questions']} questions; encoder: {answer['encoder'] or 'none, words only'}")
    print_table(headers, rows, numbers=headers[1:])
    if options.missed:
        for missed in answer["figures"][-1]["missed"]:
            print(f"  {missed['rank'] or '-'}  {_line(missed['question'])}  →  {missed['found'] or 'nothing'}")
    return EX_OK


def _curate(options: argparse.Namespace, settings: Settings, tenant: str) -> int:
    if options.delete:
        _carry_out(settings, "kb.uncurate", tenant=tenant, id=options.delete)
        print(f"deleted: {options.delete}")
        return EX_OK
    if not options.questions:
        found = _carry_out(settings, "kb.curated", tenant=tenant)
        if options.json:
            print_json(found)
        else:
            rows = [(row["id"], row["lang"], " | ".join(row["questions"]), _line(row["answer"])[:60]) for row in found]
            print_table(("ID", "LANG", "QUESTIONS", "ANSWER"), rows)
        return EX_OK
    if not options.answer:
        raise CommandFailed("--answer: is needed", EX_USAGE)
    made = _carry_out(
        settings,
        "kb.curate",
        tenant=tenant,
        questions=options.questions,
        answer=options.answer,
        slug=options.slug,
        id=options.id,
    )
    if options.json:
        print_json(made)
    else:
        print(f"fixed answer {made['id']}")
    return EX_OK


def _unanswered(options: argparse.Namespace, settings: Settings, tenant: str) -> int:
    if options.delete:
        _carry_out(settings, "kb.answered", tenant=tenant, id=options.delete)
        print(f"forgotten: {options.delete}")
        return EX_OK
    found = _carry_out(settings, "kb.unanswered", tenant=tenant)
    if options.json:
        print_json(found)
        return EX_OK
    rows = [(row["count"], row["lang"], row["question"], day(row["last_at"]), row["id"]) for row in found]
    print_table(("ASKED", "LANG", "QUESTION", "LAST", "ID"), rows, numbers=("ASKED",))
    return EX_OK


class _Bar:
    """A line on a terminal that says how far an import is; nothing where nobody looks."""

    def __init__(self) -> None:
        self._there = sys.stderr.isatty()
        self._shown = ""

    def show(self, done: int, total: int) -> None:
        """Draw it anew."""
        filled = BAR * done // max(1, total)
        line = f"\r[{'#' * filled}{'.' * (BAR - filled)}] {done}/{total}"
        if self._there and line != self._shown:
            print(line, end="", file=sys.stderr, flush=True)
            self._shown = line

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            print(file=sys.stderr)


def _carry_out(settings: Settings, command: str, **arguments: Any) -> Any:
    """Have the running server do it, or do it on the store."""
    try:
        return ask_server(_data(settings), command, seconds=SECONDS, **arguments)
    except NotRunning:
        return _alone(settings, command, arguments)


def _alone(settings: Settings, command: str, arguments: dict[str, Any], bar: _Bar | None = None) -> Any:
    from sqlalchemy.exc import SQLAlchemyError

    from .store.engine import StoreError, StoreLocked

    data = _data(settings)
    if not (data / "xiaoer.db").exists() and command != "kb.import":
        raise CommandFailed(f"data folder {data}: has no database; choose another with --data", EX_NOINPUT)
    try:
        return asyncio.run(_on_the_store(settings, data, command, arguments, bar))
    except StoreLocked as error:
        raise CommandFailed(f"{error}; it does not answer on the folder's control socket", EX_TEMPFAIL) from None
    except StoreError as error:
        raise CommandFailed(str(error), EX_CONFIG) from None
    except ServerError as error:
        code = {400: EX_USAGE, 404: EX_DATAERR}.get(error.status, EX_SOFTWARE)
        raise CommandFailed(error.message, code) from None
    except (OSError, SQLAlchemyError) as error:
        raise CommandFailed(f"data folder {data}: {getattr(error, 'orig', None) or error}", EX_IOERR) from None


async def _on_the_store(
    settings: Settings, data: Path, command: str, arguments: dict[str, Any], bar: _Bar | None
) -> Any:
    """Without a server there is no model process either: what is imported is embedded at the next start."""
    from .brain.kb_commands import Commands
    from .brain.knowledge import Knowledge
    from .store.engine import Store
    from .store.tenants import Tenants

    store = await Store.open(data)
    try:
        slug = arguments["tenant"]
        tenant = settings.tenants.get(slug)
        if tenant is not None and await Tenants(store).get(slug) is None:
            # The settings name it; the server's first start would have made it.
            await Tenants(store).ensure(slug, name=tenant.name or slug, allowed_sites=tenant.allowed_sites)
        known = {found.id for found in await Tenants(store).all()}
        knowledge = Knowledge(store)
        commands = Commands(knowledge, store, known, settings.answer.evidence_threshold)
        watching = asyncio.create_task(_watch(commands, bar)) if bar is not None else None
        try:
            return await commands.all()[command](arguments)
        finally:
            if watching is not None:
                watching.cancel()
            await knowledge.stop()
    finally:
        await store.close()


async def _watch(commands: Any, bar: _Bar) -> None:
    """Show how far the only import is."""
    with contextlib.suppress(ServerError):
        while True:
            await asyncio.sleep(LOOK)
            state = await commands.import_state({"import": 1})
            bar.show(state["done"], state["total"])


def _data(settings: Settings) -> Path:
    return Path(settings.server.data)


def _line(text: str) -> str:
    """On one line, and nothing that steers a terminal."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
