"""The gRPC service: requests are checked here, their texts go to the batcher."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, NoReturn

import grpc
import numpy as np

from . import service_pb2 as messages
from . import service_pb2_grpc as stubs
from .batcher import Batcher, Expired, QueueFull, Runner
from .heads import HeadRefused, Heads, UnknownHead
from .interface import Kind, Vectors
from .limits import TEXT_CHARS, TEXTS
from .loader import LoadedEncoder, LoadedVerifier, Models

log = logging.getLogger(__name__)

#: Seconds that a call without a deadline may take.
LONGEST = 60.0

#: Seconds between two lines of the log that say the same.
QUIET = 10.0


class NotFinite(Exception):
    """The model gave what is not a number."""


class InferService(stubs.InferServicer):
    """See service.proto. `batcher` is started and closed by whoever made this."""

    def __init__(
        self, models: Models, *, max_batch: int = 8, wait_seconds: float = 0.0, queue_max: int = 1_024
    ) -> None:
        self._models = models
        self._heads = Heads(models.load_head)
        self._said: dict[str, float] = {}
        runners: dict[str, Runner] = {}
        if models.encoder is not None:
            runners["query"] = _embedder(models.encoder, "query")
            runners["passage"] = _embedder(models.encoder, "passage")
        if models.verifier is not None:
            runners["pair"] = _judge(models.verifier)
        self.batcher = Batcher(
            runners,
            bulk=["passage"],
            remembered=["query", "passage"],
            max_batch=max_batch,
            wait_seconds=wait_seconds,
            queue_max=queue_max,
        )

    async def Describe(self, _: messages.DescribeRequest, context: Any) -> messages.Description:  # noqa: N802
        """What is loaded."""
        encoder = self._models.encoder
        return messages.Description(
            version=encoder.version if encoder is not None else "",
            dimensions=self._models.dimensions,
            verifier=self._models.verifier_version,
            verifier_curve=[
                messages.CurvePoint(threshold=point.threshold, wrong=point.wrong)
                for point in getattr(self._models.verifier, "curve", ())
            ],
            waiting=self.batcher.waiting,
        )

    async def Embed(self, request: messages.EmbedRequest, context: Any) -> messages.Embeddings:  # noqa: N802
        """Vectors."""
        kind: Kind = "passage" if request.kind == messages.PASSAGE else "query"
        version, vectors = await self._embed(kind, list(request.texts), context)
        return messages.Embeddings(version=version, dimensions=self._models.dimensions, vectors=b"".join(vectors))

    async def Classify(self, request: messages.ClassifyRequest, context: Any) -> messages.Classification:  # noqa: N802
        """Scores of a head on the vectors of the texts."""
        try:
            head = self._heads.get(request.head)
        except UnknownHead:
            await _end(context, grpc.StatusCode.NOT_FOUND, "the head has to be uploaded")
        version, vectors = await self._embed("query", list(request.texts), context)
        rows = np.frombuffer(b"".join(vectors), np.float32).reshape(len(vectors), -1)
        try:
            found = head.scores(rows)
        except Exception as error:
            self._say("head", "head %s failed: %r", request.head[:12], error)
            await _end(context, grpc.StatusCode.INVALID_ARGUMENT, f"the head does not fit: {error}")
        scores = [
            messages.Scores(
                labels=[messages.Label(name=name, probability=share) for name, share in one.labels[:5]],
                inside=one.inside,
            )
            for one in found
        ]
        return messages.Classification(version=version, scores=scores)

    async def Verify(self, request: messages.VerifyRequest, context: Any) -> messages.Verification:  # noqa: N802
        """Probabilities."""
        if self._models.verifier is None:
            await _end(context, grpc.StatusCode.FAILED_PRECONDITION, "there is no verifier here")
        pairs = [(pair.left, pair.right) for pair in request.pairs]
        await _check([text for pair in pairs for text in pair], len(pairs), context)
        found = await self._run("pair", pairs, context)
        return messages.Verification(version=self._models.verifier_version, probabilities=found)

    async def Upload(self, request: messages.Head, context: Any) -> messages.Uploaded:  # noqa: N802
        """Keep a head."""
        sha256, content = request.sha256, request.content
        if sha256 in self._heads:
            return messages.Uploaded(sha256=sha256)
        try:
            head = await asyncio.to_thread(self._heads.read, sha256, content)
        except HeadRefused as error:
            self._say("refused", "a head was refused: %s", error)
            await _end(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        self._heads.keep(sha256, head, len(content))
        log.info("head %s: %d bytes, %d heads", sha256[:12], len(content), len(self._heads))
        return messages.Uploaded(sha256=sha256)

    async def _embed(self, kind: Kind, texts: list[str], context: Any) -> tuple[str, list[bytes]]:
        encoder = self._models.encoder
        if encoder is None:
            await _end(context, grpc.StatusCode.FAILED_PRECONDITION, "there is no encoder here")
        await _check(texts, len(texts), context)
        return encoder.version, await self._run(kind, texts, context)

    async def _run(self, kind: str, items: Sequence[Hashable], context: Any) -> list[Any]:
        left = context.time_remaining()
        expires = asyncio.get_running_loop().time() + (LONGEST if left is None else left)
        try:
            return await self.batcher.run(kind, items, expires)
        except QueueFull as error:
            self._say("full", "overloaded: %s", error)
            await _end(context, grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except Expired as error:
            await _end(context, grpc.StatusCode.DEADLINE_EXCEEDED, str(error))
        except NotFinite as error:
            self._say("finite", "%s", error)
            await _end(context, grpc.StatusCode.DATA_LOSS, str(error))
        except Exception as error:
            self._say("failed", "the model failed: %r", error)
            await _end(context, grpc.StatusCode.INTERNAL, f"the model failed: {type(error).__name__}")

    def _say(self, what: str, message: str, *arguments: object) -> None:
        now = time.monotonic()
        if now - self._said.get(what, -QUIET) >= QUIET:
            self._said[what] = now
            log.warning(message, *arguments)


async def _check(texts: Sequence[str], count: int, context: Any) -> None:
    if count > TEXTS or any(len(text) > TEXT_CHARS for text in texts):
        await _end(
            context, grpc.StatusCode.INVALID_ARGUMENT, f"at most {TEXTS} texts of {TEXT_CHARS} code points at once"
        )


async def _end(context: Any, code: grpc.StatusCode, message: str) -> NoReturn:
    abort: Callable[[grpc.StatusCode, str], Awaitable[None]] = context.abort
    await abort(code, message)
    raise AssertionError("abort raises")


def _embedder(encoder: LoadedEncoder, kind: Kind) -> Runner:
    def run(texts: Sequence[str]) -> list[bytes | NotFinite]:
        vectors: Vectors = np.ascontiguousarray(encoder.embed(texts, kind), dtype="<f4")
        return [
            row.tobytes() if np.isfinite(row).all() else NotFinite("the model gave a vector that is not finite")
            for row in vectors
        ]

    return run


def _judge(verifier: LoadedVerifier) -> Runner:
    def run(pairs: Sequence[tuple[str, str]]) -> list[float | NotFinite]:
        found = [float(share) for share in verifier.verify(pairs)]
        return [share if 0 <= share <= 1 else NotFinite("the verifier gave what is no probability") for share in found]

    return run
