"""What the cache of answers is asked, what it holds, and what it counts."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from .cacheable import LONGEST_QUESTION, same_words
from .source import Source

Vectors = NDArray[np.float32]

#: What an entry costs beside its texts and its vector: the structs, three dict slots, a list slot, small strings.
#: Measured in CPython 3.11 by tracemalloc over 10,000 entries, rounded up.
ENTRY_BYTES = 1_600


class Meaning(Protocol):
    """The part of `infer.interface.Infer` that the cache calls."""

    @property
    def version(self) -> str: ...

    @property
    def ready(self) -> bool: ...

    @property
    def can_verify(self) -> bool: ...

    async def embed(self, texts: Sequence[str], *, deadline: float | None = None) -> Vectors: ...

    async def verify(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> list[float]: ...


class Space(NamedTuple):
    """What two questions must have in common before they are compared at all."""

    tenant: str
    language: str
    model: str
    policy: str


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A question with all that its answer rests on.

    `policy` is a digest of the rules, the prompt and the temperature. `opening`: nothing was said before. `masked`:
    the word filter changed or flagged something. `flow`: a dialogue flow runs.
    """

    tenant: str
    language: str
    text: str
    knowledge_version: int
    model: str
    policy: str
    flow: bool = False
    opening: bool = True
    masked: bool = False
    attachments: bool = False

    @property
    def plain(self) -> bool:
        """Whether nothing around the question makes it somebody's own. A long one never is; it is not read."""
        return not (self.flow or self.masked or self.attachments) and 0 < len(self.text) <= LONGEST_QUESTION

    @property
    def space(self) -> Space:
        """Where it is looked for."""
        return Space(self.tenant, self.language, self.model, self.policy)

    @property
    def words(self) -> str:
        """The question's words, however they are written."""
        return same_words(self.text)


class Cached(msgspec.Struct, frozen=True, gc=False):
    """A hit. `probability` is the verifier's that both ask for the same, 1 for the same words."""

    id: str
    text: str
    sources: list[Source] | None
    question: str
    probability: float = 1.0


class Kept(msgspec.Struct, gc=False):
    """An entry: a question, its answer, and what the answer rests on.

    `slugs` are the articles behind the answer. `version` is the knowledge's at which it was last known to be right;
    `unsure` after an edit that touched none of its articles, until it is seen that the question still leads to them.
    `row` is where its vector lies, -1 while it has none.
    """

    id: str
    space: Space
    words: str
    question: str
    text: str
    sources: list[Source] | None
    slugs: frozenset[str]
    version: int
    until: float
    unsure: bool = False
    row: int = -1

    def cached(self, probability: float = 1.0) -> Cached:
        """The hit that it is."""
        return Cached(self.id, self.text, self.sources, self.question, probability)

    def size(self, dimensions: int) -> int:
        """Bytes in memory, its vector included."""
        texts = (self.words, self.question, self.text, *self.slugs)
        sources = sum(sys.getsizeof(s.title) + sys.getsizeof(s.url) + 64 for s in self.sources or ())
        return ENTRY_BYTES + sum(map(sys.getsizeof, texts)) + sources + 4 * dimensions


class Counts(msgspec.Struct):
    """Since the start. `objected` counts by guard, `unverified` what the verifier did not take for the same."""

    exact: int = 0
    near: int = 0
    missed: int = 0
    kept: int = 0
    refused: int = 0
    evicted: int = 0
    disliked: int = 0
    changed: int = 0
    away: int = 0
    unverified: int = 0
    objected: dict[str, int] = msgspec.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return msgspec.structs.asdict(self)


def words_id(words: str) -> str:
    """What a question is known by where its text must not be stored: 24 hexadecimal digits."""
    return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
