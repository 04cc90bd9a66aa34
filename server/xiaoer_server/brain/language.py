"""What language a text is in, and which of its words say something.

Chinese is not segmented: a run of Chinese characters is searched by its pairs of neighbours. Latin words are cut to
a rough stem. Nothing here knows the shop; which words are rare is learnt from its articles (`vocabulary.py`).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal

Language = Literal["zh", "en"]

CJK = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_FIRST_CJK = CJK[0]
_TOKEN = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+")
_CJK_CHARACTER = re.compile(rf"[{CJK}]")
_CJK_PUNCTUATION = re.compile(r"[\u3001-\u303f\uff01-\uff65]")
_LATIN_WORD = re.compile(rf"[^\W\d_{CJK}]+")
_APOSTROPHE = re.compile(r"['’](?=\w)")

_FILLERS = """
a about after again all already also am an and any anyone anything are aren arent as at be been before being but
by can cannot cant could couldn couldnt did didn didnt do does doesn doesnt doing don dont each else even every
few for from further get gets getting go going gonna got had has hasn hasnt have haven havent having he hello help
her here hers hey hi him his how however i id if ill im in into is isn isnt it its itself ive just kind know let
lets like ll lol look made make makes many may maybe me might mine more most much must my myself need needs never
no nor not now of off ok okay on one only onto or other our ours out over own perhaps please pls plz put quite
rather re really right same say says see seems shall she should shouldn so some someone something still such sure
take tell than thank thanks that thats the their them then there theres these they thing things this those
though thx to too until up upon us use used using ve very want wanna wants was wasn wasnt we well were what whats
when where wheres which while who whom whose why will with won wont would wouldn yeah yes yet you your youre yours
"""
STOP_WORDS = frozenset(_FILLERS.split())
STOP_CHARACTERS = frozenset(
    "的了吗呢吧啊呀么嘛哦哈嗯呗啦噢喔唉哎哟我你您他她它们咱俺是在有和与或及就也都还又再很太更最被把给让叫对从向到"
    "这那哪谁啥咋怎什几多少个些点下上里能可以会要想请问得地着过来去做办行好没不别吧因为所如果但而且只才并于之其"
)
_SUFFIXES = ("ings", "ing", "ies", "ied", "ed", "es", "s", "y")


def language_of(text: str) -> Language:
    """The language to answer `text` in.

    A Chinese sentence often holds English words, an English one rarely more than a Chinese name; so a Chinese
    character weighs as much as a Latin word, and a tie is Chinese.
    """
    chinese = len(_CJK_CHARACTER.findall(text))
    latin = len(_LATIN_WORD.findall(text))
    if chinese == latin == 0:
        return "zh" if _CJK_PUNCTUATION.search(text) else "en"
    return "zh" if chinese >= latin else "en"


def fold(text: str) -> str:
    """NFKC and lower case: full-width letters, ligatures and capitals become plain ones."""
    return unicodedata.normalize("NFKC", text).lower()


def tokens(text: str) -> list[str]:
    """The words of a text, folded: runs of Chinese characters, and Latin words or numbers."""
    return _TOKEN.findall(_APOSTROPHE.sub("", fold(text)))


def is_cjk(token: str) -> bool:
    """Whether a token of `tokens` is a run of Chinese characters."""
    return token >= _FIRST_CJK and _CJK_CHARACTER.match(token) is not None


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The part of a Latin word that its forms share: orders, ordered and ordering give order."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            if suffix == "s" and word[-2] in "su":  # glass, status
                break
            word = word[: -len(suffix)]
            if suffix[-1] != "s" and len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeious":
                word = word[:-1]
            break
    return word.rstrip("e") if len(word.rstrip("e")) >= 3 else word
