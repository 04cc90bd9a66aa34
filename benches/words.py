"""Word lists for the filter: made, not collected, the same for a seed on every machine.

Four words of five are Chinese, 2 to 8 characters long, the fifth is a made-up Latin one of 4 to 16 letters. Lengths of
the Chinese ones follow lists in use: two to four characters for the most part.
"""

import random
from functools import lru_cache

from benches.alphabet import chinese_chooser, latin_word

LENGTHS = (2, 3, 4, 5, 6, 7, 8)
SHARES = (22, 27, 31, 8, 6, 3, 3)
LONGEST = 16
DEEP = 64
"""Length of the longest of the words whose beginnings the text of deep prefixes is made of."""


@lru_cache(maxsize=8)
def make_words(count: int, seed: int = 3) -> tuple[str, ...]:
    """So many different words, in no order."""
    random_ = random.Random(seed)
    choose = chinese_chooser(random_)
    words: dict[str, None] = {}
    while len(words) < count:
        if random_.random() < 0.2:
            word = latin_word(random_)
            if 4 <= len(word) <= LONGEST:
                words[word] = None
        else:
            words[choose(random_.choices(LENGTHS, SHARES)[0])] = None
    return tuple(words)


@lru_cache(maxsize=8)
def word_set(count: int) -> frozenset[str]:
    """The same as a set, for whoever makes texts."""
    return frozenset(make_words(count))


@lru_cache(maxsize=2)
def deep_words(count: int) -> tuple[str, ...]:
    """The list with 63 long words that begin alike; a text of their beginnings keeps an automaton deep."""
    return make_words(count) + tuple("嗯" * length + "哼" for length in range(1, DEEP))


@lru_cache(maxsize=2)
def nested_words(count: int) -> tuple[str, ...]:
    """The list with every beginning and every end of 200 long words: at each place several hits at once."""
    long_words = [word for word in make_words(count) if len(word) >= 7 and not word.isascii()][:200]
    pieces = {
        piece for word in long_words for length in range(2, len(word)) for piece in (word[:length], word[-length:])
    }
    return tuple(dict.fromkeys(make_words(count) + tuple(sorted(pieces))))
