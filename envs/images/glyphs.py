"""Made-up handwritten characters, as many as wanted, from a seed."""

from __future__ import annotations

import numpy as np

from ..arguments import check_count
from .glyph_drawing import NORMALS, draw
from .glyph_scripts import Script
from .image_set import SIZE, ImageSet
from .resizing import shrink

CHARACTERS_PER_SCRIPT = 26


class Glyphs(ImageSet):
    """Made-up characters, drawn by hand as it seems: images (C, D, 28, 28), ink 255 on paper 0.

    They need no data. Each 26 of them are a script of their own: their strokes come from the same
    few shapes, put together as the script has it, with a bar on top, say. A drawing moves the pen a
    little differently every time, and is resized as those of :class:`~.Omniglot` are.

    Class k and its drawing d depend on the seed, k and d only: a larger set begins with the
    smaller one. Two scripts of every five are the evaluation split.

    Args:
        num_classes: C, as many as you like (16 kB each).
        num_drawings: D.
        seed: Another seed makes other characters.

    Raises:
        TypeError, ValueError: An argument is not what it must be.
    """

    def __init__(self, num_classes: int = 1000, num_drawings: int = 20, seed: int = 0) -> None:
        check_count("num_classes", num_classes, least=1)
        check_count("num_drawings", num_drawings, least=1)
        check_count("seed", seed, least=0)
        images = np.empty((num_classes, num_drawings, SIZE, SIZE), dtype=np.uint8)
        names: list[str] = []
        for first in range(0, num_classes, CHARACTERS_PER_SCRIPT):
            number = first // CHARACTERS_PER_SCRIPT
            count = min(CHARACTERS_PER_SCRIPT, num_classes - first)
            script = Script(np.random.default_rng([seed, number]))
            characters = [script.next_character() for _ in range(count)]
            # From 1 on: a last 0 would be the script's own generator.
            hands = [np.random.default_rng([seed, number, 1 + index]) for index in range(count)]
            sizes = np.array([44.0 + 34.0 * hand.random() for hand in hands])
            normals = np.stack([hand.standard_normal((num_drawings, NORMALS)) for hand in hands])
            images[first : first + count] = shrink(draw(characters, sizes, normals), SIZE)
            names += [f"glyphs{seed}-{number:02d}/character{n:02d}" for n in range(1, count + 1)]
        scripts = np.arange(num_classes) // CHARACTERS_PER_SCRIPT
        super().__init__(f"Glyphs {seed}", images, tuple(names), ~np.isin(scripts % 5, (1, 3)))
