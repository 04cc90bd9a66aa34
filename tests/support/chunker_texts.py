"""Texts that touch every rule of the chunker, and texts of every string kind."""

import string

from hypothesis import strategies as st

FRAGMENTS = [
    *("你好", "订单", "退货", "カナ", "きょう", "々", "中", "word", "Word", "foo bar", "ünt", "é", "привет", "한국어"),
    *("。", "！", "？", "；", "，", "、", "：", "——", "……", "…", "।", "؟", ". ", ".", "! ", "?", "; ", ", ", ": "),
    *("“", "”", "「", "」", "（", "）", "(", ")", "[", "]", '"', "'", "’", "%", "℃"),
    *("e.g.", "i.e. ", "U.S. ", "J. ", "Mr. ", "Ph.D. ", "No. ", "No. 5", "3.14", "12:30", "Node.js", "Inc. "),
    *("\n", "\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\n  \n"),
    *(" ", "  ", "\t", "\u3000", "\u00a0", "\u200b", "\u2007"),
    *("# ", "## H\n", "\n### 标题\n", "#", "- ", "\n- ", "* ", "1. ", "\n2) ", "3、", "一、", "（1）", "①", "\n10. "),
    *("```\n", "\n```\n", "```py\n", "````\n", "~~~\n", "`", "  ```\n"),
    *("|a|b|\n", "|---|:-:|\n", "a | b\n", "|-|\n", "|"),
    *("\u0301", "e\u0301\u0323", "\u200d", "👨‍👩‍👧", "👍🏽", "🇨🇳", "🇨", "😀", "❤️", "\u0600", "\u0903", "\u200c"),
    *("क", "\u094d", "क्ष", "ᄀ", "ᅡ", "ᆨ", "가", "각", "\ud83d", "\ude00", "\ud83d\ude00", "\x00"),
]

TEXTS = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join),
    st.text(string.printable, max_size=80),  # UCS1, ASCII
    st.text(st.characters(max_codepoint=0xFF), max_size=80),  # UCS1
    st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=()), max_size=80),  # UCS2, lone surrogates
    st.text(st.characters(exclude_categories=()), max_size=80),  # UCS4
)


@st.composite
def limits(draw: st.DrawFn) -> tuple[int, int]:
    """A limit, small enough to be felt by the texts above, and an overlap below it."""
    limit = draw(st.integers(1, 60))
    return limit, draw(st.just(0) | st.integers(0, limit - 1))
