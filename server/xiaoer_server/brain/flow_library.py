"""The flows of one tenant: the versions that new dialogues begin on, and older ones that run to their end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import msgspec

from ..store.engine import Store
from ..store.flows import FlowRows
from .flow_checks import check
from .flow_file import read_flow
from .flow_machine import Machine
from .flow_model import Flow, FlowError

log = logging.getLogger(__name__)


class Loaded(msgspec.Struct, frozen=True):
    """A flow that can be run."""

    flow: Flow
    machine: Machine


class Flows:
    """Changes are seen by the next message; a dialogue under way goes on with its version."""

    def __init__(self, flows: Iterable[Flow] = ()) -> None:
        self._current: dict[str, Loaded] = {}
        self._versions: dict[tuple[str, str], Loaded] = {}
        for flow in flows:
            self.put(flow)

    def put(self, flow: Flow, *, current: bool = True) -> None:
        """Take a version in; `flow` must have passed `flow_checks.check` without errors."""
        loaded = Loaded(flow, Machine(flow))
        self._versions[flow.name, flow.version] = loaded
        if current:
            self._current[flow.name] = loaded

    def retire(self, name: str) -> None:
        """Begin no new dialogue on this flow."""
        self._current.pop(name, None)

    def version(self, name: str, version: str) -> Loaded | None:
        """A version, if it is still there."""
        return self._versions.get((name, version))

    def __iter__(self) -> Iterator[Loaded]:
        return iter(self._current.values())

    def __len__(self) -> int:
        return len(self._current)


async def load_flows(store: Store, tenant: str) -> Flows:
    """The tenant's flows as they are in the store. A row that cannot be read is logged and left out.

    Raises:
        SQLAlchemyError: the store cannot be read.
    """
    flows = Flows()
    for row in await FlowRows(store).all(tenant):
        try:
            flow = read_flow(row.source)
            _refuse_errors(flow, None)
            flows.put(flow, current=row.retired_at is None)
        except FlowError as error:
            log.error("flow %s of %s, version %s, cannot be used: %s", row.name, tenant, row.version, error)
    return flows


async def import_flow(store: Store, tenant: str, source: str, *, intents: Iterable[str] | None = None) -> Flow:
    """Check a file and make it the version that new dialogues begin on.

    Raises:
        FlowError: it has errors; nothing has changed.
        SQLAlchemyError: the store does not take it.
    """
    flow = read_flow(source)
    _refuse_errors(flow, intents)
    await FlowRows(store).put(tenant, flow.name, flow.version, source)
    return flow


def _refuse_errors(flow: Flow, intents: Iterable[str] | None) -> None:
    errors = [problem for problem in check(flow, intents) if problem.error]
    if errors:
        raise FlowError(errors)
