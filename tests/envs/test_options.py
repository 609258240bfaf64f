"""``reset(options=...)`` prescribes an episode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from driftwise.envs import (
    AtSteps,
    Drift,
    Never,
    Periodic,
    RandomWalk,
    Reactive,
    Resample,
    Rotting,
    ShiftingBandit,
    ShiftingBanditVector,
    Sinusoid,
)

MEANS = [0.1, 0.7, 0.3, 0.2, 0.5]


def test_means(drift: Drift) -> None:
    env = ShiftingBandit(schedule=Never(), drift=drift)
    if isinstance(drift, Sinusoid):
        with pytest.raises(ValueError, match=r"means must be in \[0.3, 0.7\]"):
            env.reset(seed=0, options={"means": MEANS})
        return
    for arm in range(5):
        _, info = env.reset(seed=0, options={"means": MEANS})
        assert info["optimal_action"] == 1
        assert env.step(arm)[4]["regret"] == pytest.approx(0.7 - MEANS[arm], abs=1e-15)
    env.reset(seed=0, options={"means": MEANS})
    env.reset()
    assert env.step(0)[4]["regret"] != pytest.approx(0.6)  # for that episode only


def test_means_leave_the_rest_of_the_world_alone() -> None:
    env = ShiftingBandit()
    env.reset(seed=6)
    drawn = env.foresee()
    env.reset(seed=6, options={"means": MEANS})
    given = env.foresee()
    assert np.array_equal(drawn.changed, given.changed) and drawn.changed.any()
    first = int(np.argmax(drawn.changed))
    assert np.array_equal(drawn.means[first:], given.means[first:])
    assert np.array_equal(given.means[:first], np.tile(MEANS, (first, 1)))


def test_means_of_each_sub_environment() -> None:
    envs = ShiftingBanditVector(3, num_arms=2)
    means = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.4]])
    _, infos = envs.reset(seed=0, options={"means": means})
    assert infos["optimal_action"].tolist() == [1, 0, 0]
    np.testing.assert_array_equal(envs.foresee().means[0], means)
    mask = np.array([False, True, False])
    envs.reset(options={"means": means[::-1], "reset_mask": mask})
    np.testing.assert_array_equal(envs.foresee(1).means[0], means)  # row 1 is its own mirror
    envs.reset(options={"means": [0.25, 0.75], "reset_mask": mask})
    np.testing.assert_array_equal(envs.foresee(1).means[0], [[0, 1], [0.25, 0.75], [0.5, 0.4]])


def test_means_of_dependent_arms_must_mirror() -> None:
    env = ShiftingBandit(num_arms=3, dependent=True)
    with pytest.raises(ValueError, match=r"options\['means'\] must mirror"):
        env.reset(options={"means": [0.1, 0.8, 0.5]})
    env.reset(seed=0, options={"means": [0.1, 0.9, 0.5]})
    assert env.step(0)[4]["regret"] == pytest.approx(0.8)


@pytest.mark.parametrize("schedule", [Never(), Periodic(10), Reactive(1)])
@pytest.mark.parametrize("drift", [Resample(), RandomWalk(), Rotting()])
def test_change_times(schedule: Any, drift: Drift) -> None:
    env = ShiftingBandit(schedule=schedule, drift=drift, max_episode_steps=300)
    for times in ([1, 7, 200, 201, 299], []):
        _, info = env.reset(seed=0, options={"change_times": times})
        changes = []
        for time in range(300):
            info = env.step(info["optimal_action"])[4]
            if info["changed"]:
                changes.append(time)
        assert changes == times
    env.reset()
    again = [env.step(0)[4]["changed"] for _ in range(300)]
    assert np.flatnonzero(again).tolist() == {Never(): [], Periodic(10): [*range(10, 300, 10)]}.get(
        schedule, np.flatnonzero(again).tolist()
    )


def test_change_times_of_each_sub_environment() -> None:
    envs = ShiftingBanditVector(2, max_episode_steps=50)
    envs.reset(seed=0, options={"change_times": np.array([[2, 9], [30, 40]])})
    changed = envs.foresee().changed
    assert [np.flatnonzero(column).tolist() for column in changed.T] == [[2, 9], [30, 40]]


def test_context_and_all_means() -> None:
    env = ShiftingBandit(num_contexts=3, cue="one_hot")
    means = np.random.default_rng(0).random((3, 5))
    observation, info = env.reset(seed=0, options={"context": 2, "means": means})
    assert info["context"] == 2 and observation[-3:].tolist() == [0, 0, 1]
    world = env.foresee()
    np.testing.assert_array_equal(world.means, means[world.context])
    envs = ShiftingBanditVector(3, num_contexts=3)
    _, infos = envs.reset(options={"context": np.array([2, 0, 1])})
    assert infos["context"].tolist() == [2, 0, 1]


def test_schedule_and_drift_stay() -> None:
    env = ShiftingBandit(max_episode_steps=20)
    env.reset(seed=0, options={"schedule": "AtSteps((5,))", "drift": {"type": "SwapBest"}})
    for _ in range(2):
        world = env.foresee()
        assert np.flatnonzero(world.changed).tolist() == [5]
        assert np.array_equal(np.sort(world.means[4]), np.sort(world.means[5]))
        env.reset()
    assert env.settings.schedule == AtSteps((5,))
    fresh = ShiftingBandit(max_episode_steps=20, schedule=AtSteps((5,)), drift="SwapBest")
    fresh.reset(seed=0)
    env.reset(seed=0)
    np.testing.assert_equal(env.foresee(), fresh.foresee())
    env.reset(options={"schedule": Reactive(2), "drift": Rotting()})  # to another kind of world
    assert env.settings.drift == Rotting()
    envs = ShiftingBanditVector(2, max_episode_steps=20)
    envs.reset(seed=0, options={"schedule": AtSteps((5,)), "drift": "SwapBest"})
    np.testing.assert_array_equal(envs.foresee().means[:, 0], fresh.foresee().means)


def test_options_are_not_modified() -> None:
    options = {"means": MEANS, "reset_mask": np.array([True, True])}
    ShiftingBanditVector(2).reset(options=options)
    assert set(options) == {"means", "reset_mask"}


def test_a_full_mask_is_a_full_reset() -> None:
    envs = ShiftingBanditVector(2)
    expected, _ = envs.reset(seed=3)
    observations, infos = envs.reset(seed=3, options={"reset_mask": np.array([True, True])})
    assert np.array_equal(observations, expected) and infos["_regret"].all()


def test_seeds_may_be_a_list() -> None:
    envs, alone = ShiftingBanditVector(2), ShiftingBandit()
    envs.reset(seed=[40, 7])
    alone.reset(seed=7)
    np.testing.assert_array_equal(envs.foresee().means[:, 1], alone.foresee().means)
    with pytest.raises(ValueError, match="seed must be one integer or 2, got 3"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(TypeError, match=r"seed must be an integer, .*, got 1\.5"):
        envs.reset(seed=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        ([7, -1, 2], ValueError, r"seed\[1\] must be at least 0, got -1"),
        ([0.5, 1.5, 2.5], TypeError, r"seed\[0\] must be an integer, got 0\.5"),
        (np.array([7.0, 1.0, 2.0]), TypeError, r"seed\[0\] must be an integer"),
        ([7, 1, True], TypeError, r"seed\[2\] must be an integer, got True"),
        (-1, ValueError, "seed must be at least 0, got -1"),
        ("123", TypeError, "seed must be an integer, a list of integers or None, got '123'"),
    ],
    ids=str,
)
def test_wrong_seeds_change_nothing(seed: Any, error: type[Exception], message: str) -> None:
    envs = ShiftingBanditVector(3)
    envs.reset(seed=0)
    before = envs.get_state()
    with pytest.raises(error, match=message):
        envs.reset(seed=seed)
    np.testing.assert_equal(envs.get_state(), before)


def test_seeds_may_be_numpys_or_none() -> None:
    envs, same = ShiftingBanditVector(2), ShiftingBanditVector(2)
    envs.reset(seed=np.array([4, 5]))  # type: ignore[arg-type]
    same.reset(seed=np.int64(4))  # type: ignore[arg-type]
    np.testing.assert_equal(envs.foresee(), same.foresee())
    envs.reset(seed=[None, 5])
    np.testing.assert_array_equal(envs.foresee().means[:, 1], same.foresee().means[:, 1])


def test_unseeded_worlds_differ() -> None:
    starts = [ShiftingBandit() for _ in range(2)]
    for env in starts:
        env.reset()
    assert not np.array_equal(starts[0].foresee().means, starts[1].foresee().means)
    envs = ShiftingBanditVector(2)
    envs.reset()
    world = envs.foresee()
    assert not np.array_equal(world.means[:, 0], world.means[:, 1])


WRONG: list[tuple[Any, type[Exception], str]] = [
    ({"mean": MEANS}, ValueError, r"options must have keys among means, .*, got 'mean'"),
    ({"means": MEANS[:4]}, ValueError, r"options\['means'\] must have shape \(5,\)"),
    ({"means": [0.1, 0.2, 0.3, 0.4, 1.5]}, ValueError, r"options\['means'\] of Bernoulli"),
    ({"means": [0.1, 0.2, 0.3, 0.4, np.nan]}, ValueError, r"options\['means'\] must be finite"),
    ({"means": ["a"]}, TypeError, r"options\['means'\] must be an array of numbers, got \['a'\]"),
    ({"change_times": [[1], [2, 3]]}, TypeError, r"options\['change_times'\] must be an array of"),
    ([1, 2], TypeError, r"options must be a dict or None, got \[1, 2\]"),
    ({"change_times": [0, 3]}, ValueError, r"options\['change_times'\] must be at least 1"),
    ({"change_times": [9, 10**6]}, ValueError, r"options\['change_times'\] must be below max_ep"),
    ({"change_times": [1.5]}, TypeError, r"options\['change_times'\] must be integers"),
    ({"change_times": [[[1]]]}, ValueError, r"options\['change_times'\] must have shape \(M,\)"),
    ({"context": 1}, ValueError, r"options\['context'\] needs contexts that recur"),
    ({"schedule": "Sometimes"}, ValueError, r"options\['schedule'\] must be one of AtSteps, "),
    ({"schedule": "Hazard(2.0)"}, ValueError, r"options\['schedule'\]: probability must be"),
    ({"drift": 3}, TypeError, r"options\['drift'\] must be a Drift, a string or a mapping"),
    ({"drift": "Recur(3)"}, ValueError, r"options\['drift'\] cannot replace Resample"),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_options_change_nothing(options: Any, error: type[Exception], message: str) -> None:
    for env in (ShiftingBandit(), ShiftingBanditVector(2)):
        env.reset(seed=0)
        before: Any = env.get_state()
        with pytest.raises(error, match=message):
            env.reset(seed=1, options=options)
        np.testing.assert_equal(env.get_state(), before)


def test_wrong_contexts() -> None:
    env = ShiftingBandit(num_contexts=3)
    with pytest.raises(ValueError, match=r"options\['context'\] must be in \[0, 3\), got 3"):
        env.reset(options={"context": 3})
    with pytest.raises(TypeError, match=r"options\['context'\] must be integers, got float64"):
        env.reset(options={"context": 1.0})
    with pytest.raises(ValueError, match=r"options\['context'\] must have shape \(\) or \(1,\)"):
        env.reset(options={"context": [1, 2]})
    with pytest.raises(ValueError, match=r"options\['drift'\] cannot replace Recur"):
        env.reset(options={"drift": "Resample"})


def test_wrong_masks() -> None:
    env, envs = ShiftingBandit(), ShiftingBanditVector(3)
    with pytest.raises(ValueError, match=r"options must have keys among .*, got 'reset_mask'"):
        env.reset(options={"reset_mask": np.array([True])})
    mask = np.array([True, False, False])
    with pytest.raises(Exception, match=r"first reset.* must start every"):
        envs.reset(options={"reset_mask": mask})
    envs.reset(seed=0)
    for wrong, message in (
        ([True, False, False], "must be a numpy array of bool, got list"),
        (mask.astype(int), "must be a numpy array of bool, got int64"),
        (mask[:2], r"must have shape \(3,\), got \(2,\)"),
        (mask & False, "must have at least one True"),
    ):
        with pytest.raises((TypeError, ValueError), match=rf"options\['reset_mask'\] {message}"):
            envs.reset(options={"reset_mask": wrong})
    with pytest.raises(ValueError, match="cannot go with a reset_mask"):
        envs.reset(options={"reset_mask": mask, "schedule": "Never"})
