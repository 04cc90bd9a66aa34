"""Finds the values of slots in what visitors write, in Chinese and English."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Callable, Iterable

from .flow_model import Slot, Value
from .flow_words import yes_no
from .language import fold

#: Of a longer message only the beginning is looked at.
LONGEST = 1_000
LONGEST_TEXT = 500

#: What may stand for itself in a sentence; the other types only answer a question for them.
SPEAKING = frozenset(("order_number", "choice", "amount", "date", "phone", "email"))

_EMAIL = re.compile(
    r"(?<![\w.+-])[a-z0-9](?:[\w.+-]{0,63})@(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,24}(?![\w-])", re.A | re.I
)
_PHONE = re.compile(r"(?<![\d-])(?:\+?86[ -]?)?(1[3-9]\d[ -]?\d{4}[ -]?\d{4})(?![\d-])|(?<![\d-])(\+\d{7,15})(?!\d)")
_NUMBER = re.compile(r"(?<![\d.-])-?\d{1,12}(?:\.\d{1,6})?(?![\d.-]|\.\d)")
_AMOUNT = re.compile(
    r"(?:¥|￥|\$|rmb|cny|usd)\s?(\d{1,9}(?:,\d{3}){0,3}(?:\.\d{1,2})?)(?!\d)"
    r"|(?<![\d.,-])(\d{1,9}(?:,\d{3}){0,3}(?:\.\d{1,2})?)\s?(?:元|块|yuan|rmb|cny|dollars?|usd)",
    re.I,
)
_ISO = re.compile(r"(?<![\w-])(20\d\d)[-/.年](\d{1,2})[-/.月](\d{1,2})(?:日|号)?(?![\d-])", re.A)
_MONTH_DAY = re.compile(r"(?<![\d/.-])(\d{1,2})(?:月|/)(\d{1,2})(?:日|号)?(?![\d/-])")
_DAYS_AGO = re.compile(r"(\d{1,3}|[一二两三四五六七八九十])\s?天(?:前|之前|以前)|(\d{1,3}|one|two|three) days? ago")
_LAST = re.compile(r"上(?:个)?(?:周|星期|礼拜)([一二三四五六日天])|last (mon|tues|wednes|thurs|fri|satur|sun)day")
_DIGITS = {char: at for at, char in enumerate("零一二三四五六七八九十")} | {"两": 2, "one": 1, "two": 2, "three": 3}
_WEEKDAYS = {char: at for at, char in enumerate("一二三四五六日")} | {"天": 6}
_WEEKDAYS |= {name: at for at, name in enumerate(("mon", "tues", "wednes", "thurs", "fri", "satur", "sun"))}
_RELATIVE = (
    ("大前天", -3),
    ("前天", -2),
    ("昨天", -1),
    ("昨日", -1),
    ("大后天", 3),
    ("后天", 2),
    ("明天", 1),
    ("今天", 0),
    ("今日", 0),
    ("the day before yesterday", -2),
    ("yesterday", -1),
    ("the day after tomorrow", 2),
    ("tomorrow", 1),
    ("today", 0),
)

Span = tuple[int, int]
Found = tuple[Value, Span]


def normal(text: str) -> str:
    """The beginning of a message, full-width characters made plain, in one line."""
    return unicodedata.normalize("NFKC", text[:LONGEST]).translate({10: " ", 13: " ", 9: " "}).strip()


def find(slot: Slot, text: str, today: datetime.date, *, asked: bool) -> Found | None:
    """The slot's value in a text of `normal`, with where it stands; None if there is none that is allowed.

    Args:
        today: What yesterday is counted from.
        asked: The text answers the question for this slot, so that a bare word or number is enough.
    """
    if not asked and slot.type not in SPEAKING:
        return None
    if slot.type == "text":
        low, high = int(slot.low or 1), int(slot.high or LONGEST_TEXT)
        return (text[:high], (0, len(text))) if len(text) >= low else None
    if slot.type == "yes_no":
        said = yes_no(text)
        return None if said is None else (said, (0, len(text)))
    if slot.type == "choice":
        return _choice(slot, text, asked=asked)
    if slot.type == "order_number":
        match = re.search(rf"(?<![A-Za-z0-9-])(?:{slot.pattern})(?![A-Za-z0-9-])", text, re.ASCII | re.IGNORECASE)
        return (match[0], match.span()) if match else None
    if slot.type == "date":
        return _date(slot, text, today)
    return _NUMBERS_AND_ADDRESSES[slot.type](slot, text, asked)


def find_all(slots: Iterable[Slot], text: str, today: datetime.date, asked: str | None = None) -> dict[str, Value]:
    """The values of several slots; no piece of the text is taken twice, what is asked for comes first."""
    found: dict[str, Value] = {}
    taken: list[Span] = []
    ordered = sorted(slots, key=lambda slot: slot.name != asked)
    for slot in ordered:
        hit = find(slot, text, today, asked=slot.name == asked)
        if hit is None or (taken and slot.type == "text"):
            continue
        value, (start, end) = hit
        if slot.type != "text" and any(start < other_end and other_start < end for other_start, other_end in taken):
            continue
        found[slot.name] = value
        if slot.type not in ("text", "yes_no"):
            taken.append((start, end))
    return found


def without_values(slots: Iterable[Slot], text: str, today: datetime.date) -> str:
    """A text of `normal` with the values of order numbers, dates, amounts and addresses cut out."""
    for slot in slots:
        if slot.type in SPEAKING and slot.type != "choice":
            hit = find(slot, text, today, asked=False)
            if hit is not None:
                text = f"{text[: hit[1][0]]} {text[hit[1][1] :]}"
    return text


def shown(slot: Slot | None, value: Value, language: str) -> str:
    """A value as the visitor may read it."""
    if value is None:
        return "—"
    if slot is not None and slot.type == "choice":
        names = slot.choices.get(str(value), {}).get(language)
        return names[0] if names else str(value)
    if isinstance(value, bool):
        return ("是" if value else "否") if language == "zh" else ("yes" if value else "no")
    if slot is not None and slot.type == "amount" and isinstance(value, int | float):
        return f"{value:.2f}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choice(slot: Slot, text: str, *, asked: bool) -> Found | None:
    folded = fold(text)
    found: list[tuple[int, str, Span]] = []
    for value, by_language in slot.choices.items():
        for word in [value, *(word for words in by_language.values() for word in words)]:
            said = fold(word)
            at = folded.find(said)
            if at < 0:
                continue
            before, after = folded[at - 1 : at] if at else "", folded[at + len(said) : at + len(said) + 1]
            if said.isascii() and any(char.isascii() and char.isalnum() for char in (before, after) if char):
                continue
            found.append((len(said), value, (at, at + len(said))))
    if found:
        length = max(size for size, _, _ in found)
        longest = {value: span for size, value, span in found if size == length}
        return next(iter(longest.items())) if len(longest) == 1 else None
    if asked and re.fullmatch(r"[1-9][.、)]?", text) and int(text[0]) <= len(slot.choices):
        return list(slot.choices)[int(text[0]) - 1], (0, len(text))
    return None


def _phone(slot: Slot, text: str, asked: bool) -> Found | None:
    match = _PHONE.search(text)
    return (re.sub(r"[ -]", "", match[1] or match[2]), match.span()) if match else None


def _email(slot: Slot, text: str, asked: bool) -> Found | None:
    match = _EMAIL.search(text)
    return (match[0].lower(), match.span()) if match else None


def _number(slot: Slot, text: str, asked: bool) -> Found | None:
    match = _NUMBER.search(text)
    if match is not None:
        number = float(match[0])
        return _bounded(slot, int(number) if number.is_integer() else number, match.span())
    spoken = text.strip("个件只盒份张")
    return _bounded(slot, _DIGITS[spoken], (0, len(text))) if spoken in _DIGITS else None


def _amount(slot: Slot, text: str, asked: bool) -> Found | None:
    match = _AMOUNT.search(text)
    if match is not None:
        return _bounded(slot, float((match[1] or match[2]).replace(",", "")), match.span())
    return _number(slot, text, asked) if asked else None


_NUMBERS_AND_ADDRESSES: dict[str, Callable[[Slot, str, bool], Found | None]] = {
    "phone": _phone,
    "email": _email,
    "number": _number,
    "amount": _amount,
}


def _bounded(slot: Slot, number: float, span: Span) -> Found | None:
    if (slot.low is not None and number < slot.low) or (slot.high is not None and number > slot.high):
        return None
    return number, span


def _date(slot: Slot, text: str, today: datetime.date) -> Found | None:
    try:
        hit = _day(fold(text), today, past=slot.past)
    except (ValueError, OverflowError):
        return None
    if hit is None or (slot.past and hit[0] > today):
        return None
    return hit[0].isoformat(), hit[1]


def _day(text: str, today: datetime.date, *, past: bool) -> tuple[datetime.date, Span] | None:
    if match := _ISO.search(text):
        return datetime.date(int(match[1]), int(match[2]), int(match[3])), match.span()
    if match := _MONTH_DAY.search(text):
        day = datetime.date(today.year, int(match[1]), int(match[2]))
        return (day.replace(year=day.year - 1) if past and day > today else day), match.span()
    if match := _DAYS_AGO.search(text):
        count = match[1] or match[2]
        return today - datetime.timedelta(_DIGITS.get(count) or int(count)), match.span()
    if match := _LAST.search(text):
        weekday = _WEEKDAYS[match[1] or match[2]]
        return today - datetime.timedelta(today.weekday() + 7 - weekday), match.span()
    for word, days in _RELATIVE:
        if (at := text.find(word)) >= 0:
            return today + datetime.timedelta(days), (at, at + len(word))
    return None
