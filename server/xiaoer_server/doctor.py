"""`xiaoer doctor`: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from xiaoer import build_info

from .cli_providers import configured, shown_address
from .config import Settings
from .edge.listen import why_not
from .finding import Finding
from .infer.doctor import models_here

#: Descriptors a busy help desk needs: one a visitor, and some.
WANTED_DESCRIPTORS = 8_192

#: Of packages whose module has another name.
_DISTRIBUTIONS = {"grpc": "grpcio"}


def examine(settings: Settings, say: Callable[[str], None]) -> bool:
    """Check everything `serve` relies on and print a line for each.

    Returns:
        True if nothing is missing that `serve` needs.
    """
    healthy = True
    for check in (_python, _kernels, _packages, _sqlite, _data_folder, _word_lists, _port, _descriptors, _model,
                  _providers, _keys, models_here):  # fmt: skip
        for finding in check(settings):
            mark = "ok  " if finding.ok else ("hint" if finding.hint else "FAIL")
            say(f"{mark}  {finding.what}" + ("" if finding.ok or not finding.advice else f"\n      {finding.advice}"))
            healthy &= finding.ok or finding.hint
    return healthy


def _python(_: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(sys.version_info >= (3, 11), f"Python {version}", "Python 3.11 or newer is needed.")


def _kernels(_: Settings) -> Iterator[Finding]:
    info = build_info()
    native = info["backend"] == "native"
    yield Finding(native, f"kernels: {info['backend']}", "The pure Python kernels work, far slower.", hint=True)
    if native:
        release = info["profile"] == "release"
        yield Finding(release, f"kernels built in {info['profile']} mode", "Build them again with `make build`.", True)


def _packages(_: Settings) -> Iterator[Finding]:
    for name in ("uvloop", "uvicorn", "httptools", "websockets", "litestar", "sqlalchemy", "aiosqlite", "alembic",
                 "nh3", "openai", "aiohttp", "numpy", "grpc"):  # fmt: skip
        found = importlib.util.find_spec(name) is not None
        version = importlib.metadata.version(_DISTRIBUTIONS.get(name, name)) if found else "missing"
        yield Finding(found, f"{name} {version}", 'Install it with `pip install "xiaoer[server]"`.')


def _sqlite(_: Settings) -> Iterator[Finding]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize='unicode61 remove_diacritics 0')")
        fts = True
    except sqlite3.OperationalError:
        fts = False
    finally:
        connection.close()
    yield Finding(fts, f"SQLite {sqlite3.sqlite_version} with FTS5", "SQLite 3.34 or newer with FTS5 is needed.")


def _data_folder(settings: Settings) -> Iterator[Finding]:
    folder = Path(settings.server.data).absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    advice = f"{nearest} cannot be written; see --data."
    if not nearest.is_dir():
        advice = f"{nearest} is not a folder; choose another with --data."
    yield Finding(nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK), f"data folder {folder}", advice)


def _word_lists(settings: Settings) -> Iterator[Finding]:
    if importlib.util.find_spec("sqlalchemy") is None:
        return  # said already; the reader of lists needs it
    from .brain import wordlist

    for slug, tenant in settings.tenants.items():
        if not tenant.words_file:
            continue
        try:
            wordlist.read(Path(tenant.words_file))
            why = ""
        except wordlist.WordListError as error:
            why = str(error)
        yield Finding(not why, f"tenants.{slug}.words_file {tenant.words_file}", why)


def _port(settings: Settings) -> Iterator[Finding]:
    host, port = settings.server.host, settings.server.port
    why = why_not(host, port)
    yield Finding(
        why is None, f"address {host}:{port}", f"{why}. Is a server running already? Choose another with --port."
    )


def _descriptors(_: Settings) -> Iterator[Finding]:
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield Finding(
        soft >= WANTED_DESCRIPTORS or soft == resource.RLIM_INFINITY,
        f"{soft} file descriptors",
        f"Each visitor takes one; raise it for a busy desk: ulimit -n {WANTED_DESCRIPTORS}.",
        hint=True,
    )


def _model(settings: Settings) -> Iterator[Finding]:
    model = settings.model
    where = shown_address(model.base_url) if model.base_url else "the API of OpenAI"
    yield Finding(
        model.configured,
        f"model {model.name} at {where}" if model.configured else "no model: answers come from the knowledge alone",
        "Set OPENAI_API_KEY, or OPENAI_BASE_URL for a model of your own.",
        hint=True,
    )


def _providers(settings: Settings) -> Iterator[Finding]:
    for provider in configured(settings, os.environ):
        if provider.name not in settings.providers:
            continue  # the model of [model], said already
        what = f"provider {provider.name} at {provider.address}, key {'set' if provider.key else 'not set'}"
        yield Finding(
            provider.key,
            what,
            f"If it wants one: providers.{provider.name}.api_key, or api_key_env with the name of a variable.",
            hint=True,
        )
        if not provider.models:
            yield Finding(
                False,
                f"provider {provider.name} serves no model",
                f'Name it in a route: [models."…"] targets = ["{provider.name}"].',
                hint=True,
            )


def _keys(settings: Settings) -> Iterator[Finding]:
    if not settings.gateway.enabled:
        return
    count = _count_keys(Path(settings.server.data).absolute() / "xiaoer.db")
    if count is not None:
        what = f"{count} key{'' if count == 1 else 's'} for /v1"
        yield Finding(count > 0, what, "Nobody may call it; make one with `xiaoer keys create`.", hint=True)


def _count_keys(database: Path) -> int | None:
    """Keys that are valid; None where there is no database, or none of this version, yet."""
    if not database.exists():
        return None
    # A database that nobody has open has no log beside it, and SQLite would make one even for a reader.
    alone = not database.with_name(database.name + "-wal").exists()
    address = f"file:{quote(str(database))}?mode=ro" + ("&immutable=1" if alone else "")
    valid = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=1.0)) as connection:
            found = connection.execute(f"SELECT count(*) FROM api_keys WHERE {valid}", (time.time() * 1000,))  # noqa: S608
            count: int = found.fetchone()[0]
    except sqlite3.Error:
        return None  # damaged or of another version; `serve` says it better
    return count
