"""Scores of whoever plays the same worlds: in all worlds, with episodes of any length."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from driftwise.agents import evaluation, load_pretrained, make_vector_env, play_agent
from driftwise.agents.bandits import PlayRecord
from driftwise.agents.players import as_player
from driftwise.envs import ENVIRONMENTS
from driftwise.envs.registration import CONTROL


class Countdown(gym.Env):
    """Episode k of a row with seed s has s + k + 1 steps, rewards 1, 2, 3, ... and regret 0.5."""

    observation_space = spaces.Box(0, 1, (1,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.length = seed
        self.length += 1
        self.steps = 0
        return np.zeros(1, np.float32), {"regret": 0.0, "changed": False}

    def step(self, action):
        self.steps += 1
        info = {"regret": 0.5 * int(action), "changed": self.steps == 2}
        return np.zeros(1, np.float32), float(self.steps), self.steps == self.length, False, info


def countdowns(num_envs):
    return SyncVectorEnv([Countdown] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


def ones(obs):
    return np.ones(len(obs), dtype=int)


def test_rows_with_shorter_episodes_are_filled_up():
    record = play_agent(ones, countdowns(3), seed=0)
    nan = np.nan
    np.testing.assert_array_equal(record.reward, [[1, 0, 0], [1, 2, 0], [1, 2, 3]])
    expected = [[0.5, nan, nan], [0.5, 0.5, nan], [0.5, 0.5, 0.5]]
    np.testing.assert_array_equal(record.regret, expected)
    np.testing.assert_array_equal(
        record.changed, [[False, False, False], [False, True, False], [False, True, False]]
    )
    two = play_agent(ones, countdowns(2), num_episodes=2, seed=0)  # 1 and 2 steps, 2 and 3
    np.testing.assert_array_equal(two.reward, [[1, 1, 2, 0, 0], [1, 2, 1, 2, 3]])


def test_regret_per_step_counts_the_steps_of_each_world():
    record = play_agent(lambda obs: np.arange(len(obs)) % 2, countdowns(3), seed=0)
    (line,) = evaluation.score({"somebody": record})
    assert line.episode_return == pytest.approx((1 + 3 + 6) / 3)
    assert line.regret == pytest.approx((0 + 0.5 + 0) / 3)
    assert np.isnan(line.adaptation)


def test_scores_are_shares_of_the_way_from_random_to_the_best():
    shape = (4, 60)
    still = np.zeros(shape, dtype=bool)
    records = {
        name: PlayRecord(np.full(shape, regret), np.full(shape, -regret), still, np.zeros(shape))
        for name, regret in {"best": 0.1, "random": 0.5, "agent": 0.2, "lost": 0.6}.items()
    }
    scores = evaluation.score(records)
    assert [line.name for line in scores] == ["lost", "random", "agent", "best"]
    assert [line.share for line in scores] == pytest.approx([-0.25, 0, 0.75, 1])
    untold = {
        name: record._replace(regret=np.full(shape, np.nan)) for name, record in records.items()
    }
    by_return = evaluation.score(untold)
    assert [line.share for line in by_return] == pytest.approx([-0.25, 0, 0.75, 1])
    text = evaluation.format_scores(by_return, "title")
    assert "regret" not in text and "nan" not in text and "steps to adapt" not in text
    assert "75%" in text and "-12.0 [-12.0, -12.0]" in text
    with pytest.raises(ValueError, match="figure needs an environment that tells its regret"):
        evaluation.plot_records(untold)


# Control has no oracle, and Omniglot, a curriculum like that of glyphs, needs its data.
KNOWN = [*ENVIRONMENTS.keys() - CONTROL.keys() - {"driftwise/OmniglotCurriculum-v0"}]


@pytest.mark.parametrize("env_id", sorted(KNOWN))
def test_every_world_has_somebody_to_compare_with(env_id):
    records = evaluation.play_all({}, env_id, num_worlds=8)
    assert {"bayes_ucb", "oracle"} & records.keys()
    scores = evaluation.score(records)
    (random,) = (line for line in scores if line.name == "random")
    assert random.share == 0 and scores[-1].share == 1
    assert not any(np.isnan(line.regret) for line in scores)


def test_classic_policies_are_for_bernoulli_bandits():
    usual = {
        env_id: evaluation.usual_policies(make_vector_env(env_id, 1))
        for env_id in ("driftwise/BarcodeBandit-v0", "driftwise/GaussianBandit-v0", "CartPole-v1")
    }
    assert usual["driftwise/BarcodeBandit-v0"] == ("random", *evaluation.CLASSIC)
    assert usual["driftwise/GaussianBandit-v0"] == ("random", "oracle")
    assert usual["CartPole-v1"] == ("random",)
    with pytest.raises(ValueError, match="policies: 'ucb1' needs an environment with arms"):
        evaluation.play_all({}, "Pendulum-v1", policies=["ucb1"], num_worlds=2)


def test_returns_are_of_one_episode_however_many_are_played():
    records = evaluation.play_all({}, "driftwise/StationaryBandit-v0", num_worlds=50)
    longer = evaluation.play_all({}, "driftwise/StationaryBandit-v0", num_worlds=50, num_episodes=3)
    assert {record.reward.shape for record in longer.values()} == {(50, 300)}
    for name, record in records.items():
        np.testing.assert_array_equal(longer[name].reward[:, :100], record.reward)
    (random,) = (line for line in evaluation.score(longer, num_episodes=3) if line.name == "random")
    assert random.episode_return == pytest.approx(longer["random"].reward.sum() / 150)
    assert evaluation.describe_worlds(1000, 3) == "1,000 held-out worlds, 3 episodes in each"
    assert evaluation.describe_worlds(50, 1) == "50 held-out worlds"


def test_who_never_forgets_is_scored_over_many_episodes():
    forgets = load_pretrained("standard-bandit-sparse", device="cpu")
    remembers = load_pretrained("drifting-cartpole-sparse", device="cpu")
    assert evaluation.usual_numbers({"a": forgets, "b": ones}) == (1000, 1)
    assert evaluation.usual_numbers({"a": forgets, "b": remembers}) == (100, 20)
    assert evaluation.usual_numbers({"b": as_player(remembers)}) == (100, 20)


@pytest.mark.parametrize("env_id", ["driftwise/ShiftingMaze-v0", "driftwise/TwoStep-v0"])
def test_figures_of_other_worlds_than_bandits(env_id, tmp_path):
    figure = evaluation.plot_records(evaluation.play_all({}, env_id, num_worlds=6), env_id)
    figure.savefig(tmp_path / "figure.png")
    assert len(figure.axes) == 2


def test_a_figure_without_changes_has_no_recovery(tmp_path):
    records = evaluation.play_all({}, "driftwise/IslandTransport-v0", num_worlds=6)
    figure = evaluation.plot_records(records)
    figure.savefig(tmp_path / "figure.png")
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "Regret so far"


def test_only_who_loses_by_changes_has_a_time_to_adapt():
    changed = np.zeros((2, 120), dtype=bool)
    changed[:, 60] = True
    since = np.arange(120) - 60
    learning = np.where(since < 0, 0.1, np.maximum(0.5 - 0.05 * since, 0.1)) * np.ones((2, 1))
    careless = 0.5 + 0.01 * np.sin(np.arange(120)) * np.ones((2, 1))
    lines = {
        line.name: line.adaptation
        for line in evaluation.score(
            {
                name: PlayRecord(regret, -regret, changed, changed)
                for name, regret in {"learning": learning, "careless": careless}.items()
            }
        )
    }
    assert 3 <= lines["learning"] <= 8
    assert np.isnan(lines["careless"])
