"""WikiText as people write it: a rule that takes its marks and blanks away, and one that undoes it.

The raw files of WikiText have no ``<unk>``, but still the marks of its tokeniser: ``3 @,@ 000``,
blanks before commas, ``Teddy 's``. A model of ordinary text would pay for them. :func:`detokenise`
joins what belongs together, and only where :func:`tokenise` takes it apart again, so that the way
back is exact by construction: either text can be had from the other, and perplexities per word of
the original can be compared.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from .documents import read_documents
from .text_files import find_file
from .token_split import Documents, TokenSplit, id_dtype
from .tokenizer import Tokenizer

KEEP = "\u2060"  # in front of a word that would be taken apart wrongly: an invisible word joiner
MARKS = {"@-@": "-", "@,@": ",", "@.@": "."}
BEFORE = frozenset("([$£€")
BEHIND = frozenset([*",.;:!?)]%'", "'s", "'t", "'re", "'ve", "'ll", "'d", "'m"])
SEPARATE = re.compile(
    r"(?P<digits>(?<=\d)[.,](?=\d))|(?P<hyphen>(?<=\w)-(?=\w))"
    r"|[\"()\[\],;:!?%$£€]|(?<=\w)'(?:s|t|re|ve|ll|d|m)(?!\w)"
)
ABBREVIATION = re.compile(
    r"(?:[^\W\d_]|.*\w\.\w+|Mr|Mrs|Ms|Dr|St|Jr|Sr|No|Nos|Lt|Col|Gen|Capt|Maj|Sgt|Rev|Prof|Gov|Sen|vs|etc"
    r"|ca|Inc|Ltd|Co|Corp|Bros|\.+)\."
)


def read_raw_wikitext(path: str | os.PathLike[str], tokenizer: Tokenizer) -> TokenSplit:
    """A raw split of WikiText as ids of its detokenised text.

    Words are those of the original, and one for the end of each line: 245,569 in the test split,
    which is that of WikiText-2 and WikiText-103 alike. So are perplexities per word.

    Args:
        path: The file, which may be compressed.
        tokenizer: Which can encode any text, such as byte pairs.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or no raw split of WikiText.
    """
    file = find_file(Path(path))
    if file is None:
        raise FileNotFoundError(f"{path} (or .xz) is not there")
    texts: list[str] = []
    titles = []
    for piece in read_documents(file):
        if piece.document is None:
            texts[-1] += piece.text
        else:
            texts.append(piece.text)
            titles.append(piece.document.title)
    end = [tokenizer.eos] if tokenizer.ends_documents else []
    ids, words, sizes = [], [], []
    for text in texts:
        lines = text.removesuffix("\n").split("\n")
        joined = "".join(f"{detokenise(line)}\n" for line in lines)
        ids.append(np.append(tokenizer.encode([joined])[0], np.array(end, np.uint32)))
        words.append(len(text.split()) + len(lines))
        sizes.append(len(joined.encode()))
    documents = Documents(
        offsets=np.cumsum([0, *map(len, ids)]),
        keys=np.arange(len(ids)),
        words=np.array(words),
        bytes=np.array(sizes),
        titles=np.array(titles),
    )
    return TokenSplit(
        np.concatenate(ids).astype(id_dtype(len(tokenizer))), documents, tokenizer.eos
    )


def detokenise(line: str) -> str:
    """A line of WikiText, without its newline, as ordinary text.

    Headings (``= Title =``) and blank lines stay as they are.

    Raises:
        ValueError: The line does not begin and end with a blank.
    """
    if line.strip(" ") and not (line[0] == line[-1] == " "):
        raise ValueError(f"a line of WikiText begins and ends with a blank, got {line[:40]!r}")
    words = line[1:-1].split(" ")
    if words[0] in ("", "="):
        return line
    chunks: list[str] = []
    held: list[str] = []  # the words of the last chunk
    join, quoted, place = False, False, 0
    while place < len(words):
        word = words[place]
        new, text = [word], word
        if word in MARKS and place + 1 < len(words):
            new, text = words[place : place + 2], MARKS[word] + words[place + 1]
        closing = word == '"' and quoted
        wanted = chunks and (join or closing or word in BEHIND or word in MARKS)
        if wanted and _words(chunks[-1] + text) == held + new:
            chunks[-1] += text
            held += new
        else:
            new = [word]
            chunks.append(word if _words(word) == new else KEEP + word)
            held = list(new)
        quoted ^= word == '"'
        join = word in BEFORE or (word == '"' and quoted)
        place += len(new)
    return " ".join(chunks)


def tokenise(text: str) -> str:
    """The line of WikiText that :func:`detokenise` has made a text of."""
    if text[:1] in ("", " "):
        return text
    words = [word for chunk in text.split(" ") for word in _words(chunk)]
    return " " + " ".join(words) + " "


def _words(chunk: str) -> list[str]:
    """The words of a piece of text without blanks."""
    if chunk[:1] == KEEP:
        return [chunk[1:]]
    words: list[str] = []
    begin = 0
    for found in SEPARATE.finditer(chunk):
        words += _ended(chunk[begin : found.start()])
        marked = found["digits"] or found["hyphen"]
        words.append(f"@{marked}@" if marked else found[0])
        begin = found.end()
    return words + _ended(chunk[begin:])


def _ended(word: str) -> list[str]:
    """A word, and apart from it a full stop or an apostrophe at its end."""
    if len(word) > 1 and (
        word[-1] == "'" or (word[-1] == "." and not ABBREVIATION.fullmatch(word))
    ):
        return [word[:-1], word[-1]]
    return [word] if word else []
