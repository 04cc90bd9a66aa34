"""The chunkers that cut by tokens of o200k_base."""

from functools import lru_cache

from benches.peers.chunker import Chunking
from benches.peers.chunkers import SEPARATORS, langchain, semantic, semchunk
from benches.peers.tokens import ENCODING, counters
from benches.run import this_run
from xiaoer import Chunker, XiaoerError

MODEL = "gpt-4o"
"""It uses this encoding."""


@lru_cache(maxsize=4)
def by_tokens(limit: int) -> dict[str, Chunking]:
    """All that run in this process, by what they give and their name.

    Those that need a counter get bpe-openai's, which counts without making the tokens.
    """
    found: list[Chunking] = []
    try:
        chunker = Chunker(limit, unit="tokens", encoding=ENCODING)
    except (XiaoerError, ImportError, ValueError):
        pass  # not in this build
    else:
        found.append(Chunking("xiaoer", chunker.spans, chunker.split, spans=True))
        found.append(Chunking("xiaoer", chunker.split, chunker.split))
    if this_run() == "native":
        found += _peers(limit)
    return {f"{chunking.gives}: {chunking.name}": chunking for chunking in found}


def _peers(limit: int) -> list[Chunking]:
    found: list[Chunking] = []
    if semantic:
        splitter = semantic.TextSplitter.from_tiktoken_model(MODEL, limit, trim=False)
        found.append(Chunking("semantic-text-splitter", splitter.chunks, splitter.chunks))
    count = next((each.count for each in counters() if each.name in ("bpe-openai", "quicktok")), None)
    if count is None:
        return found
    if semchunk:
        chunks = semchunk.chunkerify(count, chunk_size=limit, memoize=False)
        found.append(Chunking("semchunk", chunks, chunks))
    if langchain:
        recursive = langchain.RecursiveCharacterTextSplitter(
            chunk_size=limit,
            chunk_overlap=0,
            separators=SEPARATORS,
            keep_separator="end",
            strip_whitespace=False,
            length_function=count,
        )
        found.append(Chunking("LangChain", recursive.split_text, recursive.split_text))
    return found
