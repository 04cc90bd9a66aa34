"""The OpenAI-compatible door: the one place that orders the stages of a gateway call.

    key → read → model → limits → filter(in) → cache → long input → relay → filter(out) → usage

HTTP is the edge's business; here a call gets a `Reply` to answer through.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from xiaoer import WordFilter

from ..config import GatewaySettings
from ..errors import BadRequest, Forbidden, NotFound, ServerError, Unauthorized, Unavailable
from ..ops.tracing import Tracer
from ..store.usage import UsageRecorder
from . import shared
from .clamp import Clamp
from .job import ChatJob, EmbeddingsJob, Job, Reply
from .keyring import Keyring
from .quota import Caller
from .relay import Relay
from .request import ChatCall, read_chat, read_embeddings
from .response_cache import ResponseCache
from .route import Route


class Options(msgspec.Struct, frozen=True):
    """What a caller says in headers: a deadline in seconds (0: none), the cache, a trace to take part in."""

    seconds: float = 0.0
    cache: bool = False
    trace: bytes | None = None


class Gateway:
    """All gateway calls of a process.

    Args:
        words: The word filter of each tenant.
        clamp: What temperatures are held to, or None.
        encode_error: A refusal as the clients read it, for the ones inside a stream.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        routes: Mapping[str, Route],
        relay: Relay,
        keyring: Keyring,
        usage: UsageRecorder,
        words: Mapping[str, WordFilter],
        tracer: Tracer | None,
        clamp: Clamp | None,
        encode_error: Callable[[ServerError], bytes],
    ) -> None:
        self.settings = settings
        self.relay = relay
        self.routes = routes
        self.usage = usage
        self.tracer = tracer
        self.encode_error = encode_error
        self.jobs: set[Job] = set()
        self.cache = ResponseCache(settings.cache_bytes, settings.cache_entry_bytes, settings.cache_seconds)
        self._clamp = clamp
        self._keyring = keyring
        self._words = words
        self._created = int(time.time())
        self._prefix = b"req_" + secrets.token_hex(6).encode()
        self._numbers = itertools.count(1)

    def caller(self, secret: bytes) -> Caller:
        """Whose key this is.

        Raises:
            Unauthorized: invalid_api_key.
        """
        caller = self._keyring.find(secret) if secret else None
        if caller is None:
            raise Unauthorized("Incorrect API key provided.", code="invalid_api_key")
        return caller

    def knows(self, secret: bytes) -> bool:
        """Whether this is a key."""
        return bool(secret) and self._keyring.find(secret) is not None

    def chat(self, caller: Caller, body: bytes, options: Options, reply: Reply) -> None:
        """POST /v1/chat/completions. Raises what refuses it before a provider is asked."""
        call = read_chat(body)
        route = self._route(call.model)
        words = self._words.get(caller.tenant) if self.settings.filter else None
        if words is not None:
            _check_input(call, words)
        changes = self._clamp.changes(call.fields) if self._clamp is not None else {}
        caller.admit(call.model, stream=call.stream, prompt_estimate=len(body) // 4)
        if options.cache and self.settings.cache_bytes:
            shared.answer(self.cache, self, caller, route, call, options, reply, words, changes)
        else:
            ChatJob(self, caller, route, call, options, reply, words, changes).start()

    def embeddings(self, caller: Caller, body: bytes, options: Options, reply: Reply) -> None:
        """POST /v1/embeddings. Raises what refuses it before a provider is asked."""
        call = read_embeddings(body)
        route = self._route(call.model)
        caller.admit(call.model, stream=False, prompt_estimate=len(body) // 4)
        EmbeddingsJob(self, caller, route, call, options, reply).start()

    def models(self, caller: Caller) -> bytes:
        """GET /v1/models: those that the key may use."""
        allowed = caller.key.models
        names = [name for name in self.routes if not allowed or name in allowed]
        return msgspec.json.encode({"object": "list", "data": [self._model(name) for name in names]})

    def model(self, caller: Caller, name: str) -> bytes:
        """GET /v1/models/{name}.

        Raises:
            NotFound: model_not_found.
            Forbidden: model_not_allowed.
        """
        self._route(name)
        if caller.key.models and name not in caller.key.models:
            raise Forbidden("This key may not use this model.", code="model_not_allowed", param="model")
        return msgspec.json.encode(self._model(name))

    def filter_of(self, caller: Caller) -> WordFilter:
        """The caller's tenant's words."""
        return self._words[caller.tenant]

    def request_id(self) -> bytes:
        """An id for the answer's header and the log."""
        return b"%b%x" % (self._prefix, next(self._numbers))

    async def drain(self, limit: float) -> None:
        """Let the calls under way finish for `limit` seconds, then tell those that are left."""
        end = asyncio.get_running_loop().time() + limit
        while self.jobs and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - once in a process's life
            await asyncio.sleep(0.05)
        for job in list(self.jobs):
            job.abandon(Unavailable("The server is restarting; send again.", code="draining", retry_after=2.0))

    def _route(self, name: str) -> Route:
        route = self.routes.get(name)
        if route is None:
            raise NotFound(f"The model `{name[:200]}` does not exist.", code="model_not_found", param="model")
        return route

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "xiaoer"}


def _check_input(call: ChatCall, words: WordFilter) -> None:
    """Refuse what people may not say.

    Raises:
        BadRequest: content_filter.
    """
    for text in call.user_texts():
        if words.contains(text) and any(match.word.action == "block" for match in words.find(text)):
            raise BadRequest("The input holds words that this tenant blocks.", code="content_filter", param="messages")
