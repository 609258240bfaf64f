"""The arguments of the image curriculum, checked, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, TypedDict

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .arguments import (
    assign,
    check_count,
    check_count_or_none,
    check_flag,
    check_probability,
    in_short,
)
from .image_curriculum_world import CurriculumEpisode, ImageCurriculumWorld
from .image_streams import Levels, class_order
from .images import Glyphs, ImageSet, Omniglot
from .images.image_set import SIZE
from .options import parse_integers
from .schedules import Never, Schedule
from .streams import Streams
from .world_settings import WorldSettings

SETS = ("omniglot", "glyphs")


class ImageCurriculumArguments(TypedDict, total=False):
    """Keyword arguments of both environments; :class:`~.ImageCurriculum` describes them."""

    images: ImageSet | str
    rotations: bool
    num_classes: int | None
    start_classes: int
    block_size: int
    threshold: float
    window: int
    order_seed: int | None
    max_episode_steps: int | None
    terminate_on_horizon: bool


@lru_cache(maxsize=4)
def load_images(num_glyphs: int | None) -> ImageSet:
    """So many made-up characters, or Omniglot for None; environments of a process share them.

    Raises:
        FileNotFoundError: The data is not there; the message says how to get it.
    """
    return Omniglot() if num_glyphs is None else Glyphs(num_glyphs)


@dataclass(frozen=True)
class ImageCurriculumSettings(WorldSettings):
    """The arguments as the environments use them; see :class:`~.ImageCurriculum`."""

    episode_keys: ClassVar[tuple[str, ...]] = ("class_order",)

    images: ImageSet = field(default="omniglot")  # type: ignore[assignment]
    rotations: bool = False
    num_classes: int | None = None
    start_classes: int = 30
    block_size: int = 30
    threshold: float = 0.7
    window: int = 500
    order_seed: int | None = None
    max_episode_steps: int | None = 10_000
    terminate_on_horizon: bool = False
    schedule: Schedule = field(default=Never(), init=False, repr=False)

    @classmethod
    def parse(cls, **arguments: Unpack[ImageCurriculumArguments]) -> ImageCurriculumSettings:
        """Reads the arguments as a user gives them.

        Raises:
            TypeError, ValueError: An argument, named in the message, is not what it must be.
            FileNotFoundError: The images are not there; the message says how to get them.
        """
        return cls(**cls.read_dynamics(arguments))

    def __post_init__(self) -> None:
        """Checks that the settings fit together; equal ones then also print alike."""
        num_classes = check_count_or_none("num_classes", self.num_classes, least=1)
        rotations = check_flag("rotations", self.rotations)
        images = self.images
        if not isinstance(images, ImageSet):
            if not isinstance(images, str) or images not in SETS:
                raise ValueError(
                    f"images must be one of {', '.join(SETS)} or an ImageSet, "
                    f"got {in_short(images)}"
                )
            turns = 4 if rotations else 1
            glyphs = 1000 if num_classes is None else -(-num_classes // turns)
            images = load_images(glyphs if images == "glyphs" else None)
        if images.images.shape[2:] != (SIZE, SIZE):
            raise ValueError(
                f"images must be of shape ({SIZE}, {SIZE}), got {images.images.shape[2:]}"
            )
        assign(self, images=images, rotations=rotations)
        there = self.image_set.num_classes
        if num_classes is None:
            num_classes = there
        if num_classes > there:
            raise ValueError(
                f"num_classes must be at most {there}, all of {self.image_set.name}, "
                f"got {num_classes}"
            )
        assign(self, num_classes=num_classes)
        assign(
            self,
            start_classes=self.levels.start_classes,
            block_size=self.levels.block_size,
            threshold=check_probability("threshold", self.threshold),
            window=check_count("window", self.window, least=1),
            order_seed=check_count_or_none("order_seed", self.order_seed, least=0),
        )
        self.check_horizon()

    @property
    def image_set(self) -> ImageSet:
        """The images with, if so set, those that are rotated."""
        return self.images.with_rotations() if self.rotations else self.images

    @property
    def levels(self) -> Levels:
        """How many classes there are at which level."""
        return Levels(self.num_actions, self.start_classes, self.block_size)

    @property
    @override
    def num_actions(self) -> int:
        assert self.num_classes is not None
        return self.num_classes

    @override
    def make_world(self, num_worlds: int, streams: Streams | None = None) -> ImageCurriculumWorld:
        order = None
        if self.order_seed is not None:
            uniforms = np.random.default_rng(self.order_seed).random(self.image_set.num_classes)
            order = class_order(uniforms)[: self.num_classes]
        return ImageCurriculumWorld(
            num_worlds,
            self.image_set,
            self.levels,
            self.threshold,
            self.window,
            order,
            self.schedule,
            streams,
        )

    @override
    def parse_episode(
        self, world: ImageCurriculumWorld, options: Mapping[str, Any], worlds: NDArray[np.int64]
    ) -> CurriculumEpisode:
        value = options.get("class_order")
        if value is None:
            return CurriculumEpisode()
        name, there = "options['class_order']", self.image_set.num_classes
        order = parse_integers(name, value, (self.num_actions,), world.num_worlds)[worlds]
        if ((order < 0) | (order >= there)).any():
            raise ValueError(f"{name} must be classes in [0, {there})")
        if (np.diff(np.sort(order, axis=1), axis=1) == 0).any():
            raise ValueError(f"{name} must not have a class twice")
        return CurriculumEpisode(class_order=order)

    @override
    def observation_space(self) -> spaces.Dict:
        """The image, and the label of the one before."""
        return spaces.Dict(
            image=spaces.Box(0.0, 1.0, (SIZE, SIZE), dtype=np.float32),
            last_label=spaces.Discrete(self.num_actions + 1),
        )

    @property
    @override
    def observation_size(self) -> int:
        """Pixels and last label in one row."""
        return SIZE * SIZE + 1
