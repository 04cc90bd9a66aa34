"""What the composition root starts: the model process where it is ours to run, and the client either way."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ..config import InferSettings
from ..ops import gen_ai
from .client import InferClient
from .supervisor import PROGRAM, Supervisor

log = logging.getLogger(__name__)

#: How far the model process gives way to the chat's on a busy machine.
NICE = 5


class InferService:
    """See `open`. `client` is what `brain` gets; `supervisor` is None where the process runs elsewhere."""

    def __init__(self, client: InferClient, supervisor: Supervisor | None) -> None:
        self.client = client
        self.supervisor = supervisor
        self._unwatch = [
            gen_ai.watch("infer" if supervisor is not None else f"infer {node.address}", node.pool, {"": node.breaker})
            for node in client.nodes
        ]

    @classmethod
    def open(cls, settings: InferSettings, data: Path, *, program: Sequence[str] = PROGRAM) -> InferService | None:
        """Start what the settings ask for; needs a running loop. Waits for nothing: the client becomes `ready`.

        Args:
            program: The model process.

        Returns:
            None where it is switched off, or where there is no model to run; the log says which.
        """
        if not settings.enabled:
            return None
        supervisor = None
        addresses = settings.addresses
        if not addresses:
            models = data / "models"
            if not (models / settings.model / "manifest.json").is_file():
                log.warning(
                    "no model %r in %s: intents and knowledge go by words alone; get it with `xiaoer models pull %s`",
                    settings.model,
                    models,
                    settings.model,
                )
                return None
            supervisor = Supervisor(data, arguments(settings, models), program=program)
            addresses = [supervisor.address]
        client = InferClient(addresses, deadline=settings.deadline_seconds)
        if supervisor is not None:
            supervisor.changed = client.check_now
            supervisor.start()
        client.start()
        return cls(client, supervisor)

    async def close(self) -> None:
        """End the client, then the process. Returns once it is gone."""
        for unwatch in self._unwatch:
            unwatch()
        await self.client.close()
        if self.supervisor is not None:
            await self.supervisor.stop()


def arguments(settings: InferSettings, models: Path) -> list[str]:
    """Of the model process, from the settings."""
    return [
        *("--models", str(models.absolute()), "--model", settings.model, "--verifier", settings.verifier),
        *("--threads", str(settings.threads), "--max-batch", str(settings.max_batch)),
        *("--batch-wait-ms", str(settings.batch_wait_ms), "--queue", str(settings.queue_max)),
        *("--nice", str(NICE)),
    ]
