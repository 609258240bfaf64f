"""Data sets of the Hugging Face hub as sources, by their ids (extra ``hf``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .documents import Piece, close_documents, record_piece, split_articles
from .sources import SPELLINGS, Source


def from_hugging_face(name: str, *, lines: bool = False, tokenised: bool = False) -> Source:
    """A data set of the hub, downloaded by the package ``datasets`` into its own cache.

    Args:
        name: ``owner/name`` or ``owner/name:configuration``. Its rows need a column ``text``, and
            may have ``title``, and ``date``, ``year`` or ``id`` to order by.
        lines: Whether a row is a line, as in WikiText, and not a document.
        tokenised: Whether words are already apart, so that blanks tell them.

    Raises:
        ImportError: ``datasets`` is not installed; the message has the command.
        ValueError: There is no such data set, or no train split or text in it.
    """
    datasets = _load_package()
    path, _, configuration = name.partition(":")
    try:
        found = datasets.load_dataset(path, configuration or None)
    except (OSError, ValueError, ConnectionError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"{name} cannot be had from Hugging Face: {reason}") from error
    names = {
        split: key
        for split, spellings in SPELLINGS.items()
        for key in found
        if key.startswith(spellings)
    }
    if "train" not in names or "text" not in found[names["train"]].column_names:
        columns = {key: found[key].column_names for key in found}
        raise ValueError(f"{name} must have a train split with a column text, it has {columns}")

    def read(split: str) -> Iterator[Piece]:
        rows = found[names[split]]
        if lines:
            # Rows of WikiText have their newline, but for blank ones.
            pieces = split_articles((f"{row['text'].rstrip(chr(10))}\n" for row in rows), name)
        else:
            pieces = (record_piece(row, row["text"] or "", i) for i, row in enumerate(rows))
        return close_documents(pieces)

    # Names of the states of a data set, made by `datasets` from what was downloaded.
    identity = {"name": name, **{split: found[key]._fingerprint for split, key in names.items()}}
    return Source(name, read, tuple(names), identity, tokenised)


def _load_package() -> Any:
    try:
        import datasets
    except ImportError:
        raise ImportError(
            "data sets of Hugging Face need the package datasets: pip install 'driftwise[hf]'"
        ) from None
    return datasets
