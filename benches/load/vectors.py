"""Embeddings that mean nothing but are the same for the same text, in both encodings of OpenAI's API."""

from __future__ import annotations

import base64
import sys
from array import array
from random import Random
from typing import Literal

import msgspec

DIMENSIONS = 256


class EmbeddingsRequest(msgspec.Struct):
    """What is read of a request."""

    input: str | list[str | int | list[int]]
    model: str = "simulated"
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int = DIMENSIONS


#: Answer with numbers whatever is asked for, as some servers do.
FLOATS_ONLY = False

_decode = msgspec.json.Decoder(EmbeddingsRequest).decode


def answer(body: bytes) -> bytes:
    """The answer to a request.

    Raises:
        msgspec.DecodeError, ValueError: the request is none.
    """
    request = _decode(body)
    base64_wanted = request.encoding_format == "base64" and not FLOATS_ONLY
    given = request.input
    # A list of numbers is one text in tokens; all others are lists of texts.
    one = isinstance(given, str) or (bool(given) and isinstance(given[0], int))
    items = [given] if one else list(given)
    if not items or not 1 <= request.dimensions <= 10_000:
        raise ValueError("input is empty, or dimensions are not from 1 to 10000")
    data = []
    for index, item in enumerate(items):
        vector = embed(item, request.dimensions)
        shown = base64.b64encode(vector.tobytes()).decode() if base64_wanted else list(vector)
        data.append({"object": "embedding", "index": index, "embedding": shown})
    used = sum(max(1, len(str(item)) // 4) for item in items)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return msgspec.json.encode({"object": "list", "data": data, "model": request.model, "usage": usage})


def embed(item: object, dimensions: int) -> array[float]:
    """A vector of length 1, in 32-bit floats, little-endian in memory."""
    random = Random(repr(item))
    values = [random.gauss(0, 1) for _ in range(dimensions)]
    norm = sum(value * value for value in values) ** 0.5
    vector = array("f", [value / norm for value in values])
    if sys.byteorder == "big":
        vector.byteswap()
    return vector
