"""What an operator can ask of a tenant's intents: the commands behind `xiaoer intents`.

The running server serves them on its control socket; without one, the command line runs them on the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..errors import BadRequest, NotFound
from ..store.intents import Version
from .intent_examples import ExamplesError, read
from .intents import Intents

Command = Callable[[dict[str, Any]], Awaitable[Any]]
Arguments = TypeVar("Arguments", bound=msgspec.Struct)


class OfTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of intents.list, versions and train."""

    tenant: str


class Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of intents.import: a file's whole path; `only` removes all intents that are not in it."""

    tenant: str
    file: str
    only: bool = False


class Evaluate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of intents.eval: without a file, the tenant's examples are cross-validated."""

    tenant: str
    file: str | None = None


class Try(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of intents.try."""

    tenant: str
    text: str


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of intents.rollback."""

    tenant: str
    version: int


def commands(intents: Intents) -> dict[str, Command]:
    """The commands by name."""
    return {
        "intents.list": _with(OfTenant, lambda asked: _list(intents, asked)),
        "intents.import": _with(Import, lambda asked: _import(intents, asked)),
        "intents.versions": _with(OfTenant, lambda asked: _versions(intents, asked)),
        "intents.train": _with(OfTenant, lambda asked: _train(intents, asked)),
        "intents.eval": _with(Evaluate, lambda asked: _evaluate(intents, asked)),
        "intents.try": _with(Try, lambda asked: _try(intents, asked)),
        "intents.rollback": _with(Rollback, lambda asked: _rollback(intents, asked)),
    }


def shown(version: Version) -> dict[str, Any]:
    """A version as JSON has it."""
    return msgspec.structs.asdict(version)


def _with(kind: type[Arguments], run: Callable[[Arguments], Awaitable[Any]]) -> Command:
    async def command(arguments: dict[str, Any]) -> Any:
        try:
            asked = msgspec.convert(arguments, kind)
        except msgspec.ValidationError as error:
            raise BadRequest(str(error)) from None
        return await run(asked)

    return command


def _read(file: str) -> dict[str, list[str]]:
    try:
        return read(Path(file))
    except ExamplesError as error:
        raise BadRequest(str(error), code="invalid_examples") from None
    except OSError as error:
        raise BadRequest(f"{file}: cannot be read: {error.strerror}", code="invalid_examples") from None


async def _list(intents: Intents, asked: OfTenant) -> list[dict[str, Any]]:
    examples = await intents.examples(asked.tenant)
    return [{"intent": intent, "examples": len(texts)} for intent, texts in examples.items()]


async def _import(intents: Intents, asked: Import) -> dict[str, Any]:
    examples = _read(asked.file)
    await intents.put(asked.tenant, examples, only=asked.only)
    return {"intents": len(examples), "examples": sum(map(len, examples.values()))}


async def _versions(intents: Intents, asked: OfTenant) -> list[dict[str, Any]]:
    return [shown(version) for version in await intents.versions(asked.tenant)]


async def _train(intents: Intents, asked: OfTenant) -> dict[str, Any]:
    return shown(await intents.train(asked.tenant))


async def _evaluate(intents: Intents, asked: Evaluate) -> dict[str, Any]:
    if asked.file is None:
        return await intents.evaluate(asked.tenant)
    examples = _read(asked.file)
    return await intents.evaluate(
        asked.tenant, [(text, intent) for intent, texts in examples.items() for text in texts]
    )


async def _try(intents: Intents, asked: Try) -> dict[str, Any]:
    recognised = await intents.recognise(asked.tenant, asked.text)
    if recognised is None:
        raise NotFound("No intent can be told: nothing is trained, or the model process is away.", code="no_intents")
    return msgspec.structs.asdict(recognised)


async def _rollback(intents: Intents, asked: Rollback) -> dict[str, Any]:
    await intents.rollback(asked.tenant, asked.version)
    return {"version": asked.version}
