"""Many image curricula, stepped together with numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .image_curriculum_rendering import CurriculumPicture
from .image_curriculum_settings import ImageCurriculumArguments, ImageCurriculumSettings
from .image_curriculum_world import ImageCurriculumWorld
from .image_streams import to_float
from .images.image_set import SIZE
from .world_vector_env import Observations, Play, WorldVectorEnv


class ImageCurriculumVector(WorldVectorEnv[ImageCurriculumSettings, ImageCurriculumWorld]):
    """N of :class:`ImageCurriculum`, stepped together.

    Sub-environment i of ``reset(seed=s)`` equals ``ImageCurriculum`` after ``reset(seed=s + i)``
    bit for bit, in the episodes that follow by themselves too. Spaces, rewards, infos and options
    are those of :class:`ImageCurriculum`, with a leading axis (num_envs,); every key of the info is
    there at every step.

    Args:
        num_envs: N, the number of sub-environments.
        render_mode: As for the scalar environment; ``render()`` returns a tuple of N pictures.
        autoreset_mode: What happens after the end of an episode; see
            :class:`ShiftingBanditVector`.
        arguments: Those of :class:`ImageCurriculum`.

    ``reset(options={"reset_mask": mask})`` resets only where ``mask`` (num_envs,) is True; the
    observations elsewhere are the latest ones, and in the info ``"_" + key`` says which entries
    are set. ``reset(seed=...)`` also takes a list of N seeds.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **arguments: Unpack[ImageCurriculumArguments],
    ) -> None:
        settings = ImageCurriculumSettings.parse(**arguments)
        super().__init__(num_envs, settings, render_mode, autoreset_mode)
        self._shown: NDArray[np.uint8] | None = None  # for pictures: images before the last step

    # ------------------------------------------------------------------ inside

    @override
    def _play(self, actions: NDArray[np.int64]) -> Play:
        world, row = self._world, self._world.row
        if self.render_mode is not None:
            self._shown = world.pixels(world.everyone)
        answers = world.play(actions)
        rewards = answers.correct.astype(np.float64)
        infos = self._infos(row, 1.0 - rewards, answers.labels)
        if self.render_mode is not None:
            self._take_pictures(world.everyone, row, actions, rewards, infos)
        return self._first_observations(world.everyone), rewards, infos

    @override
    def _first_observations(self, worlds: NDArray[np.int64]) -> Observations:
        rows = np.empty((len(worlds), self._observations.shape[1]), dtype=np.float32)
        rows[:, :-1] = to_float(self._world.pixels(worlds)).reshape(len(worlds), -1)
        rows[:, -1] = self._world.last_label[worlds]
        return rows

    @override
    def _first_infos(self) -> dict[str, Any]:
        if self.render_mode is not None:
            self._shown = self._world.pixels(self._world.everyone)
        return super()._first_infos()

    @override
    def _present(self, rows: Observations) -> dict[str, Any]:
        images = rows[..., :-1].reshape(*rows.shape[:-1], SIZE, SIZE)
        return {"image": images.copy(), "last_label": rows[..., -1].astype(np.int64)}

    @override
    def _picture(
        self, index: int, row: int, action: int, reward: float, info: dict[str, Any]
    ) -> CurriculumPicture:
        assert self._shown is not None
        world = self._world
        return CurriculumPicture(
            int(world.clock - world.first[index]) - (action >= 0),
            self._shown[index],
            int(world.levels.num_active(info["context"])),
            action,
            info,
        )
