"""CSV with a line of headings: each row is an article.

Headings in English or Chinese: question and answer (or title and body) are needed; asks (separated by | or line
breaks), lang, slug and topic may be there. A cell that a spreadsheet would run as a formula has its row refused: such
a table was made for somebody else's program, and would run in whatever it is exported to.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Literal

from .document import MOST_ROWS, Document, Read, Refusal, Unreadable
from .encoding import decode

_NAMES = {
    "title": "question q title 问题 标题 问",
    "body": "answer a body content text 答案 回答 内容 正文 答",
    "asks": "asks ask similar variants 问法 相似问 相似问题 相似问法 其他问法",
    "lang": "lang language 语言",
    "slug": "slug id 编号",
    "topic": "topic category 主题",
}
_COLUMNS = {name: column for column, names in _NAMES.items() for name in names.split()}
_LANGUAGES: dict[str, Literal["zh", "en"]] = {
    "zh": "zh",
    "zh-cn": "zh",
    "中文": "zh",
    "en": "en",
    "english": "en",
    "英文": "en",
}
_SEPARATORS = ",;\t|"

#: What Excel, LibreOffice or a DDE link would run. A plain number may begin with a sign, and a telephone number.
_FORMULA = re.compile(r"\s*(?:[=@＝＠]\s*\S|[+\-＋－][^\s\d]*[A-Za-z][^\s]*[(!|])")


def read(data: bytes) -> Read:
    """Read a table; rows that are no articles are named in what is returned.

    Raises:
        Unreadable: it is no text, has no headings that are known, or is no CSV.
    """
    text = decode(data)
    first = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    found = Read([])
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        columns = _columns(next(rows, []))
        for row in rows:
            if len(found.documents) + len(found.refused) >= MOST_ROWS:
                raise Unreadable(f"has more than {MOST_ROWS} rows")
            if any(cell.strip() for cell in row):
                _row(row, columns, rows.line_num, found)
    except csv.Error as error:
        raise Unreadable(f"is no CSV: {error}") from None
    return found


def _columns(headings: list[str]) -> list[str | None]:
    columns = [_COLUMNS.get(heading.strip().lower()) for heading in headings]
    if "title" not in columns or "body" not in columns:
        raise Unreadable("its first line needs the headings question and answer (问题, 答案)")
    return columns


def _row(row: list[str], columns: list[str | None], line: int, found: Read) -> None:
    cells = {column: cell.strip() for column, cell in zip(columns, row, strict=False) if column is not None}
    formula = next((column for column, cell in cells.items() if _FORMULA.match(cell)), None)
    if formula is not None:
        found.refused.append(Refusal(f"line {line}", f"the {formula} is a spreadsheet formula"))
    elif not cells.get("title") or not cells.get("body"):
        found.refused.append(Refusal(f"line {line}", "has no question or no answer"))
    else:
        asks = [ask.strip() for ask in re.split(r"[|\n]", cells.get("asks", "")) if ask.strip()]
        language = _LANGUAGES.get(cells.get("lang", "").lower())
        found.documents.append(
            Document(cells["title"], cells["body"], asks, language, cells.get("slug", ""), cells.get("topic", ""))
        )
