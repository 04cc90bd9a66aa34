"""What an operator can ask of keys, usage and providers: the commands behind `xiaoer keys`, `usage` and `providers`.

The running server serves them on its control socket; without one, the command line runs those on keys and usage itself,
on the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from ..errors import BadRequest, NotFound
from ..store.keys import ApiKey
from ..store.usage import UsageRecorder
from .keyring import Keyring

Command = Callable[[dict[str, Any]], Awaitable[Any]]
Arguments = TypeVar("Arguments", bound=msgspec.Struct)


class SnapshotView(Protocol):
    """What a breaker's window holds; the rates are shares, negative while there are too few calls."""

    @property
    def calls(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def slow(self) -> int: ...
    @property
    def not_permitted(self) -> int: ...


class BreakerView(Protocol):
    """What the commands use of `llm.breaker.Breaker`; `state` is an enum."""

    @property
    def state(self) -> Any: ...
    @property
    def retry_after(self) -> float: ...
    def snapshot(self) -> SnapshotView: ...
    def force_open(self) -> None: ...
    def close(self) -> None: ...
    def disable(self) -> None: ...
    def reset(self) -> None: ...


class PoolView(Protocol):
    """What the commands use of `llm.pool.Pool`."""

    @property
    def size(self) -> int: ...
    @property
    def in_use(self) -> int: ...
    @property
    def idle(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def connecting(self) -> int: ...
    @property
    def desired(self) -> int: ...


class UpstreamView(Protocol):
    """A provider at work. `pool` is None where a library does the connecting; `breakers` are by model."""

    @property
    def name(self) -> str: ...
    @property
    def pool(self) -> PoolView | None: ...
    @property
    def breakers(self) -> Mapping[str, BreakerView]: ...


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of providers.list."""


class Create(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of keys.create; as those of `Keys.create`."""

    tenant: str
    name: str
    models: list[str] = []
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    streams: int = 0
    budget: float = 0.0
    expires_at: int | None = None
    admin: bool = False


class Select(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of keys.list: of one tenant only, or of all."""

    tenant: str | None = None


class Revoke(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of keys.revoke: an id, or as much of its beginning or end as one key alone has."""

    key: str


class Period(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of usage: the hours that begin in [since, until), in seconds since the epoch."""

    since: float
    until: float
    tenant: str | None = None
    key: str | None = None


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of providers.switch: what to do to a provider's breakers, or to that of one model."""

    name: str
    to: Literal["open", "close", "disable", "reset"]
    model: str | None = None


def commands(
    keyring: Keyring, recorder: UsageRecorder, upstreams: Callable[[], Iterable[UpstreamView]] | None = None
) -> dict[str, Command]:
    """The commands by name.

    Args:
        upstreams: The providers at work; None leaves their commands out.
    """
    made = {
        "keys.create": _with(Create, lambda asked: _create(keyring, asked)),
        "keys.list": _with(Select, lambda asked: _list(keyring, asked)),
        "keys.revoke": _with(Revoke, lambda asked: _revoke(keyring, asked)),
        "usage": _with(Period, lambda asked: _usage(recorder, asked)),
    }
    if upstreams is not None:
        made["providers.list"] = _with(Nothing, lambda _: _providers(upstreams()))
        made["providers.switch"] = _with(Switch, lambda asked: _switch(upstreams(), asked))
    return made


def _with(kind: type[Arguments], run: Callable[[Arguments], Awaitable[Any]]) -> Command:
    """A command that checks its arguments first."""

    async def command(arguments: dict[str, Any]) -> Any:
        try:
            asked = msgspec.convert(arguments, kind)
        except msgspec.ValidationError as error:
            raise BadRequest(str(error)) from None
        return await run(asked)

    return command


async def _create(keyring: Keyring, asked: Create) -> dict[str, Any]:
    limits = msgspec.structs.asdict(asked)
    secret, key = await keyring.create(limits.pop("tenant"), limits.pop("name"), **limits)
    return {"secret": secret, **_shown(keyring, key)}


async def _list(keyring: Keyring, asked: Select) -> list[dict[str, Any]]:
    return [_shown(keyring, key) for key in await keyring.all(asked.tenant)]


async def _revoke(keyring: Keyring, asked: Revoke) -> dict[str, Any]:
    found = [key for key in await keyring.all() if _means(asked.key, key)]
    if not found:
        raise NotFound(f"there is no key '{asked.key}'; see the ids in `xiaoer keys list`", code="unknown_key")
    if len(found) > 1:
        raise BadRequest(f"'{asked.key}' fits {len(found)} keys; give more of the id", code="ambiguous_key")
    revoked = await keyring.revoke(found[0].id)
    return {"revoked": revoked, **_shown(keyring, found[0]), "state": "revoked"}


def _means(given: str, key: ApiKey) -> bool:
    # Ids begin with their time, so it is the end that tells them apart.
    return given == key.id or (len(given) >= 4 and (key.id.endswith(given) or key.id.startswith(given)))


def _shown(keyring: Keyring, key: ApiKey) -> dict[str, Any]:
    return {**msgspec.structs.asdict(key), "state": keyring.state(key)}


async def _usage(recorder: UsageRecorder, asked: Period) -> list[dict[str, Any]]:
    await recorder.flush()
    rows = await recorder.report(asked.since, asked.until, tenant=asked.tenant, key=asked.key)
    return [msgspec.structs.asdict(row) for row in rows]


async def _providers(upstreams: Iterable[UpstreamView]) -> list[dict[str, Any]]:
    return [
        {
            "name": upstream.name,
            "pool": _pool(upstream.pool),
            "breakers": {model: _breaker(breaker) for model, breaker in upstream.breakers.items()},
        }
        for upstream in upstreams
    ]


async def _switch(upstreams: Iterable[UpstreamView], asked: Switch) -> list[dict[str, Any]]:
    found = {upstream.name: upstream for upstream in upstreams}
    upstream = found.get(asked.name)
    if upstream is None:
        known = ", ".join(sorted(found)) or "none"
        raise NotFound(f"there is no provider '{asked.name}'; there are: {known}", code="unknown_provider")
    if not upstream.breakers or (asked.model is not None and asked.model not in upstream.breakers):
        known = ", ".join(sorted(upstream.breakers)) or "none"
        wanted = "a model" if asked.model is None else f"the model '{asked.model}'"
        message = f"provider '{asked.name}' does not serve {wanted}; there are: {known}"
        raise NotFound(message, code="unknown_model")
    for model, breaker in upstream.breakers.items():
        if asked.model in (None, model):
            _turn(breaker, asked.to)
    return await _providers([upstream])


def _turn(breaker: BreakerView, to: str) -> None:
    if to == "open":
        # Until it is closed by hand: who takes a provider out does not want it probed a minute later.
        breaker.force_open()
    elif to == "close":
        breaker.close()
    elif to == "disable":
        breaker.disable()
    else:
        breaker.reset()


def _pool(pool: PoolView | None) -> dict[str, int] | None:
    if pool is None:
        return None
    return {
        "size": pool.size,
        "in_use": pool.in_use,
        "idle": pool.idle,
        "waiting": pool.waiting,
        "connecting": pool.connecting,
        "desired": pool.desired,
    }


def _breaker(breaker: BreakerView) -> dict[str, Any]:
    now = breaker.snapshot()
    return {
        "state": breaker.state.name.lower(),
        "retry_after": round(breaker.retry_after, 3),
        "calls": now.calls,
        "failures": now.failures,
        "slow": now.slow,
        "not_permitted": now.not_permitted,
    }
