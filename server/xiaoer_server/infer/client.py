"""The chat's side of the model process: one or several addresses, balanced, with failover.

A call goes to the address that is up and has the least under way, and to the next one where it finds nobody. While a
breaker is open calls are refused at once, and a background check asks again, so nothing has to be risked on a visitor.
Every address must serve the same encoder: vectors of two versions cannot be compared. One that serves another version
is left alone as long as any serves the known one; when none does any more and the dimension is the same, the new
version is taken over and whoever wants to know is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..llm.breaker import State
from ..ops.gen_ai import FastHistogram
from . import service_pb2 as messages
from .interface import Infer, InferError, Kind, Scores, Vectors
from .limits import HEAD_BYTES, TEXT_CHARS, TEXTS
from .link import closed
from .node import HeadMissing, Node

__all__ = ["Infer", "InferClient", "InferError", "Scores"]

log = logging.getLogger(__name__)

_SECONDS = FastHistogram(
    "xiaoer_infer_seconds",
    "Seconds of a call of the model process",
    ("call", "outcome"),
    (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56),
)

#: Seconds between two checks of an address that is up, and of one that is not.
CHECK_UP, CHECK_DOWN = 5.0, 0.25

#: Seconds that a check may take.
CHECK_SECONDS = 1.0


class InferClient:
    """See `Infer`.

    Args:
        addresses: `host:port` or `unix:/path`, at least one.
        deadline: Seconds of a call that names none.
    """

    def __init__(self, addresses: Sequence[str], *, deadline: float = 1.0) -> None:
        self._wake = [asyncio.Event() for _ in addresses]
        self.nodes = [Node(address, wake.set) for address, wake in zip(addresses, self._wake, strict=True)]
        self.version = ""
        self.dimensions = 0
        self._deadline = deadline
        self._heads: dict[str, bytes] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._checks: list[asyncio.Task[None]] = []
        self._turn = 0

    def start(self) -> None:
        """Connect and begin to check; needs a running loop. A service that is not there yet is no error."""
        loop = asyncio.get_running_loop()
        for node, wake in zip(self.nodes, self._wake, strict=True):
            node.start()
            self._checks.append(loop.create_task(self._watch(node, wake), name=f"check {node.address}"))

    async def close(self) -> None:
        """End; calls under way fail."""
        for task in self._checks:
            task.cancel()
        if self._checks:
            await asyncio.wait(self._checks)
        for node in self.nodes:
            await node.close()
        await closed()

    @property
    def ready(self) -> bool:
        """See `Infer`."""
        return bool(self.version) and any(node.up and node.version == self.version for node in self.nodes)

    @property
    def can_verify(self) -> bool:
        """See `Infer`."""
        return any(node.up and node.verifier for node in self.nodes)

    def verify_threshold(self, wrong_hit_target: float) -> float | None:
        """The least probability of `verify` from which, and above which, at most this share of hits is wrong.

        Above 1 where no probability is that sure; None where the verifiers do not say, or there is none. Of several
        addresses the most careful one counts.
        """
        found = [
            _least(node.curve, wrong_hit_target) for node in self.nodes if node.up and node.verifier and node.curve
        ]
        return max(found, default=None)

    def on_version(self, listener: Callable[[str], None]) -> None:
        """Call this with the new version whenever the encoder's version becomes known or changes."""
        self._listeners.append(listener)

    def check_now(self) -> None:
        """Look at every address at once instead of at the next check; for who knows that one has come or gone."""
        for wake in self._wake:
            wake.set()

    async def embed(self, texts: Sequence[str], *, kind: Kind = "query", deadline: float | None = None) -> Vectors:
        """See `Infer`."""
        until = self._until(deadline)
        wire = messages.PASSAGE if kind == "passage" else messages.QUERY
        parts, version = [], ""
        for start in range(0, len(texts), TEXTS):
            clean = [_clean(text) for text in texts[start : start + TEXTS]]
            request = messages.EmbedRequest(texts=clean, kind=wire)
            parts.append(await self._ask("Embed", request, until, self._vectors))
            if not start:
                version = self.version
            elif version != self.version:
                raise InferError("unavailable", "the encoder changed between two parts of one call")
        if not parts:
            return np.empty((0, self.dimensions), np.float32)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    async def classify(self, head: str, texts: Sequence[str], *, deadline: float | None = None) -> list[Scores]:
        """See `Infer`."""
        until = self._until(deadline)
        scores: list[Scores] = []
        for start in range(0, len(texts), TEXTS):
            clean = [_clean(text) for text in texts[start : start + TEXTS]]
            request = messages.ClassifyRequest(head=head, texts=clean)
            scores += await self._ask("Classify", request, until, self._scores)
        return scores

    def offer_head(self, head: bytes) -> str:
        """See `Infer`.

        Raises:
            ValueError: it is larger than a head may be.
        """
        if len(head) > HEAD_BYTES:
            raise ValueError(f"a head of {len(head)} bytes; allowed: {HEAD_BYTES}")
        sha256 = hashlib.sha256(head).hexdigest()
        self._heads[sha256] = head
        return sha256

    def withdraw_head(self, head: str) -> None:
        """See `Infer`."""
        self._heads.pop(head, None)

    async def verify(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> list[float]:
        """See `Infer`."""
        until = self._until(deadline)
        found: list[float] = []
        for start in range(0, len(pairs), TEXTS):
            part = pairs[start : start + TEXTS]
            wire = [messages.Pair(left=_clean(left), right=_clean(right)) for left, right in part]
            found += await self._ask("Verify", messages.VerifyRequest(pairs=wire), until, _probabilities)
        return found

    # -- calls ------------------------------------------------------------------------------------------------

    def _until(self, deadline: float | None) -> float:
        return asyncio.get_running_loop().time() + (self._deadline if deadline is None else deadline)

    async def _ask(self, method: str, request: Any, until: float, read: Callable[[Node, Any, Any], Any]) -> Any:
        began = time.perf_counter()
        outcome = "cancelled"
        try:
            answer = await self._first_good(method, request, until, read)
            outcome = "answered"
            return answer
        except InferError as error:
            outcome = error.kind
            raise
        finally:
            _SECONDS.observe(time.perf_counter() - began, method.lower(), outcome)

    async def _first_good(self, method: str, request: Any, until: float, read: Callable[[Node, Any, Any], Any]) -> Any:
        """The first good answer. An address that is busy, gone or odd is passed over; a deadline is the caller's."""
        failure: InferError | None = None
        for node in self._order(method):
            try:
                answer = await self._call(node, method, request, until)
                return read(node, request, answer)
            except InferError as error:
                if error.kind == "timeout":
                    raise
                # What a live service said tells more than that another one is gone.
                if failure is None or failure.kind == "unavailable":
                    failure = error
        raise failure or InferError("unavailable", "there is no address of a model process")

    def _order(self, method: str) -> Iterator[Node]:
        """Those with the known version first, then by what they have under way; ties take turns."""
        nodes = self.nodes
        if len(nodes) == 1:
            return iter(nodes)
        self._turn += 1
        turned = [nodes[(place + self._turn) % len(nodes)] for place in range(len(nodes))]
        turned.sort(
            key=lambda node: (
                not node.up,
                bool(self.version) and node.version != self.version,
                method == "Verify" and not node.verifier,
                node.pool.in_use,
            )
        )
        return iter(turned)

    async def _call(self, node: Node, method: str, request: Any, until: float) -> Any:
        for _ in range(2):
            try:
                return await node.call(method, request, until, patient=_is_bulk(method, request))
            except HeadMissing:
                content = self._heads.get(request.head)
                if content is None:
                    break
                await node.upload(content, until)
        raise InferError("invalid", "nobody offered this head, or the service forgets it at once")

    # -- answers ----------------------------------------------------------------------------------------------

    def _vectors(self, node: Node, request: Any, answer: Any) -> Vectors:
        count, dimensions = len(request.texts), answer.dimensions
        if not dimensions or len(answer.vectors) != 4 * count * dimensions:
            raise InferError("invalid", f"the model process at {node.address} gave {len(answer.vectors)} bytes")
        vectors: Vectors = np.frombuffer(answer.vectors, "<f4").reshape(count, dimensions)
        if not np.isfinite(vectors).all():
            raise InferError("invalid", f"the model process at {node.address} gave a vector that is not finite")
        self._notice(node, answer.version, dimensions)
        return vectors

    def _scores(self, node: Node, request: Any, answer: Any) -> list[Scores]:
        if len(answer.scores) != len(request.texts):
            raise InferError("invalid", f"the model process at {node.address} gave {len(answer.scores)} scores")
        if self.version:
            self._notice(node, answer.version, self.dimensions)
        scores = [
            Scores([(label.name, label.probability) for label in one.labels], one.inside) for one in answer.scores
        ]
        for one in scores:
            if not all(map(math.isfinite, (one.inside, *(share for _, share in one.labels)))):
                raise InferError("invalid", "the head gave what is not a number")
        return scores

    def _notice(self, node: Node, version: str, dimensions: int) -> None:
        """Compare what answered with what is known.

        Raises:
            InferError: "invalid": its vectors have another dimension, or another version while an address serves the
                known one.
        """
        if version == self.version and dimensions == self.dimensions:
            node.version = version
            return
        node.version = version
        if self.dimensions and dimensions != self.dimensions:
            raise InferError(
                "invalid",
                f"the model process at {node.address} gives vectors of {dimensions} dimensions, "
                f"not {self.dimensions}; start xiaoer again to use it",
            )
        if any(other is not node and other.up and other.version == self.version != "" for other in self.nodes):
            raise InferError("invalid", f"the model process at {node.address} serves {version}, not {self.version}")
        if self.version:
            log.warning("the encoder is %s now, was %s", version, self.version)
        else:
            log.info("the encoder is %s, %d dimensions", version, dimensions)
        self.version, self.dimensions = version, dimensions
        for listener in self._listeners:
            try:
                listener(version)
            except Exception:
                log.exception("a listener of the encoder's version failed")

    # -- checks -----------------------------------------------------------------------------------------------

    async def _watch(self, node: Node, wake: asyncio.Event) -> None:
        """Keep what is known of an address true, and bring its breaker back once it answers."""
        loop = asyncio.get_running_loop()
        number, complained = 0, ""
        while True:
            number += 1
            wake.clear()
            pause = CHECK_UP
            try:
                await self._check(node, loop.time() + CHECK_SECONDS, number)
                complained = ""
            except InferError as error:
                pause = CHECK_DOWN
                if error.kind == "invalid" and str(error) != complained:
                    complained = str(error)
                    log.error("%s", complained)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await wake.wait()

    async def _check(self, node: Node, until: float, number: int) -> None:
        proven = node.breaker.state is State.CLOSED and number > 1
        await node.describe(until)
        if not node.version:
            return
        if proven:
            self._notice(node, node.version, node.dimensions)
        else:
            # That it talks is not that its model runs; a text that it has not seen is not answered from memory.
            request = messages.EmbedRequest(texts=[f"check {number}"])
            self._vectors(node, request, await node.call("Embed", request, until, probe=True))


def _least(curve: Sequence[tuple[float, float]], target: float) -> float:
    """Of a curve from its highest threshold down: the lowest one before the first that is worse than the target."""
    least = 1.1
    for threshold, wrong in curve:
        if wrong > target:
            break
        least = threshold
    return least


def _probabilities(node: Node, request: Any, answer: Any) -> list[float]:
    found = list(answer.probabilities)
    if len(found) != len(request.pairs) or not all(0 <= share <= 1 for share in found):
        raise InferError("invalid", f"the model process at {node.address} gave what are no probabilities")
    return found


def _is_bulk(method: str, request: Any) -> bool:
    return method == "Embed" and bool(request.kind == messages.PASSAGE)


def _clean(text: str) -> str:
    """As much as an encoder reads; half of a surrogate pair, which UTF-8 has no bytes for, becomes a question mark."""
    text = text[:TEXT_CHARS]
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
