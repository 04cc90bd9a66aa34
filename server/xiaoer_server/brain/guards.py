"""Whether two questions that sound alike may have one answer. A guard only ever says no.

An embedding puts 花呗怎么还款 beside 花呗怎么开通, and 满99包邮吗 beside 满199包邮吗. What it blurs is read here from
the words: numbers, dates and amounts; names and product codes; negation; what is to be done, and in which direction;
and what is asked about it (how, why, whether, when, how much, where). Both questions must agree on each. Where the
words are none that a guard knows it is silent, and the verifier decides alone.
"""

from __future__ import annotations

import functools
import re
from typing import Literal, NamedTuple

from .guard_words import ACTIONS, COMMON_NAMES, NAMES, POLES, SAME_NAME, THINGS, WEAK
from .language import CJK, STOP_WORDS, fold, stem
from .quantities import Quantity, disagree, quantities

Objection = Literal["number", "name", "negation", "action", "direction", "aspect"]

#: Longer texts are not compared at all.
LONGEST = 400

_ACTIONS = re.compile("|".join(f"(?P<a{number}>{forms})" for number, forms in enumerate(ACTIONS.values())))
_EACH_ACTION = [(name, re.compile(forms)) for name, forms in ACTIONS.items()]
_POLES = [(name, re.compile(one), re.compile(other)) for name, one, other in POLES]
_THINGS = [(name, re.compile(forms)) for name, forms in THINGS.items()]
_NAMES = re.compile("|".join(sorted(map(re.escape, NAMES), key=len, reverse=True)))
_LATIN = re.compile(r"[a-z0-9][a-z0-9+#-]*(?:\.[0-9]+)?", re.ASCII)
_CHINESE = re.compile(rf"[{CJK}]")
_PROPER = re.compile(
    r"(?<![.!?]\s)(?<!^)\b(?:[A-Z][A-Za-z0-9+-]*|[A-Za-z]+[0-9][A-Za-z0-9-]*|[0-9]+[A-Za-z][A-Za-z0-9-]*)\b"
)
_MEASURE = re.compile(
    r"\d+(?:st|nd|rd|th|am|pm|days?|d|weeks?|months?|years?|hours?|hrs?|h|mins?|kgs?|g|ml|l|cm|mm|m|k|km|gb|mb|x"
    r"|yuan|rmb|usd|cny|eur)"
)
_PLAIN_LATIN = frozenset(
    [
        "app",
        "apps",
        "ok",
        "id",
        "pc",
        "qq",
        "sim",
        "pls",
        "please",
        "hi",
        "hello",
        "the",
        "a",
        "an",
        "to",
        "i",
        "my",
        "me",
        "vs",
        "or",
        "and",
        "of",
        "for",
        "is",
    ]
)
_ALWAYS_CAPITAL = frozenset(
    [
        "i",
        "i'm",
        "i'd",
        "i'll",
        "i've",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "ok",
        "faq",
        "atm",
        "asap",
        "id",
        "usd",
        "eur",
        "gbp",
        "rmb",
        "cny",
        "am",
        "pm",
        "english",
    ]
)

# -- negation -------------------------------------------------------------------------------------------------

_A_NOT_A = re.compile(rf"([{CJK}])[{CJK}]?(?:不|没)\1|是否|能否|可否|有无|or not\b|whether or not")
_NO_NEGATION = re.compile(
    "不好意思|不小心|不想[要用]?|不喜欢|不记得|想不起来?|不买了|不要了|有没(?=[^有])|不过|不客气|不同|差不多"
    "|不错|没事|没问题|不管|不仅|不但|不只|不论|不断|不久|不少|不如|不知道?|不懂"
    "|不明白|不清楚"
    "|不太(?:清楚|明白|懂|会)|不会(?=操作|用|弄|搞|设置|看|填)|别人|别的|特别|区别|性别|级别|识别|类别|个别|分别"
    "|告别|非常|并非|未来"
    "|没关系|不然|要不|不要紧|不一样|对不起|了不起|来不及|无线|无人机|无忧|不二|不满意?|不限|免不|除非|非得|非要"
    "|非洲|是非"
    "|i'?m not sure|not sure|do(?:n'?t| not) (?:know|understand)|no problem|do(?:n'?t| not) want"
    "|no\\.|why not|not only|if not"
)
_END_QUESTION = re.compile(r"(?:了|过)?(?:没有?|不|否)[吗呢啊嘛呀]?[\s?。!~]*$")
_NEGATION = re.compile(
    r"[不没]|无法|无(?=效|货|现货)|未|别|勿|非|失败|拒绝|被拒|禁止|错误|异常"
    r"|\bnot?\b|n't\b|\bcannot\b|\bnever\b|\bwithout\b|\bunable\b|\bfail\w*|\bdeclin\w+|\breject\w+|\brefus\w+"
    r"|\bnone\b|\bnothing\b|\bimpossible\b|\binvalid\b|\bunsuccessful\w*|\berrors?\b"
)
_CONTRACTED = re.compile(
    r"\b(?:can|won|don|doesn|didn|isn|aren|wasn|weren|hasn|haven|hadn|couldn|wouldn"
    r"|shouldn)'?t\b"
)

# -- what is asked --------------------------------------------------------------------------------------------

Aspect = Literal["why", "fix", "when", "where", "much", "which", "who", "how", "what", "whether", ""]

_ASPECTS: list[tuple[Aspect, re.Pattern[str]]] = [
    (name, re.compile(forms))  # type: ignore[misc]
    for name, forms in (
        (
            "why",
            "为什么|为啥|为何|怎么回事|咋回事|什么原因|啥原因|原因是|怎么会|怎么就|怎么老|怎么总|凭什么"
            "|怎么(?:这|那)么"
            "|\\bwhy\\b|how come|what(?:'?s| is| was)? (?:the )?reason|what caused",
        ),
        (
            "when",
            "什么时候|啥时候|何时|多久|多长时间|多少时间|几天|几点|几号|哪天|哪一天|什么时间|多少天|几时|几日"
            "|几个工作日|几个月|几年|哪年|几月|哪个月|什么季节|何日|时间(?=$|[?。!])"
            "|\\bwhen\\b(?! (?:i|we|you|my|the|it)\\b.*\\bhow\\b)|how (?:long|soon|quickly|fast|many (?:days"
            "|weeks|hours|months))"
            "|what (?:time|day|date)|how much time",
        ),
        (
            "fix",
            "怎么办|怎办|咋办|咋整|怎么处理|怎么解决|如何处理|如何解决|what (?:do|should|can) i do\\b|how (?:do"
            "|can) i (?:fix|solve|resolve)",
        ),
        ("where", "哪里|哪儿|在哪|到哪|去哪|从哪|何处|什么地方|啥地方|哪个(?:地方|位置|城市)|\\bwhere\\b"),
        (
            "much",
            "多少钱|多少|多大|多高|多重|多长|什么价|啥价|价格|几(?=个|次|张|元|块|折|级|件|种|人|倍|位)"
            "|how (?:much|many|big|large|high|expensive)|what(?:'?s| is| are| does| do)? .{0,24}\\b(?:cost|price"
            "|fee|fees|charges?)\\b",
        ),
        ("how", "(?:什么|啥|何种?|哪些?)(?:办法|方法|方式|途径|渠道)"),
        ("which", "哪(?!怕)|\\bwhich\\b|what (?:kinds?|types?|sorts?)"),
        ("who", "谁|\\bwho(?:m|se)?\\b"),
        (
            "how",
            "怎么|如何|怎样|咋|方法|步骤|流程|教程|途径|\\bhow\\b|what (?:do|should|can|must|would) i (?:do"
            "|need to do)|what to do|steps? (?:to|for)"
            "|(?:is|are) there (?:a|any) ways?|best way|procedure|process (?:to|for|of)|instructions",
        ),
        ("what", "什么|啥|何为|\\bwhat\\b|\\bexplain\\b|meaning of"),
        (
            "whether",
            "吗|嘛[?]|能不能|可不可以|是否|能否|可否|有没有|是不是|会不会|要不要|行不行|还是|可以|能(?!力|量)"
            "|会(?!员|议|计|话)|支持|允许"
            "|^(?:so |and |but |hi |hello |hey |please |excuse me |,)*(?:can i|could i|may i|am i|is|are|was"
            "|were|do|does|did|will|would|has|have|should)\\b"
            "|\\bcan i\\b|\\bam i able\\b|\\b(?:is|are) (?:it|there)\\b|\\bwhether\\b|\\bpossible\\b|\\ballowed\\b",
        ),
    )
]
_REQUEST = re.compile(
    r"(?:can|could|will|would) you (?:please |kindly )?(?:help|tell|show|explain|give)|请?(?:问|教)(?:一下|下)?"
    r"|(?:能|可以)(?:帮|告诉|教)[我]?|帮我|麻烦"
)
_A_NOT_A_VERB = re.compile(rf"([{CJK}])[{CJK}]?不\1|有没有|(?:了|过)(?:没有?|不)[\s?]*$")

# -- direction ------------------------------------------------------------------------------------------------

_ROUTE = re.compile(
    rf"从(?P<from>[{CJK}a-z0-9]{{1,8}}?)(?:[转换改提移寄飞调变][{CJK}]?)?[到至往进成](?P<to>[{CJK}a-z0-9]{{1,8}})"
    rf"|把?(?P<from2>[{CJK}a-z0-9]{{1,8}}?)(?:里|里面|上)?的?(?:钱|余额|零钱)?(?:怎么|如何|怎样|可以"
    rf"|能)?[转换改提移变][{CJK}]?[到至进成给](?P<to2>[{CJK}a-z0-9]{{1,8}})"
    r"|\bfrom (?:my |the |a |an )?(?P<from3>[\w-]+)\b.*?\b(?:in)?to (?:my |the |a |an )?(?P<to3>[\w-]+)"
    r"|\b(?:in)?to (?:my |the |a |an )?(?P<to4>(?!transfer|move|send|exchange|switch|change|convert|get|withdraw"
    r"|upgrade|pay)[\w-]+)\b.*?\bfrom (?:my |the |a |an )?(?P<from4>[\w-]+)"
)


class Facts(NamedTuple):
    """What the guards know of a question."""

    quantities: frozenset[Quantity]
    names: frozenset[str]
    tokens: frozenset[str]
    actions: frozenset[str]
    poles: frozenset[tuple[str, bool]]
    things: frozenset[str]
    negated: bool
    aspect: Aspect
    route: tuple[str, str] | None


def objection(one: str, other: str) -> Objection | None:
    """Why these two questions may not share an answer; None if no guard objects. Symmetric.

    Texts of more than `LONGEST` code points always get an objection.
    """
    if len(one) > LONGEST or len(other) > LONGEST:
        return "number"
    return _compare(facts(one), facts(other))


@functools.lru_cache(maxsize=2_048)
def facts(text: str) -> Facts:
    """Read a question of at most `LONGEST` code points; some tens of microseconds."""
    folded = fold(text).replace("’", "'").strip()
    actions, _ = _actions(folded)
    names, tokens = _names(text, folded)
    negated = _negated(folded)
    return Facts(
        quantities(folded),
        names,
        tokens,
        actions,
        frozenset(
            (name, first)
            for name, *ends in _POLES
            for first, end in zip((True, False), ends, strict=True)
            if end.search(folded)
        ),
        frozenset(name for name, forms in _THINGS if forms.search(folded)),
        negated,
        _aspect(folded),
        _route(folded),
    )


def _compare(one: Facts, other: Facts) -> Objection | None:
    if disagree(one.quantities, other.quantities):
        return "number"
    if _names_differ(one, other):
        return "name"
    if one.negated != other.negated:
        return "negation"
    if one.actions != other.actions and _actions_differ(one.actions, other.actions):
        return "action"
    if _opposed(one.poles, other.poles) or _turned(one.route, other.route):
        return "direction"
    if one.aspect != other.aspect and not _one_aspect(one, other):
        return "aspect"
    return None


def _names_differ(one: Facts, other: Facts) -> bool:
    only_one = one.names - other.names - other.tokens
    only_other = other.names - one.names - one.tokens
    if only_one and only_other:
        return True
    if (only_one | only_other) - COMMON_NAMES:
        return True
    # Things are common words: one more of them is a way to say it, different ones are another question.
    return bool(one.things - other.things) and bool(other.things - one.things)


def _actions_differ(one: frozenset[str], other: frozenset[str]) -> bool:
    strong_one, strong_other = one - WEAK, other - WEAK
    if strong_one and strong_other:
        return strong_one != strong_other
    # One of them names no action that is known here, or a weak one. No word for it is no other action: 填错了能改吗,
    # 填错了怎么办.
    return bool(one) and bool(other)


def _opposed(one: frozenset[tuple[str, bool]], other: frozenset[tuple[str, bool]]) -> bool:
    return any((name, not first) in other and (name, first) not in other for name, first in one) or any(
        (name, not first) in one and (name, first) not in one for name, first in other
    )


def _turned(one: tuple[str, str] | None, other: tuple[str, str] | None) -> bool:
    if one is None or other is None or one == other:
        return False
    (start, end), (other_start, other_end) = one, other
    return _alike(start, other_end) or _alike(end, other_start)


def _alike(one: str, other: str) -> bool:
    return one in other or other in one


def _one_aspect(one: Facts, other: Facts) -> bool:
    pair = {one.aspect, other.aspect}
    if pair <= _OPEN_ASPECTS or pair <= {"why", "fix", ""}:
        return True
    if "" in pair:
        # A noun phrase asks for anything that is to be known of it: warranty period, 发货地. With something to be done
        # it asks how: 我要退款 is no 退款多久到账.
        return not one.actions - WEAK
    if pair <= {"why", "fix", "how"}:
        return one.negated  # 怎么付不了款, 为什么付不了款
    if pair <= {"how", "where"}:
        return bool(one.actions)  # 在哪改名, 怎么改名
    if pair <= {"whether", "much"}:
        return bool(_FEES & one.names & other.names) or ("fee" in one.things and "fee" in other.things)
    return False


#: Aspects that are ways to put one question, as far as the words tell: 怎么退, 退货流程是什么, 要退货该怎么办.
_OPEN_ASPECTS = frozenset(("how", "fix", "what", "which", ""))

#: Who asks whether there is a fee is told how much it is.
_FEES = frozenset(("手续费", "运费", "利息", "押金", "定金"))


def _actions(folded: str) -> tuple[frozenset[str], str]:
    if _ACTIONS.search(folded) is None:
        return frozenset(), folded
    found = set()
    for name, forms in _EACH_ACTION:
        if (match := forms.search(folded)) is not None:
            found.add(name)
            # Taken out, so that what is part of it is not found again.
            folded = forms.sub("、" if _CHINESE.match(match[0]) else " ", folded)
    return frozenset(found), folded


def _names(text: str, folded: str) -> tuple[frozenset[str], frozenset[str]]:
    latin = [token.strip("-") for token in _LATIN.findall(folded)]
    found = set(_NAMES.findall(folded))
    tokens = {SAME_NAME.get(token, token) for token in latin}
    if _CHINESE.search(folded):
        found |= {
            token
            for token in latin
            if not token.isdigit() and "." not in token and token not in _PLAIN_LATIN and not _MEASURE.fullmatch(token)
        }
    else:
        found |= {
            word
            for word in (match[0].lower() for match in _PROPER.finditer(text))
            if word.removesuffix("s") not in _ALWAYS_CAPITAL
            and word not in _ALWAYS_CAPITAL
            and not _MEASURE.fullmatch(word)
            and word not in STOP_WORDS
        }
        # An English sentence in capitals, or With Capitals, names nothing by them.
        if len(found) > 3 and len(found) * 2 > len(latin):
            found = {word for word in found if any(char.isdigit() for char in word)}
    names = {SAME_NAME.get(name, name) for name in found}
    wider = {NAMES[name] for name in names if NAMES.get(name)}
    tokens |= names | {stem(token) for token in tokens}
    return frozenset(names - wider), frozenset(tokens)


def _negated(folded: str) -> bool:
    if _NEGATION.search(folded) is None and _CONTRACTED.search(folded) is None:
        return False
    rest = _NO_NEGATION.sub("、", _A_NOT_A.sub("、", folded))
    if not re.search("为什么|为何|为啥|怎么|咋", rest):
        rest = _END_QUESTION.sub("", rest)
    return _NEGATION.search(rest) is not None or _CONTRACTED.search(rest) is not None


def _aspect(folded: str) -> Aspect:
    rest = _REQUEST.sub("", folded)
    for name, forms in _ASPECTS:
        if forms.search(rest) is not None:
            return name
    return "whether" if _A_NOT_A_VERB.search(rest) or _END_QUESTION.search(rest) else ""


def _route(folded: str) -> tuple[str, str] | None:
    match = _ROUTE.search(folded)
    if match is None:
        return None
    groups = match.groupdict()
    start = next((groups[name] for name in ("from", "from2", "from3", "from4") if groups[name]), "")
    end = next((groups[name] for name in ("to", "to2", "to3", "to4") if groups[name]), "")
    return (start, end) if start and end else None
