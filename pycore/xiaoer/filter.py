"""The sensitive-word filter: finds and masks words in texts, also where they are disguised.

words = WordFilter(["加微信", Word("refund scam", level=3, action="block")], allow=["加微信公众号"])
words.contains("加 微-信")                  # True
words.replace("请加＊微＊信")                # "请*****"
stream = words.stream()
[stream.feed("请加"), stream.feed("微信吧"), stream.flush()]      # ["请", "***吧", ""]
"""

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any, Self, TypeVar

from xiaoer import _backend
from xiaoer._saved import Options, read_saved, write_saved
from xiaoer._words import Fold, Match, Skip, Variant, Word
from xiaoer.errors import DamagedFile

_native: Any = _backend.load("xiaoer_native")

if TYPE_CHECKING:
    from xiaoer.pure.filter import FilterStream
    from xiaoer.pure.filter import WordFilter as _WordFilter
else:
    if _native is None:
        from xiaoer.pure.filter import FilterStream
        from xiaoer.pure.filter import WordFilter as _WordFilter
    else:
        FilterStream = _native.FilterStream
        Match = _native.Match
        _WordFilter = _native.WordFilter

__all__ = ["FilterStream", "Fold", "Match", "Skip", "Variant", "Word", "WordFilter"]

T = TypeVar("T")

_LITTLE_NOISE = Skip()


class WordFilter(_WordFilter):
    """Finds words in a text, in one pass, whatever their number.

    What is a hit:

    - Characters are compared after `fold`: by default neither case, width, traditional or simplified form, shape of a
      digit (`①`, `壹`), accents, circles around letters (`Ⓐ`), Cyrillic and Greek look-alikes of Latin letters nor
      ligatures (`㎏`) count. A character that stands for several is found whole or not at all.
    - Between the characters of a word there may be noise (white space, punctuation, symbols, emoji, zero-width
      characters), as much as `skip` allows, never at its ends. A word that has noise in it itself (`C++`, `a.b`)
      is found only as it is written. `skip=None` turns noise off. With `Skip(repeats=True)` a character may also be
      written several times in a row: `加加微信`; such filters are read by the linear scan alone, and slower.
    - With `whole_words`, a word of Latin, Greek, Cyrillic or Armenian letters and digits is found only where no such
      letter or digit stands before or after it, invisible characters aside: `ass` is not in `class`. Words with other
      characters are not affected. White space inside it counts as noise only if it stands between all its letters:
      `p e n` but not `pe n`; and between two digits only invisible characters do, for `6.4` is not `64`.
    - Other spellings of a word are hits if it asks for them: `Word("微信", variants=Variant.PINYIN)` is also `weixin`
      and `微xin`, `Variant.SPLIT` takes `力口` for `加`. They stand alone at an edge with a letter, as whole words do.
    - An occurrence inside an occurrence of an allowed text, found by the same rules, is no hit: with the word `海外`
      and the allowed `上海外贸`, the longer wins. A text that is both is allowed.

    Words that fold to the same are one word; the last one given counts. A spelling that several words have belongs to
    the least of them by folded text. Offsets are code points of the text as it was
    given; lone surrogates are characters like others.

    Time: a text is read once, with a look-up of each character and each pair of neighbours; where pairs begin a word,
    the word is compared. Where that adds up to more than a few times the text (long words that nearly match, again and
    again) the rest is read by an automaton, whose time depends on the length of the text and on how many words end at
    one place (A. V. Aho, M. J. Corasick, CACM 18(6), 1975).

    A filter may be used and changed by several threads: scans do not wait for a change to be compiled, and see the
    words of one moment; a text of 65,536 characters or more is scanned without the GIL.

    Methods, from the backend: `contains(text)`, `find(text)`, `find_overlapping(text)`, `replace(text, mask="*")`,
    `stream(mask="*")`; properties `words` and `allow`, ordered by the folded texts.

    Raises InvalidWord for an empty word and one over 1,000 characters, TypeError for a `str` in the place of several.
    """

    fold: Fold
    skip: Skip
    whole_words: bool

    def __new__(
        cls,
        words: Iterable[str | Word],
        *,
        allow: Iterable[str] = (),
        fold: Fold = Fold.ALL,
        skip: Skip | None = _LITTLE_NOISE,
        whole_words: bool = True,
    ) -> Self:
        return cls._make(_several(words), _several(allow), Fold(fold), skip or Skip.NONE, bool(whole_words))

    @classmethod
    def _make(cls, words: Any, allow: list[str], fold: Fold, skip: Skip, whole_words: bool) -> Self:
        # Without room for noise the two are the same; None is the faster.
        # No text is so long that more than 2^31 would make a difference.
        noise = (min(skip.gap, 1 << 31), min(skip.total, 1 << 31)) if skip.gap and skip.total else None
        self = super().__new__(cls, words, allow, int(fold), noise, skip.repeats, whole_words)
        self.fold = fold
        self.skip = skip
        self.whole_words = whole_words
        return self

    def __repr__(self) -> str:
        return f"<WordFilter of {len(self)} words, {len(self.allow)} allowed texts>"

    def add(self, words: Iterable[str | Word]) -> None:
        """Takes more words in, all or none; one that folds like a word in the filter replaces it.

        Scans and streams under way keep the words they began with. Costs a build of the whole filter.
        Raises InvalidWord as the constructor does, RuntimeError from code that a change of the same filter runs.
        """
        super().add(_several(words))

    def remove(self, words: Iterable[str | Word]) -> None:
        """Takes words out; what is not in the filter is passed over. Otherwise as `add`."""
        super().remove(_several(words))

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the filter of this moment, words, allowed texts and options, to a file for `load` on either backend.

        The file appears whole or not at all, replacing what was there; a filter that has the old one mapped keeps it.
        Raises OSError.
        """
        options = Options(int(self.fold), (self.skip.gap, self.skip.total, self.skip.repeats), self.whole_words)
        words, allow, arrays = self.snapshot()
        write_saved(path, words, allow, options, arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """The filter that `save` wrote. Its compiled arrays are mapped, not read: processes share them.

        A file in use may be replaced and deleted, but not written to: cutting it off ends the processes that use it,
        other changes give wrong hits. Raises DamagedFile if the file is anything else or was altered, OSError if it
        can't be read.
        """
        saved = read_saved(path)
        options = saved.options
        try:
            mapped = saved.arrays is not None and _native is not None
            words = (saved.words, (saved.content, saved.arrays)) if mapped else list(saved.words)
            return cls._make(words, saved.allow, Fold(options.fold), Skip(*options.skip), options.whole_words)
        except (ValueError, IndexError) as error:
            raise DamagedFile(f"{path} holds no filter: {error}") from error


if _native is not None:
    _native.speed_up(WordFilter)


def _several(values: Iterable[T]) -> list[T]:
    if isinstance(values, str | bytes):
        raise TypeError("give a list of words, not one")
    return list(values)
