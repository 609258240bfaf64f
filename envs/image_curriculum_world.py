"""The worlds behind the image curriculum, as array functions over N worlds at once.

Letters: N worlds, n of them at work, C classes, D drawings of each, W answers that the gate looks
at, B steps of a block, L = B + 1 rows (see ``blocks.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from .block_world import Episode
from .blocks import BlockTrace, BoolArray, IntArray
from .image_streams import Levels, class_order
from .images import ImageSet
from .played_world import PlayedWorld
from .schedules import Schedule
from .streams import DrawArrays, Draws, FloatArray, Streams

# Part of the definition of these worlds: another length makes other worlds of the same seed.
STEPS_PER_BLOCK = 100
ROWS = STEPS_PER_BLOCK + 1


@dataclass(frozen=True)
class CurriculumEpisode(Episode):
    """What ``reset(options=...)`` prescribes for the episodes of n worlds; None leaves it drawn.

    Attributes:
        class_order: The class of each label, (n, C).
    """

    class_order: IntArray | None = None


@dataclass
class CurriculumTrace(BlockTrace):
    """Rows of n worlds, arrays (L, n); ``context`` is the level.

    What a step draws says what comes after it, so that row B has none.

    Attributes:
        label: Uniform on [0, 1) that says which of the active labels comes next.
        drawing: Uniform on [0, 1) that says which of its drawings.
    """

    label: FloatArray
    drawing: FloatArray

    @classmethod
    def zeros(cls, num_worlds: int) -> CurriculumTrace:
        """A trace yet to be filled."""
        shape = (ROWS, num_worlds)
        return cls(
            context=np.zeros(shape, dtype=np.int64),
            changed=np.zeros(shape, dtype=bool),
            since=np.zeros(shape, dtype=np.int64),
            label=np.zeros(shape),
            drawing=np.zeros(shape),
        )


class Answers(NamedTuple):
    """What a step has done in N worlds, arrays (N,).

    Attributes:
        labels: The right answers.
        correct: Whether they were given.
    """

    labels: IntArray
    correct: BoolArray


class ImageCurriculumWorld(PlayedWorld[CurriculumTrace, CurriculumEpisode]):
    """N curricula with their own random streams, stepped together.

    Args:
        num_worlds: N.
        images: The images.
        levels: How many classes there are at which level.
        threshold: Share of right answers that completes a level.
        window: W, answers of which that is the share.
        order: The class of each label (C,) in all episodes; None: each draws its own.
        schedule: One that never changes anything: it is the agent who does.
        streams: Random streams to take over from other worlds; by default new ones.

    Attributes:
        order: The class of each label, (N, C).
        label: Label of the image that is shown, (N,).
        drawing: Number of the drawing that is shown, (N,).
        last_label: Label of the image before, (N,); C at the start of an episode.
        answers: Whether the latest answers were right, a ring (N, W).
        num_answers: Answers since the level began, (N,).
        num_correct: Right ones among those in the ring, (N,).
    """

    steps_per_block = STEPS_PER_BLOCK
    stepwise = True
    saved: tuple[str, ...] = (
        *PlayedWorld.saved,
        "order",
        "label",
        "drawing",
        "last_label",
        "answers",
        "num_answers",
        "num_correct",
    )

    def __init__(
        self,
        num_worlds: int,
        images: ImageSet,
        levels: Levels,
        threshold: float,
        window: int,
        order: IntArray | None,
        schedule: Schedule,
        streams: Streams | None = None,
    ) -> None:
        super().__init__(
            num_worlds,
            schedule,
            start_wants=(Draws(images.num_classes), Draws(2)),
            step_wants=(Draws(2),),
            trace=CurriculumTrace.zeros(num_worlds),
            streams=streams,
        )
        self.images, self.levels, self.given_order = images, levels, order
        self.threshold, self.window = threshold, window
        self.order = np.zeros((num_worlds, levels.num_classes), dtype=np.int64)
        self.label = np.zeros(num_worlds, dtype=np.int64)
        self.drawing = np.zeros(num_worlds, dtype=np.int64)
        self.last_label = np.full(num_worlds, levels.num_classes)
        self.answers = np.zeros((num_worlds, window), dtype=bool)
        self.num_answers = np.zeros(num_worlds, dtype=np.int64)
        self.num_correct = np.zeros(num_worlds, dtype=np.int64)

    # ------------------------------------------------------------------ a step

    def play(self, actions: IntArray) -> Answers:
        """Takes the answers and ends the step; the info of its row stays."""
        labels = self.label
        correct = actions == labels
        passed = self._count(correct)
        following = (self.row + 1) % ROWS
        self.trace.changed[following] |= passed
        self._react(actions, labels)
        self.last_label = labels
        self.label, self.drawing = self._choose(
            self.trace.label[self.row], self.trace.drawing[self.row], self.trace.context[following]
        )
        self.clock += 1
        return Answers(labels, correct)

    def _count(self, correct: BoolArray) -> BoolArray:
        """Puts answers (N,) into the ring; returns where the level is completed, (N,)."""
        place = self.num_answers % self.window
        self.num_correct = self.num_correct + correct - self.answers[self.everyone, place]
        self.answers[self.everyone, place] = correct
        self.num_answers = self.num_answers + 1
        passed: BoolArray = (
            (self.num_answers >= self.window)
            & (self.num_correct / self.window >= self.threshold)
            & (self.trace.context[self.row] < self.levels.count - 1)
        )
        self._forget(passed)
        return passed

    def _forget(self, worlds: BoolArray | IntArray) -> None:
        """Starts counting answers anew."""
        self.answers[worlds] = False
        self.num_answers[worlds] = self.num_correct[worlds] = 0

    def _choose(
        self, label: FloatArray, drawing: FloatArray, level: IntArray
    ) -> tuple[IntArray, IntArray]:
        """Labels and drawings that uniforms on [0, 1) stand for."""
        active = self.levels.num_active(level)
        drawings = self.images.num_drawings
        return (label * active).astype(np.int64), (drawing * drawings).astype(np.int64)

    @override
    def optimal(self) -> IntArray:
        return self.label.copy()

    def pixels(self, worlds: IntArray) -> NDArray[np.uint8]:
        """The images (n, 28, 28) that ``worlds`` (n,) show."""
        classes = self.order[worlds, self.label[worlds]]
        shown: NDArray[np.uint8] = self.images.images[classes, self.drawing[worlds]]
        return shown

    # ------------------------------------------------------------------ drawing ahead

    @override
    def _begin(
        self, worlds: IntArray, draws: list[DrawArrays], episode: CurriculumEpisode | None
    ) -> None:
        drawn = class_order(draws[0][0])[:, : self.levels.num_classes]
        if episode is not None and episode.class_order is not None:
            drawn = episode.class_order
        elif self.given_order is not None:
            drawn = np.broadcast_to(self.given_order, drawn.shape)
        self.order[worlds] = drawn
        label, drawing = draws[1][0].T
        self.label, self.drawing = self.label.copy(), self.drawing.copy()
        self.label[worlds], self.drawing[worlds] = self._choose(
            label, drawing, np.zeros(len(worlds), dtype=np.int64)
        )
        self.last_label = self.last_label.copy()
        self.last_label[worlds] = self.levels.num_classes
        self._forget(worlds)

    @override
    def _make_rows(
        self,
        worlds: IntArray,
        draws: list[DrawArrays],
        flags: BoolArray,
        context: IntArray,
        since: IntArray,
        changed: BoolArray,
    ) -> CurriculumTrace:
        trace = CurriculumTrace.zeros(len(worlds))
        trace.context[0], trace.since[0], trace.changed[0] = context, since, changed
        trace.label[:-1], trace.drawing[:-1] = np.moveaxis(draws[0][0], 2, 0)
        return trace

    # ------------------------------------------------------------------ saving

    @override
    def check_state(
        self, state: Mapping[str, NDArray[Any]], over: BoolArray, horizon: int | None
    ) -> None:
        super().check_state(state, over, horizon)
        levels, there = self.levels, self.images.num_classes
        row = int(state["clock"]) % ROWS
        ends: list[tuple[str, int | IntArray]] = [
            ("trace_context", levels.count),
            ("order", there),
            ("label", levels.num_active(state["trace_context"][row])),
            ("drawing", self.images.num_drawings),
            ("last_label", levels.num_classes + 1),
        ]
        for name in ("trace_label", "trace_drawing"):
            draws = state[name]
            if ((draws < 0) | (draws >= 1)).any():
                raise ValueError(
                    f"state[{name!r}] must be from 0 to below 1, got {draws.min()} to {draws.max()}"
                )
        for name, end in ends:
            values = state[name]
            if ((values < 0) | (values >= end)).any():
                raise ValueError(
                    f"state[{name!r}] must be from 0 to {np.max(end) - 1}, "
                    f"got {values.min()} to {values.max()}"
                )
        if (state["num_correct"] != state["answers"].sum(axis=1)).any():
            raise ValueError("state['num_correct'] must count what is right in state['answers']")
        if (state["num_answers"] < state["num_correct"]).any():
            raise ValueError("state['num_answers'] must be at least state['num_correct']")
