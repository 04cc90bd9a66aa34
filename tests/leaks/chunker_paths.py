"""Every path through the chunker and the counting of tokens, those that end in errors too."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from leaks.refusals import OddIndex, OddString, Planned, refuses

MARKDOWN = "# Head\n\nOne. Two, e.g. three!\n\n- item\n- item\n\n|a|b|\n|-|-|\n|1|2|\n\n```py\nx = 1\n```\n"
TEXTS = {
    "UCS1": MARKDOWN * 2,
    "UCS2": "您好。请问订单在哪里？“好的！”他说；走了，……\n\n" * 6,
    "UCS4": "👨‍👩‍👧 你好。😀 e\u0301\u0323 🇨🇳🇩🇪 \ud83d end. " * 6,
    "unpunctuated": "好" * 300,
    "empty": "",
}


def paths(xiaoer: ModuleType, directory: Path) -> dict[str, Callable[[], object]]:
    make = xiaoer.Chunker
    chunker, overlapping = make(20), make(20, overlap=8)

    def refused() -> None:
        for limit in (0, -1, 2**31, 2**70):
            refuses(ValueError, make, limit)
        refuses(ValueError, make, 5, overlap=5)
        refuses(ValueError, make, 5, overlap=-1)
        refuses(ValueError, make, 5, unit="bytes")
        refuses(ValueError, make, 5, encoding="p50k_base")
        refuses(TypeError, make, "5")
        refuses(TypeError, make)
        refuses(TypeError, make, 5, 6)
        refuses(Planned, make, OddIndex())
        refuses(Planned, partial(make, 5), overlap=OddIndex())

    def bad_texts() -> None:
        for method in (chunker.spans, chunker.split):
            refuses(TypeError, method, b"abc")
            refuses(TypeError, method, None)
            refuses(TypeError, method)

    calls: dict[str, Callable[[], object]] = {
        f"{name}, {kind}": partial(method, text)
        for name, method in {"spans": chunker.spans, "split": chunker.split, "overlap": overlapping.split}.items()
        for kind, text in TEXTS.items()
    }
    calls |= {
        "chunker made": lambda: make(100, overlap=10),
        "chunker refused": refused,
        "text refused": bad_texts,
        "text of a subclass": lambda: chunker.split(OddString("One. Two. 好的。") * 3),
    }
    if xiaoer.build_info()["modules"].get("xiaoer_native"):  # the twin cannot count tokens
        calls |= _of_tokens(xiaoer)
    return calls


def _of_tokens(xiaoer: ModuleType) -> dict[str, Callable[[], object]]:
    count = xiaoer.count_tokens
    chunker = xiaoer.Chunker(10, unit="tokens", overlap=2)

    def refused() -> None:
        refuses(ValueError, count, "abc", "p50k_base")
        refuses(TypeError, count, b"abc")
        refuses(TypeError, count)

    kinds = {kind: text for kind, text in TEXTS.items() if kind != "empty"}
    calls: dict[str, Callable[[], object]] = {f"tokens, {kind}": partial(count, text) for kind, text in kinds.items()}
    calls |= {f"split by tokens, {kind}": partial(chunker.split, text) for kind, text in kinds.items()}
    return calls | {
        "tokens, cl100k_base": lambda: count(TEXTS["UCS2"], "cl100k_base"),
        "tokens, special": lambda: count("<|endoftext|>" * 3),
        "tokens refused": refused,
    }
