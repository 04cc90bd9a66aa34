"""Which providers serve a model, and in which order a call asks them."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping

from ..config import ModelSettings, RouteSettings
from .long_input import LongInput
from .upstream import Upstream


class Target:
    """A model at a provider."""

    __slots__ = ("breaker", "model", "upstream")

    def __init__(self, upstream: Upstream, model: str) -> None:
        self.upstream = upstream
        self.model = model
        self.breaker = upstream.breaker(model)

    def __repr__(self) -> str:
        return f"{self.upstream.name}/{self.model}"


class Route:
    """A model under the name that callers use.

    Args:
        name: That name.
        targets: Who serves it. Without weights the first one is asked first and the others are its fallbacks.
        settings: Weights, stickiness, hedging, window and price.
    """

    __slots__ = ("_chains", "_total", "_weights", "long", "name", "settings", "targets")

    def __init__(self, name: str, targets: list[Target], settings: RouteSettings) -> None:
        self.name = name
        self.targets = targets
        self.settings = settings
        self.long = LongInput(settings.long_input, settings.context_tokens) if settings.context_tokens else None
        self._weights = settings.weights
        self._total = sum(settings.weights)
        self._chains = [[target, *(other for other in targets if other is not target)] for target in targets]

    def order(self, sticky: str) -> list[Target]:
        """The targets in the order in which a call tries them.

        With weights the first one is drawn: by the hash of `sticky` if there is one, so that a conversation stays
        with its provider while the weights stay, else at random. The others follow in the order of the settings.
        """
        if not self._total:
            return self.targets
        if sticky and self.settings.sticky:
            at = zlib.crc32(sticky.encode("utf-8", "surrogatepass")) % self._total
        else:
            at = random.randrange(self._total)  # noqa: S311 - spreads load, guards nothing
        for chain, weight in zip(self._chains, self._weights, strict=True):
            at -= weight
            if at < 0:
                return chain
        return self.targets

    def cost(self, prompt: int, completion: int) -> float:
        """What so many tokens cost, in the currency of the settings."""
        settings = self.settings
        return (prompt * settings.price_input + completion * settings.price_output) / 1_000_000


def all_routes(
    models: Mapping[str, RouteSettings], model: ModelSettings, upstreams: Mapping[str, Upstream]
) -> dict[str, Route]:
    """The models of the settings; the one of [model] among them, unless they say who serves that name."""
    routes = {}
    for name, settings in models.items():
        pairs = [target.partition("/") for target in settings.targets]
        targets = [Target(upstreams[provider], there or name) for provider, _, there in pairs]
        routes[name] = Route(name, targets, settings)
    if model.name not in routes and "model" in upstreams:
        settings = RouteSettings(targets=["model"])
        routes[model.name] = Route(model.name, [Target(upstreams["model"], model.name)], settings)
    return routes
