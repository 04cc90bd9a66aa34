"""`xiaoer intents`: a tenant's intents, from their examples to the version in use."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

from .cli_shared import (
    EX_CONFIG,
    EX_DATAERR,
    EX_IOERR,
    EX_NOINPUT,
    EX_OK,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
    EX_USAGE,
    CommandFailed,
    add_common,
    day,
    note,
    print_json,
    print_table,
)
from .config import Settings
from .errors import ServerError, Unavailable
from .ops.control import ControlError, NotRunning, Refused, ask

#: Training embeds every example first.
SECONDS = 1_800.0


def add(commands: Any) -> None:
    """Add the command to the parser."""
    intents = commands.add_parser("intents", help="examples, training and versions of what visitors may want")
    actions = intents.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="list the intents, and how many examples each has")
    load = actions.add_parser("import", help="take examples from a file (.txt, .csv, .jsonl); FILE may be 'demo'")
    load.add_argument("file", metavar="FILE")
    load.add_argument("--only", action="store_true", help="also remove all intents that are not in the file")
    train = actions.add_parser("train", help="train a head on the examples and put it into use")
    evaluate = actions.add_parser("eval", help="measure: cross-validated, or the version in use on a file")
    evaluate.add_argument("file", metavar="FILE", nargs="?", help="labelled texts; the intent 'oos' is out of scope")
    evaluate.add_argument("--output", metavar="DIR", type=Path, help="write report.json, report.md and confusion.svg")
    attempt = actions.add_parser("try", help="say what a text would be taken for")
    attempt.add_argument("text", metavar="TEXT")
    versions = actions.add_parser("versions", help="list what was trained")
    back = actions.add_parser("rollback", help="put an older version into use")
    back.add_argument("version", metavar="N", type=int)
    tune = actions.add_parser("tune", help="train the encoder itself on a file's examples (needs xiaoer[train])")
    tune.add_argument("file", metavar="FILE", help="examples, as for import; 'demo' is the shop's own set")
    tune.add_argument("--name", default="e5-tuned", help="the model to make (default %(default)s)")
    tune.add_argument("--epochs", type=float, default=3.0, metavar="N", help="times through all (default %(default)s)")
    tune.add_argument("--minutes", type=float, default=0.0, metavar="N", help="end after so many (default: no limit)")
    tune.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    tune.add_argument("--threads", type=int, default=1, metavar="N", help="of the CPU (default %(default)s)")
    every = (listing, load, train, evaluate, attempt, versions, back)
    for command in every:
        command.add_argument("--tenant", metavar="SLUG", help="whose intents (default: the only tenant there is)")
    add_common(*every, tune)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Carry it out.

    Raises:
        CommandFailed: it did not work.
    """
    if options.action == "tune":
        return _tune(options, settings)
    tenant = options.tenant
    if tenant is None:
        if len(settings.tenants) > 1:
            raise CommandFailed(f"--tenant: one of {', '.join(settings.tenants)} is needed", EX_USAGE)
        [tenant] = settings.tenants
    arguments: dict[str, Any] = {"tenant": tenant}
    if options.action == "import":
        arguments |= {"file": _file(options.file), "only": options.only}
    elif options.action == "eval" and options.file is not None:
        arguments["file"] = _file(options.file)
    elif options.action == "try":
        arguments["text"] = options.text
    elif options.action == "rollback":
        arguments["version"] = options.version
    answer = _carry_out(settings, f"intents.{options.action}", arguments)
    if options.action == "eval" and options.output is not None:
        _write(options.output, answer)
    if options.json:
        print_json(answer)
    else:
        _show(options.action, answer)
    return EX_OK


def _tune(options: argparse.Namespace, settings: Settings) -> int:
    from .brain.intent_examples import ExamplesError, read
    from .infer.manifest import ModelRefused
    from .infer.training import TrainingError
    from .infer.tuning import tune

    folder = Path(settings.server.data) / "models" / options.name
    try:
        examples = read(Path(_file(options.file)))
        report = tune(
            examples,
            folder,
            epochs=options.epochs,
            minutes=options.minutes,
            device=options.device,
            threads=options.threads,
            progress=note,
        )
    except (ExamplesError, TrainingError) as error:
        raise CommandFailed(str(error), EX_DATAERR) from None
    except ModelRefused as error:
        raise CommandFailed(str(error), EX_UNAVAILABLE) from None
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}", EX_IOERR) from None
    if options.json:
        print_json(report)
    else:
        print(
            f"model {options.name}: {report['steps']} steps in {report['seconds']:g} s, in 8 bits at a cosine of "
            f"{report['cosine']} to the float network; name it in infer.model and run `xiaoer intents train`"
        )
    return EX_OK


def _file(name: str) -> str:
    from .demo.intents import FILE

    return str(FILE) if name == "demo" else os.path.abspath(name)


def _show(action: str, answer: Any) -> None:
    if action == "list":
        print_table(("INTENT", "EXAMPLES"), [(row["intent"], row["examples"]) for row in answer], numbers=("EXAMPLES",))
    elif action == "versions":
        rows = [
            (
                row["version"],
                "*" if row["in_use"] else "",
                row["intents"],
                row["examples"],
                row["encoder"],
                day(row["created_at"]),
            )
            for row in answer
        ]
        numbers = ("VERSION", "INTENTS", "EXAMPLES")
        print_table(("VERSION", "IN USE", "INTENTS", "EXAMPLES", "ENCODER", "TRAINED"), rows, numbers=numbers)
    elif action == "import":
        print(f"{answer['examples']} examples of {answer['intents']} intents; train with `xiaoer intents train`")
    elif action == "train":
        seconds = answer["report"]["seconds"]
        print(
            f"version {answer['version']}: {answer['intents']} intents, {answer['examples']} examples, {seconds:g} s; "
            "it is in use"
        )
    elif action == "rollback":
        print(f"version {answer['version']} is in use")
    elif action == "try":
        _show_try(answer)
    else:
        from .infer.evaluation import as_text

        print(as_text(answer), end="")


def _show_try(answer: dict[str, Any]) -> None:
    named = answer["intent"] or "out of scope"
    print(f"{named}  (in scope {answer['inside']:.0%}, version {answer['version']})")
    if answer["intent"]:
        print(f"  {answer['probability']:6.1%}  {answer['intent']}")
    for intent, probability in answer["alternatives"]:
        print(f"  {probability:6.1%}  {intent}")


def _write(folder: Path, report: dict[str, Any]) -> None:
    import msgspec

    from .infer.evaluation import as_svg, as_text

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
        (folder / "report.md").write_text(as_text(report), "utf-8")
        (folder / "confusion.svg").write_text(as_svg(report), "utf-8")
    except OSError as error:
        raise CommandFailed(f"{folder}: {error.strerror}", EX_IOERR) from None
    note(f"report.json, report.md and confusion.svg are in {folder}")


def _carry_out(settings: Settings, command: str, arguments: dict[str, Any]) -> Any:
    """By the running server; without one, on the store, with the model in this process."""
    data = Path(settings.server.data)
    with contextlib.suppress(NotRunning):
        try:
            return ask(data, command, seconds=SECONDS, **arguments)
        except Refused as error:
            raise CommandFailed(str(error), _code(error.status)) from None
        except ControlError as error:
            raise CommandFailed(str(error), EX_UNAVAILABLE) from None
    if not (data / "xiaoer.db").exists():
        raise CommandFailed(f"data folder {data}: has no database; choose another with --data", EX_NOINPUT)
    from sqlalchemy.exc import SQLAlchemyError

    from .infer.interface import InferError
    from .store.engine import StoreError, StoreLocked

    try:
        return asyncio.run(_on_the_store(settings, data, command, arguments))
    except StoreLocked as error:
        raise CommandFailed(str(error), EX_TEMPFAIL) from None
    except StoreError as error:
        raise CommandFailed(str(error), EX_CONFIG) from None
    except ServerError as error:
        raise CommandFailed(error.message, _code(error.status)) from None
    except InferError as error:
        raise CommandFailed(str(error), EX_UNAVAILABLE) from None
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise CommandFailed(f"data folder {data}: the database cannot be used: {cause}", EX_IOERR) from None


async def _on_the_store(settings: Settings, data: Path, command: str, arguments: dict[str, Any]) -> Any:
    from .brain.intent_commands import commands
    from .brain.intents import Intents
    from .infer.local import LocalInfer
    from .infer.nothing import NoInfer
    from .store.engine import Store

    model = data / "models" / settings.infer.model
    infer = LocalInfer(model) if command in ("intents.train", "intents.eval", "intents.try") else NoInfer()
    store = await Store.open(data)
    try:
        own = settings.intents
        intents = Intents(store, infer, threshold=own.threshold, deadline=60.0, keep=own.keep_versions)
        if command == "intents.try":
            await intents.load([arguments["tenant"]])
        return await commands(intents)[command](arguments)
    finally:
        await store.close()


def _code(status: int) -> int:
    if status == Unavailable.status:
        return EX_TEMPFAIL
    return EX_DATAERR if 400 <= status < 500 else EX_UNAVAILABLE
