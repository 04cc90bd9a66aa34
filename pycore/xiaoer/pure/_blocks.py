"""Lines and Markdown: paragraphs, headings, list items, and the code fences and tables that stay whole."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from xiaoer.pure._marks import BLANKS, NEWLINES
from xiaoer.pure._ranks import CLAUSE, GRAPHEME, HEADING, ITEM, LINE, PARAGRAPH, lift, lower

_LINE = re.compile(f"([^{NEWLINES}]*+)(\r\n|[{NEWLINES}]|\\Z)")
_FENCE = re.compile(f"[{BLANKS}]*(`{{3,}}+(?=[^`]*\\Z)|~{{3,}})")
_TABLE_RULE = re.compile(f"(?=.*\\|)(?=.*-)[|:{BLANKS}-]+", re.DOTALL)
_QUOTED = f"(?:[{BLANKS}]*>)*+"
_HEADING = re.compile(f"{_QUOTED} {{0,3}}#{{1,6}}(?:[{BLANKS}]+|\\Z)")
_UNDERLINE = re.compile(f" {{0,3}}(?:={{2,}}|-{{2,}})[{BLANKS}]*")
_EMPTY_QUOTE = re.compile(f"(?:[{BLANKS}]*>)+[{BLANKS}]*")
_ITEM = re.compile(
    f"{_QUOTED}[{BLANKS}]*(?:(?:[-*+•]|[0-9]{{1,9}}[.)])[{BLANKS}]+"
    "|[0-9]{1,9}[、．]|[一二三四五六七八九十百]{1,4}、|[（(][0-9一二三四五六七八九十百]{1,4}[）)]|[①-⑳])"
)

Kind = Literal["text", "heading", "item", "kept", "empty quote"]


class Line(NamedTuple):
    """`text[start:stop]` without its terminator, which reaches to `end`."""

    start: int
    stop: int
    end: int


class Block(NamedTuple):
    """Lines `first` to `last`, both included: a fence or table ("kept"), a heading and the `===` or `---` under it, or
    one line that is not blank."""

    first: int
    last: int
    kind: Kind
    marker: int  # where the text behind `# ` or `- ` starts


def rank_lines(text: str, places: bytearray, limit: int, inside: set[int]) -> None:
    """Ranks the places between lines, and those within what is kept whole. Linear in the text.

    `inside` are the places within grapheme clusters: what ends within one could only be kept by cutting that.
    """
    lines = [Line(*match.span(1), match.end()) for match in _LINE.finditer(text) if match[0]]
    before: Block | None = None
    end = Block(len(lines), len(lines), "text", len(text))
    for block in _blocks(text, lines):
        start, stop = lines[block.first].start, _content_stop(text, lines[block.last])
        if before is not None:
            gap = _content_stop(text, lines[before.last])
            lift(places, gap, start, max(places[gap], _rank_between(text, lines, before, block)))
        if block.kind == "heading":
            lower(places, start + 1, lines[block.last].stop, CLAUSE)
        if block.kind != "kept":
            lower(places, start + 1, block.marker, GRAPHEME)
        elif stop - start <= limit and stop not in inside:
            places[start + 1 : stop] = bytes(max(0, stop - start - 1))
        else:
            for line in lines[block.first + 1 : block.last + 1]:
                lift(places, line.start, line.start, ITEM)
        before = block
    if before is not None and lines[before.last].stop < lines[before.last].end:
        gap = _content_stop(text, lines[before.last])
        lift(places, gap, len(text), max(places[gap], _rank_between(text, lines, before, end)))


def _rank_between(text: str, lines: list[Line], before: Block, after: Block) -> int:
    if before.kind == "heading":
        return CLAUSE
    between = text[lines[before.last].stop : lines[after.first].start if after.first < len(lines) else len(text)]
    if after.first > before.last + 1 or "\u2029" in between or before.kind == "empty quote":
        return PARAGRAPH
    if after.kind == "heading":
        return HEADING
    return LINE if before.kind in ("text", "item") and after.kind in ("text", "empty quote") else ITEM


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
        elif _EMPTY_QUOTE.fullmatch(content):
            kind = "empty quote"
        elif not _is_underline(text, lines, at) and _is_underline(text, lines, at + 1) and content.strip(BLANKS):
            last = at + 1
            kind = "heading"
        else:
            kind = "text"
        if kind != "text" or _content_stop(text, lines[at]) > lines[at].start:
            yield Block(at, last, kind, marker)
        at = last + 1


def _is_underline(text: str, lines: list[Line], at: int) -> bool:
    return at < len(lines) and bool(_UNDERLINE.fullmatch(text, lines[at].start, lines[at].stop))


def _fence_end(text: str, lines: list[Line], first: int, fence: str) -> int:
    """The line that closes the fence: at least as long, nothing behind it. Without one, the last that is not blank."""
    last = first
    for at in range(first + 1, len(lines)):
        content = text[lines[at].start : lines[at].stop].strip(BLANKS)
        if len(content) >= len(fence) and not content.strip(fence[0]):
            return at
        last = at if content else last
    return last


def _is_table_rule(text: str, lines: list[Line], at: int) -> bool:
    return at < len(lines) and bool(_TABLE_RULE.fullmatch(text, lines[at].start, lines[at].stop))


def _table_end(text: str, lines: list[Line], rule: int) -> int:
    last = rule
    while last + 1 < len(lines) and text.find("|", lines[last + 1].start, lines[last + 1].stop) >= 0:
        last += 1
    return last
