"""Extended grapheme clusters of UAX #29, revision 47 (Unicode 17), on code points as they lie in a `str`.

One addition: a high surrogate and the low one after it are one cluster. Alone, a surrogate is one like a control.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator

from xiaoer.pure._grapheme_table import RANGES

_STARTS = [low for low, _, _ in RANGES]


class _Classes(dict[int, str]):
    """Code point → the letter of its class, filled as it is asked."""

    def __missing__(self, point: int) -> str:
        self[point] = letter = self._find(point)
        return letter

    @staticmethod
    def _find(point: int) -> str:
        if 0xAC00 <= point <= 0xD7A3:  # Hangul syllables: LV, then its 27 LVT
            return "t" if (point - 0xAC00) % 28 else "v"
        at = bisect_right(_STARTS, point) - 1
        return RANGES[at][2] if at >= 0 and point <= RANGES[at][1] else "a"


_CLASSES = _Classes()

# Tables 1b and 1c of UAX #29 over class letters. Nothing here can be matched in two ways, so matching is linear.
_CLUSTER = re.compile(
    r"""(?!a(?:[^xljzs]|\Z))         # most of all text: a character by itself
    (?: rn | hw | [rnchw]
    | p*(?: L*(?:vV*+|t|V++)T*+
          | L++
          | T++
          | RR
          | P(?:[xlj]*+zP)*
          | K(?:[xz]*+l[xlz]*+K)*
          | [^rnchw]
        )[xljzs]*+
    )""",
    re.VERBOSE,
)


def clusters(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every cluster of more than one code point, in order."""
    if text.isascii() and "\r" not in text:
        return
    for match in _CLUSTER.finditer(text.translate(_CLASSES)):
        if match.end() - match.start() > 1:
            yield match.span()
