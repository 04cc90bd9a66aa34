"""Writes the grapheme data that the chunker and its pure twin share, and the break tests beside them.

    python native/kernels/scripts/grapheme_tables.py ~/.cargo/registry/src/*/unicode-segmentation-1.13.3

Source: the tables and test data in the Rust crate unicode-segmentation (MIT or Apache-2.0), which its authors made
from the Unicode Character Database 17.0.0 (© Unicode, Inc., Unicode License v3). The crate itself works on UTF-8
only; we read code points where they lie, so we take its data and not its code.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
RUST = ROOT / "native/kernels/src/chunker/grapheme_table.rs"
PYTHON = ROOT / "pycore/xiaoer/pure/_grapheme_table.py"
BREAKS = ROOT / "tests/data/grapheme_break_test.txt"

SOURCE = "unicode-segmentation 1.13.3 (MIT or Apache-2.0), from Unicode 17.0.0 (Unicode License v3)"

# The crate's name of a class, ours, and the letter that stands for it in the twin's regular expression.
CLASSES = {
    "GC_CR": ("Cr", "r"),
    "GC_LF": ("Lf", "n"),
    "GC_Control": ("Control", "c"),
    "HIGH": ("HighSurrogate", "h"),
    "LOW": ("LowSurrogate", "w"),
    "GC_Extend": ("Extend", "x"),
    "NON_INCB": ("NonConjunctExtend", "j"),
    "LINKER": ("Linker", "l"),
    "GC_ZWJ": ("Zwj", "z"),
    "GC_SpacingMark": ("SpacingMark", "s"),
    "GC_Prepend": ("Prepend", "p"),
    "GC_Regional_Indicator": ("Regional", "R"),
    "GC_Extended_Pictographic": ("Pictographic", "P"),
    "GC_InCB_Consonant": ("Consonant", "K"),
    "GC_L": ("HangulL", "L"),
    "GC_V": ("HangulV", "V"),
    "GC_T": ("HangulT", "T"),
}
# Hangul syllables (classes LV and LVT) follow from arithmetic; as ranges they would double the tables.
SYLLABLES = range(0xAC00, 0xD7A4)

CHAR = r"'\\u\{([0-9a-fA-F]+)\}'"


def classes(tables: str) -> dict[int, str]:
    """Code point → class, for every code point that is not simply a letter of its own."""
    body = tables[tables.index("const grapheme_cat_table") :].split("];")[0]
    found = {
        point: name
        for low, high, name in re.findall(rf"\(\s*{CHAR},\s*{CHAR},\s*(GC_\w+)\s*\)", body)
        for point in range(int(low, 16), int(high, 16) + 1)
    }
    body = tables[tables.index("const InCB_Extend_table") :].split("];")[0]
    conjunct = {
        point
        for low, high in re.findall(rf"\(\s*{CHAR},\s*{CHAR}\s*\)", body)
        for point in range(int(low, 16), int(high, 16) + 1)
    }
    body = tables[tables.index("pub fn is_incb_linker") :].split("\n}")[0]
    for linker in (int(text, 16) for text in re.findall(CHAR, body)):
        assert found[linker] == "GC_Extend", hex(linker)
        found[linker] = "LINKER"
    for point, name in found.items():
        if name == "GC_Extend" and point not in conjunct:
            found[point] = "NON_INCB"
    strays = {p for p in conjunct if found.get(p) not in ("GC_Extend", "LINKER", "GC_ZWJ")}
    assert not strays, strays
    for point in SYLLABLES:
        assert found.pop(point) == ("GC_LVT" if (point - SYLLABLES.start) % 28 else "GC_LV")
    found |= dict.fromkeys(range(0xD800, 0xDC00), "HIGH") | dict.fromkeys(range(0xDC00, 0xE000), "LOW")
    return found


def ranges(found: dict[int, str]) -> list[tuple[int, int, str]]:
    rows: list[tuple[int, int, str]] = []
    for point in sorted(found):
        if rows and rows[-1][1] == point - 1 and rows[-1][2] == found[point]:
            rows[-1] = (rows[-1][0], point, found[point])
        else:
            rows.append((point, point, found[point]))
    return rows


def write_rust(rows: list[tuple[int, int, str]]) -> None:
    names = sorted({CLASSES[name][0] for _, _, name in rows})
    lines = [
        f"//! Made by `scripts/grapheme_tables.py` from {SOURCE}. Do not edit.",
        "",
        "#[rustfmt::skip]",
        f"use super::graphemes::Class::{{self, {', '.join(names)}}};",
        "",
        "/// Ranges by first and last code point; sorted. What is missing is a Hangul syllable or `Class::Any`.",
        "#[rustfmt::skip]",
        f"pub(super) const RANGES: [(u32, u32, Class); {len(rows)}] = [",
        *(f"    (0x{low:04x}, 0x{high:04x}, {CLASSES[name][0]})," for low, high, name in rows),
        "];",
    ]
    RUST.write_text("\n".join(lines) + "\n")


def write_python(rows: list[tuple[int, int, str]]) -> None:
    lines = [
        '"""Made by native/kernels/scripts/grapheme_tables.py. Do not edit.',
        "",
        f"Source: {SOURCE}.",
        '"""',
        "",
        "# Ranges by first and last code point; sorted. What is missing is a Hangul syllable or of class `a`.",
        "# fmt: off",
        "RANGES: tuple[tuple[int, int, str], ...] = (",
        *(f'    (0x{low:04x}, 0x{high:04x}, "{CLASSES[name][1]}"),' for low, high, name in rows),
        ")",
    ]
    PYTHON.write_text("\n".join(lines) + "\n")


def write_breaks(data: str) -> None:
    """One line a case, the clusters separated by ÷, code points in hexadecimal."""

    def points(literal: str) -> str:
        return " ".join(f"{int(point, 16):04X}" for point in re.findall(r"\\u\{([0-9a-f]+)\}", literal))

    # TEST_SAME: (text, clusters); TEST_DIFF: (text, extended clusters, legacy clusters). We want the extended ones.
    same = data[data.index("TEST_SAME") : data.index("TEST_DIFF")].split("] = &[")[1]
    diff = data[data.index("TEST_DIFF") : data.index("TEST_WORD")].split("] = &[")[1]
    text = r'"((?:\\u\{[0-9a-f]+\})+)"'
    cases = re.findall(rf"\({text},\s*&\[([^\]]*)\]", same) + re.findall(
        rf"\({text},\s*&\[([^\]]*)\],\s*&\[[^\]]*\]", diff
    )
    lines = [
        "# GraphemeBreakTest of Unicode 17.0.0 (© Unicode, Inc., Unicode License v3), extended clusters,",
        "# taken from tests/testdata/mod.rs of the crate unicode-segmentation 1.13.3 (MIT or Apache-2.0)",
        "# by native/kernels/scripts/grapheme_tables.py. One case a line, ÷ between clusters.",
    ]
    for whole, clusters in cases:
        parts = [points(part) for part in re.findall(text, clusters)]
        assert " ".join(parts) == points(whole)
        lines.append(" ÷ ".join(parts))
    BREAKS.write_text("\n".join(lines) + "\n")
    print(f"{len(cases)} break tests")


def main(crate: Path) -> None:
    rows = ranges(classes((crate / "src/tables.rs").read_text()))
    write_rust(rows)
    write_python(rows)
    write_breaks((crate / "tests/testdata/mod.rs").read_text())
    print(f"{len(rows)} ranges")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
