"""Few-shot training runs, as functions that return their configuration."""

import dataclasses
from collections.abc import Callable

from .config import FewShotConfig


def omniglot() -> FewShotConfig:
    """5-way 1-shot Omniglot, a network of 32 channels, first order: minutes on one core."""
    return FewShotConfig(width=32)


def omniglot_20way() -> FewShotConfig:
    """20-way 1-shot Omniglot."""
    return FewShotConfig(width=32, num_ways=20, num_queries=5)


def glyphs() -> FewShotConfig:
    """5-way 1-shot of characters that are made up; needs no data."""
    return FewShotConfig(images="glyphs", width=32)


def mini_imagenet(num_shots: int = 5) -> FewShotConfig:
    """The release's settings for 5-way 5-shot mini-ImageNet; give ``images``, the folder.

    A day on a GPU: 40,000 updates of 35 steps. The paper's headline is at this inner_lr, its run
    script has 0.25.
    """
    return FewShotConfig(
        images="mini-imagenet",
        num_shots=num_shots,
        width=64,
        inner_lr=0.5,
        inner_steps=35,
        mask_learning_rate=5e-3,
        tasks_per_update=2,
        updates=40_000,
        evaluate_every=500,
        checkpoint_every=500,
    )


def mini_imagenet_1shot() -> FewShotConfig:
    """The same with one shot."""
    return dataclasses.replace(mini_imagenet(1), mask_learning_rate=0.01, tasks_per_update=4)


def cifar_fs() -> FewShotConfig:
    """5-way 5-shot CIFAR-FS with the settings of mini-ImageNet; give ``images``, the folder."""
    return dataclasses.replace(mini_imagenet(), images="cifar-fs", image_size=32)


RECIPES: dict[str, Callable[[], FewShotConfig]] = {
    "omniglot": omniglot,
    "omniglot-20way": omniglot_20way,
    "glyphs": glyphs,
    "mini-imagenet": mini_imagenet,
    "mini-imagenet-1shot": mini_imagenet_1shot,
    "cifar-fs": cifar_fs,
}
