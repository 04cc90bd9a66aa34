"""The pairs the verifier learns from: well formed, repeatable, and nothing of what is measured in what is trained."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from xiaoer_server.infer import pairs

SPLITS = ("train", "calibration", "dev")


def sentences(template: str) -> Iterator[str]:
    if not (found := re.search(r"\[([^\[\]]*)\]", template)):
        yield template
        return
    for choice in found[1].split("|"):
        yield from sentences(template[: found.start()] + choice + template[found.end() :])


def skeletons(split: str) -> set[str]:
    """Every sentence of a split without what fills its slots, and without signs and spaces."""
    return {
        re.sub(r"\W", "", re.sub(r"\{\w+\}", "", sentence)).lower()
        for source in pairs.load(split)
        for block in source.blocks
        for family in block
        for variant in family.variants
        for sentence in sentences(variant)
    }


def test_splits_share_no_sentence() -> None:
    train, calibration, dev = (skeletons(split) for split in SPLITS)
    assert min(len(train), len(calibration), len(dev)) > 1000
    assert not train & dev
    assert not train & calibration
    assert not calibration & dev


def test_no_sentence_of_one_block_means_two_things() -> None:
    for split in SPLITS:
        for source in pairs.load(split):
            for block in source.blocks:
                seen: dict[str, int] = {}
                for number, family in enumerate(block):
                    for sentence in {text for variant in family.variants for text in sentences(variant)}:
                        assert seen.setdefault(sentence, number) == number, (source.domain, sentence)


def test_the_same_seed_gives_the_same_pairs() -> None:
    sources = pairs.load("train")
    assert pairs.Generator(sources, 5).take(300) == pairs.Generator(sources, 5).take(300)
    assert pairs.Generator(sources, 5).take(300) != pairs.Generator(sources, 6).take(300)


def test_pairs_are_mixed_and_whole() -> None:
    drawn = pairs.Generator(pairs.load("train"), 9).take(4000)
    kinds = Counter(pair.kind for pair in drawn)
    assert set(kinds) == {"same", "same condition", "sibling", "value", "condition", "far"}
    assert min(kinds.values()) > 40
    assert 0.38 < sum(pair.same for pair in drawn) / len(drawn) < 0.52
    assert not [pair for pair in drawn if re.search(r"[\[\]{}|]", pair.first + pair.second)]
    assert all(pair.first != pair.second for pair in drawn)


@pytest.mark.parametrize("line", ["怎么还{什么}", "只有一种说法", "怎么[还|退 / 如何退"])
def test_a_bad_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="zh shop line 1"):
        pairs.parse(line, "zh", "shop")
