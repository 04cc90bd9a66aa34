"""What the composition root starts: the model process where it is ours to run, and the client either way."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from ..config import InferSettings
from ..ops import gen_ai
from .client import InferClient
from .recipes import NEEDED, RECIPES
from .supervisor import PROGRAM, Supervisor

log = logging.getLogger(__name__)

#: How far the model process gives way to the chat's on a busy machine.
NICE = 5


class InferService:
    """See `open`. `client` is what `brain` gets; `supervisor` is None where the process runs elsewhere."""

    def __init__(self, client: InferClient, supervisor: Supervisor | None) -> None:
        self.client = client
        self.supervisor = supervisor
        self._making: asyncio.Task[None] | None = None
        self._unwatch = [
            gen_ai.watch("infer" if supervisor is not None else f"infer {node.address}", node.pool, {"": node.breaker})
            for node in client.nodes
        ]

    @classmethod
    def open(cls, settings: InferSettings, data: Path, *, program: Sequence[str] = PROGRAM) -> InferService | None:
        """Start what the settings ask for; needs a running loop. Waits for nothing: the client becomes `ready`.

        Models that are missing and that an installed package carries are made first, in the background.

        Args:
            program: The model process.

        Returns:
            None where it is switched off, or where there is no model to run; the log says which.
        """
        if not settings.enabled:
            return None
        addresses = settings.addresses
        if addresses:
            service = cls(InferClient(addresses, deadline=settings.deadline_seconds), None)
            service.client.start()
            return service
        models = settings.models_in(data)
        wanted = (settings.model, settings.verifier)
        missing = [name for name in wanted if name and not (models / name / "manifest.json").is_file()]
        makes = [name for name in missing if name in RECIPES] if settings.pull and _can_make() else []
        if settings.model in missing and settings.model not in makes:
            log.warning(
                "no model %r in %s: intents and knowledge go by words alone; get it with `xiaoer models pull %s`",
                settings.model,
                models,
                settings.model,
            )
            return None
        supervisor = Supervisor(data, arguments(settings, models), program=program)
        service = cls(InferClient([supervisor.address], deadline=settings.deadline_seconds), supervisor)
        supervisor.changed = service.client.check_now
        if makes:
            service._making = asyncio.get_running_loop().create_task(service._make(models.absolute(), makes))
        else:
            supervisor.start()
        service.client.start()
        return service

    async def close(self) -> None:
        """End the client, then the process. Returns once it is gone."""
        if self._making is not None:
            self._making.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._making
        for unwatch in self._unwatch:
            unwatch()
        await self.client.close()
        if self.supervisor is not None:
            await self.supervisor.stop()

    async def _make(self, models: Path, names: Sequence[str]) -> None:
        log.info("making the models %s, once; until then everything goes by words alone", ", ".join(names))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "xiaoer_server.infer.pull", str(models), *names),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            async for line in process.stdout:
                log.info("models: %s", line.decode("utf-8", "replace").rstrip())
            await process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        assert self.supervisor is not None
        self.supervisor.start()


def _can_make() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


def arguments(settings: InferSettings, models: Path) -> list[str]:
    """Of the model process, from the settings."""
    return [
        *("--models", str(models.absolute()), "--model", settings.model, "--verifier", settings.verifier),
        *("--threads", str(settings.threads), "--max-batch", str(settings.max_batch)),
        *("--batch-wait-ms", str(settings.batch_wait_ms), "--queue", str(settings.queue_max)),
        *("--nice", str(NICE)),
    ]
