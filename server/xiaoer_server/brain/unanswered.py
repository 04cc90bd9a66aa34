"""What was asked and could not be answered: groups of questions with their counts, so that a shop sees what to write.

Nothing personal is kept. Digits become `#`, and so do addresses of mail and pages; a question that says who somebody
is or where, is not kept at all; neither is a long one, which is a story rather than a question.
"""

from __future__ import annotations

import logging
import re
import time

import uuid_utils
from sqlalchemy.exc import SQLAlchemyError

from ..store.engine import Store
from ..store.unanswered import Group, UnansweredQuestions
from .evidence import Weighed, weigh
from .language import language_of, tokens
from .vocabulary import Vocabulary

log = logging.getLogger(__name__)

#: Groups of a tenant, and characters of a question.
MOST, LONGEST = 1_000, 120

#: Questions whose words agree so far ask for the same (see `Weighed.agreement`).
SAME = 0.75

_ADDRESS = re.compile(r"\S+[@＠]\S+|\S*(?:://|\bwww\.)\S+", re.IGNORECASE)
_NUMBERS = re.compile(r"[0-9０-９零〇一二三四五六七八九]{4,}|\d+")
_OWN = re.compile(
    r"我(?:叫|姓|是(?!不|否|想|要|说|在|来|问))|(?:我|本人)的?(?:名字|姓名|电话|手机号?|住址|地址|微信|邮箱|身份证|卡号)(?:号码?)?"
    r"(?:是|为|叫|[:：])|(?:先生|女士|小姐)|住在|省.{1,12}市|\d+号楼|单元\d"
    r"|\b(?:my name|call me|i am called|i live|this is (?:mr|mrs|ms))\b"
    r"|\bmy (?:address|phone|number|e-?mail|card|passport)\b[^?]*\b(?:is|:)|\b(?:mr|mrs|ms|dr)\.? [A-Z]"
    r"|\b\d+ [A-Z]\w+ (?:street|st|road|rd|avenue|ave|lane)\b",
    re.IGNORECASE,
)

_PLAIN = Vocabulary()


class Unanswered:
    """The questions of all tenants of one process."""

    def __init__(self, store: Store) -> None:
        self._rows = UnansweredQuestions(store)
        self._groups: dict[str, dict[str, tuple[Group, Weighed]]] = {}

    async def note(self, tenant: str, question: str) -> bool:
        """Count a question that nobody could answer; returns whether it is kept. Never raises."""
        masked = mask(question)
        if masked is None:
            return False
        try:
            await self._count(tenant, masked)
        except SQLAlchemyError as error:
            log.error("an unanswered question could not be stored: %s", error)
            return False
        return True

    async def all(self, tenant: str) -> list[Group]:
        """All groups, the most asked first."""
        return await self._rows.all(tenant)

    async def delete(self, tenant: str, group: str) -> None:
        """Forget a group: it has been written about, or never shall be."""
        await self._rows.delete(tenant, group)
        self._groups.get(tenant, {}).pop(group, None)

    async def _count(self, tenant: str, question: str) -> None:
        groups = self._groups.get(tenant)
        if groups is None:
            rows = await self._rows.all(tenant)
            groups = self._groups[tenant] = {row.id: (row, weigh(row.question, _PLAIN)) for row in rows}
        now = time.time_ns() // 1_000_000
        asked, language = weigh(question, _PLAIN), language_of(question)
        alike = ((asked.agreement(weighed), row) for row, weighed in groups.values() if row.lang == language)
        score, found = max(alike, key=lambda item: item[0], default=(0.0, None))
        if found is not None and score >= SAME:
            found.count += 1
            found.last_at = now
            await self._rows.count(tenant, found.id, now)
            return
        if len(groups) >= MOST:
            # The least asked, of those the one that was not asked for the longest time.
            least = min((row for row, _ in groups.values()), key=lambda row: (row.count, row.last_at))
            del groups[least.id]
            await self._rows.delete(tenant, least.id)
        group = Group(str(uuid_utils.uuid7()), language, question, 1, now, now)
        groups[group.id] = (group, asked)
        try:
            await self._rows.add(tenant, group)
        except SQLAlchemyError:
            del groups[group.id]
            raise


def mask(question: str) -> str | None:
    """The question without what may be somebody's own; None where it had better not be kept."""
    text = " ".join(question.split())
    if len(text) > LONGEST or _OWN.search(text) is not None:
        return None
    text = _NUMBERS.sub("#", _ADDRESS.sub("#", text))
    return text if any(word != "#" for word in tokens(text)) else None
