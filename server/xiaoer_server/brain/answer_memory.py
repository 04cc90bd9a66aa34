"""What the model answered to opening questions, for the time when it cannot be asked.

Only an answer that would have been the same for everybody is kept: the conversation begins with the question, the
answer is whole, and neither holds anything personal. It is found again by the same words, as long as the grounds are
the same: the rules and the passages that the model was given. An article that has changed takes its answers with it.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from .language import Language, fold, language_of
from .source import Source

#: Answers kept for a tenant, the most recently used ones; and for how long, in seconds.
MOST, LIFETIME = 500, 86_400.0

#: Code points of what is kept: longer questions do not come twice, longer answers are rare.
LONGEST_QUESTION, LONGEST_ANSWER = 200, 4_000

# Digits stand for orders, prices, dates and telephone numbers; a link or an image may be somebody's own.
_PERSONAL = re.compile(
    r"\d|[零〇一二三四五六七八九]{4}|[@＠]|://|\bwww\.|!\[|data:"
    r"|我(?:叫|姓)|我的(?:名字|姓名|电话|手机|地址|微信|邮箱|身份证)(?:号码?)?(?:是|为|[:：])|本人"
    r"|\b(?:my name|call me|i live)\b|\bmy (?:address|phone|number|e-?mail)\b[^?]*\bis\b",
    re.IGNORECASE,
)
_EDGES = " \t\r\n.,;:!?~…。，、；：！？～"

_Key = tuple[Language, str]


class Remembered(msgspec.Struct, frozen=True, gc=False):
    """An answer that was given before. `until` is on the memory's clock."""

    text: str
    sources: list[Source] | None
    grounds: bytes
    until: float


class AnswerMemory:
    """Answers of all tenants, in this process only.

    Args:
        most: Answers kept for each tenant.
        lifetime: Seconds that an answer is kept.
    """

    def __init__(
        self, *, most: int = MOST, lifetime: float = LIFETIME, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._lifetime = lifetime
        self._clock = clock
        self._tenants: dict[str, OrderedDict[_Key, Remembered]] = {}

    def remember(
        self, tenant: str, question: str, grounds: str, text: str, sources: Sequence[Source] | None = None
    ) -> bool:
        """Keep the whole answer to an opening question, if it is nobody's own; returns whether it is kept.

        Args:
            grounds: Everything besides the question that the answer rests on.
        """
        if not text or len(text) > LONGEST_ANSWER or not _impersonal(question) or _PERSONAL.search(text):
            return False
        answers = self._tenants.setdefault(tenant, OrderedDict())
        key = _key(question)
        answers[key] = Remembered(text, list(sources) if sources else None, _digest(grounds), self._until())
        answers.move_to_end(key)
        if len(answers) > self._most:
            answers.popitem(last=False)
        return True

    def find(self, tenant: str, question: str, grounds: str) -> Remembered | None:
        """The answer to an opening question that was asked before in the same words, on the same grounds."""
        answers = self._tenants.get(tenant)
        if answers is None or len(question) > LONGEST_QUESTION:
            return None
        key = _key(question)
        found = answers.get(key)
        if found is None:
            return None
        if found.until <= self._clock() or found.grounds != _digest(grounds):
            del answers[key]
            return None
        answers.move_to_end(key)
        return found

    def _until(self) -> float:
        return self._clock() + self._lifetime


def _impersonal(question: str) -> bool:
    return 0 < len(question) <= LONGEST_QUESTION and _PERSONAL.search(question) is None and bool(_key(question)[1])


def _key(question: str) -> _Key:
    """The same for all ways to write the same words: width, case, spaces, and the punctuation around them."""
    return language_of(question), " ".join(fold(question).split()).strip(_EDGES)


def _digest(grounds: str) -> bytes:
    return hashlib.blake2b(grounds.encode("utf-8", "surrogatepass"), digest_size=16).digest()
