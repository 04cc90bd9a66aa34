"""Which questions are general: anybody who asks them may have the same answer.

A question is not general where it holds a visitor's data, asks about it, depends on the day, or means something only
after what was said before it. An answer is not general where it holds data of somebody's own.
"""

from __future__ import annotations

import re
from typing import Literal

from .language import CJK, fold, tokens

Reason = Literal["empty", "long", "personal", "own", "time", "follow-up", "bare"]

#: Code points: longer questions do not come twice, longer answers are rare.
LONGEST_QUESTION, LONGEST_ANSWER = 200, 4_000

_EDGES = " \t\r\n.,;:!?~…。，、；：！？～"

# A number of a person's or an order's: five digits and more, however they are spaced, or letters and digits as order
# numbers have them; addresses; what somebody says of themselves.
_DATA = re.compile(
    r"\d(?:[ \-.()]?\d){4,}|[零〇一二三四五六七八九]{5,}"
    r"|(?<![a-z0-9])(?=[a-z0-9-]*\d[a-z0-9-]*\d)(?=[a-z0-9-]*[a-z])[a-z0-9-]{8,}"
    r"|[@＠]|#\d|://|\bwww\.|!\[|data:|base64"
    r"|(?:订单号|单号|运单号?|工单号?|流水号|卡号|账号|身份证号?|手机号|电话|微信号?|qq)(?:码)?(?:是|为"
    r"|[:：])?\s*[a-z0-9]{3,}"
    r"|\b(?:order|tracking|ticket|case|invoice|card|account|phone|reference)(?: number| no\.?| id)?\s*(?:is"
    r"|[:#])\s*\w*\d"
    rf"|[{CJK}]{{2}}(?:路|街|巷|弄|道)\d+|\d+(?:号楼|号院|单元|栋|弄\d|室)|[{CJK}]{{2}}(?:小区|花园|公寓)\d*"
    r"|\b\d{1,5} (?:[a-z]+ ){1,3}(?:street|st|road|rd|avenue|ave|lane|drive|boulevard|blvd)\b"
    r"|我(?:叫|姓)|我是[^，。？?！!吗]{0,6}(?:先生|女士|小姐)|本人|我的(?:名字|姓名)(?:是|叫)|(?:地址|电话"
    r"|手机号?|邮箱)(?:码)?(?:是|为|[:：])"
    r"|\b(?:my name is|call me|i'?m called|i live|this is (?:mr|mrs|ms|miss)\b)"
    r"|\bmy (?:address|phone|number|e-?mail|id|passport)\b[^?]*\bis\b(?! not| wrong| incorrect)"
)

# What only the visitor's own records can say.
_OWN = re.compile(
    r"我(?:的)?(?:那个|这个)?(?:订单|快递|包裹|货|东西|件|退款|钱|申请|单子|余额|积分|账单"
    r"|额度)(?:[^怎如为]{0,4})(?:到哪|在哪|到了|还没|怎么还没|发了吗|发货了吗|是多少|有多少|还有多少|什么状态"
    r"|状态|批了吗|通过了吗)"
    r"|我(?:还|现在)?(?:有|剩|欠)(?:了)?多少|我(?:昨天|前天|今天|上周|刚才|刚刚|刚)|帮我(?:查|看)(?:一)?下?(?:我"
    r"|这|订单|快递|物流)"
    r"|\bwhere(?:'?s| is| are) my\b|\b(?:status|whereabouts) of my\b|\bhas my\b|\bhave my\b|\bdid my\b"
    r"|\bis my (?:order|parcel|package|refund|card|account|payment)\b"
    r"|\bmy (?:current )?(?:balance|limit|points)\b.*\b(?:is|are|left|have)\b|\bwhat(?:'?s| is| are) my\b"
    r"|\bhow (?:much|many) .*\b(?:do i have|have i|did i|i have|i owe|do i owe)\b"
    r"|\bi (?:just )?(?:ordered|bought|paid|placed|purchased|received|returned) (?:\w+ ){0,4}(?:yesterday|today"
    r"|last|this|ago)\b"
)

# The answer would be another one tomorrow.
_TIME = re.compile(
    r"今天|今日|今晚|今早|明天|明日|后天|昨天|前天|此刻|刚才|刚刚|这周|本周|下周|上周|这个月|本月|下个月|上个月"
    r"|目前(?:的)?(?:库存|价格|活动)"
    r"|\b(?:today|tonight|tomorrow|yesterday|right now|at the moment|currently|this (?:week|month|morning"
    r"|afternoon|evening)|next (?:week|month)|last (?:week|month|night))\b"
)

# Points at what was said before.
_FOLLOW_UP = re.compile(
    r"^(?:那|那么|那就|然后|所以|但是|可是|不过|而且|还有|另外|再|也|又|继续|接着|就是|比如|如果是这样|这样的话"
    r"|好的?|嗯|哦|对|不是|是的|为什么呢)(?![天时样吗家款种茶里边]|是否|怎么退|何)"
    r"|(?:这|那)(?:个|款|些|种|件|张|条|次|笔|样|时|里|边|位|单|双|部)?(?:的)?(?:呢|吗|怎么|是|要|能|可以|会"
    r"|多少|有|行|可|什么|为|不|没|还|多|贵|算|好|在|到|又|也|就|都|$)"
    r"|(?:上面|前面|刚说|刚刚说|之前说|你说|您说|上述|以上说|前者|后者|它|他们|她们|其中一|另一?个"
    r"|第[一二三四五1-5]种|第[一二三四五1-5]个)"
    r"|呢[?？。!\s]*$"
    r"|^(?:and|but|so|then|also|or|what about|how about|what if so|ok(?:ay)?|yes|no|yeah|sure|thanks?|why not"
    r"|really|which one|the (?:first|second|other|last) one|same)\b(?! (?:sure|how|to))"
    r"|\b(?:that|this|the other|those|these|which) ones?\b|\b(?:it|its|it's|they|them|their|he|she|him|her|those"
    r"|these|both|either|the former|the latter|you (?:just )?said|you mentioned|above|instead|as well then)\b"
    r"|\b(?:do|does|did|about|with|for|like|on|is|was|mean|means|doing|do) (?:that|this)\b|^(?:that|this)(?:'s"
    r"| is| was)?\b|\b(?:that|this)[?.!]*$|\b(?:else|too|again)[?.!]*$"
)
# "It" that points at nothing, and at what the same sentence named.
_EMPTY_IT = re.compile(
    r"\b(?:is|was|will|would|does|did|can|could) it (?:\w+ ){0,2}?(?:possible|ok(?:ay)?|allowed|true|necessary"
    r"|free|safe|required|cost|take|mean|matter|work to|be possible)\b"
    r"|\bit (?:is|takes|costs|says|seems|possible)\b|\bhow long (?:does|will) it (?:usually )?take\b"
    r"|\bhow much (?:does|will) it cost\b"
    r"|\b(?:and|then|but|because|if|when|or) it\b|(?<=\w\s)(?:return|exchange|cancel|get|use|change|track) (?:it"
    r"|them)(?= (?:if|when|after|before|because)\b)"
)

_FILLING = frozenset(
    "的了吗呢吧啊呀么嘛哦哈嗯你您我在是有和与就也都还又再很太更最被把给让这那哪谁啥咋怎什几多少个些点可以会要想请问得地着过来去做办行好没不别用买弄看说能为样如何时候"
)
_FILLING_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "i",
        "you",
        "we",
        "my",
        "your",
        "me",
        "us",
        "to",
        "of",
        "for",
        "in",
        "on",
        "at",
        "is",
        "are",
        "am",
        "be",
        "do",
        "does",
        "did",
        "can",
        "could",
        "would",
        "will",
        "should",
        "may",
        "have",
        "has",
        "how",
        "what",
        "when",
        "where",
        "why",
        "who",
        "which",
        "whether",
        "long",
        "much",
        "many",
        "please",
        "pls",
        "hi",
        "hello",
        "hey",
        "and",
        "or",
        "not",
        "no",
        "yes",
        "ok",
        "it",
        "that",
        "this",
        "there",
        "get",
        "go",
        "use",
        "want",
        "need",
        "like",
        "know",
        "tell",
        "help",
        "with",
        "about",
        "if",
        "so",
        "just",
        "more",
        "any",
        "some",
        "time",
        "way",
        "work",
        "works",
    ]
)


def why_not(question: str) -> Reason | None:
    """Why a question is not general; None if it is. Linear in at most `LONGEST_QUESTION` code points."""
    if len(question) > LONGEST_QUESTION:
        return "long"
    folded = fold(question).strip()
    if not folded.strip(_EDGES):
        return "empty"
    if _DATA.search(folded):
        return "personal"
    if _OWN.search(folded):
        return "own"
    if _TIME.search(folded):
        return "time"
    plain = _EMPTY_IT.sub(" ", folded.replace("’", "'"))
    if _FOLLOW_UP.search(plain):
        return "follow-up"
    return "bare" if _bare(folded) else None


def personal(answer: str) -> bool:
    """Whether an answer holds what may be somebody's own: a telephone or card number, an address, an order."""
    return not 0 < len(answer) <= LONGEST_ANSWER or _ANSWER_DATA.search(fold(answer)) is not None


# Of a shop's own answers less is suspect: its opening hours, its prices, the dates of its holidays.
_ANSWER_DATA = re.compile(
    r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d){8}(?!\d)|\d(?:[ \-]?\d){9,}"
    r"|(?<![a-z0-9])(?=[a-z0-9-]*\d[a-z0-9-]*\d[a-z0-9-]*\d)(?=[a-z0-9-]*[a-z])[a-z0-9-]{8,}"
    r"|[\w.+-][@＠][\w-]+\.\w|!\[|data:"
    r"|(?:订单号?|单号|运单号?|工单号?|流水号|卡号)(?:码)?(?:是|为|[:：])?\s*[#a-z]*\d{4,}|\b(?:order|tracking"
    r"|ticket|case)(?: number| no\.?| id)?\s*(?:is|[:#])?\s*#?[a-z]*-?\d{4,}"
    rf"|[{CJK}]{{2}}(?:路|街|巷|弄|道)\d+号|\d+(?:号楼|号院|单元|栋)|\d+室"
    r"|\b\d{1,5} (?:[a-z]+ ){1,3}(?:street|road|avenue|lane|drive|boulevard)\b"
    r"|尊敬的[^，。！]{1,6}(?:先生|女士)|您的(?:订单|快递|包裹)(?:已|正|目前|现在|于)|您的(?:地址|电话|手机号?"
    r"|邮箱|姓名)(?:是|为|[:：])"
    r"|\bdear (?:mr|mrs|ms|miss)\b|\byour (?:order|parcel|package) (?:has|was|is (?:on|in|at|being))\b"
    r"|\byour (?:address|phone|e-?mail|name) is\b"
)


def _bare(folded: str) -> bool:
    """Whether a question names nothing: 多少钱, 怎么用, how much, when?"""
    chinese = 0
    for token in tokens(folded):
        if re.match(rf"[{CJK}]", token):
            chinese += sum(char not in _FILLING for char in token) + ("还款" in token)
        elif token not in _FILLING_WORDS:
            return False
    return chinese < 2


def same_words(question: str) -> str:
    """One key for all ways to write the same words: width, case, spaces, and the punctuation around them."""
    return " ".join(fold(question).split()).strip(_EDGES)
