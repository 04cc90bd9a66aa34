"""Numbers, dates and amounts of a question, in one notation: what two questions must agree on to have one answer.

三十天, 30天 and "30 days" are the same quantity; 7天 and 7个月 are not, nor are 5月1日 and 5月7日. A Chinese numeral
counts where it is one: not in 一下, 第一次, 万一 or 十分.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

#: (value, unit); the unit is "" where none is named. A date is ("05-01", "date"), a time of day ("08:30", "time").
Quantity = tuple[str, str]

_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2}
_POWERS = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "亿": 100_000_000}
_HAN = "零〇一二两三四五六七八九十百千万亿"

# The words in which these characters count nothing.
_NO_NUMERAL = re.compile(
    "万一|千万(?=[别不要记得小])|十分(?!钟)|一下子?|一直|一样|一般|一定|一些|一点儿?|一起|一共|一旦|一律|一边"
    "|一会儿?|一切|一致|一体"
    "|统一|同一|唯一|之一|进一步|第一时间|第一次|万能|万事|百分百|百度|千牛|四川|三星|六神|五菱|七匹狼|三只松鼠"
    "|九阳|百货|千兆"
    "|双十一|双十二|双11|双12|(?<![0-9])618(?![0-9])|十一黄金周|五一|十一假期|一卡通|一键|一站式|七夕|八折扣券"
    "|三方|四六级|一一"
)

_UNITS = {
    "day": "天|日(?!期|本|常|用)|days?|d(?![a-z])",
    "week": "个?星期(?![一二三四五六日天])|个?礼拜(?![一二三四五六日天])|周(?![一二三四五六日末岁边转])|weeks?|wks?",
    "month": "个月|月(?!初|底|末|份|经|饼|结|付|卡)|months?",
    "year": "年(?!龄|级|会|卡|纪)|周年|years?|yrs?",
    "hour": "个?小时|个?钟头|hours?|hrs?|h(?![a-z])",
    "minute": "分钟|minutes?|mins?",
    "second": "秒钟?|seconds?|secs?",
    "yuan": "元|块钱?|rmb|cny|人民币|yuan",
    "jiao": "毛钱?|角(?!度|色)",
    "dollar": "美元|美金|刀|usd|dollars?|bucks?",
    "euro": "欧元|eur|euros?",
    "pound": "英镑|gbp|pounds?|quid",
    "percent": "%|percent|per cent|个百分点",
    "fold": "折",
    "times": "次|遍|回(?!复|答|家|来|去|收|执|款)|times",
    "piece": "件|个(?!月|小时|星期|礼拜|人|体|性)|只|台|份|盒|瓶|包(?!裹|邮|装|含)|袋|双|套|箱|张|pieces?|pcs"
    "|items?|units?|boxes|bags?|bottles?|cards?",
    "person": "个?人(?!工|民|员)|位|people|persons?",
    "kilogram": "公斤|千克|kgs?|kilos?|kilograms?",
    "jin": "斤",
    "gram": "克|grams?|g(?![a-z])",
    "litre": "升(?!级)|litres?|liters?|l(?![a-z])",
    "millilitre": "毫升|ml",
    "metre": "米|meters?|metres?|m(?![a-z])",
    "centimetre": "厘米|公分|cm",
    "kilometre": "公里|千米|km|kilometers?|kilometres?",
    "gigabyte": "gb?(?![a-z])",
    "size": "码(?!头)|号(?!码)|寸|inch(?:es)?",
    "floor": "楼|层",
    "age": "周?岁|years? old",
}
_UNIT = re.compile(
    r"\s*[-‑]?\s*(?:" + "|".join(f"(?P<{name}>{forms})" for name, forms in _UNITS.items()) + ")", re.IGNORECASE
)
_SIGNS = {"¥": "yuan", "￥": "yuan", "$": "dollar", "€": "euro", "£": "pound"}

_ENGLISH = {
    word: value
    for value, words in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
    for word in (words,)
} | {
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
    "twice": 2,
    "dozen": 12,
    "half": 0.5,
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_ENGLISH_WORD = "|".join(sorted([*_ENGLISH, *_SCALES], key=len, reverse=True))
_ENGLISH_NUMBER = re.compile(rf"\b(?:an?[ -])?(?:{_ENGLISH_WORD})(?:[ -](?:and )?(?:{_ENGLISH_WORD}))*\b")

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH_NAME = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DATE = re.compile(
    r"(?P<y>\d{4})[-/.年]\s?(?P<m>\d{1,2})(?:[-/.月]\s?(?P<d>\d{1,2})[日号]?|月)?"
    r"|(?P<cm>\d{1,2})月(?:份|(?P<cd>\d{1,2})[日号]?)?"
    rf"|\b(?P<en>{_MONTH_NAME})\.?\s+(?P<ed>\d{{1,2}})(?:st|nd|rd|th)?\b"
    rf"|\b(?P<bd>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<bn>{_MONTH_NAME})\b"
    rf"|\b(?:in|by|until|till|since|from|before|after|during|for)\s+(?P<mn>{_MONTH_NAME})\b"
    r"|\b(?P<sm>\d{1,2})/(?P<sd>\d{1,2})\b"
)
_TIME = re.compile(
    r"(?P<h>\d{1,2})[:：](?P<n>\d{2})\s*(?P<ap>[ap]\.?m\.?)?"
    r"|(?P<ch>\d{1,2})点(?!数|券|赞|评|击)(?:(?P<half>半)|(?P<cn>\d{1,2})分?)?"
    r"|\b(?P<eh>\d{1,2})\s*(?P<eap>[ap]\.?m\b\.?)|\b(?P<oc>\d{1,2})\s*o'?clock"
)
_WEEKDAY = re.compile(
    r"(?:星期|周|礼拜)(?P<zh>[一二三四五六日天])"
    r"|\b(?P<en>mon(?=day)|tue(?=sday)|wed(?=nesday)|thu(?=rsday)|fri(?=day)|sat(?=urday)|sun(?=day))\w*"
)
_NAMED = {
    "双十一": "11-11",
    "双11": "11-11",
    "双十二": "12-12",
    "双12": "12-12",
    "618": "06-18",
    "五一": "05-01",
    "国庆": "10-01",
    "十一黄金周": "10-01",
    "十一假期": "10-01",
    "元旦": "01-01",
    "春节": "spring-festival",
    "过年": "spring-festival",
    "中秋": "mid-autumn",
    "端午": "dragon-boat",
    "七夕": "qixi",
    "圣诞": "12-25",
    "christmas": "12-25",
    "black friday": "black-friday",
    "singles' day": "11-11",
    "singles day": "11-11",
    "new year": "01-01",
    "spring festival": "spring-festival",
    "周末": "weekend",
    "weekend": "weekend",
    "工作日": "workday",
    "weekday": "workday",
    "business day": "workday",
    "working day": "workday",
    "节假日": "holiday",
    "holiday": "holiday",
}
_NAMED_DATE = re.compile("|".join(sorted(map(re.escape, _NAMED), key=len, reverse=True)))

# Not the digits of a product code: those are names, and compared as such.
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_])(?P<sign>[¥￥$€£])?\s?(?P<digits>\d+(?:,\d{3})*(?:\.\d+)?)(?P<scale>[十百千万亿]"
    r"|k\b)?(?P<more>半)?"
    r"|百分之(?P<share>[\d.]+)"
    r"|(?P<half>半)(?=个?(?:小时|月|年|天|钟头))"
)
_HAN_NUMBER = re.compile(f"[{_HAN}]+")


def quantities(text: str) -> frozenset[Quantity]:
    """All quantities of a folded text (NFKC, lower case); see `Quantity`."""
    return frozenset(_all(text))


def disagree(one: frozenset[Quantity], other: frozenset[Quantity]) -> bool:
    """Whether one of the two names a number, date or amount that the other does not.

    A number without a unit agrees with the same number in any: 满99包邮吗, 满99元包邮吗. A single one of something says
    nothing where the other question counts none of it: 一天能转多少, 每天能转多少.
    """
    return one != other and (_missing(one, other) or _missing(other, one))


def _missing(one: frozenset[Quantity], other: frozenset[Quantity]) -> bool:
    return any(
        quantity not in other
        and (quantity[0] != "1" or any(unit == quantity[1] for _, unit in other))
        and not any(value == quantity[0] and (not unit or not quantity[1]) for value, unit in other)
        for quantity in one
    )


def _all(text: str) -> Iterator[Quantity]:
    def named(match: re.Match[str]) -> str:
        found.append((_NAMED[match[0]], "date"))
        return " "

    found: list[Quantity] = []
    rest = _take(_WEEKDAY, _weekday, _NAMED_DATE.sub(named, text), found)
    rest = _HAN_NUMBER.sub(_han, _NO_NUMERAL.sub("、", rest))
    for pattern, read in ((_TIME, _time), (_DATE, _date)):
        rest = _take(pattern, read, rest, found)
    yield from found
    yield from _numbers(_ENGLISH_NUMBER.sub(_english, rest))


def _take(
    pattern: re.Pattern[str], read: Callable[[re.Match[str]], Quantity | None], text: str, found: list[Quantity]
) -> str:
    def one(match: re.Match[str]) -> str:
        quantity = read(match)
        if quantity is None:
            return match[0]
        found.append(quantity)
        return " "

    return pattern.sub(one, text)


def _weekday(match: re.Match[str]) -> Quantity:
    if match["zh"] is not None:
        return _WEEKDAYS["一二三四五六日天".index(match["zh"]) % 7 if match["zh"] != "天" else 6], "weekday"
    return match["en"], "weekday"


def _time(match: re.Match[str]) -> Quantity | None:
    hour = int(match["h"] or match["ch"] or match["eh"] or match["oc"])
    minute = 30 if match["half"] else int(match["n"] or match["cn"] or 0)
    half = (match["ap"] or match["eap"] or "").replace(".", "")
    if half == "pm" and hour < 12:
        hour += 12
    if half == "am" and hour == 12:
        hour = 0
    if hour > 24 or minute > 59:
        return None
    return f"{hour:02d}:{minute:02d}", "time"


def _date(match: re.Match[str]) -> Quantity | None:
    year = match["y"]
    name = match["en"] or match["bn"] or match["mn"]
    month = _MONTHS.index(name[:3]) + 1 if name else int(match["m"] or match["cm"] or match["sm"])
    day = match["d"] or match["cd"] or match["ed"] or match["bd"] or match["sd"]
    if not 1 <= month <= 12 or (day and not 1 <= int(day) <= 31):
        return None
    return (f"{year}-" if year else "") + f"{month:02d}" + (f"-{int(day):02d}" if day else ""), "date"


def _han(match: re.Match[str]) -> str:
    text = match[0]
    if text == "一" and not _UNIT.match(match.string, match.end()):
        return text  # before what is no unit it counts nothing
    value = han_value(text)
    return text if value is None else _plain(value)


def _english(match: re.Match[str]) -> str:
    words = [word for word in re.split(r"[ -]", match[0]) if word in _ENGLISH or word in _SCALES]
    if words == ["one"]:
        # "That one", "this one", "one of": counts only before a unit.
        unit = _UNIT.match(match.string, match.end())
        return " 1 " if unit and unit.lastgroup != "metre" and match.string[match.end() :][:1] == " " else " "
    total, current = 0.0, 0.0
    for word in words:
        if word in _SCALES:
            current = (current or 1) * _SCALES[word]
            total, current = (total + current, 0.0) if _SCALES[word] >= 1_000 else (total, current)
        else:
            current += _ENGLISH[word]
    return f" {_plain(total + current)} "


def _numbers(text: str) -> Iterator[Quantity]:
    for match in _NUMBER.finditer(text):
        if match["share"]:
            yield match["share"].strip("."), "percent"
            continue
        value = _value(match)
        unit = _UNIT.match(text, match.end())
        if match["sign"]:
            yield _plain(value), _SIGNS[match["sign"]]
        elif unit is not None:
            assert unit.lastgroup is not None
            yield _plain(value + 0.5 if text.startswith("半", unit.end()) else value), unit.lastgroup
        else:
            yield _plain(value), ""


def _value(match: re.Match[str]) -> float:
    if match["half"]:
        return 0.5
    value = float(match["digits"].replace(",", ""))
    scale = match["scale"]
    if scale:
        value *= 1_000 if scale == "k" else _POWERS[scale]
    return value + 0.5 if match["more"] else value


def han_value(text: str) -> float | None:
    """The value of a Chinese numeral: 三十 is 30, 二〇二六 is 2026, 两万五 is 25000; None for powers alone, as 万."""
    if all(char in _DIGITS for char in text):
        return float("".join(str(_DIGITS[char]) for char in text))
    if all(char in "百千万亿" for char in text):
        return None
    total = section = digit = 0
    last = 1
    for char in text:
        if char in _DIGITS:
            digit = _DIGITS[char]
            if char in "零〇":
                last = 10
            continue
        last = power = _POWERS[char]
        if power >= 10_000:
            total = (total + section + digit) * power
            section = digit = 0
        else:
            section += (digit or 1) * power
            digit = 0
    # 两万五 is 25000, 一百五 is 150; after a zero it counts ones.
    return float(total + section + digit * (last // 10 if last >= 100 else 1))


def _plain(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")
