"""The configuration of a few-shot training run, and what is made from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...envs import MNIST, FashionMNIST, FewShotEpisodes, Glyphs, ImageFolder, ImageSet, Omniglot
from ...envs.arguments import check_count, check_flag
from ...envs.images.image_folder import LAYOUT
from ...memory.contract import check_rates, check_sizes
from ...memory.initial_masks import check_mask_kwargs
from .methods import METHODS

IMAGES: dict[str, Callable[[], ImageSet]] = {
    "omniglot": Omniglot,
    "glyphs": Glyphs,
    "mnist": MNIST,
    "fashion_mnist": FashionMNIST,
}
TEST_SEED = 1_000_000_000  # added to the seed: test episodes are those of no training run


@dataclass(frozen=True)
class FewShotConfig:
    """A few-shot learner, its episodes, and for how long; all of it plain data."""

    method: str = "sparse_maml"
    """maml, anil, boil, meta_sgd, sparse_maml, sparse_relu_maml or sparse_maml_plus."""
    images: str = "omniglot"
    """omniglot (needs its data, DRIFTWISE_DATA), glyphs (made up), or a folder with train/<class>/,
    test/<class>/ and perhaps val/<class>/, as of mini-ImageNet."""
    image_size: int = 84
    """Pixels of a side for the images of a folder: 84 of mini-ImageNet, 32 of CIFAR-FS."""
    rotations: bool = False
    """Images rotated by 90, 180 and 270 degrees are classes of their own in training."""

    num_ways: int = 5
    """Classes of an episode."""
    num_shots: int = 1
    """Images of each class to adapt to."""
    num_queries: int = 15
    """Images of each class to be tested on."""

    width: int = 64
    """Channels of each of the four blocks."""
    inner_lr: float = 0.1
    """Step size of the inner loop; of meta_sgd and sparse_relu_maml, the initial one."""
    inner_steps: int = 5
    """Steps of the inner loop."""
    test_inner_steps: int | None = None
    """The same in evaluations and tests; by default as many."""
    first_order: bool = True
    """Take the inner gradients for constants."""
    batch_norm: Literal["transductive", "support"] = "transductive"
    """Normalise the queries by their own statistics, or by those of the support set."""

    learning_rate: float = 1e-3
    """Step size of the weights."""
    mask_learning_rate: float = 7.5e-3
    """Step size of what the mask learns."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """Of both; sgd has Nesterov momentum 0.9."""
    mask_kwargs: dict[str, Any] = field(default_factory=dict)
    """More settings of the UpdateMask: sparsity (0.5 at first), logit_scale, noise_size."""
    tasks_per_update: int = 4
    """Episodes whose losses are added up for one step of the optimisers."""
    updates: int = 2_000
    """Steps of the optimisers. May be another when a run goes on."""

    validation_classes: int = 64
    """The last of the classes to train on that are kept to validate by. A folder with val/ has its
    own."""
    evaluate_every: int = 200
    """Updates between evaluations on these classes."""
    evaluate_episodes: int = 50
    """Episodes of each."""
    keep: Literal["last", "best"] = "last"
    """The learner that is tested and saved in the end: the last, or the one that was best at an
    evaluation."""
    test_on: tuple[str, ...] = ()
    """Other images to test on at the end: named as above (a folder needs its test/ only), or mnist,
    fashion_mnist. May be others when a run goes on."""
    test_episodes: int = 600
    """Episodes of each test at the end. May be another when a run goes on."""

    vmapped: bool | None = None
    """Adapt to all tasks of an update at once: by default on a GPU only, as it is slower on a
    CPU."""
    checkpoint_every: int = 200
    """Updates between checkpoints."""
    seed: int = 0
    """Seed of the weights, the mask and the episodes."""
    device: str = "cpu"
    """torch device."""

    def check(self) -> None:
        """Raise an error that names a field that is not what it must be."""
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        sizes = (
            *("image_size", "num_ways", "num_shots", "num_queries", "width", "inner_steps"),
            *("tasks_per_update", "updates", "evaluate_every", "evaluate_episodes"),
            *("test_episodes", "checkpoint_every"),
            *(("test_inner_steps",) if self.test_inner_steps is not None else ()),
        )
        check_sizes(**{name: getattr(self, name) for name in sizes})
        rates = ("inner_lr", "learning_rate", "mask_learning_rate")
        check_rates(**{name: getattr(self, name) for name in rates})
        check_flag("rotations", self.rotations)
        check_flag("first_order", self.first_order)
        if self.vmapped is not None:
            check_flag("vmapped", self.vmapped)
        check_count("seed", self.seed, least=0)
        check_mask_kwargs(self.mask_kwargs)
        if isinstance(self.test_on, str):
            raise TypeError(f"test_on must be a tuple of names, got {self.test_on!r}")
        for name, known in (
            ("batch_norm", ("transductive", "support")),
            ("optimizer", ("adam", "sgd")),
            ("keep", ("last", "best")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}"
                )
        if self.num_ways < 2:
            raise ValueError(f"num_ways must be at least 2, got {self.num_ways}")
        check_count("validation_classes", self.validation_classes, least=self.num_ways)

    @property
    def task(self) -> str:
        """What is trained on, as the name of a folder."""
        name = self.images if self.images in IMAGES else Path(self.images).resolve().name
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
        return f"{name}-{self.num_ways}way-{self.num_shots}shot"

    def training_images(self) -> tuple[ImageSet, ImageSet]:
        """The classes to train on, and those to validate by.

        Raises:
            FileNotFoundError: the images are not there; the message says how to get them.
            ValueError: there is nothing of this name, it has too few classes, or a class of a
                folder too few images.
        """
        if self.images not in IMAGES:
            images = self._folder(self.images, "train")
            if (Path(self.images) / "val").is_dir():
                return images, self._folder(self.images, "val")
        else:
            images = IMAGES[self.images]()
            if not images.background.any():
                raise ValueError(
                    f"images must have classes to train on, {images.name} is to test on"
                )
            images = images.split("background")
        left = images.num_classes - self.validation_classes
        if left < self.num_ways:
            raise ValueError(
                f"validation_classes must leave {self.num_ways} of the {images.num_classes} classes"
                f" to train on, got {self.validation_classes}"
            )
        order = range(images.num_classes)
        return images.select(order[:left]), images.select(order[left:])

    def test_images(self, name: str) -> ImageSet:
        """The classes to test on of a set of images, by its name, or of a folder.

        Raises:
            FileNotFoundError, ValueError: as in :meth:`training_images`.
        """
        if name in IMAGES:
            return IMAGES[name]().split("evaluation")
        return self._folder(name, "test")

    def _folder(self, name: str, split: str) -> ImageSet:
        if not Path(name).is_dir():
            raise ValueError(
                f"images must be one of {', '.join(IMAGES)}, or a folder, got {name!r}. {LAYOUT}"
            )
        least = self.num_shots + self.num_queries
        return ImageFolder(name, split, self.image_size, least=least)

    def training_stream(self, images: ImageSet) -> FewShotEpisodes:
        """Endless episodes of classes to train on.

        Raises:
            ValueError: there are too few classes, or images of a class.
        """
        return self._episodes(images, self.seed, rotations=self.rotations)

    def test_stream(self, images: ImageSet) -> FewShotEpisodes:
        """Endless episodes of classes to validate by or to test on, always the same.

        Raises:
            ValueError: as in :meth:`training_stream`.
        """
        return self._episodes(images, TEST_SEED + self.seed)

    def _episodes(self, images: ImageSet, seed: int, **options: Any) -> FewShotEpisodes:
        return FewShotEpisodes(
            images,
            seed=seed,
            num_ways=self.num_ways,
            num_shots=self.num_shots,
            num_queries=self.num_queries,
            **options,
        )
