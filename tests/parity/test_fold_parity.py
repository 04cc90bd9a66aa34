"""The foldings of the kernels and of the pure twin, for all of Unicode."""

import re
from pathlib import Path
from random import Random, getrandbits
from types import ModuleType

import pytest

from xiaoer._words import Fold
from xiaoer.pure._fold import ORDER, enabled
from xiaoer.pure.characters import Characters, drops, kinds_of_folded

EVERYTHING = "".join(map(chr, range(0x110000)))
# All that Unicode has assigned but private characters.
ASSIGNED = EVERYTHING[:0x40000] + EVERYTHING[0xE0000:0xE1010]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plain_kinds() -> bytes:
    """What `kinds_of_folded` says of everything."""
    return bytes(map(kinds_of_folded, EVERYTHING))


def check(fold: int, plain_kinds: bytes, size: int) -> None:
    """Everything below `size` natively; the twin is asked for what its tables have, and by its make keeps the rest."""
    import xiaoer_native

    changed = {char for rows in enabled(fold) for char in rows}
    pure = Characters(Fold(fold))
    text = EVERYTHING[:size]
    folded, kinds = list(text), bytearray(plain_kinds[:size])
    for char in changed:
        folded[ord(char)], kinds[ord(char)] = pure[char]
    for char in filter(lambda char: drops(char, Fold(fold)), map(chr, range(0x10000))):
        kinds[ord(char)] = pure[char][1]
    assert xiaoer_native.fold_text(text, fold) == "".join(folded)
    assert xiaoer_native.kinds_of(text, fold) == kinds


@pytest.mark.parametrize("fold", [0, 255, *(1 << bit for bit in range(8))])
def test_each_folding_alone_and_all(native_xiaoer: ModuleType, plain_kinds: bytes, fold: int) -> None:
    check(fold, plain_kinds, 0x110000)


def test_random_combinations(native_xiaoer: ModuleType, plain_kinds: bytes) -> None:
    random = Random(getrandbits(64))  # of the run's seed
    for _ in range(20):
        check(random.randrange(256), plain_kinds, 0x40000)


def test_all_of_unicode_one_by_one(native_xiaoer: ModuleType) -> None:
    """The same without trusting what `check` leaves out."""
    import xiaoer_native

    pure = Characters(Fold.ALL)
    folded, kinds = zip(*map(pure.__getitem__, ASSIGNED), strict=True)
    assert xiaoer_native.fold_text(ASSIGNED, 255) == "".join(folded)
    assert xiaoer_native.kinds_of(ASSIGNED, 255) == bytes(kinds)


@pytest.mark.parametrize("step", ORDER, ids=lambda step: step.name)
def test_both_tables_have_the_same_rows(step: Fold) -> None:
    """As written, so that a correction in one language is not forgotten in the other."""
    name = str(step.name).lower()
    rust = (ROOT / f"native/kernels/src/fold/{name}.rs").read_text("utf-8")
    python = (ROOT / f"pycore/xiaoer/pure/_fold/{name}.py").read_text("utf-8")
    runs, pairs = re.compile(r"\(0x.+\),"), re.compile(r'PAIRS.*?"+\n(.*?)"', re.DOTALL)
    assert runs.findall(rust) == runs.findall(python)
    assert pairs.search(rust)[1] == pairs.search(python)[1]  # type: ignore[index]
