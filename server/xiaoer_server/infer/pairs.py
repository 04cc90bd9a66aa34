"""Pairs of customer questions for training and measuring the verifier, made from families written by hand.

A file `pairs/<split>_<language>_<domain>.txt` holds blocks divided by empty lines. A line of a block is one family:
ways to ask for one thing, divided by ` / `. The families of one block are near each other and never mean the same,
so two families of a block are a hard negative. `[a|b|]` is a choice that leaves the meaning as it is; `{name}` a slot,
filled alike in a positive pair and otherwise in a negative one. `@name = a | b~alias | c` says what fills a slot,
an alias being another name of the same value. `#` begins a comment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import NamedTuple

from .pairs_noise import condition, disturb

FOLDER = Path(__file__).parent / "pairs"
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")


class Pair(NamedTuple):
    """Two questions; `same`: the answer to one answers the other; `kind`: how the pair was made."""

    first: str
    second: str
    same: bool
    kind: str
    domain: str


@dataclass(frozen=True)
class Family:
    """Ways to ask for one thing, as templates."""

    variants: tuple[str, ...]

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """Names of all slots, in the order they first appear."""
        return tuple(dict.fromkeys(name for variant in self.variants for name in _SLOT.findall(variant)))


@dataclass(frozen=True)
class Source:
    """One file of families: blocks, what fills their slots, its language ("zh", "en") and its domain."""

    language: str
    domain: str
    blocks: tuple[tuple[Family, ...], ...]
    slots: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)

    def fill(self, family: Family, rng: Random) -> dict[str, tuple[str, ...]]:
        """A value with its aliases for each slot of `family`."""
        return {name: rng.choice(self.slots[name]) for name in family.slots}


def parse(text: str, language: str, domain: str) -> Source:
    """Read one file of families.

    Raises ValueError on a line that is a family of fewer than two ways without a choice, on an unknown slot and on
    brackets left open.
    """
    slots: dict[str, tuple[tuple[str, ...], ...]] = {}
    blocks: list[tuple[Family, ...]] = []
    block: list[Family] = []
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        line = raw.strip()
        if line.startswith("#"):
            continue
        if line.startswith("@"):
            name, _, values = line[1:].partition("=")
            slots[name.strip()] = tuple(
                tuple(alias.strip() for alias in value.split("~")) for value in values.split(" | ")
            )
        elif line:
            family = Family(tuple(variant.strip() for variant in line.split(" / ")))
            unknown = [name for name in family.slots if name not in slots]
            if unknown or line.count("[") != line.count("]") or (len(family.variants) < 2 and "[" not in line):
                raise ValueError(f"{language} {domain} line {number}: {unknown or line[:60]!r}")
            block.append(family)
        elif block:
            blocks.append(tuple(block))
            block = []
    return Source(language, domain, tuple(blocks), slots)


def load(split: str, folder: Path = FOLDER) -> list[Source]:
    """All files of a split ("train", "dev", "calibration"), in the order of their names."""
    sources = []
    for path in sorted(folder.glob(f"{split}_*.txt")):
        _, language, domain = path.stem.split("_", 2)
        sources.append(parse(path.read_text("utf-8"), language, domain))
    return sources


def expand(variant: str, values: dict[str, tuple[str, ...]], rng: Random) -> str:
    """One sentence of a template: choices are drawn, slots filled with a value or one of its aliases."""
    while _CHOICE.search(variant):
        variant = _CHOICE.sub(lambda found: rng.choice(found[1].split("|")), variant)
    return _SLOT.sub(lambda found: _alias(values[found[1]], rng), variant).strip()


def _alias(names: tuple[str, ...], rng: Random) -> str:
    return names[0] if rng.random() < 0.7 else rng.choice(names)


class Generator:
    """An endless, repeatable stream of pairs: the same seed over the same files gives the same pairs.

    `noise` is the share of sentences that are disturbed (particles, typing errors, left-out words), `even` draws every
    file as often as any other, otherwise files are drawn by the root of how many families they hold.
    """

    def __init__(self, sources: list[Source], seed: int, *, noise: float = 0.5, positives: float = 0.45) -> None:
        self._sources = sources
        self._rng = Random(seed)  # noqa: S311 (made-up pairs, nothing secret)
        self._noise = noise
        self._positives = positives
        self._weights = [sum(len(block) for block in source.blocks) ** 0.75 for source in sources]

    def draw(self) -> Pair:
        """The next pair; the two sentences are never the same string."""
        rng = self._rng
        while True:
            source = rng.choices(self._sources, self._weights)[0]
            block = rng.choices(source.blocks, [len(block) for block in source.blocks])[0]
            family = rng.choice(block)
            values = source.fill(family, rng)
            pair = (
                self._positive(source, family, values)
                if rng.random() < self._positives
                else self._negative(source, block, family, values)
            )
            if pair is not None and pair.first != pair.second:
                return pair if rng.random() < 0.5 else pair._replace(first=pair.second, second=pair.first)

    def take(self, count: int) -> list[Pair]:
        """The next `count` pairs."""
        return [self.draw() for _ in range(count)]

    def _say(self, source: Source, variant: str, values: dict[str, tuple[str, ...]]) -> str:
        text = expand(variant, values, self._rng)
        return disturb(text, source.language, self._rng) if self._rng.random() < self._noise else text

    def _positive(self, source: Source, family: Family, values: dict[str, tuple[str, ...]]) -> Pair:
        rng = self._rng
        first = rng.choice(family.variants)
        second = first if rng.random() < 0.15 else rng.choice(family.variants)
        one, other = self._say(source, first, values), self._say(source, second, values)
        kind = "same"
        if rng.random() < 0.06:
            one, other = _conditioned(one, other, source.language, rng)
            kind = "same condition"
        return Pair(one, other, True, kind, source.domain)

    def _negative(
        self, source: Source, block: tuple[Family, ...], family: Family, values: dict[str, tuple[str, ...]]
    ) -> Pair | None:
        rng = self._rng
        first = self._say(source, rng.choice(family.variants), values)
        draw = rng.random()
        if draw < 0.28 and family.slots:
            return self._other_value(source, family, values, first)
        if draw < 0.78 and len(block) > 1:
            others = [
                self._say(source, *self._sibling(source, block, family, values)) for _ in range(rng.choice((1, 4)))
            ]
            return Pair(first, max(others, key=lambda text: _overlap(first, text)), False, "sibling", source.domain)
        if draw < 0.86:
            second = self._say(source, rng.choice(family.variants), values)
            return Pair(first, condition(second, source.language, rng), False, "condition", source.domain)
        others = []
        for _ in range(rng.choice((1, 6))):
            far = rng.choice([block_ for block_ in source.blocks if block_ is not block] or [block])
            strange = rng.choice(far)
            if strange is not family:
                merged = source.fill(strange, rng) | values
                others.append(self._say(source, rng.choice(strange.variants), merged))
        if not others:
            return None
        return Pair(first, max(others, key=lambda text: _overlap(first, text)), False, "far", source.domain)

    def _sibling(
        self, source: Source, block: tuple[Family, ...], family: Family, values: dict[str, tuple[str, ...]]
    ) -> tuple[str, dict[str, tuple[str, ...]]]:
        sibling = self._rng.choice([other for other in block if other is not family])
        return self._rng.choice(sibling.variants), source.fill(sibling, self._rng) | values

    def _other_value(
        self, source: Source, family: Family, values: dict[str, tuple[str, ...]], first: str
    ) -> Pair | None:
        rng = self._rng
        swapped = rng.choice(family.slots)
        others = [value for value in source.slots[swapped] if value != values[swapped]]
        template = rng.choice([variant for variant in family.variants if f"{{{swapped}}}" in variant])
        if not others:
            return None
        other_values = values | {swapped: rng.choice(others)}
        return Pair(first, self._say(source, template, other_values), False, "value", source.domain)


def _conditioned(one: str, other: str, language: str, rng: Random) -> tuple[str, str]:
    """The same condition before both questions: still the same question."""
    state = rng.getstate()
    one = condition(one, language, rng)
    after = rng.getstate()
    rng.setstate(state)
    other = condition(other, language, rng)
    rng.setstate(after)
    return one, other


def _overlap(first: str, second: str) -> float:
    one, other = set(first), set(second)
    return len(one & other) / max(1, len(one | other))
