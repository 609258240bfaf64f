from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from driftwise.envs import AtSteps, Reactive, Schedule, ShiftingMaze, ShiftingMazeVector

OPTIONS: dict[str, Any] = {"goal": (1, 3), "position": (2, 1), "change_times": [3]}
GREEN, ORANGE, RED, WALL = (60, 160, 90), (226, 130, 40), (210, 60, 50), (66, 74, 92)


def test_text() -> None:
    env = ShiftingMaze(size=5, render_mode="ansi")
    env.reset(seed=0, options=OPTIONS)
    assert env.render() == (
        "step 0: no move yet; context 0, 0 steps old\n"
        "##########\n"
        "## . . G##\n"
        "## @ . .##\n"
        "## . . .##\n"
        "##########\n"
    )
    texts = []
    for action in (2, 0, 3, 3):
        env.step(action)
        texts.append(str(env.render()).splitlines())
    assert [lines[0] for lines in texts] == [
        "step 0: action 2 (left) paid 0, regret 1; context 0, 0 steps old",
        "step 1: action 0 (up) paid 0, regret 0; context 0, 1 steps old",
        "step 2: action 3 (right) paid 0, regret 0; context 0, 2 steps old",
        texts[3][0],
    ]
    assert "context 1, changed now" in texts[3][0]
    assert texts[2][2] == "## . @ G##"


def test_image() -> None:
    env = ShiftingMaze(size=5, render_mode="rgb_array")
    env.reset(seed=0, options=OPTIONS)

    def at(row: int, column: int, down: int = 0, right: int = 0) -> tuple[int, ...]:
        """Colour of a point of a cell, counted from its middle."""
        image: Any = env.render()
        assert image.shape == (132, 132, 3) and image.dtype == np.uint8
        return tuple(image[6 + 24 * row + 12 + down, 6 + 24 * column + 12 + right].tolist())

    assert at(2, 1) == ORANGE and at(0, 2) == WALL and at(1, 3, right=8) == GREEN
    assert at(1, 3) == (255, 255, 255) and at(3, 3) != at(3, 2)  # in sight, out of sight
    assert at(0, 0, -14) == (225, 225, 225)
    env.step(2)
    assert at(2, 1, right=-10) == RED  # bumped
    env.step(0)
    assert at(1, 1) == at(2, 1) == at(2, 1, -10) == ORANGE  # with its way behind it
    assert at(2, 1, 6) == (255, 255, 255)
    env.step(3)
    env.step(3)
    assert at(0, 0, -14) == RED  # changed: the frame
    env.reset(seed=0, options={"goal": (1, 2), "position": (1, 1)})
    env.step(3)
    assert at(1, 2) == GREEN and at(1, 2, 4) == ORANGE and at(1, 2, 8) == GREEN


@pytest.mark.parametrize("schedule", [AtSteps((3,)), Reactive(1)])
def test_vector_pictures_are_the_scalar_ones(schedule: Schedule) -> None:
    for mode in ("NextStep", "SameStep"):
        arguments: dict[str, Any] = {"drift": "PermuteActions", "schedule": schedule}
        arguments |= {"render_mode": "ansi", "max_episode_steps": 7}
        envs = ShiftingMazeVector(3, autoreset_mode=mode, **arguments)
        alone, over = ShiftingMaze(**arguments), False
        envs.reset(seed=4)
        alone.reset(seed=6)
        for time in range(20):
            frames = envs.render()
            assert frames is not None and len(frames) == 3
            assert frames[2] == alone.render(), time
            envs.step(np.array([0, 1, time % 4]))
            if over:
                alone.reset()
                over = False
                continue
            over = alone.step(time % 4)[3]
            if over and mode == "SameStep":
                alone.reset()
                over = False
