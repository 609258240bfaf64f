"""Documents out of texts: articles under titles, books in an archive, records of news.

Documents come in pieces, so that none has to fit into memory. A document always ends with a
newline; one is added where it is missing.
"""

from __future__ import annotations

import csv
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from .text_files import BROKEN, decode, open_file, plain_name, read_text

PIECE = 1 << 16  # characters, about

# As in WikiText, where sections are "= = Title = =", alone between blank lines.
TITLE = re.compile(r" ?= (?!=)(.+)(?<!=) = ?\r?\n")


class Document(NamedTuple):
    """What is known of a document beside its text.

    Attributes:
        title: Its title, or that of its file.
        key: Year, date (as 20040131), or number: what order in time goes by.
    """

    title: str
    key: int


class Piece(NamedTuple):
    """A piece of a document.

    Attributes:
        text: The text.
        document: The document that begins with this piece, or None within a document.
    """

    text: str
    document: Document | None


def read_documents(path: Path) -> Iterator[Piece]:
    """The documents of a file, told by its name.

    ``.jsonl`` has a record a line, ``.tar`` a book a file, anything else is text: one document, or
    as many as it has titles like those of WikiText. Each may end in ``.xz`` or ``.xz.00`` besides.

    Raises:
        ValueError: The file is empty, broken, or not UTF-8; the message says where.
    """
    name = plain_name(path)
    if name.endswith(".jsonl"):
        pieces = _records(path)
    elif name.endswith(".tar"):
        pieces = _books(path)
    else:
        pieces = split_articles(read_text(path), name)
    return close_documents(pieces)


def split_articles(blocks: Iterable[str], name: str) -> Iterator[Piece]:
    """Cut a text before each title, a line ``= Title =`` between blank ones.

    Args:
        blocks: The text in blocks of whole lines.
        name: Title of what has none.
    """
    held: list[str] = []  # lines of the document that have not gone out
    size, articles = 0, 0
    document: Document | None = Document(name, 0)  # None once its first piece has gone out
    blank = True
    # Not str.splitlines, which takes other characters than the newline for line ends.
    lines = chain.from_iterable(re.findall(r"[^\n]*\n|[^\n]+", block) for block in blocks)
    for line, following in pairwise(chain(lines, ("\n",))):
        title = TITLE.fullmatch(line) if blank and not following.strip() else None
        if title:
            # Blank lines before the first title are part of its article.
            if held and (document is None or any(map(str.strip, held))):
                yield Piece("".join(held), document)
                held, size = [], 0
            document = Document(title[1], articles)
            articles += 1
        held.append(line)
        size += len(line)
        if size >= PIECE:
            yield Piece("".join(held), document)
            held, size, document = [], 0, None
        blank = not line.strip()
    if held:
        yield Piece("".join(held), document)


def _books(path: Path) -> Iterator[Piece]:
    """The files of an archive, with their years if ``metadata.csv`` beside it tells them."""
    table = path.with_name("metadata.csv")
    known: dict[str, dict[str, str]] = {}
    if table.is_file():
        with open(table, encoding="utf-8", newline="") as file:
            known = {row["file"]: row for row in csv.DictReader(file)}
    number = 0
    try:
        with open_file(path) as packed, tarfile.open(fileobj=packed, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None:  # a folder
                    continue
                name = Path(member.name).name
                row = known.get(name, {})
                title = f"{row['author']}: {row['title']}" if row else name
                book: Document | None = Document(title, int(row["year"]) if row else number)
                for text in decode(content, f"{path}:{member.name}"):
                    yield Piece(text, book)
                    book = None
                number += 1
    except BROKEN as error:
        raise ValueError(f"{path} is broken: {error}") from None
    if not number:
        raise ValueError(f"{path} is empty")


def _records(path: Path) -> Iterator[Piece]:
    number = 0
    for block in read_text(path):
        for line in block.split("\n"):
            if line.strip():
                number += 1
                try:
                    record = json.loads(line)
                    text = record["text"]
                    if not isinstance(text, str):
                        raise TypeError
                    text.encode()  # half of a surrogate pair is no text
                except (ValueError, KeyError, TypeError):
                    raise ValueError(
                        f"{path} must have a JSON object with a text on every line, line {number} "
                        f"is {line[:40]!r}"
                    ) from None
                yield record_piece(record, text, number - 1)
    if not number:
        raise ValueError(f"{path} is empty")


def record_piece(record: dict[str, Any], text: str, number: int) -> Piece:
    """A record with a text and perhaps a title, and a ``date``, ``year`` or ``id`` to order by."""
    title = str(record.get("title") or number)
    if "title" in record:
        text = f"{title}\n\n{text}"
    if "date" in record:
        key = int(re.sub(r"\D", "", str(record["date"]))[:8] or number)
    else:
        keys = (record.get(name) for name in ("year", "id"))
        key = next((k for k in keys if isinstance(k, int) and abs(k) < 2**63), number)
    return Piece(text, Document(title, key))


def close_documents(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same pieces, with a newline at the end of every document."""
    last: Piece | None = None
    for piece in pieces:
        if last is not None:
            yield _close(last) if piece.document is not None else last
        last = piece
    if last is not None:
        yield _close(last)


def _close(piece: Piece) -> Piece:
    return piece if piece.text.endswith("\n") else Piece(piece.text + "\n", piece.document)
