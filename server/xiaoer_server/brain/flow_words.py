"""What visitors say to steer a dialogue, in Chinese and English, and what a dialogue says by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .language import STOP_CHARACTERS, STOP_WORDS, fold, is_cjk, tokens

#: Intents that ask for a human, and those that answer a question rather than ask one: flows know them by name, whether
#: the tenant's own intents have them or not.
HUMAN = frozenset(("human", "human_agent"))
STEERING = frozenset(("cancel", "greeting", "thanks", "affirm", "deny")) | HUMAN

_CANCEL_WORDS = """
取消 取消吧 取消了 算了 算了吧 不用了 不办了 不查了 不弄了 不要了 退出 停止 结束 先不办了 cancel stop quit
exit abort nevermind forgetit cancelit cancelthis cancelthat
cancelplease pleasecancel
"""
_CANCEL = frozenset(_CANCEL_WORDS.split())
_HUMAN = re.compile(
    r"转人工|人工客服|人工服务|真人|找人工|要人工|接人工|转客服|找个人来|^人工$"
    r"|\b(?:talk|speak|chat|transfer|connect)(?:ing)?\b.{0,12}\b(?:human|person|agent|colleague|representative|someone"
    r"|somebody|staff)\b"
    r"|\b(?:human|live|real) (?:agent|person|being|support|please)\b|^(?:a )?(?:human|agent)$"
)
_YES_WORDS = """
是 是的 对 对的 好 好的 好吧 可以 行 嗯 嗯嗯 没错 没问题 确认 确定 要 需要 同意 当然 yes y yeah yep yup
sure ok okay right correct confirm confirmed agreed yesplease ofcourse
please thatsright
"""
_YES = frozenset(_YES_WORDS.split())
_NO_WORDS = """
不 不是 不对 不要 不用 不需要 不行 不可以 没有 别 否 不同意 不确认 不好 no n nope nah not wrong
dont nothanks nothankyou incorrect
"""
_NO = frozenset(_NO_WORDS.split())
_CORRECTION = re.compile(
    r"不对|错了|弄错|搞错|写错|填错|输错|说错|改成|改为|换成|更正|应该是|更改|修改|改一下"
    r"|\b(?:actually|wrong|mistake|sorry|correction|change|correct|instead|i meant|meant)\b"
)
_QUESTION = re.compile(
    r"[?？]|吗|呢|什么|怎么|怎样|如何|为什么|多久|多少|哪里|哪个|哪些|几天|能不能|可不可以|是不是|有没有"
    r"|^(?:what|how|why|when|where|which|who|can|could|do|does|is|are|may|will|would|should)\b"
)
#: A question about how something is done is the articles' to answer, not a flow's.
_HOW_TO = re.compile(
    r"怎么|怎样|如何|多久|多少|几天|政策|规定|规则|流程|条件|能不能|可不可以|可以.*吗|能.*吗"
    r"|\b(?:how|policy|when|why|can|could|cost|fee|does|do you|which|what)\b"
)
_FILLERS = frozenset("帮查询看想申麻烦谢客服现我要单号订")

#: A longer message than this steers nothing.
LONGEST_COMMAND = 40

LEFT: dict[str, str] = {
    "zh": "好的，「{title}」已取消。还有什么可以帮您？",
    "en": "All right, “{title}” is cancelled. Anything else I can help with?",
}
EXPIRED: dict[str, str] = {
    "zh": "「{title}」等了太久没有继续，已经结束；需要的话我们可以重新开始。",
    "en": "“{title}” had been waiting for too long and has ended; we can start over any time.",
}
OUTDATED: dict[str, str] = {
    "zh": "刚才办理的事项已经更新，不能接着办理，请重新说一下您的需要。",
    "en": "What we were doing has been changed meanwhile and can't go on. Please tell me again what you need.",
}
BACK: dict[str, str] = {"zh": "我们回到「{title}」。", "en": "Back to “{title}”."}
AGAIN: dict[str, str] = {"zh": "抱歉，我没有看懂。", "en": "Sorry, I did not get that."}
CORRECTED: dict[str, str] = {"zh": "好的，已更正为 {value}。", "en": "All right, changed to {value}."}
HANDED_OVER: dict[str, str] = {
    "zh": "好的，这就为您转接同事。",
    "en": "All right, I'll get a colleague for you.",
}
GAVE_UP: dict[str, str] = {
    "zh": "抱歉，这件事我没能帮您办好，请同事来接着帮您。",
    "en": "Sorry, I could not get this done for you. A colleague will take over.",
}


def wants_human(text: str) -> bool:
    """Whether a short message asks for a human."""
    return len(text) <= 4 * LONGEST_COMMAND and _HUMAN.search(fold(text).strip(" .!。！")) is not None


def cancels(text: str) -> bool:
    """Whether the message is a word for leaving it, and nothing else: 取消订单 is not."""
    return len(text) <= LONGEST_COMMAND and _squeezed(text) in _CANCEL


def yes_no(text: str) -> bool | None:
    """Yes or no, if the message begins with it or is nothing else."""
    if len(text) > 4 * LONGEST_COMMAND:
        return None
    whole = _squeezed(text)
    first = tokens(re.split(r"[,，。.!！;； ]", fold(text).strip(), maxsplit=1)[0])
    for said in (whole, "".join(first)):
        if said in _NO:
            return False
        if said in _YES:
            return True
    return None


def corrects(text: str) -> bool:
    """Whether the message takes back what was said before."""
    return len(text) <= 8 * LONGEST_COMMAND and _CORRECTION.search(fold(text)) is not None


def asks(text: str) -> bool:
    """Whether the message looks like a question."""
    return _QUESTION.search(fold(text).strip()) is not None


def starts(text: str, phrases: Iterable[str]) -> int:
    """How much of a message a phrase covers that makes up the message but for fillers; 0 for none.

    Args:
        text: The message without the values of slots.
    """
    folded = fold(text)
    if len(folded) > 3 * LONGEST_COMMAND:
        return 0
    best = 0
    for phrase in phrases:
        said = fold(phrase)
        at = folded.find(said)
        if at < 0 or (said[0].isascii() and not _bounded(folded, at, at + len(said))):
            continue
        rest = f"{folded[:at]} {folded[at + len(said) :]}"
        if _HOW_TO.search(rest) is None and _left(rest) <= 2:
            best = max(best, len(said))
    return best


def speaks(text: str) -> bool:
    """Whether there are words enough to tell the language: a number, a name or an "ok" are none."""
    return sum(len(token) if is_cjk(token) else not token.isdigit() for token in tokens(text)) >= 3


def mentions(text: str, names: Iterable[str]) -> bool:
    """Whether one of the names is in the text."""
    folded = fold(text)
    return any(fold(name) in folded for name in names)


def _bounded(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isascii() and before.isalnum()) and not (after.isascii() and after.isalnum())


def _left(rest: str) -> int:
    """Characters and words that mean something."""
    count = 0
    for token in tokens(rest):
        if is_cjk(token):
            count += sum(char not in STOP_CHARACTERS and char not in _FILLERS for char in token)
        elif token not in STOP_WORDS:
            count += 2
    return count


def _squeezed(text: str) -> str:
    return "".join(tokens(text))
