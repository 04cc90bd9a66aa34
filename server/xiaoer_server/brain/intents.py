"""What a visitor wants, by the tenant's own intents.

A head is in the model process; here is which head is whose. A version is put into use by one assignment, so a message
sees the old one or the new one, and the head it saw stays known until the next swap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from ..errors import BadRequest, NotFound, Unavailable
from ..infer import train_process
from ..infer.evaluation import evaluate_scores
from ..infer.head import Floats, Head, HeadError
from ..infer.interface import Infer, InferError
from ..infer.training import TrainingError
from ..infer.training import check as check_training
from ..store.engine import Store
from ..store.intents import IntentStore, Version
from .intent_examples import ExamplesError, check

log = logging.getLogger(__name__)

#: Texts in one request while training, and the seconds that it may take beside the chat's own.
BATCH, BATCH_SECONDS = 32, 60.0

#: A longer message is recognised by its beginning.
CHARS = 1_000


class Recognised(msgspec.Struct, frozen=True):
    """What a message asks for.

    Args:
        intent: None if it is out of scope.
        probability: Of the intent or, out of scope, of the likeliest one.
        alternatives: The next ones, likeliest first.
        version: The tenant's version that said so.
        inside: The probability of being in scope.
    """

    intent: str | None
    probability: float
    alternatives: list[tuple[str, float]]
    version: str
    inside: float = 1.0


class _InUse(msgspec.Struct, frozen=True):
    version: int
    head: str
    encoder: str
    previous: str | None


class Intents:
    """The intents of all tenants.

    Args:
        threshold: The probability of being in scope from which a message is.
        deadline: Seconds that `recognise` takes at most.
        keep: Versions of a tenant that are kept.
    """

    def __init__(
        self, store: Store, infer: Infer, *, threshold: float = 0.5, deadline: float = 0.5, keep: int = 10
    ) -> None:
        self._intents = IntentStore(store)
        self._infer = infer
        self._threshold = threshold
        self._deadline = deadline
        self._keep = keep
        self._in_use: dict[str, _InUse] = {}
        self._training: dict[str, asyncio.Lock] = {}
        self._warned: set[tuple[str, str]] = set()

    async def load(self, tenants: Sequence[str]) -> None:
        """Offer the heads in use to the model process. A damaged one is logged and its tenant has none.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        for tenant in tenants:
            found = await self._intents.in_use(tenant)
            if found is not None:
                try:
                    self._hold(tenant, *found)
                except HeadError as error:
                    log.error("the intents of %s, version %d, cannot be used: %s", tenant, found[0], error)

    # -- while chatting -----------------------------------------------------------------------------------------

    async def recognise(self, tenant: str, text: str) -> Recognised | None:
        """The intent of a message; None if the tenant has no intents, or the model process does not say in time.

        Never raises but when it is cancelled, and takes no longer than the deadline.
        """
        used = self._in_use.get(tenant)
        if used is None or not self._infer.ready or not text.strip():
            return None
        if self._infer.version and self._infer.version != used.encoder:
            self._warn(tenant, used)
            return None
        try:
            async with asyncio.timeout(self._deadline):
                [scores] = await self._infer.classify(used.head, [text[:CHARS]], deadline=self._deadline)
        except (InferError, TimeoutError) as error:
            log.debug("no intent: %s", error)
            return None
        except Exception:
            log.exception("no intent")
            return None
        if not scores.labels:
            return None
        (intent, probability), *others = scores.labels
        inside = scores.inside >= self._threshold
        return Recognised(intent if inside else None, probability, others, str(used.version), scores.inside)

    # -- examples -----------------------------------------------------------------------------------------------

    async def examples(self, tenant: str) -> dict[str, list[str]]:
        """The tenant's examples by intent."""
        return await self._intents.examples(tenant)

    async def put(self, tenant: str, examples: Mapping[str, Sequence[str]], *, only: bool = False) -> None:
        """Replace the examples of these intents or, with `only`, of all.

        Raises:
            BadRequest: an example is not allowed, or belongs to two intents; nothing has changed.
            SQLAlchemyError: the store cannot write.
        """
        before = {} if only else await self._intents.examples(tenant)
        try:
            clean = check({**before, **examples})
        except ExamplesError as error:
            raise BadRequest(f"{error}.", code="invalid_examples") from None
        await self._intents.put(tenant, {intent: clean[intent] for intent in examples}, only=only)

    # -- versions -----------------------------------------------------------------------------------------------

    async def versions(self, tenant: str) -> list[Version]:
        """The tenant's versions, oldest first."""
        return await self._intents.versions(tenant)

    async def train(self, tenant: str, progress: Callable[[str], object] = lambda line: None) -> Version:
        """Train a head on the tenant's examples and put it into use.

        Raises:
            BadRequest: the examples are too few, or training failed. Codes: too_few_examples, training_failed.
            Unavailable: the model process does not answer, or the tenant is being trained already.
            SQLAlchemyError: the store cannot write; the version in use stays.
        """
        lock = self._training.setdefault(tenant, asyncio.Lock())
        if lock.locked():
            raise Unavailable("This tenant's intents are being trained already.", code="training", retry_after=5)
        async with lock:
            texts, labels = await self._labelled(tenant)
            encoder, vectors = await self._embed(texts, progress)
            try:
                report, head = await train_process.run("train", vectors, labels, encoder=encoder, progress=progress)
            except TrainingError as error:
                raise BadRequest(f"{error}.", code="training_failed") from None
            number = await self._intents.add(
                tenant,
                head,
                encoder=encoder,
                examples=len(texts),
                intents=len(set(labels)),
                report=report,
                keep=self._keep,
            )
            self._hold(tenant, number, head)
        [made] = [version for version in await self.versions(tenant) if version.version == number]
        return made

    async def rollback(self, tenant: str, version: int) -> None:
        """Put a version into use that the tenant has.

        Raises:
            NotFound: there is no such version. Code: unknown_version.
            BadRequest: it is of another encoder, or damaged; the version in use stays. Code: head_refused.
        """
        content = await self._intents.head(tenant, version)
        if content is None:
            raise NotFound(f"There is no version {version}.", code="unknown_version")
        try:
            Head.load(content, encoder=self._infer.version or None)
        except HeadError as error:
            raise BadRequest(f"Version {version} cannot be used: {error}.", code="head_refused") from None
        if not await self._intents.use(tenant, version):
            raise NotFound(f"There is no version {version}.", code="unknown_version")
        self._hold(tenant, version, content)

    async def evaluate(
        self,
        tenant: str,
        labelled: Sequence[tuple[str, str]] | None = None,
        progress: Callable[[str], object] = lambda line: None,
    ) -> dict[str, Any]:
        """The report of `infer.evaluation`: of the version in use on (text, intent) pairs or, without any, of the
        tenant's examples, cross-validated.

        Raises:
            BadRequest: the examples are too few.
            NotFound: no version is in use.
            Unavailable: the model process does not answer.
        """
        if labelled is None:
            texts, labels = await self._labelled(tenant)
            encoder, vectors = await self._embed(texts, progress)
            try:
                report, _ = await train_process.run("evaluate", vectors, labels, encoder=encoder, progress=progress)
            except TrainingError as error:
                raise BadRequest(f"{error}.", code="training_failed") from None
            return report
        found = await self._intents.in_use(tenant)
        if found is None:
            raise NotFound("No version is in use; train first.", code="unknown_version")
        encoder, vectors = await self._embed([text for text, _ in labelled], progress)
        try:
            head = Head.load(found[1], encoder=encoder)
        except HeadError as error:
            raise BadRequest(f"Version {found[0]} cannot be used: {error}.", code="head_refused") from None
        raw = head.logits(vectors)
        how = f"version {found[0]} on {len(labelled)} texts"
        names = head.header.labels
        return evaluate_scores(how, names, raw, [label for _, label in labelled], head.inside(raw), self._threshold)

    # -- inside -------------------------------------------------------------------------------------------------

    def _hold(self, tenant: str, version: int, content: bytes) -> None:
        """From the next message on, this head.

        Raises:
            HeadError: the bytes are no head; nothing has changed.
        """
        encoder = Head.load(content).header.encoder
        before = self._in_use.get(tenant)
        head = self._infer.offer_head(content)
        self._in_use[tenant] = _InUse(version, head, encoder, before.head if before else None)
        # Calls under way may still want the one before; nobody wants the one before that.
        if before is not None and before.previous is not None:
            wanted = {name for used in self._in_use.values() for name in (used.head, used.previous)}
            if before.previous not in wanted:
                self._infer.withdraw_head(before.previous)

    async def _labelled(self, tenant: str) -> tuple[list[str], list[str]]:
        examples = await self._intents.examples(tenant)
        texts = [text for found in examples.values() for text in found]
        labels = [intent for intent, found in examples.items() for _ in found]
        try:
            check_training(labels)
        except TrainingError as error:
            raise BadRequest(f"{error}.", code="too_few_examples") from None
        return texts, labels

    async def _embed(self, texts: Sequence[str], progress: Callable[[str], object]) -> tuple[str, Floats]:
        """The encoder's version and its vectors of these texts, in small batches: the chat's come in between."""
        parts: list[Floats] = []
        encoder = ""
        try:
            for start in range(0, len(texts), BATCH):
                parts.append(await self._infer.embed(texts[start : start + BATCH], deadline=BATCH_SECONDS))
                if encoder not in ("", self._infer.version):
                    raise Unavailable("The encoder has changed meanwhile.", code="model_changed", retry_after=1)
                encoder = self._infer.version
                progress(f"embedded {min(start + BATCH, len(texts))} of {len(texts)}")
        except InferError as error:
            raise Unavailable(f"The model process does not answer: {error}.", code="no_model", retry_after=5) from None
        return encoder, np.concatenate(parts)

    def _warn(self, tenant: str, used: _InUse) -> None:
        if (tenant, self._infer.version) not in self._warned:
            self._warned.add((tenant, self._infer.version))
            log.warning(
                "the intents of %s, version %d, belong to the encoder %s and this is %s; run `xiaoer intents train`",
                tenant,
                used.version,
                used.encoder,
                self._infer.version,
            )


__all__ = ["Intents", "Recognised"]
