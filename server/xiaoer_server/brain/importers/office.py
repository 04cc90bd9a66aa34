"""PDF and DOCX. Runs in the process of `child`, which a file may bring down without harm."""

from __future__ import annotations

import io
import logging
import re
import zipfile
from collections.abc import Iterator

from .document import MOST_CHARACTERS, MOST_ENTRIES, MOST_PAGES, MOST_UNPACKED, Document, Unreadable

_BROKEN_WORD = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
_LINES = re.compile(r"\n{3,}")


def read_pdf(data: bytes) -> Document:
    """The text of all pages.

    Raises:
        Unreadable: it is no PDF, is broken, encrypted, too long, or has no text.
    """
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    if b"%PDF-" not in data[:1_024]:
        raise Unreadable("is no PDF")
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("is encrypted")
        if len(reader.pages) > MOST_PAGES:
            raise Unreadable(f"has more than {MOST_PAGES} pages")
        size, pages = 0, []
        for page in reader.pages:
            text = page.extract_text().strip()
            size += len(text)
            if size > MOST_CHARACTERS:
                raise Unreadable(f"has more than {MOST_CHARACTERS} characters")
            pages.append(text)
        title = str((reader.metadata.title if reader.metadata is not None else "") or "").strip()
    except (PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OSError) as error:
        raise Unreadable(f"is a broken PDF: {type(error).__name__}: {_line(error)}") from None
    body = _LINES.sub("\n\n", _BROKEN_WORD.sub("", "\n\n".join(filter(None, pages)))).strip()
    if not body:
        raise Unreadable("has no text; are its pages scanned?")
    return Document(title, body)


def read_docx(data: bytes) -> Document:
    """Headings, paragraphs, lists and tables, in order.

    Raises:
        Unreadable: it is no DOCX, is broken, unpacks to too much, or has no text.
    """
    import docx
    from docx.opc.exceptions import OpcError
    from lxml import etree  # type: ignore[import-untyped]

    _check_archive(data)
    try:
        document = docx.Document(io.BytesIO(data))
        body = _LINES.sub("\n\n", "\n".join(_blocks(document))).strip()
        title = (document.core_properties.title or "").strip()
    except (OpcError, etree.LxmlError, zipfile.BadZipFile, KeyError, ValueError, AttributeError) as error:
        raise Unreadable(f"is a broken DOCX: {type(error).__name__}: {_line(error)}") from None
    if not body:
        raise Unreadable("has no text")
    if not title and body.startswith("# "):
        heading, _, body = body.partition("\n")
        title = heading[2:].strip()
    return Document(title, body.strip() or title)


def _check_archive(data: bytes) -> None:
    """Refuse an archive that unpacks to too much, or whose XML defines entities, before anything is unpacked whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_ENTRIES:
                raise Unreadable(f"has more than {MOST_ENTRIES} parts")
            if "word/document.xml" not in {entry.filename for entry in entries}:
                raise Unreadable("is no DOCX")
            unpacked = 0
            for entry in entries:
                with archive.open(entry) as part:
                    head = part.read(65_536)
                    if entry.filename.endswith((".xml", ".rels")) and (b"<!DOCTYPE" in head or b"<!ENTITY" in head):
                        raise Unreadable("its XML defines entities")
                    unpacked += len(head)
                    # The size that the archive's directory names is only a claim.
                    while block := part.read(1 << 20):
                        unpacked += len(block)
                        if unpacked > MOST_UNPACKED:
                            raise Unreadable(f"unpacks to more than {MOST_UNPACKED >> 20} MB")
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, OSError, EOFError, RuntimeError) as error:
        raise Unreadable(f"is a broken DOCX: {_line(error)}") from None


def _blocks(document: object) -> Iterator[str]:
    from docx.table import Table

    for block in document.iter_inner_content():  # type: ignore[attr-defined]
        if isinstance(block, Table):
            yield from _rows(block)
            yield ""
            continue
        text = block.text.strip()
        style = (block.style.name or "").lower() if block.style is not None else ""
        if not text:
            continue
        if style == "title":
            yield f"# {text}\n"
        elif (level := re.fullmatch(r"heading (\d)", style)) is not None:
            yield f"\n{'#' * min(6, int(level[1]))} {text}\n"
        elif style.startswith("list"):
            yield f"- {text}"
        else:
            yield f"{text}\n"


def _rows(table: object) -> Iterator[str]:
    for number, row in enumerate(table.rows):  # type: ignore[attr-defined]
        cells = [" ".join(cell.text.split()).replace("|", "\\|") for cell in row.cells]
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{' --- |' * len(cells)}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or "no reason given"
