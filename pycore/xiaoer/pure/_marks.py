"""What single characters mean to the chunker."""

from typing import Final

# Each character of these stands for itself. No-break spaces are no blanks; the zero-width space is one.
NEWLINES: Final = "\n\x0b\x0c\r\x85\u2028\u2029"
BLANKS: Final = "\t \u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u200b\u205f\u3000"
STRONG_ENDS: Final = "。！？；｡‼⁇⁈⁉।॥؟۔"
WEAK_ENDS: Final = ".!?;…"
STRONG_PAUSES: Final = "，、：､﹐﹑﹕—―"
WEAK_PAUSES: Final = ",:"
OPENERS: Final = "（〔［｛〈《「『【〖“‘"
# These are the inside of a regular expression's brackets.
WESTERN_OPENERS: Final = r"(\[{<"
CLOSERS: Final = r"""）〕］｝〉》」』】〗”’\])}>"'"""
IDEOGRAPHS: Final = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# These cling to the character before them: marks of repetition and length, small kana, units.
CLINGING: Final = "々〻゠ー゙-ゞヽヾｰﾞﾟぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ%％℃°‰"
LOWERCASE: Final = "a-z\u00df-\u00f6\u00f8-\u00ff\u03b1-\u03c9\u0430-\u045f"

ENDS: Final = STRONG_ENDS + WEAK_ENDS
PAUSES: Final = STRONG_PAUSES + WEAK_PAUSES
