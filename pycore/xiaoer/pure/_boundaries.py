"""Where a text may be cut, and how good each place is: the specification of the chunker's boundaries.

`ranks(text, limit)` gives one number for each of the `len(text) + 1` places between code points. Whitespace goes to
what stands before it, so a sentence's rank holds for the place behind its full stop and for those behind each blank
that follows: a chunk takes as many of them as fit. Markdown is read line by line, as far as cutting needs it.

    PARAGRAPH  a blank line, or U+2029
    HEADING    before an ATX heading
    ITEM       before a list item; around a code fence or table, and between the lines of one that is over the limit
    SENTENCE   after 。！？； and their like, and after . ! ? ; … where a sentence can end
    LINE       at any other line break
    CLAUSE     after ，、：— and after , : before a blank; also right after a heading, which belongs to what follows
    WORD       at blanks, and next to an ideograph or kana unless punctuation clings there
    GRAPHEME   between grapheme clusters
    INSIDE     within a cluster, or within a code fence or table that fits the limit: never cut if avoidable
"""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from xiaoer.pure._graphemes import clusters

INSIDE, GRAPHEME, WORD, CLAUSE, LINE, SENTENCE, ITEM, HEADING, PARAGRAPH = range(9)

# Each character of these stands for itself. No-break spaces are no blanks; the zero-width space is one.
NEWLINES: Final = "\n\x0b\x0c\r\x85\u2028\u2029"
BLANKS: Final = (
    "\t \u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u200b\u205f\u3000"
)
STRONG_ENDS: Final = "。！？；｡‼⁇⁈⁉।॥؟۔"
WEAK_ENDS: Final = ".!?;…"
STRONG_PAUSES: Final = "，、：､﹐﹑﹕—―"
WEAK_PAUSES: Final = ",:"
OPENERS: Final = "（〔［｛〈《「『【〖“‘"
# These are the inside of a regular expression's brackets.
WESTERN_OPENERS: Final = r"(\[{<"
CLOSERS: Final = r"""）〕］｝〉》」』】〗”’\])}>"'"""
IDEOGRAPHS: Final = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# These cling to the character before them: marks of repetition and length, small kana, units.
CLINGING: Final = "々〻゠ー゙-ゞヽヾｰﾞﾟぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ%％℃°‰"
LOWERCASE: Final = "a-z\u00df-\u00f6\u00f8-\u00ff\u03b1-\u03c9\u0430-\u045f"

ENDS: Final = STRONG_ENDS + WEAK_ENDS
PAUSES: Final = STRONG_PAUSES + WEAK_PAUSES

# Never at the end of a sentence, whatever follows.
ABBREVIATIONS: Final = frozenset(
    "mr mrs ms mx dr prof rev hon gen gov sen rep st mt ft messrs mme mlle vs cf viz al approx appt apt dept est "
    "ext incl excl tel inc ltd co corp bros jr sr jan feb mar apr jun jul aug sep sept oct nov dec ph.d".split()
)
# Only before a number: `No. 5`, but `No. I did not.`
NUMBERED: Final = frozenset("no nos nr art ch fig figs vol p pp par sec".split())
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

_LINE = re.compile(f"([^{NEWLINES}]*+)(\r\n|[{NEWLINES}]|\\Z)")
_FENCE = re.compile(f"[{BLANKS}]*(`{{3,}}+(?=[^`]*\\Z)|~{{3,}})")
_TABLE_RULE = re.compile(f"(?=.*\\|)(?=.*-)[|:{BLANKS}-]+", re.DOTALL)
_HEADING = re.compile(f" {{0,3}}#{{1,6}}(?:[{BLANKS}]+|\\Z)")
_ITEM = re.compile(
    f"[{BLANKS}]*(?:(?:[-*+•]|[0-9]{{1,9}}[.)])[{BLANKS}]+"
    "|[0-9]{1,9}[、．]|[一二三四五六七八九十百]{1,4}、|[（(][0-9一二三四五六七八九十百]{1,4}[）)]|[①-⑳])"
)

Kind = Literal["text", "heading", "item", "kept"]


class Line(NamedTuple):
    """`text[start:stop]` without its terminator, which reaches to `end`."""

    start: int
    stop: int
    end: int


class Block(NamedTuple):
    """Lines `first` to `last`, both included: a fence or table ("kept"), or one line that is not blank."""

    first: int
    last: int
    kind: Kind
    marker: int  # where the text behind `# ` or `- ` starts


def ranks(text: str, limit: int) -> bytearray:
    """The rank of each of the `len(text) + 1` places. Time and memory are linear in the text."""
    places = bytearray([GRAPHEME]) * (len(text) + 1)
    _rank_phrases(text, places)
    _rank_lines(text, places, limit)
    for start, end in clusters(text):
        places[start + 1 : end] = bytes(end - start - 1)
    return places


def _raise(places: bytearray, first: int, last: int, rank: int) -> None:
    for at in range(first, last + 1):
        places[at] = max(places[at], rank)


def _lower(places: bytearray, first: int, last: int, rank: int) -> None:
    for at in range(first, last + 1):
        places[at] = min(places[at], rank)


def _rank_phrases(text: str, places: bytearray) -> None:
    for match in _BLANK_RUN.finditer(text):
        _raise(places, match.start(), match.end(), WORD)
    for match in _IDEOGRAPH_EDGE.finditer(text):
        _raise(places, match.start(), match.start(), WORD)
    for match in _PAUSE.finditer(text):
        if _is_free(text, match, ENDS, _STRONG_PAUSE):
            _raise(places, match.start(2), match.end(2), CLAUSE)
    for match in _END.finditer(text):
        if _is_free(text, match, PAUSES, _STRONG_END) and not _goes_on(text, match):
            _raise(places, match.start(2), match.end(2), SENTENCE)


def _is_free(text: str, match: re.Match[str], others: str, strong: re.Pattern[str]) -> bool:
    """Whether text may be parted behind these marks: `3.14`, `12:30` and `”，` are not."""
    following = text[match.end(1) : match.end(1) + 1]
    if following and following in others:
        return False
    return bool(strong.search(match[1]) or _RELEASED.match(following))


def _goes_on(text: str, match: re.Match[str]) -> bool:
    """Whether dots stand for an abbreviation or a pause: no sentence ends, though a blank follows."""
    if not set(match[1]).isdisjoint(STRONG_ENDS + "!?;"):
        return False
    following = text[match.end() : match.end() + 1]
    if _LOWERCASE.match(following):
        return True
    if match[1][0] != "." or "." in match[1][1:] or "…" in match[1]:
        return False
    at = match.start()
    before = _ABBREVIATION.search(text[max(0, at - LONGEST_ABBREVIATION) : at])
    return before is not None and _is_abbreviation(before[0], "0" <= following <= "9")


def _is_abbreviation(token: str, before_number: bool) -> bool:
    if len(token) == 1 and token.isupper():  # J. Smith
        return True
    initials = "." in token and all(len(part) == 1 for part in token.split("."))  # U.S, a.m
    return initials or token.lower() in ABBREVIATIONS or (before_number and token.lower() in NUMBERED)


def _rank_lines(text: str, places: bytearray, limit: int) -> None:
    lines = [Line(*match.span(1), match.end()) for match in _LINE.finditer(text) if match[0]]
    before: Block | None = None
    for block in _blocks(text, lines):
        start, stop = lines[block.first].start, _content_stop(text, lines[block.last])
        if before is not None:
            rank = _rank_between(text, lines, before, block)
            _raise(places, _content_stop(text, lines[before.last]), start, rank)
        if block.kind == "heading":
            _lower(places, start + 1, lines[block.last].stop, CLAUSE)
        if block.kind != "kept":
            _lower(places, start + 1, block.marker, GRAPHEME)
        elif stop - start <= limit:
            places[start + 1 : stop] = bytes(max(0, stop - start - 1))
        else:
            for line in lines[block.first + 1 : block.last + 1]:
                _raise(places, line.start, line.start, ITEM)
        before = block


def _rank_between(text: str, lines: list[Line], before: Block, after: Block) -> int:
    if before.kind == "heading":
        return CLAUSE
    if after.first > before.last + 1 or "\u2029" in text[lines[before.last].stop : lines[after.first].start]:
        return PARAGRAPH
    if after.kind == "heading":
        return HEADING
    return LINE if {before.kind, after.kind} <= {"text"} or (before.kind, after.kind) == ("item", "text") else ITEM


def _content_stop(text: str, line: Line) -> int:
    return line.start + len(text[line.start : line.stop].rstrip(BLANKS))


def _blocks(text: str, lines: list[Line]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        content = text[lines[at].start : lines[at].stop]
        last = at
        kind: Kind = "kept"
        marker = lines[at].start
        if fence := _FENCE.match(content):
            last = _fence_end(text, lines, at, fence[1])
        elif "|" in content and _is_table_rule(text, lines, at + 1):
            last = _table_end(text, lines, at + 1)
        elif found := _HEADING.match(content):
            kind, marker = "heading", marker + found.end()
        elif found := _ITEM.match(content):
            kind, marker = "item", marker + found.end()
        else:
            kind = "text"
        if kind != "text" or _content_stop(text, lines[at]) > lines[at].start:
            yield Block(at, last, kind, marker)
        at = last + 1


def _fence_end(text: str, lines: list[Line], first: int, fence: str) -> int:
    """The line that closes the fence: at least as long, nothing behind it. Without one, the last line of the text."""
    for at in range(first + 1, len(lines)):
        content = text[lines[at].start : lines[at].stop].strip(BLANKS)
        if len(content) >= len(fence) and not content.strip(fence[0]):
            return at
    return len(lines) - 1


def _is_table_rule(text: str, lines: list[Line], at: int) -> bool:
    return at < len(lines) and bool(_TABLE_RULE.fullmatch(text, lines[at].start, lines[at].stop))


def _table_end(text: str, lines: list[Line], rule: int) -> int:
    last = rule
    while last + 1 < len(lines) and text.find("|", lines[last + 1].start, lines[last + 1].stop) >= 0:
        last += 1
    return last
