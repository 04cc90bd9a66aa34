"""Words, clauses and sentences: ranks that depend on the characters around a place and nothing else."""

import re
from typing import Final

from xiaoer.pure._marks import (
    BLANKS,
    CLINGING,
    CLOSERS,
    ENDS,
    IDEOGRAPHS,
    LOWERCASE,
    NEWLINES,
    OPENERS,
    PAUSES,
    STRONG_ENDS,
    STRONG_PAUSES,
    WESTERN_OPENERS,
)
from xiaoer.pure._ranks import CLAUSE, GRAPHEME, SENTENCE, WORD, lift

# Never at the end of a sentence, whatever follows.
_ABBREVIATIONS: Final = (
    "mr mrs ms mx dr prof rev hon gen gov sen rep st mt ft messrs mme mlle vs cf viz al approx appt apt dept est "
    "ext incl excl tel inc ltd co corp bros jr sr jan feb mar apr jun jul aug sep sept oct nov dec ph.d"
)
ABBREVIATIONS: Final = frozenset(_ABBREVIATIONS.split())
# Only before a number: `No. 5`, but `No. I did not.`
NUMBERED: Final = frozenset(("no", "nos", "nr", "art", "ch", "fig", "figs", "vol", "p", "pp", "par", "sec"))
LONGEST_ABBREVIATION: Final = 12

_BLANK_RUN = re.compile(f"[{BLANKS}]+")
_IDEOGRAPH_EDGE = re.compile(
    f"(?:(?<=[{IDEOGRAPHS}])|(?=[{IDEOGRAPHS}]))"
    f"(?<![{OPENERS}{WESTERN_OPENERS}])(?![{CLOSERS}{ENDS}{PAUSES}{CLINGING}])"
)
_PAUSE = re.compile(f"([{PAUSES}][{PAUSES}{CLOSERS}]*+)([{BLANKS}]*+)")
_END = re.compile(f"([{ENDS}][{ENDS}{CLOSERS}]*+)([{BLANKS}]*+)")
_STRONG_PAUSE = re.compile(f"[{STRONG_PAUSES}]")
_STRONG_END = re.compile(f"[{STRONG_ENDS}]")
# After a weak mark: blanks, the end of the line or text, or Chinese and Japanese, which put no blank there.
_RELEASED = re.compile(f"[{BLANKS}{NEWLINES}{IDEOGRAPHS}{OPENERS}]|\\Z")
_ABBREVIATION = re.compile(r"[A-Za-z.]+\Z")
_LOWERCASE = re.compile(f"[{LOWERCASE}]")


def rank_phrases(text: str, places: bytearray) -> None:
    """Lifts the places between words, clauses and sentences. Linear in the text."""
    for match in _BLANK_RUN.finditer(text):
        lift(places, match.start(), match.end(), WORD)
    for match in _IDEOGRAPH_EDGE.finditer(text):
        lift(places, match.start(), match.start(), WORD)
    for match in _PAUSE.finditer(text):
        if _is_free(text, match, ENDS, _STRONG_PAUSE):
            lift(places, match.start(2), match.end(2), CLAUSE)
    for match in _END.finditer(text):
        if _is_free(text, match, PAUSES, _STRONG_END):
            lift(places, match.start(2), match.end(2), _rank_end(text, match))


def _is_free(text: str, match: re.Match[str], others: str, strong: re.Pattern[str]) -> bool:
    """Whether text may be parted behind these marks: `3.14`, `12:30` and `”，` are not."""
    following = text[match.end(1) : match.end(1) + 1]
    if following and following in others:
        return False
    return bool(strong.search(match[1]) or _RELEASED.match(following))


def _rank_end(text: str, match: re.Match[str]) -> int:
    """Dots may stand for an abbreviation; and before a lower-case letter they end no sentence (SB8 of UAX #29)."""
    if not set(match[1]).isdisjoint(STRONG_ENDS + "!?;"):
        return SENTENCE
    following = text[match.end() : match.end() + 1]
    if match[1][0] == "." and "." not in match[1][1:] and "…" not in match[1]:
        at = match.start()
        before = _ABBREVIATION.search(text[max(0, at - LONGEST_ABBREVIATION) : at])
        if before is not None and _is_abbreviation(before[0], "0" <= following <= "9"):
            return GRAPHEME
    return CLAUSE if _LOWERCASE.match(following) else SENTENCE


def _is_abbreviation(token: str, before_number: bool) -> bool:
    if len(token) == 1 and token.isupper():  # J. Smith
        return True
    initials = "." in token and all(len(part) == 1 for part in token.split("."))  # U.S, a.m
    return initials or token.lower() in ABBREVIATIONS or (before_number and token.lower() in NUMBERED)
