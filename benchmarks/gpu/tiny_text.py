"""A text of made-up articles for dry runs, with words that come back within an article."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from driftwise.tracking import make_writable_folder, write_text

SIZES = {"train": 24, "valid": 6, "test": 6}  # articles
WORDS = 60


def write_tiny_text(folder: Path) -> Path:
    """A folder with a file of articles for each split, always the same ones.

    The words of an article are drawn from a few of its own, mostly, and from a vocabulary in which
    word k is as frequent as 1 / k.
    """
    make_writable_folder(folder)
    frequent = 1 / np.arange(1, WORDS + 1)
    for number, (split, count) in enumerate(SIZES.items()):
        path = folder / f"tiny.{split}.tokens"
        if path.exists():
            continue
        rng = np.random.default_rng([0, number])
        articles = []
        for article in range(count):
            own = rng.choice(WORDS, 6, replace=False)
            lines = []
            for _ in range(6):
                common = rng.choice(WORDS, 12, p=frequent / frequent.sum())
                mixed = np.where(rng.random(12) < 0.6, rng.choice(own, 12), common)
                lines.append(" " + " ".join(f"w{word}" for word in mixed) + " \n")
            articles.append(f" \n = Article {split} {article} = \n \n" + "".join(lines))
        write_text(path, "".join(articles))
    return folder
