"""A stream whose set of classes grows when the learner has learned the current ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ..arguments import check_count, check_count_or_none, check_nonnegative, check_probability
from ..images import ImageSet
from .class_stream import ClassStream
from .gate import balanced_sample, check_predictions
from .image_stream import Batch, Predict
from .levels import Levels

CHUNK = 500  # images that a learner is asked about at a time


class ClassCurriculum(ClassStream):
    """A curriculum of ever more classes, after Rae et al. (2018).

    At level 0 the first ``start_classes`` labels are *active*, and each completed level adds
    ``block_size`` new ones. Batches are drawn from all active labels alike, the old ones included.
    A level is complete when the learner's accuracy on the held-out drawings of the active labels
    has reached ``threshold``. Every ``check_every`` steps of a level it is asked about a sample of
    them, the *probe*, which is the same throughout the level and treats all labels alike; if that
    is good enough, it is asked about all of them, which decides. :meth:`observe` does so, and has
    to be called after each update.

    Labels of all classes exist from the start: a learner has ``num_classes`` outputs, and has yet
    to see those from ``num_active`` on. The paper's protocol is known in outline only; the default
    arguments are ours.

    Args:
        images: The images, ``Omniglot()`` for example.
        seed: Where the order of the classes, the batches and the probes come from.
        start_classes: Classes at level 0.
        block_size: Classes that a completed level adds (the last block may be smaller).
        threshold: Accuracy that completes a level.
        num_classes: Classes at the last level; by default all there are.
        rotations: Whether images rotated by 90, 180 and 270 degrees are classes of their own.
        train_drawings: Drawings of each class for training, the first ones.
        test_drawings: Drawings held out, the ones after those.
        batch_size: Images in a batch.
        check_every: Steps of a level between two checks; there is none at other steps, nor at the
            end of a level that is cut off in between.
        probe_size: Images in a probe; where there are fewer, it is all of them.
        probe_margin: How far below ``threshold`` the accuracy on the probe may be. The larger it
            is, the less depends on the luck of the probe, and the more often all is asked.
        max_level_steps: A level that is not complete by then ends the stream; at least
            ``check_every``. A saved state fits streams with any such limit.

    Raises:
        TypeError, ValueError: An argument is not what it must be.

    Attributes:
        level: The current level, which is the number of completed ones.
        levels: How many there are (``levels.count``), with how many classes.
        level_steps: Batches at the current level.
        probe_accuracy: Accuracy at the latest check, -1 before the first one.
        sightings_to_criterion: How often each label had been in a batch when the level that
            introduced it was completed, (num_classes,); -1 where it is not.
    """

    signed = ("sightings_to_criterion",)

    def __init__(
        self,
        images: ImageSet,
        *,
        seed: int = 0,
        start_classes: int = 30,
        block_size: int = 30,
        threshold: float = 0.7,
        num_classes: int | None = None,
        rotations: bool = False,
        train_drawings: int = 15,
        test_drawings: int = 5,
        batch_size: int = 32,
        check_every: int = 10,
        probe_size: int = 300,
        probe_margin: float = 0.0,
        max_level_steps: int | None = None,
    ) -> None:
        super().__init__(
            images,
            seed=seed,
            num_classes=num_classes,
            rotations=rotations,
            train_drawings=train_drawings,
            test_drawings=test_drawings,
            batch_size=batch_size,
            start_classes=check_count("start_classes", start_classes, least=1),
            block_size=check_count("block_size", block_size, least=1),
            threshold=check_probability("threshold", threshold),
            check_every=check_count("check_every", check_every, least=1),
            probe_size=check_count("probe_size", probe_size, least=1),
            probe_margin=check_nonnegative("probe_margin", probe_margin),
        )
        self.levels = Levels(self.num_classes, start_classes, block_size)
        self.threshold = float(threshold)
        self.check_every = check_every
        self.max_level_steps = check_count_or_none("max_level_steps", max_level_steps, least=1)
        if max_level_steps is not None and max_level_steps < check_every:
            raise ValueError(
                f"max_level_steps must be at least check_every={check_every}, before which nothing "
                f"is checked, got {max_level_steps}"
            )
        self.probe_size, self.probe_margin = probe_size, float(probe_margin)
        self.level = self.level_steps = 0
        self.probe_accuracy = -1.0
        self.sightings_to_criterion = np.full(self.num_classes, -1)
        self._asked = 0  # step of the latest check
        self._steps = np.zeros(self.levels.count, dtype=np.int64)
        self._accuracy = np.zeros(self.levels.count)

    # ------------------------------------------------------------------ levels

    @property
    def num_active(self) -> int:
        """Labels below this are active."""
        return self.levels.num_active(self.level)

    @property
    def num_old(self) -> int:
        """Labels below this have been active before the current level; those from here are new."""
        return self.levels.num_active(self.level - 1) if self.level else 0

    @property
    def steps_per_level(self) -> NDArray[np.int64]:
        """Batches that each completed level took, (level,)."""
        return self._steps[: self.level].copy()

    @property
    def accuracy_per_level(self) -> NDArray[np.float64]:
        """Accuracy on all held-out drawings at the end of each completed level, (level,)."""
        return self._accuracy[: self.level].copy()

    @property
    @override
    def finished(self) -> bool:
        """Whether all levels are complete, or one has taken too long (and a check is not due)."""
        if self.level == self.levels.count:
            return True
        limit = self.max_level_steps
        return limit is not None and self.level_steps >= limit and not self.due

    @property
    def due(self) -> bool:
        """Whether :meth:`observe` is going to ask the learner."""
        at_check = self.level_steps > 0 and self.level_steps % self.check_every == 0
        return at_check and self._asked != self.step

    @override
    def _draw(self) -> Batch:
        if self.due:
            raise RuntimeError("observe(predict) must be called after each update: a check is due")
        self.level_steps += 1
        return self._draw_from(0, self.num_active)

    @override
    def observe(self, predict: Predict) -> None:
        """Asks the learner, if a check is due, and goes on to the next level if it is good enough.

        Args:
            predict: Returns labels (n,) for images (n, 28, 28), or scores (n, num_classes).

        Raises:
            TypeError, ValueError: ``predict`` returns anything else; nothing has changed then.
        """
        if not self.due:
            return
        probe, held_out = self._probe(), np.arange(self.num_active * self.test_drawings)
        accuracy = overall = self._accuracy_on(probe, predict)
        # 70 of 100 are not below 0.8 - 0.1, which in floating point is a little more than 0.7.
        passed = accuracy >= self.threshold - self.probe_margin - 1e-12
        if passed and len(probe) < len(held_out):
            overall = self._accuracy_on(held_out, predict)
        self._asked, self.probe_accuracy = self.step, accuracy
        if passed and overall >= self.threshold:
            self._complete_level(overall)

    def _probe(self) -> NDArray[np.int64]:
        """Which of the held-out drawings of the active labels are asked about at this level."""
        rng = np.random.default_rng([self.settings["seed"], 2, self.level])
        return balanced_sample(self.num_active, self.test_drawings, self.probe_size, rng)

    def _accuracy_on(self, items: NDArray[np.int64], predict: Predict) -> float:
        """Share of the held-out drawings of these numbers that the learner gets right."""
        correct, rows = 0, self._test_rows.ravel()
        for begin in range(0, len(items), CHUNK):
            chunk = items[begin : begin + CHUNK]
            batch = self._batch(rows[chunk], chunk // self.test_drawings)
            predicted = check_predictions(predict(batch.images), len(chunk), self.num_classes)
            correct += int(np.count_nonzero(predicted == batch.labels))
        return correct / len(items)

    def _complete_level(self, accuracy: float) -> None:
        new = slice(self.num_old, self.num_active)
        self.sightings_to_criterion[new] = self.sightings[new]
        self._steps[self.level], self._accuracy[self.level] = self.level_steps, accuracy
        self.level += 1
        self.level_steps = 0

    # ------------------------------------------------------------------ saving

    @override
    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            **super()._arrays(),
            "sightings_to_criterion": self.sightings_to_criterion,
            "level": np.array(self.level),
            "level_steps": np.array(self.level_steps),
            "asked": np.array(self._asked),
            "probe_accuracy": np.array(self.probe_accuracy),
            "steps_per_level": self._steps,
            "accuracy_per_level": self._accuracy,
        }

    @override
    def _set_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        level = int(arrays["level"])
        self._check_history(level, arrays)
        super()._set_arrays(arrays)
        self.sightings_to_criterion = arrays["sightings_to_criterion"]
        self.level, self.level_steps = level, int(arrays["level_steps"])
        self._asked, self.probe_accuracy = int(arrays["asked"]), float(arrays["probe_accuracy"])
        self._steps, self._accuracy = arrays["steps_per_level"], arrays["accuracy_per_level"]

    def _check_history(self, level: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Raise a ValueError that names the first array which no stream can have come to."""
        if not 0 <= level <= self.levels.count:
            raise ValueError(f"state['level'] must be from 0 to {self.levels.count}, got {level}")
        step, steps = arrays["step"], arrays["steps_per_level"]
        probe, accuracy = arrays["probe_accuracy"], arrays["accuracy_per_level"]
        known = arrays["sightings_to_criterion"]
        right = {
            "steps_per_level": (steps[:level] > 0).all() and not steps[level:].any(),
            "level_steps": arrays["level_steps"] + steps.sum() == step,
            "asked": arrays["asked"] <= step,
            "probe_accuracy": probe == -1 or 0 <= probe <= 1,
            "accuracy_per_level": ((accuracy >= 0) & (accuracy <= 1)).all(),
            "sightings_to_criterion": ((known >= -1) & (known <= arrays["sightings"])).all(),
        }
        for name, fits in right.items():
            if not fits:
                raise ValueError(
                    f"state[{name!r}] must fit the other counts of the state, got {arrays[name]}"
                )
