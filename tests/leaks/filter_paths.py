"""Every path through the filter, those that end in errors too."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

from leaks.refusals import OddString, Planned, refuses

WORDS = ["加微信", "refund scam", "abc", "bcd", "😀x", "é"]
TEXTS = {
    "UCS1": "an abcd é is no refund-scam, " * 4,
    "UCS2": "请加 微-信吧，ａｂｃ" * 6,
    "UCS4": "😀x 请加微信😀 abcd" * 6,
    "no hit": "您好，请问订单什么时候发货？" * 6,
}


def failing_words() -> Iterator[str]:
    yield "abc"
    raise Planned


def damaged_files(saved: bytes, directory: Path) -> list[Path]:
    contents = {
        "empty": b"",
        "foreign": b"PK\3\4" + saved,
        "short": saved[:9],
        "cut": saved[:-40],
        "longer": saved + b"\0",
        "altered": saved[:40] + bytes([saved[40] ^ 1]) + saved[41:],
        "format": saved[:8] + b"\xff" + saved[9:],
        "length": saved[:12] + b"\xff" * 8 + saved[20:],
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return [directory / name for name in contents]


def paths(xiaoer: ModuleType, directory: Path) -> dict[str, Callable[[], object]]:
    make = xiaoer.WordFilter
    words = make(WORDS, allow=["abcde"])
    changed = make(WORDS, allow=["abcde"])
    small = make(["abc"])
    words.save(directory / "saved")
    damaged = damaged_files((directory / "saved").read_bytes(), directory)

    def stream() -> None:
        stream = words.stream("[x]")
        for piece in ("请加", " 微", "信吧", "", "refund", " ", "scam", "😀"):
            stream.feed(piece)
        stream.flush()
        stream.feed("abc")

    def bad_streams() -> None:
        stream = words.stream()
        refuses(TypeError, words.stream, b"*")
        refuses(TypeError, stream.feed, b"abc")
        refuses(TypeError, stream.feed)
        refuses(TypeError, stream.flush, "abc")

    def change() -> None:
        changed.add(["新词", xiaoer.Word("abc", level=3, tags=("t",), action="block")])
        changed.remove(["新词", "unknown"])

    def bad_changes() -> None:
        for method in (changed.add, changed.remove):
            refuses(xiaoer.InvalidWord, method, ["good", ""])
            refuses(xiaoer.InvalidWord, method, ["good", "x" * 1_001])
            refuses(TypeError, method, "abc")
            refuses(TypeError, method, ["good", 5])
            refuses(TypeError, method, None)
            refuses(Planned, method, failing_words())

    def stream_of_old_words() -> None:
        stream = changed.stream()
        stream.feed("加")
        changed.remove(["加微信"])
        assert stream.feed("微信") + stream.flush() == "***"
        changed.add(["加微信"])

    def bad_filters() -> None:
        refuses(xiaoer.InvalidWord, make, ["good", ""])
        refuses(xiaoer.InvalidWord, make, ["good"], allow=[""])
        refuses(xiaoer.InvalidWord, make, ["x" * 1_001])
        refuses(TypeError, make, "abc")
        refuses(TypeError, make, ["good", None])
        refuses(TypeError, make, ["good"], allow=[b"bytes"])
        refuses(TypeError, make, ["good"], allow="abc")
        refuses(TypeError, make)
        refuses(TypeError, make, ["good"], unknown=1)
        refuses(ValueError, make, ["good"], fold=1 << 20)
        refuses(Planned, make, failing_words())
        refuses(ValueError, xiaoer.Skip, -1)
        refuses(TypeError, xiaoer.Word, "abc", level="high")

    def bad_texts() -> None:
        for method in (words.contains, words.find, words.find_overlapping, words.replace):
            refuses(TypeError, method, b"abc")
            refuses(TypeError, method, None)
            refuses(TypeError, method)
            refuses(TypeError, method, "abc", "*", "one more")

    def bad_masks() -> None:
        for mask in (b"*", 5, None):
            refuses(TypeError, words.replace, TEXTS["UCS2"], mask)

    def odd_strings() -> None:
        # Whatever a subclass of `str` overrides, its characters count; nobody has to hash it.
        text = OddString("请加微信")
        assert words.contains(text)
        words.find(text)
        words.replace(text, OddString("#"))
        odd = make([OddString("加微信")], allow=[OddString("上海")])
        odd.find(text)
        assert len(odd.words) == len(odd.allow) == 1

    def damaged_loads() -> None:
        for path in damaged:
            refuses(xiaoer.DamagedFile, make.load, path)
        refuses(OSError, make.load, directory / "missing")
        refuses(OSError, make.load, directory)

    class Own(make):  # type: ignore[misc, valid-type]
        pass

    def look() -> None:
        for call in (words.contains, words.find, words.find_overlapping, words.replace):
            for text in TEXTS.values():
                call(text)

    calls: dict[str, Callable[[], object]] = {
        f"{method.__name__}, {kind}": partial(method, text)
        for method in (words.contains, words.find, words.find_overlapping, words.replace)
        for kind, text in TEXTS.items()
    }
    return calls | {
        "all scans": look,
        "replace with a long mask": lambda: words.replace(TEXTS["UCS2"], "[😀]" * 10),
        "replace with no mask": lambda: words.replace(TEXTS["UCS2"], ""),
        "build": lambda: make(WORDS, allow=["abcde"]),
        "build without options": lambda: make(WORDS, fold=xiaoer.Fold.NONE, skip=None, whole_words=False),
        "build of nothing": lambda: make([]).find("abc"),
        "build of a subclass": lambda: Own(WORDS).find("abc"),
        "build refused": bad_filters,
        "stream": stream,
        "stream refused": bad_streams,
        "stream left alone": lambda: words.stream().feed("请加微"),
        "stream of words that are gone": stream_of_old_words,
        "add and remove": change,
        "add and remove refused": bad_changes,
        "words and allow": lambda: (words.words, words.allow, len(words), repr(words)),
        "scan refused": bad_texts,
        "mask refused": bad_masks,
        "strings of a subclass": odd_strings,
        "save": lambda: small.save(directory / "again"),
        "save refused": lambda: refuses(OSError, small.save, directory / "missing" / "place"),
        "load": lambda: make.load(directory / "saved"),
        "load refused": damaged_loads,
        **_of_options(xiaoer),
    }


def _of_options(xiaoer: ModuleType) -> dict[str, Callable[[], object]]:
    disguised = "㎏ ﬁ Ⓐ ① 壹 ٣ é 微 加加微微信信 В с" * 3
    words = xiaoer.WordFilter(["kg", "fi", "a1", "加微信", "bc"], whole_words=False)
    calls: dict[str, Callable[[], object]] = {
        "characters that fold to others": lambda: (words.find(disguised), words.replace(disguised)),
    }
    if "repeats" in xiaoer.Skip.__struct_fields__:
        repeating = xiaoer.WordFilter(["加微信"], skip=xiaoer.Skip(repeats=True))
        calls["repeats"] = lambda: repeating.find(disguised)
    if hasattr(xiaoer, "Variant"):
        every = ~xiaoer.Variant.NONE
        spelled = xiaoer.WordFilter([xiaoer.Word("加微信", variants=every)])
        calls["variants"] = lambda: spelled.find("jiaweixin 加w信 jia wei xin")
        calls["build with variants"] = lambda: xiaoer.WordFilter([xiaoer.Word("加微信", variants=every)])
    return calls
