"""Writes the readings of the characters of GB 2312 that `xiaoer._variants` spells words with.

    pip download --no-deps pypinyin==0.55.0 && unzip pypinyin-*.whl
    python native/kernels/scripts/pinyin_table.py pypinyin

Source: the dictionaries of characters and of phrases in pypinyin 0.55.0 (MIT). The first lists every reading that a
character ever had; the second tells which are common: those with at least two phrases and a twentieth of all phrases
that have the character. Without any such reading the first one counts.
"""

import json
import sys
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

TARGET = Path(__file__).parents[3] / "pycore/xiaoer/_pinyin.py"
TONES = {"\u0300", "\u0301", "\u0304", "\u030c"}


def toneless(reading: str) -> str:
    """`lǜ` is `lv`."""
    bare = (char for char in unicodedata.normalize("NFD", reading) if char not in TONES)
    return unicodedata.normalize("NFC", "".join(bare)).replace("ü", "v").replace("ê", "e")


def gb2312() -> list[str]:
    rows = (bytes([row, cell]) for row in range(0xB0, 0xF8) for cell in range(0xA1, 0xFF))
    return [char for pair in rows if (char := pair.decode("gb2312", "ignore"))]


def main() -> None:
    folder = Path(sys.argv[1])
    characters = json.loads((folder / "pinyin_dict.json").read_text("utf-8"))
    phrases = json.loads((folder / "phrases_dict.json").read_text("utf-8"))
    uses: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for phrase, readings in phrases.items():
        if len(phrase) == len(readings):
            for char, (reading, *_) in zip(phrase, readings, strict=True):
                uses[char][toneless(reading)] += 1
    lines: defaultdict[str, str] = defaultdict(str)
    for char in gb2312():
        known = [toneless(reading) for reading in characters[str(ord(char))].split(",")]
        least = max(2, uses[char].total() / 20)
        common = [reading for reading in dict.fromkeys(known) if uses[char][reading] >= least]
        for reading in common or known[:1]:
            lines[reading] += char
    body = "".join(f"{reading} {chars}\n" for reading, chars in sorted(lines.items()))
    TARGET.write_text(
        '"""The common readings of the 6,763 characters of GB 2312 in toneless pinyin, a syllable a line; `v` is ü.\n\n'
        "Source: pypinyin 0.55.0 (MIT); written by native/kernels/scripts/pinyin_table.py.\n"
        f'"""\n\n# ruff: noqa: E501\nREADINGS = """\n{body}"""\n',
        "utf-8",
    )


if __name__ == "__main__":
    main()
