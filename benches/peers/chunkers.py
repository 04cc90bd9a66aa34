"""The chunkers that cut by characters."""

from functools import partial
from typing import Any

from benches.peers import need
from benches.peers.chunker import Chunking
from benches.run import this_run
from xiaoer import Chunker

chonkie: Any = need(
    "chonkie-core",
    "chonkie_core",
    licence="MIT or Apache-2.0",
    lacks="limits but in bytes, sentences (it knows delimiters), overlap, Markdown, graphemes",
)
kiru: Any = need("kiru", "kiru", licence="MIT", lacks="boundaries: it cuts at the limit, wherever that falls")
semantic: Any = need(
    "semantic-text-splitter",
    "semantic_text_splitter",
    licence="MIT",
    lacks="overlap in whole sentences",
)
semchunk: Any = need("semchunk", "semchunk", licence="MIT", lacks="Markdown, graphemes; keeps no white space at cuts")
langchain: Any = need(
    "langchain-text-splitters",
    "langchain_text_splitters",
    licence="MIT",
    lacks="tokens of its own, graphemes, abbreviations and decimals; boundaries are a list of separators",
)

DELIMITERS = "\n.?!"
PATTERNS = ["。", "！", "？", "；"]
SEPARATORS = ["\n\n", "\n", "。", "！", "？", "；", ". ", "! ", "? ", "，", ", ", " ", ""]
"""For LangChain: its default ones and, as its manual advises, those of languages without spaces."""


def ours(limit: int) -> list[Chunking]:
    chunker = Chunker(limit)
    return [
        Chunking("xiaoer", chunker.spans, chunker.split, spans=True),
        Chunking("xiaoer", chunker.split, chunker.split),
    ]


def by_characters(limit: int, kind: str, bytes_a_character: float) -> list[Chunking]:
    """All that run in this process. chonkie-core's limit is in bytes, so it gets as many as the limit comes to."""
    return ours(limit) + (_peers(limit, kind, int(limit * bytes_a_character)) if this_run() == "native" else [])


def _peers(limit: int, kind: str, size: int) -> list[Chunking]:
    found: list[Chunking] = []
    if chonkie:
        offsets = partial(chonkie.chunk_offsets, size=size, delimiters=DELIMITERS, patterns=PATTERNS)
        default = partial(chonkie.chunk_offsets, size=size)

        def chunks(text: str) -> list[str]:
            raw = text.encode()
            return [raw[start:end].decode(errors="replace") for start, end in offsets(raw)]

        def default_chunks(text: str) -> list[str]:
            raw = text.encode()
            return [raw[start:end].decode(errors="replace") for start, end in default(raw)]

        def views(text: str) -> list[memoryview]:
            return list(chonkie.chunk(text, size=size, delimiters=DELIMITERS, patterns=PATTERNS))

        bytewise = partial(Chunking, obeys=False, keeps_all=False)
        found += [
            bytewise("chonkie-core", offsets, chunks, spans=True),
            bytewise("chonkie-core", chunks, chunks),
            bytewise("chonkie-core, to bytes", views, chunks, comparable=False),
            bytewise("chonkie-core, its delimiters", default, default_chunks, spans=True, comparable=kind == "english"),
        ]
    if kiru:
        builder = kiru.Chunker.by_characters(limit, 0)

        def cut(text: str) -> list[str]:
            return list(builder.on_string(text).all())

        found.append(Chunking("kiru", cut, cut, comparable=False))
    if semantic:
        for name, made in (
            ("semantic-text-splitter", semantic.TextSplitter),
            ("semantic-text-splitter, Markdown", semantic.MarkdownSplitter),
        ):
            splitter = made(limit, trim=False)
            found.append(Chunking(name, splitter.chunks, splitter.chunks))
    if semchunk:
        by_length = semchunk.chunkerify(len, chunk_size=limit, memoize=False)
        found.append(Chunking("semchunk", by_length, by_length, keeps_all=False))
    if langchain:
        recursive = langchain.RecursiveCharacterTextSplitter(
            chunk_size=limit, chunk_overlap=0, separators=SEPARATORS, keep_separator="end", strip_whitespace=False
        )
        found.append(Chunking("LangChain", recursive.split_text, recursive.split_text))
    return found
