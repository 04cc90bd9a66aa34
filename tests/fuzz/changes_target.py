"""A filter while its words come and go, is saved and loaded, with streams under way: against brute force."""

import tempfile
from pathlib import Path
from typing import Any

from fuzz.reader import Reader
from support.filter_oracle import Oracle
from xiaoer import Fold, Skip, WordFilter

# None that folds to several, for the oracle knows of none.
LETTERS = "abA加微1 .\u200b\ud800國国é\u0430③"
FOLDS = 256
LONGEST = 24
_SHARED = Path("/dev/shm")
_FOLDER = tempfile.TemporaryDirectory(dir=_SHARED if _SHARED.is_dir() else None, prefix="xiaoer-fuzz-")


class Changing:
    """A filter, and what must be in it."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.fold = reader.below(FOLDS)
        self.skip = (reader.below(4), reader.below(5))
        flags = reader.below(4)
        self.whole_words = bool(flags & 1)
        self.repeats = bool(flags & 2)
        self.words: list[str] = []
        self.allow = [reader.text(LETTERS, 3) or "b" for _ in range(reader.below(3))]
        skip = Skip(*self.skip, self.repeats)
        self.filter = WordFilter([], allow=self.allow, fold=Fold(self.fold), skip=skip, whole_words=self.whole_words)

    def oracle(self) -> Oracle:
        return Oracle(list(self.words), self.allow, self.fold, self.skip, self.whole_words, self.repeats)

    def step(self, streams: list[tuple[Any, Oracle, str, str]]) -> None:
        reader = self.reader
        match reader.below(6):
            case 0 | 1:
                added = [reader.text(LETTERS, 3) or "a" for _ in range(reader.below(3) + 1)]
                self.filter.add(added)
                self.words += added
            case 2:
                removed = [reader.text(LETTERS, 3) or "a" for _ in range(reader.below(3) + 1)]
                self.filter.remove(removed)
                keys = {self.oracle()._folded(word) for word in removed}
                self.words = [word for word in self.words if self.oracle()._folded(word) not in keys]
            case 3:
                self.filter.save(Path(_FOLDER.name, "filter"))
                self.filter = WordFilter.load(Path(_FOLDER.name, "filter"))
            case 4:
                streams.append((self.filter.stream(), self.oracle(), "", ""))
            case _:
                text = reader.text(LETTERS, 12)
                oracle = self.oracle()
                hits = [(match.start, match.end, match.word.text) for match in self.filter.find(text)]
                assert hits == [tuple(hit) for hit in oracle.find(text)], (vars(self), text)
                assert self.filter.contains(text) == bool(hits)
                assert self.filter.replace(text) == oracle.replace(text, "*"), (vars(self), text)
                # A stream keeps the words that it began with.
                for at, (stream, began_with, fed, given) in enumerate(streams):
                    streams[at] = stream, began_with, fed + text, given + stream.feed(text)


def run(data: bytes) -> None:
    """Raises AssertionError where the filter finds or masks anything else than its words of the moment."""
    reader = Reader(data)
    changing = Changing(reader)
    streams: list[tuple[Any, Oracle, str, str]] = []
    for _ in range(LONGEST):
        if not reader:
            break
        changing.step(streams)
    for stream, began_with, fed, given in streams:
        assert given + stream.flush() == began_with.replace(fed, "*"), (began_with, fed)
