"""Runs of continual learners, as functions that return their configuration."""

from collections.abc import Callable

from .config import ContinualConfig


def rotations() -> ContinualConfig:
    """MNIST, rotated more and more: about two minutes of one core."""
    return ContinualConfig()


def permutations() -> ContinualConfig:
    """MNIST with the pixels permuted anew in each of 20 tasks."""
    return ContinualConfig(stream="permutations")


def many_permutations() -> ContinualConfig:
    """The same with 100 tasks of 200 images."""
    return ContinualConfig(stream="many-permutations")


def osaka() -> ContinualConfig:
    """2,000 steps of tasks that stay 50 steps on average, and a network of 32 channels."""
    return ContinualConfig(
        stream="osaka", learner="sparse_c_maml", learner_kwargs={"width": 32}, steps=2_000
    )


def osaka_fast() -> ContinualConfig:
    """The same with tasks that stay 10 steps on average."""
    return ContinualConfig(
        stream="osaka",
        learner="sparse_c_maml",
        learner_kwargs={"width": 32},
        steps=2_000,
        stay_probability=0.9,
    )


def omniglot_curriculum() -> ContinualConfig:
    """More and more classes of Omniglot."""
    return ContinualConfig(stream="omniglot-curriculum", max_classes=300)


def glyphs() -> ContinualConfig:
    """A small stream that needs no data: glyphs, rotated more and more."""
    return ContinualConfig(images="glyphs", num_tasks=5, samples_per_task=200)


RECIPES: dict[str, Callable[[], ContinualConfig]] = {
    "rotations": rotations,
    "permutations": permutations,
    "many-permutations": many_permutations,
    "osaka": osaka,
    "osaka-fast": osaka_fast,
    "omniglot-curriculum": omniglot_curriculum,
    "glyphs": glyphs,
}
