"""What an operator can ask of a tenant's flows: the commands behind `xiaoer flows list` and `import`.

The running server serves them on its control socket; without one, the command line runs them on the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from ..errors import BadRequest, NotFound
from ..store.engine import Store
from ..store.flows import FlowRows
from ..store.intents import IntentStore
from .flow_library import Flows, import_flow
from .flow_model import FlowError

Command = Callable[[dict[str, Any]], Awaitable[Any]]
Arguments = TypeVar("Arguments", bound=msgspec.Struct)


class OfTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of flows.list."""

    tenant: str


class Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of flows.import: the text of one file."""

    tenant: str
    source: str


class Remove(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of flows.remove."""

    tenant: str
    name: str


def commands(store: Store, flows: Mapping[str, Flows]) -> dict[str, Command]:
    """The commands by name; each takes its arguments and returns what JSON can hold.

    They raise BadRequest and NotFound. `flows` are those in use, one entry a tenant.
    """

    def of(tenant: str) -> Flows:
        if tenant not in flows:
            raise NotFound(f"There is no tenant {tenant!r}.")
        return flows[tenant]

    async def listed(arguments: dict[str, Any]) -> list[dict[str, Any]]:
        tenant = _convert(arguments, OfTenant).tenant
        of(tenant)
        return [
            {
                "name": row.name,
                "version": row.version,
                "state": "in use" if row.retired_at is None else "runs out",
                "imported_at": row.imported_at,
                "retired_at": row.retired_at,
            }
            for row in await FlowRows(store).all(tenant)
        ]

    async def imported(arguments: dict[str, Any]) -> dict[str, Any]:
        asked = _convert(arguments, Import)
        library = of(asked.tenant)
        intents = await IntentStore(store).examples(asked.tenant)
        try:
            flow = await import_flow(store, asked.tenant, asked.source, intents=intents or None)
        except FlowError as error:
            raise BadRequest(f"The flow has errors: {error}") from None
        library.put(flow)
        return {"name": flow.name, "version": flow.version, "states": len(flow.states)}

    async def removed(arguments: dict[str, Any]) -> dict[str, Any]:
        asked = _convert(arguments, Remove)
        library = of(asked.tenant)
        if all(loaded.flow.name != asked.name for loaded in library):
            raise NotFound(f"There is no flow {asked.name!r}.")
        await FlowRows(store).retire(asked.tenant, asked.name)
        library.retire(asked.name)
        return {"name": asked.name}

    return {"flows.list": listed, "flows.import": imported, "flows.remove": removed}


def _convert(arguments: dict[str, Any], kind: type[Arguments]) -> Arguments:
    try:
        return msgspec.convert(arguments, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error)) from None
