"""One provider: its address, its pool of connections, its breakers."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from xiaoer import __version__

from ..config import ConfigError, ModelSettings, ProviderSettings
from .address import ForbiddenAddress, resolve
from .breaker import Breaker, BreakerPolicy
from .connection import UpstreamConnection
from .pool import Pool, PoolPolicy
from .receiver import Receiver, UpstreamError
from .retry import RetryBudget
from .sdk_upstream import SdkUpstream

OPENAI = "https://api.openai.com/v1"

#: Breakers of one provider; a model that nobody configured does not get one of its own beyond them.
MOST_BREAKERS = 256


class Cancel(Protocol):
    """A request under way at an adapter."""

    def cancel(self) -> None:
        """Give it up at once; its receiver hears nothing more."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""


class Upstream:
    """A provider. `start` pre-warms its pool; a provider that can't be reached does not keep the server from starting.

    Args:
        name: As the settings name it.
        settings: What they say.
        budget: Retries and hedges as a share of first attempts.
        loopback: Whether an address written as loopback is taken as meant, without `allow_private`.
    """

    def __init__(self, name: str, settings: ProviderSettings, *, budget: float, loopback: bool = False) -> None:
        self.name = name
        self.settings = settings
        self.breakers: dict[str, Breaker] = {}
        self.budget = RetryBudget(budget)
        url = urlsplit(settings.base_url)
        self._tls: ssl.SSLContext | None = _tls() if url.scheme == "https" else None
        self._host = url.hostname or ""
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._allow_private = settings.allow_private or (loopback and _is_loopback(self._host))
        self._path = url.path.rstrip("/")
        self._proxied = url.scheme in getproxies() and not proxy_bypass(self._host)
        key = settings.api_key or os.environ.get(settings.api_key_env, "")
        if not (key.isascii() and key.isprintable()):
            where = "model" if loopback else f"providers.{name}"
            raise ConfigError(f"{where}.api_key: holds what no header can carry; allowed: printable ASCII")
        lines = [f"Host: {url.netloc.rpartition('@')[2]}", f"User-Agent: xiaoer/{__version__}"]
        lines += ["Content-Type: application/json", "Accept: application/json, text/event-stream"]
        # Compressing a stream of tokens only holds them back.
        lines += ["Accept-Encoding: identity"]
        if key:
            lines.append(f"Authorization: Bearer {key}")
        self._key = key.encode()
        self._lines = "\r\n".join(lines)
        self._heads: dict[str, bytes] = {}
        self.pool: Pool[UpstreamConnection] = Pool(
            name,
            self._connect,
            PoolPolicy(
                minimum=settings.connections_min,
                maximum=settings.connections_max,
                target=settings.connections_target,
                idle_seconds=settings.idle_seconds,
                waiting_max=settings.waiting_max,
                scale_down_window=settings.scale_down_seconds,
            ),
        )
        self.adapter: SdkUpstream | None = None

    async def start(self) -> None:
        """Open the pool, or the adapter where the settings or a proxy ask for it."""
        if self.settings.adapter == "sdk" or self._proxied:
            self.adapter = SdkUpstream(self.settings, allow_private=self._allow_private)
            await self.adapter.start()
        else:
            self.pool.start()

    async def close(self) -> None:
        """Close all connections."""
        if self.adapter is not None:
            await self.adapter.close()
        else:
            await self.pool.close()

    def breaker(self, model: str) -> Breaker:
        """The breaker of a model here."""
        breaker = self.breakers.get(model)
        if breaker is None:
            name = model if len(self.breakers) < MOST_BREAKERS else ""
            breaker = self.breakers.get(name)
            if breaker is None:
                breaker = self.breakers[name] = self._breaker(name)
        return breaker

    def _breaker(self, model: str) -> Breaker:
        settings = self.settings
        policy = BreakerPolicy(
            window=settings.breaker_window,
            window_size=settings.breaker_window_size,
            minimum_calls=settings.breaker_minimum_calls,
            failure_rate=settings.breaker_failure_rate,
            slow_rate=settings.breaker_slow_rate,
            slow_seconds=settings.breaker_slow_seconds,
            open_seconds=settings.breaker_open_seconds,
            probes=settings.breaker_probes,
            max_half_open_seconds=settings.answer_seconds + settings.connect_seconds,
        )
        breaker = Breaker(f"{self.name}/{model}", policy)
        if settings.breaker == "disabled":
            breaker.disable()
        elif settings.breaker == "metrics_only":
            breaker.metrics_only()
        elif settings.breaker == "forced_open":
            breaker.force_open()
        return breaker

    def without_key(self, body: bytes) -> bytes:
        """A refusal that is passed on: servers like to repeat the key, which is not the caller's."""
        return body.replace(self._key, b"***") if self._key else body

    def head(self, path: str, length: int) -> bytes:
        """The head of a POST of `length` bytes; the caller's own headers are no part of it."""
        head = self._heads.get(path)
        if head is None:
            text = f"POST {self._path}{path} HTTP/1.1\r\n{self._lines}\r\nContent-Length: "
            head = self._heads[path] = text.encode("latin-1")
        return b"%b%d\r\n\r\n" % (head, length)

    def send(self, path: str, body: bytes, receiver: Receiver) -> Cancel:
        """Send through the adapter."""
        assert self.adapter is not None
        return self.adapter.send(path, body, receiver)

    async def _connect(self) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.settings.connect_seconds):
                addresses = await resolve(self._host, self._port, allow_private=self._allow_private)
                failure: OSError | None = None
                for address in addresses:
                    try:
                        _, connection = await loop.create_connection(
                            UpstreamConnection,
                            address,
                            self._port,
                            ssl=self._tls,
                            server_hostname=self._host if self._tls is not None else None,
                        )
                    except OSError as error:
                        failure = error
                    else:
                        return connection
                raise failure or OSError("the name has no address")
        except ForbiddenAddress as error:
            raise UpstreamError("connect", str(error)) from error
        except TimeoutError as error:
            raise UpstreamError("connect", "the upstream did not accept the connection in time") from error
        except (OSError, ssl.SSLError) as error:
            raise UpstreamError("connect", f"the upstream cannot be reached: {error.strerror or error}") from error


def of_model(settings: ModelSettings) -> ProviderSettings:
    """The provider that the short form [model] stands for."""
    return ProviderSettings(
        base_url=settings.base_url or OPENAI,
        api_key=settings.api_key,
        allow_private=settings.allow_private,
        connect_seconds=settings.connect_seconds,
        first_token_seconds=settings.first_token_seconds,
        token_seconds=settings.token_seconds,
        answer_seconds=settings.answer_seconds,
        send_temperature=settings.send_temperature,
        connections_max=settings.connections,
        connections_min=min(2, settings.connections),
    )


def all_upstreams(
    providers: Mapping[str, ProviderSettings], model: ModelSettings, *, budget: float
) -> dict[str, Upstream]:
    """The providers of the settings, and the one of [model] under the name "model"."""
    upstreams = {name: Upstream(name, settings, budget=budget) for name, settings in providers.items()}
    if model.configured and "model" not in upstreams:
        upstreams["model"] = Upstream("model", of_model(model), budget=budget, loopback=True)
    return upstreams


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"] and not context.get_ca_certs():
        import certifi  # of the HTTP client: for systems without certificates of their own

        context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
