"""The configuration of a continual learner's run, and what is made from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from ...envs import (
    MNIST,
    FashionMNIST,
    Glyphs,
    ImageSet,
    Omniglot,
    Osaka,
    OsakaEpisodes,
    PixelTasks,
)
from ...envs.arguments import check_count, check_flag, check_probability
from ...envs.image_streams.osaka import PRETRAINING_CLASSES
from ...memory.contract import check_sizes
from ..classifiers import LA_MAML_METHODS, LEARNERS, LaMAML, StreamConfig
from ..few_shot import Conv4
from .mlp import MLP
from .online_maml import OnlineMAML
from .online_methods import ONLINE_METHODS, OnlineConfig, online_settings
from .settings import LA_MAML, osaka_settings

CURRICULUM = "omniglot-curriculum"
STREAMS = ("osaka", *LA_MAML, CURRICULUM)
TASKS = {
    # kind, tasks, images of each
    "rotations": ("rotations", 20, 1_000),
    "permutations": ("permutations", 20, 1_000),
    "many-permutations": ("permutations", 100, 200),
}
READ_BY = {
    **dict.fromkeys(
        ("stay_probability", "raw_pixels", "num_ways", "num_shots", "pieces"), ("osaka",)
    ),
    **dict.fromkeys(("num_tasks", "samples_per_task", "test_samples"), tuple(TASKS)),
    "max_classes": (CURRICULUM,),
    "steps": ("osaka", CURRICULUM),
}
"""The streams that read a field; the others are read by all."""
GLYPHS: dict[str, Callable[[], ImageSet]] = {
    "omniglot": lambda: Glyphs(300),
    "mnist": lambda: Glyphs(10, 60, seed=1),
    "fashion_mnist": lambda: Glyphs(10, 60, seed=2),
    "mnist_test": lambda: _later(Glyphs(10, 80, seed=1), 60),
}
"""What stands in for each set of images where there is no data."""


def _later(images: ImageSet, first: int) -> ImageSet:
    """The drawings from a certain one on."""
    drawings = images.images[:, first:]
    return ImageSet(images.name, drawings, images.class_names, images.background)


@dataclass(frozen=True)
class ContinualConfig:
    """A continual learner, a stream, and for how long; all of it plain data."""

    stream: Literal[
        "osaka", "rotations", "permutations", "many-permutations", "omniglot-curriculum"
    ] = "rotations"
    """osaka: few-shot tasks of Omniglot, MNIST and Fashion-MNIST that stay for a while; rotations,
    permutations, many-permutations: MNIST, task after task; omniglot-curriculum: more and more
    classes."""
    learner: str = "sparse_la_maml"
    """osaka: online_adam, maml, sparse_maml, sparse_relu_maml, c_maml, sparse_c_maml or
    sparse_relu_c_maml; rotations and permutations: er, c_maml, sync, la_maml, sparse_la_maml,
    sparse_la_maml_inner or sparse_relu_la_maml; the curriculum: those of run-omniglot."""
    learner_kwargs: dict[str, Any] = field(default_factory=dict)
    """Settings of the learner, in place of those of the authors' programs."""
    images: Literal["data", "glyphs"] = "data"
    """data: the images named above (DRIFTWISE_DATA); glyphs: made-up ones in their place."""
    seed: int = 0
    """Seed of the stream and of the learner."""

    stay_probability: float = 0.98
    """osaka: probability that the task stays, at each step."""
    raw_pixels: bool = True
    """osaka: MNIST and Fashion-MNIST have pixels from 0 to 255, as in the release, or to 1."""
    num_ways: int = 10
    """osaka: classes of a task."""
    num_shots: int = 5
    """osaka: images of each class at each step."""
    pieces: int = 5
    """osaka: the stream's equal parts, at the end of each of which tasks of all are tested."""

    num_tasks: int | None = None
    """rotations, permutations: tasks; by default 20, or 100 of many-permutations."""
    samples_per_task: int | None = None
    """rotations, permutations: images of each; by default 1,000, or 200 of many-permutations."""
    test_samples: int | None = None
    """rotations, permutations: images of each test set; by default all, 8,920, or 1,000 of
    many-permutations."""

    max_classes: int | None = None
    """omniglot-curriculum: classes in all; by default all there are."""
    steps: int = 10_000
    """osaka, omniglot-curriculum: steps; of the curriculum, at most."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    device: str = "cpu"
    """torch device."""

    def check(self) -> None:
        """Raise an error that names a field that is not what it must be."""
        if self.stream not in STREAMS:
            raise ValueError(f"stream must be one of {', '.join(STREAMS)}, got {self.stream!r}")
        if self.images not in ("data", "glyphs"):
            raise ValueError(f"images must be data or glyphs, got {self.images!r}")
        if self.learner not in self.learners:
            raise ValueError(
                f"learner must be one of {', '.join(self.learners)} on the stream {self.stream}, "
                f"got {self.learner!r}"
            )
        for entry in dataclasses.fields(self):
            read_by = READ_BY.get(entry.name, STREAMS)
            if self.stream not in read_by and getattr(self, entry.name) != entry.default:
                raise ValueError(
                    f"{entry.name} must be left as it is on the stream {self.stream}, which does "
                    f"not read it; it is of {', '.join(read_by)}"
                )
        if not isinstance(self.learner_kwargs, Mapping):
            raise TypeError(f"learner_kwargs must be settings by name, got {self.learner_kwargs!r}")
        check_probability("stay_probability", self.stay_probability)
        check_flag("raw_pixels", self.raw_pixels)
        check_count("seed", self.seed, least=0)
        check_sizes(steps=self.steps, checkpoint_every=self.checkpoint_every, pieces=self.pieces)
        if self.stream == "osaka" and self.pieces > self.steps:
            raise ValueError(f"pieces must be at most steps={self.steps}, got {self.pieces}")

    @property
    def learners(self) -> tuple[str, ...]:
        """The learners of the stream."""
        if self.stream == "osaka":
            return tuple(ONLINE_METHODS)
        return tuple(LEARNERS if self.stream == CURRICULUM else LA_MAML_METHODS)

    @property
    def task(self) -> str:
        """What is learned, as the name of a folder."""
        name = f"osaka-{self.stay_probability}" if self.stream == "osaka" else self.stream
        return name if self.images == "data" else f"glyphs-{name}"

    def make_images(self, name: str) -> ImageSet:
        """A set of images by the name that the stream has for it.

        Raises:
            FileNotFoundError: it is not there; the message says how to get it.
        """
        if self.images == "glyphs":
            return GLYPHS[name]()
        makers: dict[str, Callable[[], ImageSet]] = {
            "omniglot": Omniglot,
            "mnist": MNIST,
            "fashion_mnist": FashionMNIST,
            "mnist_test": lambda: MNIST(train=False),
        }
        return makers[name]()

    def make_osaka(self) -> Osaka:
        """The OSAKA stream at its beginning."""
        images, *others = map(self.make_images, ("omniglot", "mnist", "fashion_mnist"))
        return Osaka(
            images,
            others,
            seed=self.seed,
            stay_probability=self.stay_probability,
            num_ways=self.num_ways,
            num_shots=self.num_shots,
            raw_others=self.raw_pixels,
            num_steps=self.steps,
        )

    def make_tasks(self) -> PixelTasks:
        """A stream of moved pixels at its beginning."""
        kind, tasks, samples = TASKS[self.stream]
        tests = 1_000 if self.stream == "many-permutations" and self.images == "data" else None
        return PixelTasks(
            self.make_images("mnist"),
            self.make_images("mnist_test"),
            kind,
            seed=self.seed,
            num_tasks=tasks if self.num_tasks is None else self.num_tasks,
            samples_per_task=samples if self.samples_per_task is None else self.samples_per_task,
            test_samples=tests if self.test_samples is None else self.test_samples,
        )

    def make_pretraining(self, stream: Osaka) -> OsakaEpisodes:
        """Episodes of the first classes of the OSAKA stream's own images."""
        images = stream.image_sets[0]
        first = range(min(PRETRAINING_CLASSES, images.num_classes))
        return OsakaEpisodes(
            images.select(list(first)),
            seed=self.seed,
            num_ways=self.num_ways,
            num_shots=self.num_shots,
        )

    def make_online(self) -> OnlineMAML:
        """The learner of the OSAKA stream.

        Raises:
            ValueError: it has no such setting, or one is out of range.
        """
        settings = osaka_settings(self.learner, self.stay_probability) | self.learner_kwargs
        _check_known(self.learner, settings, online_settings(self.learner))
        config = OnlineConfig(**settings)
        config.check()
        # Second derivatives are slower in this layout.
        first_order = config.first_order or not ONLINE_METHODS[self.learner].meta
        fast_layout = torch.device(self.device).type == "cpu" and first_order
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = Conv4(self.num_ways, config.width, channels_last=fast_layout).to(self.device)
            kind = {"learner": self.learner, **dataclasses.asdict(config)}
            return OnlineMAML(net, self.learner, config, self.num_ways, kind=kind)

    def make_la_maml(self, num_classes: int = 10) -> LaMAML:
        """The learner of the streams of moved pixels.

        Raises:
            ValueError: it has no such setting, or one is out of range.
        """
        settings = LA_MAML[self.stream][self.learner] | self.learner_kwargs
        hidden_size = settings.get("hidden_size", 100)
        own = ("hidden_size", *LA_MAML_METHODS[self.learner].settings)
        _check_known(self.learner, settings, own)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return LaMAML(
                MLP(num_classes, hidden_size).to(self.device),
                self.learner,
                num_classes,
                seed=self.seed,
                kind={"learner": self.learner, **settings},
                **{key: value for key, value in settings.items() if key != "hidden_size"},
            )

    def curriculum(self) -> StreamConfig:
        """The same run as the class curriculum has it."""
        return StreamConfig(
            learner=self.learner,
            learner_kwargs=self.learner_kwargs,
            images="omniglot" if self.images == "data" else "glyphs",
            max_classes=self.max_classes,
            max_steps=self.steps,
            seed=self.seed,
            checkpoint_every=self.checkpoint_every,
            device=self.device,
        )


def _check_known(learner: str, settings: dict[str, Any], own: Any) -> None:
    if unknown := [key for key in settings if key not in own]:
        raise ValueError(
            f"learner {learner!r} has no setting {unknown[0]!r}; it has {', '.join(own)}"
        )
