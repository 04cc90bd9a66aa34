"""POST /v1/moderations: the word filter's verdict in the shape of OpenAI's answer.

Fields and categories are those of `openai` 3.54 (`types/moderation.py`, Apache-2.0), as names only. A category is
flagged where a word found in the text has its name among its tags (`Word.tags`), with score 1.0; there are no scores
between. `flagged` is true for every word found, for most words of a shop have no category there; what they are tells
the field `xiaoer` of each result. `category_applied_input_types` is `["text"]` for categories that some word of the
tenant stands for and empty for those that nobody looked for: their false means nothing.

Images are refused. A client reads `flagged`, and false for an image that nothing has looked at would let it pass.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from xiaoer import Word, WordFilter

from ..errors import BadRequest
from .request import read_moderation

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)

#: What the answer names where the request names no model.
MODEL = "xiaoer-words"

#: Most texts of one request; each has a result of about a kilobyte.
MAX_TEXTS = 1_000

#: Most code points of one request: where each one is a hit, 200,000 take about 50 ms and 10 MB.
MAX_CHARS = 200_000

_TAGS = frozenset(CATEGORIES)
_encode = msgspec.json.Encoder().encode


def moderate(words: WordFilter, body: bytes) -> bytes:
    """The answer to a request's body.

    Raises:
        BadRequest: invalid_json, unsupported_parameter; invalid_request_error, also for images.
    """
    call = read_moderation(body)
    inputs = texts_of(call.input)
    size = sum(len(text) for texts in inputs for text in texts)
    if size > MAX_CHARS:
        _wrong("input", f"at most {MAX_CHARS} code points, but got {size}")
    return verdict(words, inputs, call.model or MODEL)


def texts_of(value: str | list[Any]) -> list[list[str]]:
    """The texts to be judged, grouped by result: each string has its own, all parts together have one.

    Raises:
        BadRequest: invalid_request_error, with the place in `param`.
    """
    if isinstance(value, str):
        return [[value]]
    if all(part.__class__ is str for part in value):
        if len(value) > MAX_TEXTS:
            _wrong("input", f"at most {MAX_TEXTS} strings, but got {len(value)}")
        return [[text] for text in value]
    return [[_text(part, f"input[{number}]") for number, part in enumerate(value)]]


def verdict(words: WordFilter, inputs: Iterable[Iterable[str]], model: str) -> bytes:
    """The answer: for each input, which is one or several texts, one result."""
    judged = {tag for word in words.words for tag in word.tags if tag in _TAGS}
    applied = {name: ["text"] if name in judged else [] for name in CATEGORIES}
    results = [_result(_found(words, texts), applied) for texts in inputs]
    return _encode({"id": f"modr-{secrets.token_hex(16)}", "model": model, "results": results})


def _found(words: WordFilter, texts: Iterable[str]) -> list[Word]:
    """Each word that was found, once."""
    found: dict[str, Word] = {}
    for text in texts:
        if words.contains(text):
            # Overlapping ones too: a category must not hide behind a longer word of another.
            for match in words.find_overlapping(text):
                found[match.word.text] = match.word
    return list(found.values())


def _result(found: list[Word], applied: dict[str, list[str]]) -> dict[str, Any]:
    tags = sorted({tag for word in found for tag in word.tags})
    categories = {name: name in tags for name in CATEGORIES}
    return {
        "flagged": bool(found),
        "categories": categories,
        "category_scores": {name: float(flag) for name, flag in categories.items()},
        "category_applied_input_types": applied,
        "xiaoer": {
            "tags": tags,
            "action": "block" if any(word.action == "block" for word in found) else "mask" if found else None,
            "level": max((word.level for word in found), default=0),
            "words": len(found),
        },
    }


def _text(part: Any, where: str) -> str:
    if part.__class__ is not dict:
        _wrong(where, "objects only, or strings only")
    kind = part.get("type")
    if kind == "image_url":
        _wrong(where, "text: images are not judged here")
    if kind != "text":
        _wrong(f"{where}.type", "'text'")
    text = part.get("text")
    if text.__class__ is not str:
        _wrong(f"{where}.text", "a string")
    result: str = text
    return result


def _wrong(where: str, allowed: str) -> NoReturn:
    message = f"Invalid value for '{where}': expected {allowed}."
    raise BadRequest(message, code="invalid_request_error", param=where)
