"""What dialogue flows need, put together: the flows of each tenant, webhooks and their secrets, the demo shop's own.

A part of the composition root; `app` opens it after the store and closes it before.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from .brain import flow_commands
from .brain.dialog import Dialogs
from .brain.flow_library import Flows, import_flow, load_flows
from .brain.flow_webhooks import Webhooks, secret_bytes
from .config import Settings
from .demo import shop
from .store.engine import Store
from .store.flows import FlowRows


class Dialogues:
    """See `open`. `dialogs` is None where flows are switched off."""

    def __init__(self, settings: Settings, store: Store, flows: dict[str, Flows]) -> None:
        own = settings.flows
        self._store = store
        self._flows = flows
        self._address: Callable[[], str] = str
        signing = {slug: secret for slug in flows if (secret := _secret(settings, slug))}
        self.demo_secrets: Mapping[str, bytes] = {
            slug: signing.setdefault(slug, secrets.token_bytes(32)) for slug in flows if settings.tenants[slug].demo
        }
        self._webhooks = Webhooks(
            signing,
            seconds=own.webhook_seconds,
            max_bytes=own.webhook_bytes,
            allow_private=own.allow_private,
            own=self._own,
        )
        self.dialogs = Dialogs(flows, self._webhooks, likely=own.likely) if own.enabled else None

    @classmethod
    async def open(cls, settings: Settings, store: Store, tenants: Iterable[str]) -> Dialogues:
        """Load the flows; a demo shop that has none gets those that come with it.

        Raises:
            SQLAlchemyError: the store cannot be read or written.
        """
        flows: dict[str, Flows] = {}
        for tenant in tenants:
            if settings.tenants[tenant].demo and not await FlowRows(store).all(tenant):
                for source in shop.flows():
                    await import_flow(store, tenant, source)
            flows[tenant] = await load_flows(store, tenant)
        return cls(settings, store, flows)

    def listens(self, address: Callable[[], str]) -> None:
        """Say where this server is, "" while it is nowhere: its own demo shop is called there."""
        self._address = address

    def commands(self) -> Mapping[str, flow_commands.Command]:
        """What the command line may ask of a running server."""
        return flow_commands.commands(self._store, self._flows)

    async def close(self) -> None:
        """Close the connections to the shops."""
        await self._webhooks.close()

    def _own(self) -> str | None:
        address = urlsplit(self._address())
        if address.hostname is None:
            return None
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address.hostname)  # noqa: S104
        return f"http://{host}:{address.port}" if host is not None else f"http://{address.netloc}"


def _secret(settings: Settings, slug: str) -> bytes:
    tenant = settings.tenants[slug]
    return secret_bytes(tenant.webhook_secret or os.environ.get(tenant.webhook_secret_env or "", ""))
