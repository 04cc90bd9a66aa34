"""The built-in answerer: says what an article says, or that it does not know. It writes no facts of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from .knowledge import Passage
from .language import Language, language_of, tokens
from .source import Source

__all__ = ["Answer", "compose", "language_of"]

#: Sources named beside the one that is quoted, and how near to its evidence they must be.
MORE_SOURCES, NEAR = 2, 0.85

LEAD: dict[Language, str] = {
    "zh": "关于「{title}」，本店的说明是：",
    "en": "Here is what our help page “{title}” says:",
}
FOREIGN_LEAD: dict[Language, str] = {
    "zh": "关于这个问题，目前只有英文说明「{title}」：",
    "en": "So far this is only explained in Chinese, in “{title}”:",
}
UNKNOWN: dict[Language, str] = {
    "zh": "抱歉，我在本店的资料里没有找到这个问题的答案，不想随便猜。"
    "您可以换个说法再问一次，或者回复「转人工」，请同事来帮您。",
    "en": "Sorry, I could not find an answer to this in our shop's information, and I don't want to guess. You can ask "
    "in other words, or reply “human” and a colleague will help you.",
}
GREETING: dict[Language, str] = {
    "zh": "您好！我是店小二。订单、配送、退换货、发票、账户和商品的问题都可以问我；需要同事帮忙，请回复「转人工」。",
    "en": "Hello! Ask me about orders, delivery, returns, invoices, your account or our products. Reply “human” if you "
    "would rather talk to a colleague.",
}
THANKS: dict[Language, str] = {
    "zh": "不客气！还有问题随时问我。",
    "en": "You're welcome! Just ask if there is anything else.",
}

_GREETED = """
你好 您好 你好呀 你好啊 您好呀 哈喽 嗨 在吗 在不在 有人吗 早上好 上午好 下午好 晚上好
hi hello hey hallo greetings hithere hellothere heythere goodmorning goodafternoon goodevening goodday
isanyonethere isanybodythere
"""
_THANKED = """
谢谢 谢谢你 谢谢您 多谢 感谢 谢谢啦 谢了 好的谢谢 谢谢了
thanks thankyou thankyouverymuch thanksalot thx ty manythanks okthanks okthankyou greatthanks cheers
"""
_GREETINGS = frozenset(_GREETED.split())
_THANKS = frozenset(_THANKED.split())
#: A longer message is more than a greeting. Of a burst of pasted texts not even the words need be found.
LONGEST_COURTESY = 200

_HEADING = re.compile(r"^#{1,6}\s+(.+)$", re.MULTILINE)


class Answer(msgspec.Struct, frozen=True):
    """What to say.

    Args:
        text: Markdown.
        sources: Where it is from, the quoted article first; empty unless `confident`.
        confident: False means that nothing fits and a human is offered.
    """

    text: str
    sources: list[Source]
    confident: bool


def compose(question: str, passages: Sequence[Passage], *, threshold: float) -> Answer:
    """Answer with the best passage, or admit that there is none. A fixed answer is given word for word.

    Args:
        question: The visitor's words, in whose language is answered.
        passages: What `Knowledge.search` found, best first.
        threshold: The least evidence, 0 to 1, that a passage needs.
    """
    language = language_of(question)
    kind = courtesy(question)
    if kind is not None:
        return Answer((GREETING if kind == "greeting" else THANKS)[language], [], confident=True)
    if not passages or passages[0].score < threshold:
        return Answer(UNKNOWN[language], [], confident=False)
    best = passages[0]
    if best.fixed:
        return Answer(best.text, [Source(best.title, best.url)] if best.url else [], confident=True)
    lead = (LEAD if best.lang == language else FOREIGN_LEAD)[language].format(title=_plain(best.title))
    near = [
        passage
        for passage in passages[1:]
        if passage.score >= max(threshold, NEAR * best.score) and passage.lang == best.lang
    ]
    sources = {passage.url: Source(passage.title, passage.url) for passage in (best, *near[:MORE_SOURCES])}
    # Headings of an article are too loud in a chat.
    quoted = _HEADING.sub(r"**\1**", best.text)
    return Answer(f"{lead}\n\n{quoted}", list(sources.values()), confident=True)


def courtesy(question: str) -> Literal["greeting", "thanks"] | None:
    """Whether a message is a greeting or thanks and nothing else."""
    if len(question) > LONGEST_COURTESY:
        return None
    said = "".join(tokens(question))
    if said in _GREETINGS:
        return "greeting"
    return "thanks" if said in _THANKS else None


def _plain(title: str) -> str:
    """A title without what Markdown would take for markup."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", title)
