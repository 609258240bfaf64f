"""The image curriculum, one at a time; its class docstring is its page of documentation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .image_curriculum_rendering import CurriculumPicture
from .image_curriculum_settings import ImageCurriculumArguments, ImageCurriculumSettings
from .image_curriculum_world import ImageCurriculumWorld
from .image_streams import to_float
from .world_env import WorldEnv


class ImageCurriculum(WorldEnv[ImageCurriculumSettings, ImageCurriculumWorld]):
    """Images of ever more classes, to be told by their labels.

    ## Description

    The stream :class:`ClassCurriculum` as a world to act in. Each step shows an image of one of the
    *active* classes; all of them, and all drawings of each, are equally likely. The agent names its
    label, and sees the right one together with the next image. Once it has been right often enough
    of late, further classes become active.

    ## Action space

    ``Discrete(num_classes)``: the label. Classes are numbered in the order in which they become
    active, so that the labels in use are those below the number of active classes.

    ## Observation space

    ``Dict``:

    | key | space | what |
    | --- | --- | --- |
    | ``"image"`` | ``Box`` (28, 28) of float32 | pixels from 0 (paper) to 1 (ink) |
    | ``"last_label"`` | ``Discrete(num_classes + 1)`` | the right label of the image before |

    In the first observation of an episode ``last_label`` is ``num_classes``.

    ## Rewards

    1 for the right label, else 0.

    ## Starting state

    ``start_classes`` active classes, in an order that is drawn for each episode: labels mean
    something else in each, and have to be found out. With ``order_seed`` the order is the same in
    all episodes (and all sub-environments), as it is for a classifier: that of
    ``ClassCurriculum(images, seed=order_seed)``.

    ``reset(options=...)`` prescribes the next episode; the episodes after it are drawn as usual:

    - ``class_order``: the class of each label, shape (num_classes,). The vector environment also
      takes a leading axis (num_envs,).

    ## Changes

    When the share of right ones among the latest ``window`` answers reaches ``threshold``,
    ``block_size`` classes become active. Only answers since the last change count, so that a level
    takes at least ``window`` steps. When all classes are active, nothing changes any more.

    ## Episode end

    After ``max_episode_steps`` steps the episode is truncated: the world would have gone on. With
    ``terminate_on_horizon`` it is terminated: nothing is to be had beyond the end.

    ## Information

    The info that ``step`` returns describes the image that the action was about:

    - ``regret`` (float): 1 for a wrong answer, else 0.
    - ``optimal_action`` (int): the right label. (The method of this name tells that of the coming
      step.)
    - ``context`` (int): the level: how often classes have been added so far.
    - ``changed`` (bool): whether classes were added between the step before and this one.
    - ``steps_since_change`` (int): 0 at a changed step, else one more than at the step before;
      counted from the episode's start as long as nothing has changed.

    The info that ``reset`` returns describes the first step, with regret 0.

    ## Arguments

    - ``images``: ``"omniglot"`` (default; needs its data), ``"glyphs"`` (made-up characters) or any
      :class:`ImageSet` of 28 x 28.
    - ``rotations``: whether images rotated by 90, 180 and 270 degrees are classes of their own.
      Default False.
    - ``num_classes``: classes in the end. Default None: all there are (of glyphs 1,000 and their
      rotations; 300 in ``driftwise/GlyphCurriculum-v0``).
    - ``start_classes``: classes at the start. Default 30.
    - ``block_size``: classes that are added at a time. Default 30.
    - ``threshold``: share of right answers at which they are. Default 0.7.
    - ``window``: answers of which that is the share. Default 500.
    - ``order_seed``: see *Starting state*. Default None.
    - ``max_episode_steps``: steps of an episode, or None for endless ones. Default 10,000.
      ``gymnasium.make`` applies its own argument of this name from outside (endless is -1), so that
      ``terminate_on_horizon``, which needs the number, is an error there; it works with
      ``gymnasium.make_vec`` and with this class.
    - ``terminate_on_horizon``: see *Episode end*. Default False.
    - ``render_mode``: None (default), ``"ansi"`` or ``"rgb_array"``.

    ## References

    Lake, Salakhutdinov and Tenenbaum, "Human-level concept learning through probabilistic program
    induction", Science 2015 (Omniglot). Rae, Dyer, Dayan and Lillicrap, "Fast parametric learning
    with activation memorization", ICML 2018 (the curriculum).

    ## Version history

    - v0: initial version.
    """

    def __init__(
        self, *, render_mode: str | None = None, **arguments: Unpack[ImageCurriculumArguments]
    ) -> None:
        super().__init__(ImageCurriculumSettings.parse(**arguments), render_mode)

    # ------------------------------------------------------------------ inside

    @override
    def _read_world(self) -> None:
        """There is nothing to copy: a step is that of the world's arrays, with N = 1."""

    @override
    def _first(self) -> tuple[dict[str, Any], dict[str, Any]]:  # type: ignore[override]
        info = self._info(0, 0.0, int(self._world.label[0]))
        if self.render_mode is not None:
            self._take_picture(self._world.pixels(self._world.everyone)[0], -1, info)
        return self._observe(), info

    @override
    def _play(  # type: ignore[override]
        self, action: int
    ) -> tuple[dict[str, Any], float, dict[str, Any]]:
        world, row = self._world, self._world.row
        shown = world.pixels(world.everyone)[0] if self.render_mode is not None else None
        answers = world.play(np.array([action]))
        reward = float(answers.correct[0])
        info = self._info(row, 1.0 - reward, int(answers.labels[0]))
        if shown is not None:
            self._take_picture(shown, action, info)
        return self._observe(), reward, info

    def _info(self, row: int, regret: float, label: int) -> dict[str, Any]:
        trace = self._world.trace
        return {
            "regret": regret,
            "optimal_action": label,
            "context": trace.context.item(row, 0),
            "changed": trace.changed.item(row, 0),
            "steps_since_change": trace.since.item(row, 0),
        }

    def _observe(self) -> dict[str, Any]:
        world = self._world
        image = to_float(world.pixels(world.everyone)[0])
        return {"image": image, "last_label": world.last_label[0]}

    def _take_picture(self, shown: NDArray[np.uint8], action: int, info: dict[str, Any]) -> None:
        """Keeps what :meth:`render` shows."""
        active = int(self._world.levels.num_active(np.array(info["context"])))
        self._picture = CurriculumPicture(self._elapsed, shown, active, action, dict(info))
