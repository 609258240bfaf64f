"""The two-step task: against plain Python and closed forms; bad input, pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from driftwise.envs import Reactive, Rotting, TwoStep, TwoStepVector, check_vector_env

KINDS: list[dict[str, Any]] = [
    {},
    {"arms_per_state": 2, "drift": "RandomWalk(0.05)", "schedule": "Hazard(0.1)", "common": 0.7},
    {"arms_per_state": 2, "schedule": "Periodic(7, jitter=2)", "common": 0.3},
    {"mean_values": None, "drift": "Resample", "schedule": "Bursts(0.1)", "common": 1.0},
]


@pytest.mark.parametrize("arguments", KINDS, ids=str)
def test_steps(arguments: dict[str, Any]) -> None:
    env, rng = TwoStep(max_episode_steps=None, **arguments), np.random.default_rng(2)
    common, count = env.settings.common, env.settings.arms_per_state
    observation, info = env.reset(seed=5)
    assert observation.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    seen: dict[str, list[float]] = {"common": [], "changed": [], "regret": []}
    of_trial: list[float] = []
    for step in range(1000):
        action, optimal = int(rng.integers(2)), env.optimal_action()
        place, since = int(observation[:3].argmax()), info["steps_since_change"]
        observation, reward, _, _, info = env.step(action)
        state = env.get_state()  # the step before: at a block's end, its row had no noise yet
        row = int(state["clock"]) - 1
        means, noise = state["trace_means"][row, 0].tolist(), state["trace_noise"][row, 0]
        assert observation[3:5].tolist() == np.eye(2)[action].tolist()
        assert observation[5] == reward and info["optimal_action"] == optimal
        if step:
            assert info["steps_since_change"] == (0 if info["changed"] else since + 1)
        values = [max(means[:count]), max(means[count:])]
        if step % 2 == 0:
            assert place == 0 and reward == 0.0
            worth = [common * values[a] + (1 - common) * values[1 - a] for a in range(2)]
            lands = action if noise < common else 1 - action
            assert observation[:3].tolist() == np.eye(3)[lands + 1].tolist()
            seen["common"].append(float(lands == action))
            seen["changed"].append(float(info["changed"]))
            of_trial = means
        else:
            assert place and not info["changed"] and means == of_trial
            worth = [means[(place - 1) * count + a % count] for a in range(2)]
            assert reward == float(noise < worth[action])
            assert observation[:3].tolist() == [1.0, 0.0, 0.0]
        assert info["regret"] == pytest.approx(max(worth) - worth[action], abs=1e-12)
        assert worth[optimal] == pytest.approx(max(worth), abs=1e-12)
        seen["regret"].append(info["regret"])
    assert np.mean(seen["common"]) == pytest.approx(common, abs=4 * np.sqrt(0.25 / 500))
    assert sum(seen["changed"]) > 3 and np.mean(seen["regret"]) > 0.0


def test_expected_rewards() -> None:
    """Per trial 1/2 for the random policy, 0.74 for the oracle; regret 0.24, also right after."""
    envs, rng = TwoStepVector(3000), np.random.default_rng(0)
    for oracle, expected, lost in ((False, 0.5, 0.24), (True, 0.74, 0.0)):
        envs.reset(seed=0)
        reward, regret = np.zeros(3000), np.zeros(3000)
        for _ in range(200):
            actions = envs.optimal_actions() if oracle else rng.integers(2, size=3000)
            _, rewards, _, _, infos = envs.step(actions)
            reward += rewards / 100
            regret += infos["regret"] / 100
        for values, mean in ((reward, expected), (regret, lost)):
            error = values.std(ddof=1) / np.sqrt(3000)
            assert values.mean() == pytest.approx(mean, abs=4 * error + 1e-12)


def test_four_uniform_arms() -> None:
    """The best arm of a state is worth 2/3; the better state of two, 4/5 and the other 8/15."""
    for common in (0.7, 0.9):
        envs = TwoStepVector(5000, arms_per_state=2, schedule="Never", common=common)
        envs.reset(seed=1)
        rewards = sum(envs.step(envs.optimal_actions())[1] for _ in range(2))
        expected = common * 4 / 5 + (1 - common) * 8 / 15
        assert np.mean(rewards) == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 5000))


def test_changes_come_per_trial() -> None:
    envs = TwoStepVector(4000, max_episode_steps=None)
    envs.reset(seed=3)
    changes = []
    for step in range(410):  # beyond two blocks
        changed = envs.step(np.zeros(4000, dtype=int))[4]["changed"]
        assert step % 2 == 0 or not changed.any()
        changes.append(changed.mean())
    assert changes[0] == 0.0
    error = np.sqrt(0.025 * 0.975 / (4000 * 204))
    assert np.mean(changes[2::2]) == pytest.approx(0.025, abs=4 * error)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("arguments", KINDS, ids=str)
def test_parity(arguments: dict[str, Any], mode: str) -> None:
    arguments = {"max_episode_steps": 46, **arguments}
    envs = TwoStepVector(3, autoreset_mode=mode, **arguments)
    check_vector_env(envs, lambda: TwoStep(**arguments), num_steps=240)


def test_options() -> None:
    envs = TwoStepVector(2)
    envs.reset(seed=0, options={"means": [[1, 0], [0, 1]], "change_times": [2, 3]})
    optimal, changed, rewards = [], [], []
    for _ in range(10):
        optimal.append(envs.optimal_actions().tolist())
        _, reward, _, _, infos = envs.step(envs.optimal_actions())
        changed.append(infos["changed"].tolist())
        rewards.append(reward)
    assert changed == [[step in (4, 6)] * 2 for step in range(10)]
    assert optimal[::2] == [[0, 1], [0, 1], [1, 0], [0, 1], [0, 1]]
    envs.reset(options={"schedule": "AtSteps((1,))", "drift": "Resample"})
    assert "Resample" in repr(envs.settings)
    envs.reset()
    assert [envs.step(np.zeros(2, int))[4]["changed"].all() for _ in range(4)] == [
        False,
        False,
        True,
        False,
    ]


BAD = [
    ({"arms_per_state": 3}, ValueError, "arms_per_state"),
    ({"arms_per_state": 1.0}, TypeError, "arms_per_state"),
    ({"common": 1.5}, ValueError, "common"),
    ({"mean_values": [0.5]}, ValueError, "mean_values"),
    ({"mean_values": [0.5, 2.0]}, ValueError, "mean_values"),
    ({"schedule": Reactive(3)}, ValueError, "schedule"),
    ({"schedule": "AtSteps((100,))"}, ValueError, "schedule"),
    ({"drift": Rotting()}, ValueError, "drift"),
    ({"drift": "Recur"}, ValueError, "drift"),
    ({"max_episode_steps": 99}, ValueError, "max_episode_steps"),
    ({"render_mode": "human"}, ValueError, "render_mode"),
    ({"num_arms": 2}, TypeError, "num_arms"),
]


@pytest.mark.parametrize(("arguments", "error", "name"), BAD, ids=str)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], name: str) -> None:
    for make in (TwoStep, TwoStepVector):
        with pytest.raises(error, match=name) as caught:
            make(**arguments)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"means": [0.5, 1.5]},
        {"means": [0.5] * 4},
        {"change_times": [0]},
        {"change_times": [100]},
        {"schedule": "Reactive"},
        {"drift": "Rotting"},
        {"context": 0},
    ],
    ids=str,
)
def test_bad_options(options: dict[str, Any]) -> None:
    for env in (TwoStep(), TwoStepVector(2)):
        with pytest.raises(ValueError, match=next(iter(options))):
            env.reset(options=options)


def test_bad_states() -> None:
    env = TwoStep()
    env.reset(seed=0)
    for place in (1, 3):
        state = env.get_state()
        state["place"] = np.array([place])
        with pytest.raises(ValueError, match="place"):
            env.set_state(state)


@pytest.mark.parametrize("arguments", KINDS[:2], ids=str)
def test_pictures(arguments: dict[str, Any]) -> None:
    for mode in ("ansi", "rgb_array"):
        env = TwoStep(render_mode=mode, **arguments)
        envs = TwoStepVector(1, render_mode=mode, **arguments)
        env.reset(seed=3)
        envs.reset(seed=3)
        for action in (0, 1, 1, 1, 0, 0):
            pictures: Any = envs.render()
            assert np.array_equal(env.render(), pictures[0])  # type: ignore[arg-type]
            env.step(action)
            envs.step(np.array([action]))


def test_text() -> None:
    env = TwoStep(render_mode="ansi", common=1.0)
    env.reset(seed=0, options={"means": [0.0, 1.0]})
    assert str(env.render()).startswith("step 0: no action yet; context 0, 0 steps old\n")
    env.step(0)
    assert "action 0 in state 0 led to state 1, regret 1.000" in str(env.render())
    env.step(1)
    assert "action 1 in state 1 paid 0, regret 0.000" in str(env.render())
