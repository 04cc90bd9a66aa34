"""What the word filter promises, case by case, on both backends."""

import gc
import threading
from types import ModuleType
from typing import Any

import pytest

from support.filter_cases import seen

CASES: list[tuple[str, dict[str, Any], list[str], str, str]] = [
    # name, options, words, text, text with its hits masked
    ("a word", {}, ["加微信"], "请加微信吧", "请***吧"),
    ("leftmost first", {}, ["abcd", "bc", "cdef"], "abcdef", "abcdef"),
    ("leftmost first, inside words", {"whole_words": False}, ["abcd", "bc", "cdef"], "abcdef", "****ef"),
    ("the longest of one start", {}, ["微信", "微信号"], "微信号", "***"),
    ("the longest fails, the shorter counts", {}, ["微信", "微信号码"], "微信号", "**号"),
    ("a suffix of a failed word", {}, ["甲乙丙丁", "乙丙"], "甲乙丙戊", "甲**戊"),
    ("case", {}, ["WeChat"], "加wECHAT吧", "加******吧"),
    ("full width", {}, ["qq群"], "ＱＱ群", "***"),
    ("half-width kana", {}, ["ライン"], "ﾗｲﾝ", "***"),
    ("no folding", {"fold": 0}, ["qq"], "ＱＱ QQ qq", "ＱＱ QQ **"),
    ("noise of all kinds", {}, ["加微信"], "加 微\u200b-信", "******"),
    ("noise never at the ends", {}, ["微信"], "，微信。", "，**。"),
    ("noise up to the gap", {}, ["微信"], "微...信", "*****"),
    ("noise over the gap", {}, ["微信"], "微....信", "微....信"),
    ("noise up to the total", {}, ["甲乙丙丁"], "甲...乙...丙..丁", "************"),
    ("noise over the total", {}, ["甲乙丙丁"], "甲...乙...丙...丁", "甲...乙...丙...丁"),
    ("the shorter word has less noise", {}, ["甲乙丙丁", "丙丁"], "甲...乙...丙...丁", "甲...乙...*****"),
    ("emoji", {}, ["微信"], "微👍🏽信", "****"),
    ("no noise", {"skip": None}, ["微信"], "微 信微信", "微 信**"),
    ("a word with noise in it, as written", {}, ["C++"], "c++ C+ +", "*** C+ +"),
    ("only noise", {}, ["🔞"], "看🔞", "看*"),
    ("inside a word", {}, ["ass"], "class assess", "class assess"),
    ("alone", {}, ["ass"], "ass, 你ass你 ASS", "***, 你***你 ***"),
    ("inside a word, if told so", {"whole_words": False}, ["ass"], "class", "cl***"),
    ("digits belong to words", {}, ["sb"], "sb250", "sb250"),
    ("underscores don't", {}, ["sb"], "_sb_", "_**_"),
    ("other scripts don't care", {}, ["微信"], "a微信b", "a**b"),
    ("mixed words don't care", {}, ["加v"], "加vip", "**ip"),
    ("two words are not one", {}, ["penis"], "The pen is here", "The pen is here"),
    ("two words are one, if told so", {"whole_words": False}, ["penis"], "The pen is here", "The ****** here"),
    ("letter by letter", {}, ["fuck"], "f u c k it", "******* it"),
    ("punctuation in a Latin word", {}, ["fuck"], "f.u.c-k", "*******"),
    ("a price is no number", {}, ["64"], "6.4 元，6-4，64", "6.4 元，6-4，**"),
    ("an invisible character in a number", {}, ["64"], "6\u200b4", "***"),
    ("Cyrillic stands alone", {}, ["мат"], "МАТ математика", "*** математика"),
    ("the allowed text is longer", {"allow": ["上海外贸"]}, ["海外"], "上海外贸，海外", "上海外贸，**"),
    ("the allowed text is shorter", {"allow": ["海外"]}, ["上海外贸"], "上海外贸", "****"),
    ("the allowed text is the word", {"allow": ["海外"]}, ["海外"], "海外", "海外"),
    ("the allowed text covers a part", {"allow": ["上海"]}, ["海外"], "上海外", "上**"),
    ("the allowed text in disguise", {"allow": ["上海外贸"]}, ["海外"], "上 海 外 贸", "上 海 外 贸"),
    ("the longer is covered, what follows is not", {"allow": ["甲乙丙"]}, ["甲乙", "丙丁"], "甲乙丙丁", "甲乙**"),
    ("lone surrogates", {}, ["\ud800微"], "a\ud800微\udfff", "a**\udfff"),
    ("beyond the BMP", {}, ["𠮷野"], "🍜𠮷野家", "🍜**家"),
    ("Latin-1", {}, ["é"], "café É", "café *"),
    ("nothing to find", {}, [], "什么都没有", "什么都没有"),
    ("nothing to read", {}, ["微信"], "", ""),
]


@pytest.mark.parametrize(
    ("options", "words", "text", "masked"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_hits(xiaoer: ModuleType, options: dict[str, Any], words: list[str], text: str, masked: str) -> None:
    options = options | {"fold": xiaoer.Fold(options.get("fold", xiaoer.Fold.ALL))}
    filter_ = xiaoer.WordFilter(words, **options)
    assert filter_.replace(text) == masked
    assert filter_.contains(text) is (text != masked)
    spans = [(match.start, match.end) for match in filter_.find(text)]
    assert "".join("*" if any(a <= i < b for a, b in spans) else char for i, char in enumerate(text)) == masked
    stream = filter_.stream()
    assert "".join([*map(stream.feed, text), stream.flush()]) == masked


def test_overlapping_hits_by_start_and_end(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter(["甲乙", "甲乙丙", "乙丙", "丙", "a.b", "ab"])
    assert seen(words.find_overlapping("甲乙丙")) == [(0, 2, "甲乙"), (0, 3, "甲乙丙"), (1, 3, "乙丙"), (2, 3, "丙")]
    # Of two with one span the one that has more of it written in it.
    assert seen(words.find_overlapping("a.b")) == [(0, 3, "a.b"), (0, 3, "ab")]
    assert seen(words.find("a.b")) == [(0, 3, "a.b")]


def test_a_match_brings_its_word(xiaoer: ModuleType) -> None:
    word = xiaoer.Word("赌博", level=3, tags=("illegal",), action="block")
    (match,) = xiaoer.WordFilter([word, "微信"]).find("网络赌 博")
    assert match == xiaoer.Match(2, 5, word)
    assert match.word is word


def test_words_that_fold_alike_are_one(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter([xiaoer.Word("VX", level=1), xiaoer.Word("ｖｘ", level=2)])
    assert len(words) == 1
    assert words.find("vx")[0].word.level == 2
    words.remove(["Vx"])
    assert words.words == []


def test_masks(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter(["微信"])
    assert words.replace("加微信", "█") == "加██"
    assert words.replace("加微信", mask="😀!") == "加😀!😀!"
    assert words.replace("加微信", "") == "加"
    stream = words.stream(mask="#")
    assert stream.feed("加微信") + stream.flush() == "加##"


def test_change(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter(["微信"], allow=["微信支付"])
    under_way = words.stream()
    words.add(["支付宝", xiaoer.Word("QQ", level=2)])
    words.remove(["微信", "never in"])
    assert [word.text for word in words.words] == ["QQ", "支付宝"]
    assert words.allow == ["微信支付"]
    assert words.replace("微信，微信支付，支付宝，qq") == "微信，微信支付，***，**"
    assert under_way.feed("微信，微信支付，支付宝") + under_way.flush() == "**，微信支付，支付宝"


def test_a_change_is_seen_whole_or_not_at_all(xiaoer: ModuleType) -> None:
    numbers = [f"词{chr(0x4E00 + number)}" for number in range(60)]
    words = xiaoer.WordFilter(["甲"])
    text = "，".join(numbers)
    counts: set[int] = set()
    done = threading.Event()

    def change() -> None:
        for _ in range(20):
            words.add(numbers)
            words.remove(numbers)
        done.set()

    def scan() -> None:
        while not done.is_set():
            counts.add(len(words.find(text)))

    threads = [threading.Thread(target=change), *(threading.Thread(target=scan) for _ in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts <= {0, 60}
    assert len(words) == 1


def test_two_who_add_lose_nothing(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter([])

    def add(first: int) -> None:
        for number in range(first, first + 25):
            words.add([chr(0x4E00 + number)])

    threads = [threading.Thread(target=add, args=(first,)) for first in (0, 100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(words) == 100


@pytest.mark.parametrize("word", ["", "长" * 1001])
def test_invalid_words_change_nothing(xiaoer: ModuleType, word: str) -> None:
    with pytest.raises(xiaoer.InvalidWord):
        xiaoer.WordFilter([word])
    with pytest.raises(xiaoer.InvalidWord):
        xiaoer.WordFilter([], allow=[word])
    words = xiaoer.WordFilter(["微信"])
    with pytest.raises(ValueError, match="a word"):
        words.add(["好", word])
    with pytest.raises(xiaoer.XiaoerError):
        words.remove([word])
    assert [known.text for known in words.words] == ["微信"]


def test_the_longest_word(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter(["长" * 1000])
    assert words.replace("长" * 1001) == "*" * 1000 + "长"


def test_wrong_types(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter(["微信"])
    for wrong in ("微信", b"abc", [1], [b"abc"], None):
        with pytest.raises(TypeError):
            xiaoer.WordFilter(wrong)
        with pytest.raises(TypeError):
            words.add(wrong)
    for call in (words.contains, words.find, words.find_overlapping, words.replace, words.stream().feed):
        for wrong in (b"abc", None, 1):
            with pytest.raises(TypeError):
                call(wrong)
    with pytest.raises(TypeError):
        words.replace("微信", 1)
    with pytest.raises(TypeError):
        words.stream(1)
    with pytest.raises(TypeError):
        xiaoer.WordFilter([], allow=[1])
    with pytest.raises(TypeError):
        xiaoer.Word("a", level="1")
    with pytest.raises(ValueError, match="Fold"):
        xiaoer.WordFilter([], fold=256)
    with pytest.raises(ValueError, match="means nothing"):
        xiaoer.Skip(-1, 8)


def test_a_str_of_a_subclass_is_a_str(xiaoer: ModuleType) -> None:
    class Text(str):
        __slots__ = ()

    assert xiaoer.WordFilter([Text("微信")]).replace(Text("加微信")) == "加**"


def test_no_noise_has_three_names(xiaoer: ModuleType) -> None:
    for skip in (None, xiaoer.Skip.NONE, xiaoer.Skip(3, 0), xiaoer.Skip(0, 8)):
        assert not xiaoer.WordFilter(["微信"], skip=skip).contains("微 信")


def test_its_options_can_be_read(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter(["微信", "支付"], allow=["微信支付"], fold=xiaoer.Fold.CASE, whole_words=False)
    assert (words.fold, words.skip, words.whole_words) == (xiaoer.Fold.CASE, xiaoer.Skip(3, 8), False)
    assert repr(words) == "<WordFilter of 2 words, 1 allowed texts>"


def test_a_character_that_folds_to_several_ends_no_run_that_it_begins(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter(["i", "社"], skip=xiaoer.Skip(repeats=True), whole_words=False)
    assert words.find("ﬁi") == words.find("㍿社") == []
    assert len(words.find("fi i社")) == 2


def test_a_spelling_belongs_to_the_least_word_that_has_it(xiaoer: ModuleType) -> None:
    pinyin = xiaoer.Variant.PINYIN
    less, more = xiaoer.Word("威信", variants=pinyin), xiaoer.Word("微信", variants=pinyin)
    assert "威信" < "微信"
    for order in ([less, more], [more, less]):
        words = xiaoer.WordFilter(order)
        assert words.find("weixin")[0].word == less
        words.add(["x"])
        assert words.find("weixin")[0].word == less
    # A word that takes the place of another takes its spellings away, and nobody else's.
    words.add(["微信"])
    assert words.find("weixin")[0].word == less
    words.add(["威信"])
    assert not words.contains("weixin")
    assert words.find("威信")[0].word == xiaoer.Word("威信")


def test_any_amount_of_noise_may_be_allowed(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter(["ab加"], skip=xiaoer.Skip(2**80, 2**80))
    assert words.contains("ab" + "." * 5000 + "加")
    assert words.find("ab" + "." * 5000 + "加")[0].end == 5003


def test_methods_may_be_overridden_one_by_one(xiaoer: ModuleType) -> None:
    class Silent(xiaoer.WordFilter):
        def find(self, text: str) -> list[object]:
            return []

        def add(self, words: list[str]) -> None:
            raise RuntimeError("never called by the constructor")

    words = Silent(["微信"])
    assert words.find("微信") == []
    assert words.contains("微信")
    assert words.replace("微信") == "**"


def test_a_change_inside_a_change_is_refused_or_done_but_never_waits(xiaoer: ModuleType) -> None:
    outcomes: list[str] = []

    class Last(str):
        def __del__(self) -> None:
            try:
                words.add(["cd"])
                outcomes.append("done")
            except RuntimeError:
                outcomes.append("refused")

    words = xiaoer.WordFilter([Last("ab")])
    words.remove(["ab"])
    gc.collect()
    assert outcomes in (["done"], ["refused"])
    words.add(["ef"])
    assert words.contains("ef")
