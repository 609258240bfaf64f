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
    """The settings that the authors' grid has for 5-way 5-shot mini-ImageNet; give ``images``.

    A day on a GPU: 35,000 updates of 35 steps. The learner that is best on the classes of ``val/``
    is kept. The released run script has inner_lr 0.25, mask_learning_rate 7.5e-3 and 40,000
    updates.
    """
    return FewShotConfig(
        images="mini-imagenet",
        num_shots=num_shots,
        width=64,
        inner_lr=0.5,
        inner_steps=35,
        mask_learning_rate=5e-3,
        tasks_per_update=2,
        updates=35_000,
        keep="best",
        evaluate_every=500,
        evaluate_episodes=500,
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
