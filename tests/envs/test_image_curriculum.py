"""The image curriculum as an environment: against plain Python; options, saving, pictures."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.envs import (
    IIDStream,
    ImageCurriculum,
    ImageCurriculumVector,
    ImageSet,
    check_vector_env,
)

Numbers = Callable[[int, int], ImageSet]


@pytest.fixture(scope="module")
def small(numbers: Numbers) -> dict[str, Any]:
    """Arguments of a small curriculum: 4, 7, ... 19, 20 classes."""
    images = numbers(20, 6)
    return {
        "images": images, "start_classes": 4, "block_size": 3, "threshold": 0.6, "window": 5
    }  # fmt: skip


def shown(observation: dict[str, Any]) -> tuple[int, int]:
    image = observation["image"] * 255
    return round(float(image[0, 0])), round(float(image[0, 1]))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), skill=st.floats(0, 1), threshold=st.sampled_from([0.2, 0.6, 1.0]))
def test_against_plain_python(
    small: dict[str, Any], seed: int, skill: float, threshold: float
) -> None:
    env = ImageCurriculum(**{**small, "threshold": threshold}, max_episode_steps=250)
    rng = np.random.default_rng(seed)
    for episode in range(2):
        observation, info = env.reset(seed=seed if episode == 0 else None)
        level, since, changed, last_label = 0, 0, False, 20
        latest: deque[bool] = deque(maxlen=5)
        label_of: dict[int, int] = {}
        over = False
        for step in range(250):
            active = min(4 + 3 * level, 20)
            label = env.optimal_action()
            assert observation["last_label"] == last_label and 0 <= label < active
            assert label_of.setdefault(shown(observation)[0], label) == label
            assert observation in env.observation_space and not over
            action = label if rng.random() < skill else int(rng.integers(20))
            observation, reward, terminated, over, info = env.step(action)
            assert reward == (action == label) and info["regret"] == 1.0 - reward
            assert not terminated and over == (step == 249)
            got = [info[key] for key in ("optimal_action", "context", "steps_since_change")]
            assert got == [label, level, since] and info["changed"] == changed
            latest.append(action == label)
            changed = len(latest) == 5 and sum(latest) / 5 >= threshold and active < 20
            since += 1
            if changed:
                level, since = level + 1, 0
                latest.clear()
            last_label = label
        assert len(set(label_of.values())) == len(label_of)


def test_a_perfect_agent_needs_a_window_for_each_level(small: dict[str, Any]) -> None:
    envs = ImageCurriculumVector(3, **small, max_episode_steps=None)
    infos = envs.reset(seed=0)[1]
    for step in range(60):
        infos = envs.step(envs.optimal_actions())[4]
        assert infos["context"].tolist() == [min(step // 5, 6)] * 3
        assert infos["changed"].tolist() == [step % 5 == 0 and 0 < step <= 30] * 3
        assert not infos["regret"].any()


def test_images_and_drawings_are_equally_likely(small: dict[str, Any], numbers: Numbers) -> None:
    envs = ImageCurriculumVector(200, **small, max_episode_steps=None, order_seed=3)
    observations = envs.reset(seed=0)[0]
    order = IIDStream(numbers(20, 6), seed=3, train_drawings=5, test_drawings=1)
    counts = np.zeros((4, 6))
    for _ in range(150):
        image = np.rint(observations["image"] * 255).astype(int)
        labels = envs.optimal_actions()
        assert np.array_equal(order.class_order[labels], image[:, 0, 0])
        np.add.at(counts, (labels, image[:, 0, 1]), 1)
        observations = envs.step(np.full(200, 19))[0]
    expected = 200 * 150 / 24
    assert ((counts - expected) ** 2 / expected).sum() < 23 + 4 * 46**0.5


def test_orders_are_those_of_the_streams(small: dict[str, Any], numbers: Numbers) -> None:
    stream = IIDStream(numbers(20, 6), seed=7, train_drawings=5, test_drawings=1)
    fixed = ImageCurriculum(**small, order_seed=7)
    drawn = ImageCurriculum(**small)
    given_ = ImageCurriculum(**small)
    fixed.reset(seed=1)
    drawn.reset(seed=7)
    given_.reset(seed=2, options={"class_order": stream.class_order})
    for env in (fixed, drawn, given_):
        assert np.array_equal(env.get_state()["order"][0], stream.class_order)
        env.reset()
    assert np.array_equal(fixed.get_state()["order"][0], stream.class_order)
    for env in (drawn, given_):
        assert not np.array_equal(env.get_state()["order"][0], stream.class_order)


def test_fewer_classes_than_there_are(small: dict[str, Any]) -> None:
    env = ImageCurriculum(**small, num_classes=6)
    assert env.action_space.n == 6  # type: ignore[attr-defined]
    observation = env.reset(seed=0)[0]
    assert observation["last_label"] == 6
    for _ in range(50):
        assert env.step(env.optimal_action())[4]["optimal_action"] < 6
    rows = [[5, 4, 3, 2, 1, 0], [19, 18, 17, 16, 15, 14]]
    envs = ImageCurriculumVector(2, **small, num_classes=6)
    observations = envs.reset(seed=0, options={"class_order": rows})[0]
    classes = np.rint(observations["image"][:, 0, 0] * 255).astype(int)
    assert classes.tolist() == [rows[i][label] for i, label in enumerate(envs.optimal_actions())]


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("horizon", [1, 37, 130])
def test_parity(small: dict[str, Any], mode: AutoresetMode, horizon: int) -> None:
    arguments = {**small, "start_classes": 2, "threshold": 0.2, "max_episode_steps": horizon}
    check_vector_env(
        ImageCurriculumVector(3, autoreset_mode=mode, **arguments),
        lambda: ImageCurriculum(**arguments),
        num_steps=210,
    )


def test_partial_resets(small: dict[str, Any]) -> None:
    envs = ImageCurriculumVector(3, **small, max_episode_steps=None)
    envs.reset(seed=0)
    for _ in range(33):
        observations = envs.step(envs.optimal_actions())[0]
    again, infos = envs.reset(options={"reset_mask": np.array([False, True, False])})
    assert np.array_equal(again["image"][[0, 2]], observations["image"][[0, 2]])
    assert again["last_label"][1] == 20 and infos["_context"].tolist() == [False, True, False]
    infos = envs.step(envs.optimal_actions())[4]
    assert infos["context"].tolist() == [6, 0, 6]
    assert infos["steps_since_change"].tolist() == [3, 0, 3]


# ---------------------------------------------------------------------- saving


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("at", [0, 1, 98, 99, 100, 101, 230])
def test_resuming(small: dict[str, Any], vector: bool, at: int) -> None:
    arguments = {**small, "start_classes": 2, "threshold": 0.4, "max_episode_steps": 260}

    def make() -> Any:
        return ImageCurriculumVector(2, **arguments) if vector else ImageCurriculum(**arguments)

    def run(env: Any, steps: int) -> list[Any]:
        rng, outputs = np.random.default_rng(at), []
        for _ in range(steps):
            outputs.append(env.step(rng.integers(4, size=2) if vector else int(rng.integers(4))))
            if not vector and outputs[-1][3]:
                outputs.append(env.reset())
        return outputs

    env, other = make(), make()
    env.reset(seed=4)
    run(env, at)
    text = json.dumps({key: value.tolist() for key, value in env.get_state().items()})
    expected = run(env, 300)
    other.set_state(json.loads(text))
    np.testing.assert_equal(run(other, 300), expected)


BROKEN: list[tuple[str, Any, str]] = [
    ("label", [4], r"state\['label'\] must be from 0 to 3, got 4 to 4"),
    ("drawing", [6], r"state\['drawing'\] must be from 0 to 5, got 6 to 6"),
    ("order", [[-1] * 20], r"state\['order'\] must be from 0 to 19, got -1 to -1"),
    ("last_label", [21], r"state\['last_label'\] must be from 0 to 20, got 21 to 21"),
    ("trace_label", np.full((101, 1), -0.5), r"state\['trace_label'\] must be from 0 to below 1"),
    ("trace_drawing", np.full((101, 1), 1.0), r"state\['trace_drawing'\] must be from 0 to bel"),
    ("trace_context", np.full((101, 1), 7), r"state\['trace_context'\] must be from 0 to 6"),
    ("num_correct", [2], r"state\['num_correct'\] must count what is right in"),
    ("num_answers", [0], r"state\['num_answers'\] must be at least state\['num_correct'\]"),
    ("answers", [[2, 0, 0, 0, 0]], r"state\['answers'\] must hold finite numbers of dtype bool"),
]


@pytest.mark.parametrize(("key", "value", "message"), BROKEN, ids=lambda value: str(value)[:20])
def test_states_with_impossible_numbers(
    small: dict[str, Any], numbers: Numbers, key: str, value: Any, message: str
) -> None:
    for env in (ImageCurriculum(**small), ImageCurriculumVector(1, **small)):
        env.reset(seed=0)
        scalar = isinstance(env, ImageCurriculum)
        env.step(env.optimal_action() if scalar else env.optimal_actions())
        before: dict[str, Any] = env.get_state()
        with pytest.raises(ValueError, match=message):
            env.set_state({**before, key: value})
        np.testing.assert_equal(env.get_state(), before)


def test_states_of_other_images(small: dict[str, Any], numbers: Numbers) -> None:
    env, other = ImageCurriculum(**small), ImageCurriculum(**{**small, "images": numbers(20, 7)})
    env.reset(seed=0)
    other.reset(seed=0)
    with pytest.raises(ValueError, match=r"state must be of an environment with ImageCurriculumS"):
        env.set_state(other.get_state())


# ---------------------------------------------------------------------- pictures


def test_text(small: dict[str, Any]) -> None:
    env = ImageCurriculum(**{**small, "start_classes": 1, "window": 2}, render_mode="ansi")
    env.reset(seed=0)
    lines = str(env.render()).splitlines()
    assert lines[0] == "step 0: label 0 of 1, no answer yet; level 0, 0 steps old"
    assert [len(line) for line in lines[1:]] == [28] * 14
    for action, text in (
        (0, "step 0: label 0 of 1, answer 0, right; level 0, 0 steps old"),
        (3, "step 1: label 0 of 1, answer 3, wrong; level 0, 1 steps old"),
        (0, "step 2: label 0 of 1, answer 0, right; level 0, 2 steps old"),
        (0, "step 3: label 0 of 1, answer 0, right; level 0, 3 steps old"),
    ):
        env.step(action)
        assert str(env.render()).splitlines()[0] == text
    env.step(19)
    assert "of 4, answer 19, wrong; level 1, changed now" in str(env.render())


def test_image() -> None:
    pixels = np.zeros((2, 1, 28, 28), dtype=np.uint8)
    pixels[..., 3, 7] = 255
    images = ImageSet("dots", pixels, ("a", "b"), np.ones(2, dtype=bool))
    arguments: dict[str, Any] = {"start_classes": 1, "window": 1}
    env = ImageCurriculum(images=images, render_mode="rgb_array", **arguments)
    env.reset(seed=0)
    frames: list[Any] = [env.render()]
    for action in (1, 0, 0):
        env.step(action)
        frames.append(env.render())
    bars = [frame[-10, 100].tolist() for frame in frames[:3]]
    assert bars == [[255, 255, 255], [226, 130, 40], [60, 160, 90]]
    assert [frame[0, 0].tolist() for frame in frames[2:]] == [[225, 225, 225], [210, 60, 50]]
    for frame in frames:
        assert frame.shape == (254, 236, 3) and frame.dtype == np.uint8
        assert not frame[6 + 24 : 6 + 32, 6 + 56 : 6 + 64].any()
        assert (frame[6 : 6 + 224, 6:-6] == 255).mean() == 1 - 1 / 784


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_vector_pictures_are_the_scalar_ones(small: dict[str, Any], mode: str) -> None:
    arguments = {**small, "render_mode": "ansi", "max_episode_steps": 7, "window": 2}
    envs = ImageCurriculumVector(3, autoreset_mode=mode, **arguments)
    alone = ImageCurriculum(**arguments)
    envs.reset(seed=4)
    alone.reset(seed=6)
    over = False
    for time in range(30):
        frames = envs.render()
        assert frames is not None and frames[2] == alone.render(), time
        actions = envs.optimal_actions() if not over else np.zeros(3, dtype=np.int64)
        envs.step(actions)
        if over:
            alone.reset()
            over = False
            continue
        over = alone.step(actions[2])[3]
        if over and mode == "SameStep":
            alone.reset()
            over = False


# ---------------------------------------------------------------------- bad input


def test_rotations_are_classes_of_their_own(small: dict[str, Any]) -> None:
    env = ImageCurriculum(**{**small, "num_classes": None, "rotations": True})
    turned = small["images"].with_rotations()
    assert env.settings.num_classes == turned.num_classes == 80
    order = np.arange(80)[::-1]
    observation, _ = env.reset(seed=0, options={"class_order": order})
    shown = turned.images[order[env.optimal_action()]]
    assert (np.abs(shown / np.float32(255) - observation["image"]) < 1e-6).all((1, 2)).any()
    assert gym.make("driftwise/GlyphCurriculum-v0", rotations=True, num_classes=45).unwrapped


LARGE = ImageSet("large", np.ones((50, 2, 32, 32), np.uint8), ("",) * 50, np.ones(50, bool))
ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"images": "mnist"}, ValueError, "images must be one of omniglot, glyphs or an ImageSet, got"),
    ({"images": 3}, ValueError, "images must be one of omniglot, glyphs or an ImageSet, got 3"),
    ({"images": np.zeros((9, 9))}, ValueError, "images must be one of omniglot, .*, got array"),
    ({"images": LARGE}, ValueError, r"images must be of shape \(28, 28\), got \(32, 32\)"),
    ({"num_classes": 21}, ValueError, "num_classes must be at most 20, all of numbers, got 21"),
    ({"rotations": 1}, TypeError, "rotations must be True or False, got 1"),
    ({"rotations": True, "num_classes": 81}, ValueError, "at most 80, all of numbers, rotated"),
    ({"num_classes": 3}, ValueError, "start_classes must be at most num_classes=3, got 4"),
    ({"num_classes": "all"}, TypeError, "num_classes must be an integer, got 'all'"),
    ({"start_classes": 0}, ValueError, "start_classes must be at least 1, got 0"),
    ({"block_size": 0}, ValueError, "block_size must be at least 1, got 0"),
    ({"threshold": -0.1}, ValueError, "threshold must be a probability"),
    ({"window": 0}, ValueError, "window must be at least 1, got 0"),
    ({"order_seed": -1}, ValueError, "order_seed must be at least 0, got -1"),
    ({"max_episode_steps": 0}, ValueError, "max_episode_steps must be at least 1, got 0"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), ARGUMENTS, ids=str)
def test_bad_arguments(
    small: dict[str, Any], wrong: dict[str, Any], error: type[Exception], message: str
) -> None:
    for make in (ImageCurriculum, ImageCurriculumVector):
        with pytest.raises(error, match=message) as caught:
            make(**{**small, **wrong})
        assert "\n" not in str(caught.value)


def test_bad_options_and_actions(small: dict[str, Any]) -> None:
    env = ImageCurriculum(**small)
    env.reset(seed=0)
    before = env.get_state()
    for wrong, message in (
        ([0, 1], r"options\['class_order'\] must have shape \(20,\) or \(1, 20\), got \(2,\)"),
        ([0] * 20, r"options\['class_order'\] must not have a class twice"),
        (range(1, 21), r"options\['class_order'\] must be classes in \[0, 20\)"),
    ):
        with pytest.raises(ValueError, match=message):
            env.reset(options={"class_order": wrong})
    with pytest.raises(
        ValueError, match="options must have keys among class_order, got 'schedule'"
    ):
        env.reset(options={"schedule": "Never"})
    with pytest.raises(ValueError, match=r"action must be in \[0, 20\), got 20"):
        env.step(20)
    np.testing.assert_equal(env.get_state(), before)


def test_missing_data(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from driftwise.envs.image_curriculum_settings import load_images

    load_images.cache_clear()
    monkeypatch.setenv("DRIFTWISE_DATA", str(tmp_path))
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path))
    for make in (gym.make, gym.make_vec):
        with pytest.raises(FileNotFoundError, match="Get it with torchvision"):
            make("driftwise/OmniglotCurriculum-v0")
    monkeypatch.undo()
