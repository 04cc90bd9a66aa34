"""Long documents for the chunkers and the token counters: Chinese, English, Markdown of both, and a wall of letters."""

import random
from functools import lru_cache

from benches.alphabet import ENGLISH, chinese_chooser

DOCUMENTS = ("chinese", "english", "markdown", "unpunctuated")


@lru_cache(maxsize=16)
def make_document(kind: str, length: int) -> str:
    """So many characters of paragraphs of sentences, or of nothing but characters."""
    random_ = random.Random(f"{kind}{length}")
    choose = chinese_chooser(random_)
    if kind == "unpunctuated":
        return choose(length)

    def chinese_sentence() -> str:
        clauses = [choose(random_.randint(4, 14)) for _ in range(random_.randint(1, 4))]
        return "，".join(clauses) + random_.choice("。。。。！？；")

    def english_sentence() -> str:
        words = random_.choices(ENGLISH, k=random_.randint(5, 22))
        if random_.random() < 0.1:
            words[random_.randrange(len(words))] = random_.choice(("e.g.", "3.14", "Mr.", "v2.0", "$5.99"))
        return " ".join(words).capitalize() + random_.choice("....!?")

    def paragraph(chinese: bool) -> str:
        count = random_.randint(2, 8)
        if chinese:
            return "".join(chinese_sentence() for _ in range(count))
        return " ".join(english_sentence() for _ in range(count))

    def block() -> str:
        if kind != "markdown":
            return paragraph(kind == "chinese")
        chance = random_.random()
        if chance < 0.15:
            return "## " + choose(6)
        if chance < 0.3:
            return "\n".join("- " + english_sentence() for _ in range(random_.randint(2, 6)))
        if chance < 0.38:
            return "```python\n" + "\n".join(f"value = {number} * 2" for number in range(8)) + "\n```"
        if chance < 0.46:
            rows = "\n".join(f"| {choose(3)} | {random_.randint(1, 999)} |" for _ in range(6))
            return "| 品名 | 价格 |\n|---|---|\n" + rows
        return paragraph(random_.random() < 0.5)

    parts: list[str] = []
    size = 0
    while size < length:
        parts.append(block() + "\n\n")
        size += len(parts[-1])
    return "".join(parts)[:length]
