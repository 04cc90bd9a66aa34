"""The composition root: who is wired to whom, in which order things start and stop."""

from __future__ import annotations

import functools
import gc
import logging
import sys
from pathlib import Path

import uvloop
from litestar.datastructures import State
from sqlalchemy.exc import DBAPIError

from xiaoer import Word, WordFilter

from .brain import markdown, wordlist
from .chat.feedback import Feedback
from .chat.handoff import HandOffs
from .chat.log import ConversationLog
from .chat.pipeline import Pipeline
from .config import Settings
from .demo import shop
from .desk import auth
from .dialogues import Dialogues
from .edge import server as edge_server
from .edge.auth import KeyFileError, Signer
from .edge.context import EdgeContext
from .edge.demo_api import demo_api
from .edge.gateway import may_be_large
from .edge.help_pages import help_pages
from .edge.limits import Limits
from .edge.listen import why_not
from .edge.rest import build_app
from .errors import Unavailable
from .model_path import ModelPath
from .store.articles import Articles
from .store.conversations import Conversations
from .store.engine import Store, StoreError
from .store.tenants import Tenant, Tenants
from .store.visitors import Visitors
from .store.words import Words
from .understanding import Understanding

log = logging.getLogger(__name__)

#: The thread that commits needs the interpreter a dozen times a group, and waits this long each time while the loop
#: is busy; at Python's 5 ms the wait, not the disk, set the pace.
SWITCH_SECONDS = 0.0005

#: Objects that were made and not freed before the collector looks at the youngest; then how many such runs before
#: it looks at the older ones.
COLLECTOR_THRESHOLDS = (50_000, 20, 50)


class StartError(Exception):
    """The server cannot start. The message is one line that says why and what to do."""


def serve(settings: Settings) -> None:
    """Run the server until SIGTERM or SIGINT, then drain.

    Raises:
        StartError: the data folder is in use or cannot be used, a key is not safe, or the port is taken.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    host, port, data = settings.server.host, settings.server.port, Path(settings.server.data)
    if (why := why_not(host, port)) is not None:
        raise StartError(f"address {host}:{port}: {why}; stop what listens there or choose another with --port")
    try:
        store = await Store.open(data)
    except StoreError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"data folder {data}: {error.strerror}") from error
    try:
        await _with_store(settings, store, data)
    except DBAPIError as error:
        raise StartError(f"data folder {data}: the database cannot be used: {error.orig}") from error
    finally:
        await store.close()


async def _with_store(settings: Settings, store: Store, data: Path) -> None:
    tenants = await _tenants(settings, store)
    words = await _word_filters(store, tenants)
    models = await ModelPath.open(settings, store, data, words)
    try:
        understanding = await Understanding.open(settings, store, data, tenants)
        models.control.add(understanding.commands())
        dialogues = await Dialogues.open(settings, store, tenants)
        models.control.add(dialogues.commands())
        try:
            await _serve_chat(settings, store, data, tenants, words, models, understanding, dialogues)
        finally:
            await dialogues.close()
            await understanding.close()
    finally:
        await models.close()


async def _serve_chat(
    settings: Settings,
    store: Store,
    data: Path,
    tenants: dict[str, Tenant],
    words: dict[str, WordFilter],
    models: ModelPath,
    understanding: Understanding,
    dialogues: Dialogues,
) -> None:
    conversations = ConversationLog(store)
    handoffs = HandOffs(store, conversations)
    await handoffs.load()
    pipeline = Pipeline(
        settings,
        conversations,
        understanding.knowledge,
        words,
        {slug: (tenant.name, settings.tenants[slug].system_prompt) for slug, tenant in tenants.items()},
        models.provider,
        handoffs,
        understanding.cache,
        understanding.intents,
        dialogues.dialogs,
    )
    try:
        signer = Signer.open(data, settings.security)
    except KeyFileError as error:
        raise StartError(str(error)) from error
    context = EdgeContext(
        settings=settings,
        log=conversations,
        pipeline=pipeline,
        visitors=Visitors(store),
        tenants=tenants,
        signer=signer,
        limits=Limits(settings.limits),
        render=markdown.render,
        ready=functools.partial(_check_store, store),
        mark_read=Conversations(store).mark_read,
        feedback=Feedback(conversations, understanding.cache),
        gateway=models.gateway,
    )
    if models.gateway is not None:
        context.large_body = may_be_large(models.gateway)
    unanswered = await conversations.recover()
    await pipeline.start()
    for tenant, conversation in unanswered:
        pipeline.resume(tenant, conversation)
    _calm_collector()
    understanding.start(tenants)
    try:
        app = build_app(
            context,
            handlers=[
                *help_pages(Articles(store), tenants, markdown.render),
                *understanding.routes(),
                *demo_api(dialogues.demo_secrets),
            ],
            schemes={"admin": auth.SCHEME},
            state=State({auth.STATE: models.keyring}),
        )
        server = edge_server.build(app, context)
        dialogues.listens(lambda: server.address)
        await server.serve()
    finally:
        await pipeline.drain(0)


def _check_store(store: Store) -> None:
    if store.writer.failing:
        raise Unavailable("The store cannot write.", code="store_unavailable", retry_after=1)


def _calm_collector() -> None:
    """Keep the garbage collector from pausing the loop.

    What the start has made stays, so no run looks at it again. Nearly all that a message makes is freed by
    reference counts; at the default of a run every 700 objects, a fifth of the loop's time went into finding nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


async def _tenants(settings: Settings, store: Store) -> dict[str, Tenant]:
    """Bring the tenants of the settings into the store; the first start fills demo shops, with progress."""
    repository = Tenants(store)
    for slug, tenant in settings.tenants.items():
        await repository.ensure(slug, name=tenant.name or slug, allowed_sites=tenant.allowed_sites)
        if tenant.demo:
            await shop.load(store, slug, progress=print)
        if tenant.words_file:
            try:
                await Words(store).replace(slug, wordlist.read(Path(tenant.words_file)))
            except wordlist.WordListError as error:
                raise StartError(f"tenants.{slug}.words_file: {error}") from error
    known = {tenant.id: tenant for tenant in await repository.all()}
    # In the order of the settings: the first one is meant where a visitor's page names none.
    return {slug: known[slug] for slug in settings.tenants}


async def _word_filters(store: Store, tenants: dict[str, Tenant]) -> dict[str, WordFilter]:
    rows = {slug: await Words(store).all(slug) for slug in tenants}
    return {
        slug: WordFilter([Word(row.text, row.level, tuple(row.tags), row.action) for row in words])
        for slug, words in rows.items()
    }
