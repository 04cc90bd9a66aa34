"""Bytes to text: UTF-8, UTF-16 and UTF-32, and GBK with its extension GB18030."""

from __future__ import annotations

import codecs
import re

from .document import Unreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w:.-]{1,40})", re.IGNORECASE)
_XML = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w:.-]{1,40})", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

#: Encodings that a page may name; whatever else it names is tried like one that names none.
_KNOWN = frozenset(
    ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252")
)


def decode(data: bytes, declared: str | None = None, *, markup: bool = False) -> str:
    """The text, without a byte order mark and with `\\n` at the ends of lines.

    Args:
        declared: The encoding that came with the bytes, as HTTP says it.
        markup: The bytes may name their encoding themselves, as HTML and XML do.

    Raises:
        Unreadable: it is no text, or in an encoding that is not known.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _clean(_strict(data[len(mark) :], name))
    if markup and (found := _META.search(data[:4_096]) or _XML.match(data)):
        declared = declared or found[1].decode("ascii")
    names = [_normal(declared), _wide(data), "utf-8", "gb18030"]
    for name in dict.fromkeys(filter(None, names)):
        try:
            return _clean(data.decode(name))
        except UnicodeDecodeError:
            continue
    raise Unreadable("is no text in UTF-8, UTF-16 or GBK")


def _strict(data: bytes, name: str) -> str:
    try:
        return data.decode(name)
    except UnicodeDecodeError as error:
        raise Unreadable(f"begins like {name.upper()} and is not: byte {error.start} is wrong") from None


def _normal(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        known = codecs.lookup(name.strip().strip("\"'")).name
    except (LookupError, ValueError):
        return None
    # GB18030 holds all of the older ones, which pages often name and go beyond.
    known = "gb18030" if known in ("gb2312", "gbk") else known
    return known if known in _KNOWN else None


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: in any text with Latin letters, digits or blanks every other byte is often zero."""
    sample = data[:4_096]
    if len(data) % 2 or not sample:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > 4 * (even + 1) or (odd and not even):
        return "utf-16-le"
    return "utf-16-be" if even > 4 * (odd + 1) or (even and not odd) else None


def _clean(text: str) -> str:
    if text.count("\0") or len(_CONTROL.findall(text[:4_096])) > 8:
        raise Unreadable("is no text")
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
