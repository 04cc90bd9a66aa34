"""The model's path of one process, put together: upstreams, routes, relay, and the two doors over them.

A part of the composition root; `app` starts it after the store and ends it before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from xiaoer import WordFilter

from .config import ConfigError, Settings
from .edge.problem import model_problem
from .llm.chat_model import RelayProvider
from .llm.clamp import Clamp
from .llm.commands import commands
from .llm.gateway import Gateway
from .llm.keyring import Keyring
from .llm.relay import Relay
from .llm.route import Route, all_routes
from .llm.upstream import all_upstreams
from .ops import gen_ai
from .ops.control import Control, ControlError
from .ops.tracing import Tracer
from .store.engine import Store
from .store.keys import Keys
from .store.usage import UsageRecorder

log = logging.getLogger(__name__)


class ModelPath:
    """See `open`. `provider` is the chat's door, None where no model is configured; `gateway` that of /v1."""

    def __init__(self, settings: Settings, store: Store, data: Path, words: Mapping[str, WordFilter]) -> None:
        gateway = settings.gateway
        self.upstreams = all_upstreams(settings.providers, settings.model, budget=gateway.retry_budget)
        self.routes = all_routes(settings.models, settings.model, self.upstreams)
        self.relay = Relay(retries=gateway.retries, response_bytes=gateway.response_bytes)
        self.usage = UsageRecorder(store)
        self.keyring = Keyring(Keys(store))
        self.tracer = Tracer.open(settings.tracing)
        self.provider = _chat(settings, self.relay, self.routes)
        self.gateway: Gateway | None = None
        if gateway.enabled:
            self.gateway = Gateway(
                gateway,
                self.routes,
                self.relay,
                self.keyring,
                self.usage,
                words,
                self.tracer,
                _clamp(settings),
                model_problem,
            )
        self.control = Control(data, commands(self.keyring, self.usage, self.upstreams.values))

    @classmethod
    async def open(cls, settings: Settings, store: Store, data: Path, words: Mapping[str, WordFilter]) -> ModelPath:
        """Load the keys, pre-warm the pools, listen for the command line.

        Raises:
            ConfigError: the chat's model names no provider.
            SQLAlchemyError: the store cannot be read.
        """
        path = cls(settings, store, data, words)
        await path.keyring.load(await path.usage.spent())
        for upstream in path.upstreams.values():
            await upstream.start()
            gen_ai.watch(upstream.name, upstream.pool, upstream.breakers)
        try:
            await path.control.start()
        except ControlError as error:
            log.warning("xiaoer keys and providers cannot reach this server: %s", error)
        return path

    async def close(self) -> None:
        """End what runs; what was used is written first."""
        await self.control.close()
        if self.gateway is not None:
            await self.gateway.drain(0)
        await self.usage.close()
        for upstream in self.upstreams.values():
            await upstream.close()
        if self.tracer is not None:
            await self.tracer.close()


def _clamp(settings: Settings) -> Clamp | None:
    model = settings.model
    if not settings.gateway.clamp_temperature:
        return None
    return Clamp(model.clamped_temperature, model.temperature_min, model.temperature_max)


def _chat(settings: Settings, relay: Relay, routes: Mapping[str, Route]) -> RelayProvider | None:
    model = settings.model
    route = routes.get(model.name)
    if route is None:
        if model.configured:
            raise ConfigError(f"model.name: {model.name!r} is served by no provider")
        return None
    temperature = model.clamped_temperature if model.send_temperature else None
    return RelayProvider(relay, route, temperature=temperature, max_tokens=model.max_tokens)


__all__ = ["ModelPath"]
