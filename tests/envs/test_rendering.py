from __future__ import annotations

import warnings

import numpy as np
import pytest

from driftwise.envs import AtSteps, ShiftingBandit, ShiftingBanditVector

OPTIONS = {"means": [0.25, 0.75, 1.0], "change_times": [2]}


def test_text() -> None:
    env = ShiftingBandit(num_arms=3, render_mode="ansi")
    env.reset(seed=0, options=OPTIONS)
    assert env.render() == (
        "step 0: no pull yet; context 0, 0 steps old\n"
        f"    0   0.250 {'#' * 10}\n"
        f"    1   0.750 {'#' * 30}\n"
        f" *  2   1.000 {'#' * 40}\n"
    )
    reward = env.step(1)[1]
    text = env.render()
    assert isinstance(text, str)
    assert text.splitlines()[0] == (
        f"step 0: arm 1 paid {reward:.0f}, regret 0.250; context 0, 0 steps old"
    )
    assert text.splitlines()[2].startswith(">   1")
    env.step(2)
    assert "context 0, 1 steps old" in str(env.render()) and ">*  2" in str(env.render())
    env.step(2)
    assert "step 2: arm 2" in str(env.render()) and "context 1, changed now" in str(env.render())


def test_image() -> None:
    env = ShiftingBandit(num_arms=3, render_mode="rgb_array")
    env.reset(seed=0, options=OPTIONS)
    image = env.render()
    assert isinstance(image, np.ndarray) and image.dtype == np.uint8
    assert image.shape == (160, 156, 3)
    green, grey, dark, red = (60, 160, 90), (150, 165, 190), (30, 30, 30), (210, 60, 50)

    def count(color: tuple[int, int, int]) -> int:
        shown = env.render()
        assert isinstance(shown, np.ndarray)
        return int((shown == color).all(axis=-1).sum())

    bar = 32 * 118
    assert (count(green), count(grey)) == (bar, round(118 * 0.25) * 32 + round(118 * 0.75) * 32)
    assert count(dark) == count(red) == 0
    assert env.step(2)[1] == 1.0  # the arm with p = 1
    assert count(dark) == 18 * 32
    env.step(2)
    assert count(red) == 0
    env.step(0)
    assert count(red) == 160 * 156 - 148 * 144  # the frame
    first = env.render()
    env.step(0)
    assert first is not env.render()


def test_gaussian_arms_fit_the_image() -> None:
    env = ShiftingBandit(arms="gaussian", num_arms=3, render_mode="rgb_array")
    env.reset(seed=0, options={"means": [-5.0, 0.0, 5.0]})
    env.step(0)
    image = env.render()
    assert isinstance(image, np.ndarray) and image.shape == (160, 156, 3)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_vector_pictures_are_the_scalar_ones(mode: str) -> None:
    envs = ShiftingBanditVector(
        3, render_mode="ansi", autoreset_mode=mode, max_episode_steps=7, schedule=AtSteps((3,))
    )
    alone = ShiftingBandit(render_mode="ansi", max_episode_steps=7, schedule=AtSteps((3,)))
    envs.reset(seed=4)
    alone.reset(seed=6)
    over = False
    for time in range(20):
        frames = envs.render()
        assert frames is not None and len(frames) == 3
        assert frames[2] == alone.render(), time
        envs.step(np.array([0, 1, 2]))
        if over:
            alone.reset()
            over = False
            continue
        over = alone.step(2)[3]
        if over and mode == "SameStep":
            alone.reset()
            over = False


def test_pictures_are_what_render_draws() -> None:
    envs = ShiftingBanditVector(2, render_mode="ansi")
    assert envs.pictures == ()
    envs.reset(seed=0)
    envs.step(np.array([1, 2]))
    assert tuple(picture.draw("ansi") for picture in envs.pictures) == envs.render()
    assert ShiftingBanditVector(2).pictures == ()


def test_no_render_mode() -> None:
    for env in (ShiftingBandit(), ShiftingBanditVector(2)):
        env.reset()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert env.render() is None
        assert any("needs a render_mode" in str(warning.message) for warning in caught)
