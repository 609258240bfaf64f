"""When things happen: infos, rewards and observations against slow independent loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.utils import seeding

from driftwise.envs import (
    AtSteps,
    Drift,
    Hazard,
    Interpolate,
    Never,
    Permute,
    RandomWalk,
    Reactive,
    Recur,
    Resample,
    Rotting,
    Schedule,
    ShiftingBandit,
    ShiftingBanditVector,
    Sinusoid,
    SwapBest,
    World,
)

Play = Callable[..., dict[str, np.ndarray]]


@pytest.mark.parametrize("arms", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_standard_bandit_from_raw_random_numbers(arms: str, seed: int) -> None:
    """The standard bandit, rewritten as a loop over one generator, block by block.

    This pins the streams of ``-v0``: two episodes of 450 steps, three blocks of 200 each.
    """
    env = ShiftingBandit(arms=arms, max_episode_steps=450)
    generator, _ = seeding.np_random(seed)
    bernoulli = arms == "bernoulli"
    prior = generator.random if bernoulli else generator.standard_normal
    actions = np.random.default_rng(seed).integers(5, size=(2, 450))
    for episode in range(2):
        observation, info = env.reset(seed=seed if episode == 0 else None)
        for time, arm in enumerate(actions[episode].tolist()):
            row = time % 200
            if row == 0:  # a block begins
                if bernoulli:
                    numbers = generator.random((5 if time == 0 else 0) + 400)
                    flags, noise = numbers[-400:-200] < 0.02, numbers[-200:]
                else:
                    flags = generator.random(200) < 0.02
                    numbers = generator.standard_normal((5 if time == 0 else 0) + 200)
                    noise = numbers[-200:]
                jumps = iter(prior((int(flags.sum()), 5)))
            if time == 0:
                means, count, changed, since = numbers[:5].copy(), 0, False, 0
                assert observation.tolist() == [0, 0, 0, 0, 0, 0, 1]
                first = {"regret": 0.0, "optimal_action": int(np.argmax(means)), "context": 0}
                assert info == {**first, "changed": False, "steps_since_change": 0}
            observation, reward, terminated, truncated, info = env.step(arm)
            paid = float(noise[row] < means[arm]) if bernoulli else means[arm] + noise[row]
            assert reward == paid
            assert info == {
                "regret": means.max() - means[arm],
                "optimal_action": int(np.argmax(means)),
                "context": count,
                "changed": changed,
                "steps_since_change": since,
            }
            expected = np.zeros(7, dtype=np.float32)
            expected[arm], expected[5] = 1, paid
            assert np.array_equal(observation, expected)
            assert (terminated, truncated) == (False, time == 449)
            changed, since = bool(flags[row]), since + 1
            if changed:
                means, count, since = next(jumps), count + 1, 0


def test_foresight_is_what_happens(schedule: Schedule, drift: Drift) -> None:
    """What is foreseen at the start is what is played, across blocks, whatever the actions."""
    if schedule.reactive or drift.rested:
        env = ShiftingBandit(schedule=schedule, drift=drift, max_episode_steps=300)
        env.reset(seed=0)
        with pytest.raises(ValueError, match="does not depend on the actions"):
            env.foresee()
        return
    env = ShiftingBandit(schedule=schedule, drift=drift, max_episode_steps=450)
    env.reset(seed=3)
    world = env.foresee()
    for time in range(450):
        if time % 97 == 1:
            assert np.array_equal(world.means[time:], env.foresee(450 - time).means)
        arm = time % 5
        info = env.step(arm)[4]
        assert info["regret"] == world.means[time].max() - world.means[time, arm]
        assert info["optimal_action"] == world.optimal_action[time] == world.means[time].argmax()
        assert info["context"] == world.context[time] == world.changed[: time + 1].sum()
        assert info["changed"] == world.changed[time]
        since = time - max([0, *np.flatnonzero(world.changed[: time + 1])])
        assert info["steps_since_change"] == world.steps_since_change[time] == since
    assert not world.changed[0]


def test_a_change_shows_at_its_own_step(play: Play) -> None:
    env = ShiftingBandit(schedule=AtSteps((3, 4, 9)), max_episode_steps=12)
    infos = play(env, [0] * 12)
    assert np.flatnonzero(infos["changed"]).tolist() == [3, 4, 9]
    assert infos["steps_since_change"].tolist() == [0, 1, 2, 0, 0, 1, 2, 3, 4, 0, 1, 2]
    assert infos["context"].tolist() == [0, 0, 0, 1, 2, 2, 2, 2, 2, 3, 3, 3]
    env.reset(seed=0)
    moved = np.diff(env.foresee().means, axis=0).any(axis=1)
    assert np.flatnonzero(moved).tolist() == [2, 3, 8]  # from one step to the next


def means_of(schedule: Schedule, drift: Drift, **arguments: Any) -> World:
    env = ShiftingBandit(schedule=schedule, drift=drift, max_episode_steps=450, **arguments)
    env.reset(seed=0)
    return env.foresee()


@pytest.mark.parametrize("num_arms", [2, 3, 8])
def test_permute(num_arms: int) -> None:
    world = means_of(Hazard(0.2), Permute(), num_arms=num_arms)
    for time in range(1, 450):
        before, after = world.means[time - 1], world.means[time]
        if world.changed[time]:
            assert np.array_equal(np.sort(before), np.sort(after)) and (before != after).all()
        else:
            assert np.array_equal(before, after)


@pytest.mark.parametrize("num_arms", [2, 5])
def test_swap_best(num_arms: int) -> None:
    world = means_of(Hazard(0.2), SwapBest(), num_arms=num_arms)
    for time in range(1, 450):
        before, after = world.means[time - 1], world.means[time]
        if world.changed[time]:
            best, new = before.argmax(), after.argmax()
            assert best != new
            expected = before.copy()
            expected[[best, new]] = before[[new, best]]
            assert np.array_equal(after, expected)
        else:
            assert np.array_equal(before, after)


def test_interpolate() -> None:
    """Moves of ten steps; the second interrupts the first, the fourth spans two blocks."""
    changes = np.array([10, 15, 60, 195, 300])
    means = means_of(AtSteps(tuple(changes)), Interpolate(10)).means
    for change in changes[1:]:
        start, target = means[change - 1], means[change + 9]
        for step in range(1, 11):
            expected = start + (target - start) * step / 10
            np.testing.assert_allclose(means[change + step - 1], expected, atol=1e-12)
    steps = np.diff(means[9:15], axis=0)
    np.testing.assert_allclose(steps, np.tile(steps[0], (5, 1)), atol=1e-12)
    still = [*range(10), *range(24, 60), *range(69, 195), *range(204, 300), *range(309, 450)]
    moved = np.flatnonzero(np.diff(means, axis=0).any(axis=1))
    assert set(moved.tolist()).isdisjoint({t for t in still if t + 1 in still})


def test_interpolate_over_one_step_is_resample() -> None:
    gradual, abrupt = means_of(Hazard(0.1), Interpolate(1)), means_of(Hazard(0.1), Resample())
    np.testing.assert_array_equal(gradual.means, abrupt.means)


def test_sinusoid_and_its_restart() -> None:
    world = means_of(AtSteps((100, 333)), Sinusoid(period=40, amplitude=0.2))
    for begin, end in ((0, 100), (100, 333), (333, 450)):
        time = np.arange(begin, end)
        design = np.stack(
            [np.ones(len(time)), np.sin(time * np.pi / 20), np.cos(time * np.pi / 20)]
        )
        fit, residuals, _, _ = np.linalg.lstsq(design.T, world.means[begin:end], rcond=None)
        assert (residuals < 1e-20).all()
        np.testing.assert_allclose(np.hypot(fit[1], fit[2]), 0.2)  # the amplitude
        assert ((fit[0] >= 0.2) & (fit[0] <= 0.8)).all()  # the centre
    assert (world.means[99] != world.means[100]).all()


def test_random_walk_is_reflected() -> None:
    world = means_of(Never(), RandomWalk(0.3))
    assert ((world.means >= 0) & (world.means <= 1)).all()
    assert (np.abs(np.diff(world.means, axis=0)) > 0.2).any()
    assert not world.changed.any() and world.steps_since_change[-1] == 449


def test_contexts_recur() -> None:
    env = ShiftingBandit(num_contexts=3, schedule=Hazard(0.3), max_episode_steps=450)
    assert env.settings.drift == Recur(3)
    env.reset(seed=2)
    world = env.foresee()
    vectors = {int(c): world.means[np.argmax(world.context == c)] for c in np.unique(world.context)}
    assert sorted(vectors) == [0, 1, 2]
    for time in range(450):
        assert np.array_equal(world.means[time], vectors[int(world.context[time])])
        if time:
            assert world.changed[time] == (world.context[time] != world.context[time - 1])
    env.reset()
    assert not np.array_equal(env.foresee().means[0], world.means[0])  # drawn anew per episode


@pytest.mark.parametrize("cue", ["one_hot", "barcode"])
def test_the_cue_is_that_of_the_next_action(cue: str) -> None:
    env = ShiftingBandit(num_contexts=4, cue=cue, cue_size=6, schedule=Hazard(0.3))
    observation, info = env.reset(seed=1)
    size = 4 if cue == "one_hot" else 6
    seen: dict[int, np.ndarray] = {}
    for time in range(200):
        shown = observation[-size:]
        observation, _, _, _, info = env.step(0)
        known = seen.setdefault(info["context"], shown)
        assert np.array_equal(shown, known), time
        assert observation.shape == (7 + size,)
    assert len(seen) == 4 and len({tuple(code) for code in seen.values()}) == 4
    if cue == "one_hot":
        assert all(np.array_equal(code, np.eye(4)[context]) for context, code in seen.items())
    else:
        np.testing.assert_allclose(np.linalg.norm(list(seen.values()), axis=1), 1, rtol=1e-6)
    env.reset()
    env.reset()
    first = {tuple(env.reset()[0][-size:]) for _ in range(30)}
    assert len(first) == 4 if cue == "one_hot" else len(first) > 4  # barcodes are redrawn


def test_time_is_observed() -> None:
    env = ShiftingBandit(observe_time=True, max_episode_steps=40)
    observation, _ = env.reset(seed=0)
    for time in range(40):
        assert observation[7] == np.float32(time / 40)
        observation = env.step(1)[0]
    assert observation[7] == 1.0


def test_rotting_follows_the_pulls() -> None:
    env = ShiftingBandit(
        num_arms=3,
        schedule=AtSteps((150,)),
        drift=Rotting(0.8, floor=0.2),
        max_episode_steps=300,
    )
    means = np.array([0.9, 0.5, 0.1])
    env.reset(seed=4, options={"means": means})
    actions = np.random.default_rng(0).integers(3, size=150)
    for arm in actions:
        info = env.step(arm)[4]
        assert info["regret"] == pytest.approx(means.max() - means[arm], abs=1e-12)
        assert info["optimal_action"] == means.argmax() and not info["changed"]
        means[arm] = min(means[arm], 0.2 + 0.8 * (means[arm] - 0.2))
    assert means[2] == 0.1  # below the floor nothing rots
    infos = [env.step(arm)[4] for arm in range(3)]
    assert [info["changed"] for info in infos] == [True, False, False]
    assert max(info["regret"] for info in infos) > 0.2  # redrawn: no longer all at the floor


def test_reactive_fires_after_patience() -> None:
    """A loop that counts best choices predicts every change of a reactive world."""
    env = ShiftingBandit(schedule=Reactive(3), drift=SwapBest(), max_episode_steps=450)
    rng = np.random.default_rng(1)
    _, info = env.reset(seed=0)
    best, streak, changes = info["optimal_action"], 0, 0
    for time in range(450):
        arm = best if rng.random() < 0.7 else int(rng.integers(5))
        expected = streak == 3
        info = env.step(arm)[4]
        assert info["changed"] == expected, time
        if expected:
            streak, changes = 0, changes + 1
            assert info["optimal_action"] != best
            best = info["optimal_action"]
        assert info["context"] == changes and info["optimal_action"] == best
        streak = streak + 1 if arm == best else 0
    assert changes > 20


def test_reactive_worlds_leave_poor_agents_alone() -> None:
    env = ShiftingBanditVector(4, schedule=Reactive(3), max_episode_steps=300)
    _, infos = env.reset(seed=0)
    for _ in range(300):
        infos = env.step((infos["optimal_action"] + 1) % 5)[4]
        assert not infos["changed"].any()


def test_horizons_end_by_truncation_or_termination() -> None:
    for terminate in (False, True):
        env = ShiftingBandit(max_episode_steps=5, terminate_on_horizon=terminate)
        env.reset(seed=0)
        flags = [env.step(0)[2:4] for _ in range(5)]
        assert flags == [(False, False)] * 4 + [(terminate, not terminate)]


def test_endless_worlds_go_on(play: Play) -> None:
    env = ShiftingBandit(max_episode_steps=None)
    infos = play(env, np.zeros(1500, dtype=int))
    assert len(infos["regret"]) == 1500 and infos["changed"][1200:].any()
