"""Token counters that work without a network, with OpenAI's vocabulary o200k_base.

quicktok, bpe-openai, rs-bpe and ours bring the vocabulary; tiktoken and riptoken get it from bpe-openai's file.
"""

import base64
import gzip
import importlib
import importlib.util
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import xiaoer
from benches.peers import need
from benches.run import this_run

ENCODING = "o200k_base"

_CUTTING = "cutting by tokens"
quicktok: Any = need("quicktok-v1", "quicktok", licence="MIT", lacks=_CUTTING + "; a count without the tokens")
bpe_openai: Any = need("bpe-openai", "bpe_openai._bindings", licence="MIT", lacks=_CUTTING)
rs_bpe: Any = need("rs-bpe", "rs_bpe.bpe", licence="MIT", lacks=_CUTTING)
tiktoken: Any = need("tiktoken", "tiktoken", licence="MIT", lacks=_CUTTING + "; a vocabulary (it downloads one)")
riptoken: Any = need("riptoken", "riptoken", licence="MIT", lacks=_CUTTING + "; a vocabulary (it uses tiktoken's)")


class Counter(NamedTuple):
    """A way to count a text's tokens."""

    name: str
    count: Callable[[str], int]


@lru_cache(maxsize=1)
def counters() -> list[Counter]:
    """All that run in this process."""
    found: list[Counter] = []
    ours = _ours()
    if ours is not None:
        found.append(Counter("xiaoer", ours))
    if this_run() != "native":
        return found
    if quicktok:
        encode = quicktok.get_encoding(ENCODING).encode
        found.append(Counter("quicktok", lambda text: len(encode(text))))
    if bpe_openai:
        found.append(Counter("bpe-openai", bpe_openai.tokenizer_for_encoding(ENCODING).count))
    if rs_bpe:
        found.append(Counter("rs-bpe", rs_bpe.openai.o200k_base().count))
    if tiktoken and bpe_openai:
        pattern = _pattern()
        ranks = _ranks()
        ordinary = tiktoken.Encoding(
            ENCODING, pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 199999}
        ).encode_ordinary
        found.append(Counter("tiktoken", lambda text: len(ordinary(text))))
        if riptoken:
            core = riptoken.CoreBPE(ranks, {"<|endoftext|>": 199999}, pattern).encode_ordinary
            found.append(Counter("riptoken", lambda text: len(core(text))))
    return found


def _ours() -> Callable[[str], int] | None:
    count: Callable[[str], int] | None = getattr(xiaoer, "count_tokens", None)
    if count is not None:
        try:
            count("a")
        except (xiaoer.XiaoerError, ImportError, ValueError):
            return None  # not in this build
    return count


def _ranks() -> dict[bytes, int]:
    specification = importlib.util.find_spec("bpe_openai")
    assert specification is not None
    assert specification.origin is not None
    file = Path(specification.origin).parent / "data" / f"{ENCODING}.tiktoken.gz"
    lines = gzip.decompress(file.read_bytes()).splitlines()
    return {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}


def _pattern() -> str:
    wrapper: Any = importlib.import_module("bpe_openai")
    return str(wrapper.get_encoding(ENCODING)._pat_str)
