"""Examples of intents from a file: what people may write, and what is wrong with it, by line.

Three kinds of file. The plain one (`.txt`) has intents in brackets and below each its examples, one a line; `#` begins
a comment:

    [order.status]
    where is my parcel
    我的快递到哪了

`.csv` has a first line that names the columns `text` and `intent` (or `label`, `category`), `.jsonl` an object a line
with the keys `text` and `intent`.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

#: What a tenant may have: intents, examples of one intent, code points of an example; and bytes of a file.
INTENTS, EXAMPLES, CHARS, FILE_BYTES = 500, 2_000, 500, 16 << 20

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

#: Told of a file with more that is wrong.
MOST_FAULTS = 20

_COLUMNS = ("intent", "label", "category")


class ExamplesError(Exception):
    """Examples that cannot be taken. The message has a line for each fault, with its line number."""


class _Line(msgspec.Struct, frozen=True):
    text: str
    intent: str


def read(path: Path) -> dict[str, list[str]]:
    """The examples of a file by intent, in its order.

    Raises:
        ExamplesError: the file is too long, is not UTF-8, or something in it is not allowed; all of it is told.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(FILE_BYTES + 1)
    if len(content) > FILE_BYTES:
        raise ExamplesError(f"{path.name}: is longer than {FILE_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ExamplesError(f"{path.name}:{line}: is not UTF-8") from None
    return parse(text, path.name)


def parse(text: str, name: str) -> dict[str, list[str]]:
    """The examples in the text of a file of this name.

    Raises:
        ExamplesError: as `read`.
    """
    faults: list[str] = []
    rows = {".csv": _csv, ".jsonl": _jsonl}.get(Path(name).suffix.lower(), _plain)(text, faults)
    found: dict[str, list[str]] = {}
    seen: dict[str, tuple[int, str]] = {}
    for line, intent, example in rows:
        example = example.strip()
        fault = fault_of(intent, example)
        before = seen.get(folded(example))
        if fault is None and before is not None and before[1] != intent:
            fault = f"{example[:60]!r} is an example of {before[1]} already, on line {before[0]}"
        if fault is not None:
            faults.append(f"line {line}: {fault}")
        elif before is None:
            seen[folded(example)] = line, intent
            found.setdefault(intent, []).append(example)
    if not faults:
        faults.extend(too_many(found))
    if not faults and not found:
        faults.append("line 1: there are no examples")
    if faults:
        shown = [f"{name}: {fault}" for fault in faults[:MOST_FAULTS]]
        if len(faults) > MOST_FAULTS:
            shown.append(f"{name}: and {len(faults) - MOST_FAULTS} more")
        raise ExamplesError("\n".join(shown))
    return found


def check(examples: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Examples that did not come in a file, cleaned of blanks around them and of repetitions.

    Raises:
        ExamplesError: something is not allowed, or a text is an example of two intents.
    """
    found: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for intent, texts in examples.items():
        found[intent] = []
        for text in texts:
            text = text.strip()
            fault = fault_of(intent, text)
            before = seen.setdefault(folded(text), intent)
            if fault is None and before != intent:
                fault = f"{text[:60]!r} is an example of {before} already"
            if fault is not None:
                raise ExamplesError(fault)
            if all(folded(text) != folded(other) for other in found[intent][-50:]):
                found[intent].append(text)
    for fault in too_many(found):
        raise ExamplesError(fault)
    return found


def fault_of(intent: str, text: str) -> str | None:
    """What is wrong with an example, if anything."""
    if not NAME.fullmatch(intent):
        return f"the intent {intent[:64]!r} is not allowed; allowed: 1 to 64 of a-z, 0-9, '.', '_' and '-'"
    if not text:
        return "the example is empty"
    if len(text) > CHARS:
        return f"the example has {len(text)} characters; allowed: {CHARS}"
    if not all(char.isprintable() or char in "\t\n" for char in text):
        return "the example has a character that cannot be printed"
    return None


def too_many(examples: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Whatever there is more of than allowed."""
    if len(examples) > INTENTS:
        yield f"there are {len(examples)} intents; allowed: {INTENTS}"
    for intent, texts in examples.items():
        if len(texts) > EXAMPLES:
            yield f"{intent} has {len(texts)} examples; allowed: {EXAMPLES}"


def folded(text: str) -> str:
    """Equal for texts that differ in width, case or blanks only."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _plain(text: str, faults: list[str]) -> Iterator[tuple[int, str, str]]:
    intent: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if not line.endswith("]"):
                faults.append(f"line {number}: a line that begins with [ names an intent and ends with ]")
            intent = line.strip("[]").strip()
        elif intent is None:
            faults.append(f"line {number}: an example before the first [intent]")
        else:
            yield number, intent, line


def _csv(text: str, faults: list[str]) -> Iterable[tuple[int, str, str]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        column = next((name for name in _COLUMNS if name in header), None)
        if "text" not in header or column is None:
            faults.append("line 1: the columns are not named text and intent")
            return
        for row in reader:
            if row and len(row) != len(header):
                faults.append(f"line {reader.line_num}: {len(row)} columns instead of {len(header)}")
            elif row:
                yield reader.line_num, row[header.index(column)].strip(), row[header.index("text")]
    except csv.Error as error:
        faults.append(f"line {reader.line_num}: {error}")


def _jsonl(text: str, faults: list[str]) -> Iterator[tuple[int, str, str]]:
    decode = msgspec.json.Decoder(_Line).decode
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            faults.append(f"line {number}: {error}")
        else:
            yield number, row.intent, row.text
