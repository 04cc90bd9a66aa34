"""Markdown and plain text, with TOML between `+++` or YAML between `---` in front, or without."""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from .document import Document, Unreadable
from .encoding import decode

_FRONT = re.compile(r"(\+\+\+|---)[ \t]*\n(.{0,16384}?)\n\1[ \t]*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"\s*#\s+(.+?)\s*#*\s*(?:\n|\Z)")

_Line = Annotated[str, Meta(max_length=500)]


class _Front(msgspec.Struct):
    """What is in front of a text. Keys of others' programs are left alone."""

    title: _Line = ""
    asks: Annotated[list[_Line], Meta(max_length=100)] = []
    lang: Literal["zh", "en"] | None = None
    slug: _Line = ""
    topic: _Line = ""


def read(data: bytes) -> Document:
    """Read a file.

    Raises:
        Unreadable: it is no text, or what is in front of it is not as it should be.
    """
    text = decode(data).lstrip()
    front = _Front()
    if (match := _FRONT.match(text)) is not None:
        front = _front(match[1], match[2])
        text = text[match.end() :]
    title, body = front.title, text.strip()
    if not title and (heading := _HEADING.match(body)) is not None:
        # The page shows the title above the text.
        title, body = heading[1], body[heading.end() :].strip()
    return Document(title.strip(), body, front.asks, front.lang, front.slug, front.topic)


def _front(mark: str, text: str) -> _Front:
    try:
        values: Any = tomllib.loads(text) if mark == "+++" else yaml.safe_load(text)
        if mark == "---" and not isinstance(values, dict):
            return _Front()  # two lines across the page, with text between them
        return msgspec.convert(values, _Front)
    except (tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        where = getattr(getattr(error, "problem_mark", None), "line", None)
        line = f" in line {where + 2}" if where is not None else ""
        raise Unreadable(f"what is between its {mark} is not {'TOML' if mark == '+++' else 'YAML'}{line}") from None
    except (msgspec.ValidationError, RecursionError) as error:
        raise Unreadable(f"what is between its {mark} is not as it should be: {error}") from None
