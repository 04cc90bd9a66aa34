"""Fixed answers to questions as they are asked, and to those that are nearly the same.

Nearly the same is judged strictly, since the answer is given word for word: by the verifier where there is one, else
by words that agree almost wholly. In both cases numbers, and whether something is denied, must be the same.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec
import uuid_utils

from ..errors import BadRequest, NotFound
from ..infer.interface import Infer, InferError
from ..store.curated import CuratedAnswers, FixedAnswer
from ..store.engine import Store
from .evidence import Weighed, weigh
from .language import Language, fold, language_of, tokens
from .vocabulary import Vocabulary

log = logging.getLogger(__name__)

#: Fixed answers of a tenant, questions of one, and the length of a question and an answer in code points.
MOST, MOST_QUESTIONS, LONGEST_QUESTION, LONGEST_ANSWER = 2_000, 50, 200, 8_000

#: Words that agree so far say the same (see `Weighed.agreement`). With the verifier, so far is near enough to ask it.
SAME, NEAR = 0.92, 0.45

#: The verifier's probability that suffices, how many questions it is asked about, and its deadline in seconds.
CERTAIN, PAIRS, SECONDS = 0.9, 4, 0.2

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*|[零一二两三四五六七八九十百千万]+")
_DENIED = re.compile(
    r"不|没|未|别|无法|\b(?:not|no|never|cannot|without)\b|n['’]t\b|\b(?:dont|cant|wont|doesnt|didnt|isnt)\b",
    re.IGNORECASE,
)
_EITHER_WAY = re.compile(r"(.)不\1|是否|有没有|能否")

_PLAIN = Vocabulary()


class _Known(msgspec.Struct):
    """A tenant's fixed answers, ready to be compared."""

    answers: dict[str, FixedAnswer]
    exact: dict[str, str]
    near: list[tuple[str, Weighed, str]]


class Curated:
    """The fixed answers of all tenants of one process.

    Args:
        changed: Awaited with the tenant after each edit.
    """

    def __init__(self, store: Store, infer: Infer | None, changed: Callable[[str], Awaitable[None]]) -> None:
        self._rows = CuratedAnswers(store)
        self._infer = infer
        self._changed = changed
        self._known: dict[str, _Known] = {}

    async def find(self, tenant: str, question: str) -> FixedAnswer | None:
        """The fixed answer to this question.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        if len(question) > LONGEST_QUESTION:
            return None
        known = self._known.get(tenant) or await self.warm(tenant)
        if not known.answers:
            return None
        found = known.exact.get(_key(question))
        if found is None:
            found = await self._near(known, question)
        return None if found is None else known.answers.get(found)

    async def warm(self, tenant: str) -> _Known:
        """Read the tenant's fixed answers."""
        known = _Known({}, {}, [])
        for fixed in await self._rows.all(tenant):
            known.answers[fixed.id] = fixed
            for question in fixed.questions:
                known.exact.setdefault(_key(question), fixed.id)
                known.near.append((question, weigh(question, _PLAIN), fixed.id))
        self._known[tenant] = known
        return known

    async def put(
        self,
        tenant: str,
        questions: Sequence[str],
        answer: str,
        *,
        slug: str | None = None,
        fixed: str | None = None,
        lang: Literal["zh", "en"] | None = None,
    ) -> FixedAnswer:
        """Add a fixed answer, or change the one of the id `fixed`.

        Raises:
            BadRequest: a question or the answer is empty or too long, or there are too many.
            NotFound: there is none of this id.
        """
        asked = list(dict.fromkeys(question.strip() for question in questions))
        if (
            not asked
            or len(asked) > MOST_QUESTIONS
            or not all(map(_key, asked))
            or max(map(len, asked)) > LONGEST_QUESTION
        ):
            raise BadRequest(f"1 to {MOST_QUESTIONS} questions of 1 to {LONGEST_QUESTION} characters are needed.")
        if not answer.strip() or len(answer) > LONGEST_ANSWER:
            raise BadRequest(f"An answer has 1 to {LONGEST_ANSWER} characters.")
        known = self._known.get(tenant) or await self.warm(tenant)
        if fixed is not None and fixed not in known.answers:
            raise NotFound("There is no such fixed answer.")
        if fixed is None and len(known.answers) >= MOST:
            raise BadRequest(f"There are {MOST} fixed answers already; delete some.")
        language: Language = lang or language_of(asked[0])
        made = FixedAnswer(fixed or str(uuid_utils.uuid7()), language, asked, answer.strip(), slug)
        await self._rows.put(tenant, made)
        self._known.pop(tenant, None)
        await self._changed(tenant)
        return made

    async def delete(self, tenant: str, fixed: str) -> None:
        """Remove one.

        Raises:
            NotFound: there is none of this id.
        """
        known = self._known.get(tenant) or await self.warm(tenant)
        if fixed not in known.answers:
            raise NotFound("There is no such fixed answer.")
        await self._rows.delete(tenant, fixed)
        self._known.pop(tenant, None)
        await self._changed(tenant)

    async def all(self, tenant: str) -> list[FixedAnswer]:
        """All, oldest first."""
        return await self._rows.all(tenant)

    async def _near(self, known: _Known, question: str) -> str | None:
        asked = weigh(question, _PLAIN)
        language = language_of(question)
        said = _said(question)
        scored = sorted(
            (
                (asked.agreement(weighed), other, fixed)
                for other, weighed, fixed in known.near
                if language_of(other) == language and _said(other) == said
            ),
            reverse=True,
        )
        if self._infer is not None and self._infer.can_verify:
            pairs = [item for item in scored[:PAIRS] if item[0] >= NEAR]
            if pairs:
                try:
                    sure = await self._infer.verify([(question, other) for _, other, _ in pairs], deadline=SECONDS)
                except InferError as error:
                    log.debug("fixed answers were not verified (%s)", error.kind)
                else:
                    best = max(range(len(pairs)), key=lambda at: sure[at])
                    return pairs[best][2] if sure[best] >= CERTAIN else None
        return scored[0][2] if scored and scored[0][0] >= SAME else None


def _said(text: str) -> tuple[Counter[str], bool]:
    """The numbers of a text, and whether it denies something."""
    folded = fold(text)
    return Counter(_NUMBER.findall(folded)), _DENIED.search(_EITHER_WAY.sub("", folded)) is not None


def _key(question: str) -> str:
    """The same for all ways to write the same words: width, case, punctuation."""
    return " ".join(tokens(question))
