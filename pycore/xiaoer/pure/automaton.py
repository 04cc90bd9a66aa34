"""Aho-Corasick automaton: A. V. Aho, M. J. Corasick, "Efficient string matching", CACM 18(6), 1975."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from xiaoer._words import Word


class Pattern(NamedTuple):
    """What to look for: folded characters and the conditions beside them."""

    key: str
    """A character of it for each run, where characters may be repeated."""
    runs: tuple[int, ...]
    """How often each character must stand there, at least."""
    text: str
    """All its folded characters."""
    word: Word | None
    """None for an allowed text."""
    whole_start: bool
    """No letter or digit of a script with spaces may stand before."""
    whole_end: bool
    """… or after."""
    pairs: int
    """Neighbours in it that are both such letters or digits."""
    any_spacing: bool
    """It may have white space between any of them, not only between none or all."""


class Node:
    """A prefix of patterns."""

    __slots__ = ("children", "depth", "fail", "output", "patterns")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.children: dict[str, Node] = {}
        self.patterns: list[Pattern] = []
        """Those that end here."""
        self.fail: Node = self
        """The longest proper suffix that is a prefix too."""
        self.output: Node | None = None
        """This or the longest suffix at which a pattern ends."""

    def step(self, char: str) -> "Node":
        """The longest suffix of this prefix and `char` that is a prefix too."""
        node = self
        while char not in node.children:
            if node.depth == 0:
                return node
            node = node.fail
        return node.children[char]

    def suffixes(self) -> Iterator["Node"]:
        """This and the shorter suffixes that are prefixes too, without the root."""
        node = self
        while node.depth:
            yield node
            node = node.fail

    def endings(self) -> Iterator[Pattern]:
        """Patterns that end here or at a suffix, the longest first."""
        node = self.output
        while node is not None:
            yield from node.patterns
            node = node.fail.output


def build(patterns: Iterable[Pattern]) -> Node:
    """The root of the automaton for these patterns."""
    root = Node(0)
    for pattern in patterns:
        node = root
        for char in pattern.key:
            if char not in node.children:
                node.children[char] = Node(node.depth + 1)
            node = node.children[char]
        node.patterns.append(pattern)
    level = [root]
    while level:
        for node in level:
            node.output = node if node.patterns else node.fail.output
            for char, child in node.children.items():
                child.fail = root if node is root else node.fail.step(char)
        level = [child for node in level for child in node.children.values()]
    return root
