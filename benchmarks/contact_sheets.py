"""Omniglot and Glyphs side by side: ``python -m driftwise.benchmarks.contact_sheets``.

Ten scripts each, a row per script and a drawing by someone or other of each of its first twelve
characters; then twelve drawings of one character of each. It writes ``docs/images/glyphs.png``.
"""

from pathlib import Path

import numpy as np
from PIL import Image

import driftwise
from driftwise.envs import Glyphs, ImageSet, Omniglot, contact_sheet

ROWS, COLUMNS = 10, 12
TARGET = Path(driftwise.__file__).parent / "docs" / "images" / "glyphs.png"


def sheets(images: ImageSet, rng: np.random.Generator) -> list[np.ndarray]:
    """Characters of a script by row, and drawings of a character by row, (10, 12, 28, 28) each."""
    scripts = [name.split("/")[0] for name in images.class_names]
    starts = np.array([scripts.index(script) for script in dict.fromkeys(scripts)])
    starts = np.sort(rng.permutation(starts)[:ROWS])
    classes = starts[:, None] + np.arange(COLUMNS)
    drawings = rng.integers(images.num_drawings, size=classes.shape)
    return [
        images.images[classes, drawings],
        images.images[classes[:, :1] + rng.integers(COLUMNS, size=(ROWS, 1)), np.arange(COLUMNS)],
    ]


def main() -> None:
    omniglot = sheets(Omniglot(), np.random.default_rng(0))
    glyphs = sheets(Glyphs(26 * ROWS), np.random.default_rng(0))
    blank = np.zeros((ROWS, 1, 28, 28), dtype=np.uint8)
    halves = [
        contact_sheet(np.concatenate([real, blank, made], axis=1))
        for real, made in zip(omniglot, glyphs, strict=True)
    ]
    gap = np.full((14, halves[0].shape[1]), 255, dtype=np.uint8)
    sheet = np.concatenate([halves[0], gap, halves[1]])
    Image.fromarray(sheet // 17 * 17).save(TARGET, optimize=True)  # 16 greys make a small file
    print(TARGET)


if __name__ == "__main__":
    main()
