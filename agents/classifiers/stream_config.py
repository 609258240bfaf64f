"""The configuration of a learner's run on a stream, and what is made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ...envs import ClassCurriculum, ClassIncremental, Glyphs, IIDStream, ImageSet, Omniglot
from ...envs.arguments import check_probability
from ...envs.image_streams import ClassStream
from ...memory.contract import check_sizes
from ...tracking import load_checkpoint, load_metadata
from .learner import Learner
from .online_classifier import OnlineClassifier
from .registry import LEARNERS, load_learner, make_learner

STREAMS = ("curriculum", "incremental", "iid")
IMAGES = ("omniglot", "glyphs")


@dataclass(frozen=True)
class StreamConfig:
    """A learner, a stream, and for how long; all of it plain data."""

    learner: str = "hebbian"
    """softmax, softmax_fast_rows, hebbian, lambda_only, cosine, cosine_imprinting,
    nearest_class_mean, replay, fast_weights, la_maml, sparse_la_maml, sparse_la_maml_inner or
    sparse_relu_la_maml."""
    learner_kwargs: dict[str, Any] = field(default_factory=dict)
    """Settings of the learner, such as learning_rate or gamma."""
    start_from: str | None = None
    """Folder of a learner to go on with, as another run left it in its learner/; it must be of the
    same kind, and of the same images and class order, which is the same seed and max_classes."""

    slow_weights_from: str | None = None
    """Folder of a learner whose network this one begins with, as another run left it in its
    learner/; it must be of the same kind. Of any images and classes: what belongs to a class, such
    as rows, counts and what was written to a memory, begins anew, as the optimiser does."""

    stream: Literal["curriculum", "incremental", "iid"] = "curriculum"
    """curriculum: classes are added as soon as the present ones are known; incremental: one block
    of classes after another, the earlier ones never again; iid: all classes at any time."""
    images: Literal["omniglot", "glyphs"] = "omniglot"
    """omniglot needs its data (DRIFTWISE_DATA); glyphs are made up."""
    max_classes: int | None = None
    """Classes in all; by default 1,623 of omniglot and 300 of glyphs, four times as many with
    rotations."""
    rotations: bool = False
    """Images rotated by 90, 180 and 270 degrees are classes of their own."""
    seed: int = 0
    """Seed of the class order, of the batches, and of the learner."""
    batch_size: int = 32
    """Images of a step."""

    block_size: int = 30
    """Classes of the first level or task, and of each that follows."""
    threshold: float = 0.7
    """curriculum: accuracy on held-out drawings that completes a level."""
    steps_per_task: int = 200
    """incremental: steps of a task. iid: steps between two evaluations."""
    max_level_steps: int | None = 2_000
    """curriculum: a level that takes longer ends the run. May be another when a run goes on."""
    max_steps: int | None = None
    """Ends the run after so many steps; needed for iid, which has no end. May be another, too."""

    checkpoint_every: int = 200
    """Steps between checkpoints."""
    device: str = "cpu"
    """torch device; auto is the GPU where there is one."""

    def check(self) -> None:
        """Raise an error that names a field that is not what it must be."""
        sizes = ("block_size", "steps_per_task", "checkpoint_every", "max_classes", "max_steps")
        given = {name: getattr(self, name) for name in sizes}
        check_sizes(**{name: size for name, size in given.items() if size is not None})
        for name, known in (("learner", LEARNERS), ("stream", STREAMS), ("images", IMAGES)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}"
                )
        check_probability("threshold", self.threshold)
        if self.start_from is not None and self.slow_weights_from is not None:
            raise ValueError("slow_weights_from must be None with start_from, which has them too")
        for name in ("name", "class_order", "seed", "device"):
            if name in self.learner_kwargs:
                raise ValueError(f"learner_kwargs must not have {name}, which the run decides on")
        if self.stream == "iid" and self.max_steps is None:
            raise ValueError("max_steps must be given for stream='iid', which has no end")

    def make_images(self) -> ImageSet:
        """The images.

        Raises:
            FileNotFoundError: they are not there; the message says how to get them.
            ValueError: there are fewer classes than ``max_classes``.
        """
        turns = 4 if self.rotations else 1
        wanted = self.max_classes
        if self.images == "glyphs":
            # 300 as the environment has it; of unlimited classes, any number is as good.
            return Glyphs(300 if wanted is None else max(-(-wanted // turns), 1))
        images = Omniglot()
        if wanted is not None and wanted > turns * images.num_classes:
            raise ValueError(
                f"max_classes must be at most {turns * images.num_classes:,}, all of "
                f"{images.name}{' with' if self.rotations else ' without'} rotations, got {wanted}"
            )
        return images

    def make_stream(self) -> ClassStream:
        """The stream, at its beginning.

        Raises:
            FileNotFoundError: its images are not there.
            TypeError, ValueError: a field, named in the message, is not what it must be.
        """
        self.check()
        common: dict[str, Any] = {
            "seed": self.seed,
            "num_classes": self.max_classes,
            "rotations": self.rotations,
            "batch_size": self.batch_size,
        }
        most = self.max_classes
        if self.stream == "curriculum" and most is not None and self.block_size > most:
            raise ValueError(
                f"block_size must be at most max_classes={most}, got {self.block_size}"
            )
        images = self.make_images()
        if self.stream == "incremental":
            return ClassIncremental(
                images,
                classes_per_task=self.block_size,
                steps_per_task=self.steps_per_task,
                **common,
            )
        if self.stream == "iid":
            return IIDStream(images, **common)
        return ClassCurriculum(
            images,
            start_classes=self.block_size,
            block_size=self.block_size,
            threshold=self.threshold,
            max_level_steps=self.max_level_steps,
            **common,
        )

    def make_learner(self, stream: ClassStream, *, begins: bool = True) -> Learner:
        """The learner for the classes of a stream: new, or from another run's.

        Args:
            stream: the stream.
            begins: False for a run that goes on from a checkpoint, in which all of it is.

        Raises:
            TypeError, ValueError: a setting is not what it must be, batches are too small for it,
                or the one saved is of another kind, or learned other images or a class order.
            CheckpointError: there is none saved, or its files are damaged.
        """
        order = stream.class_order.tolist()
        learner = make_learner(
            self.learner, order, seed=self.seed, device=self.device, **self.learner_kwargs
        )
        least = getattr(learner, "min_batch", 1)
        if self.batch_size < least:
            raise ValueError(
                f"batch_size must be at least {least}, which the learner's batch norm takes, "
                f"got {self.batch_size}"
            )
        if self.start_from is not None and begins:
            saved = load_learner(self.start_from, order)
            images = load_metadata(self.start_from).get("images", stream.settings["images"])
            if images != stream.settings["images"]:
                raise ValueError(
                    f"start_from must have learned {stream.settings['images']}, got {images}"
                )
            learner.load_state_dict(saved.state_dict())
        if self.slow_weights_from is not None:
            if not isinstance(learner, OnlineClassifier):
                raise ValueError(
                    f"slow_weights_from must be None for the learner {self.learner!r}, whose "
                    "network has no part that belongs to no class"
                )
            if begins:
                learner.take_slow_weights(load_checkpoint(self.slow_weights_from))
        return learner
