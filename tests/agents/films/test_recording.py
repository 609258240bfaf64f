"""Recording a game changes nothing of it, and keeps the ends of episodes."""

import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from driftwise.agents import OraclePlayer, PolicyPlayer, RandomPlayer, make_vector_env, play_agent
from driftwise.agents.films import make_filmed_env, record_game
from driftwise.agents.films.recording import MAX_STEPS, usual_length
from driftwise.envs import DriftingParameters


class Counter(gym.Env):
    """Counts its steps on a grey image; four to an episode."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012

    def __init__(self, render_mode=None, shape=(6, 8, 3), pace=1.0):
        self.render_mode, self.shape, self.pace = render_mode, shape, pace
        self.observation_space = spaces.Box(0.0, 9.0, (1,))
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.full(1, self.steps, np.float32), 2.0 * self.pace, self.steps == 4, False, {}

    def render(self):
        return np.full(self.shape, 50 * self.steps, dtype=np.uint8)


gym.register("tests/Counter-v0", Counter)


@pytest.mark.parametrize("player", [OraclePlayer(), RandomPlayer(), PolicyPlayer("restart_ucb")])
def test_a_recorded_game_is_the_game(player):
    """Also in the second episode, which the recording starts by itself."""
    kwargs = {"max_episode_steps": 12, "schedule": "Hazard(probability=0.2)"}
    env_id = "driftwise/ShiftingBandit-v0"
    record = play_agent(player, make_vector_env(env_id, 1, **kwargs), num_episodes=2, seed=5)
    game = record_game("x", player, make_filmed_env(env_id, kwargs), episodes=2, seed=5)
    first, *moments = game.moments
    assert (len(moments), first.reward, first.done) == (24, 0.0, False)
    assert [moment.info["regret"] for moment in moments] == record.regret[0].tolist()
    assert [moment.reward for moment in moments] == record.reward[0].tolist()
    assert [moment.picture.action for moment in moments] == record.action[0].tolist()
    assert (np.array(game.changes) - 1).tolist() == np.flatnonzero(record.changed[0]).tolist()
    assert [t for t, moment in enumerate(game.moments) if moment.done] == [12, 24]
    # The picture of an episode's end is that of its last step, and not of the next beginning.
    assert [moment.picture.step for moment in game.moments] == [0, *range(12), *range(12)]


def test_any_environment_and_its_drift():
    def drifting(env):
        return DriftingParameters(env, values={"pace": [1.0, 3.0]}, schedule="Periodic(period=3)")

    env = make_filmed_env("tests/Counter-v0", {"wrappers": [drifting]})
    game = record_game("x", lambda obs: np.zeros(1, dtype=int), env, steps=9, seed=0)
    assert [moment.picture.max() // 50 for moment in game.moments] == [0, 1, 2, 3, 4, 1, 2, 3, 4, 1]
    assert game.changes == [4, 7]  # steps 3 and 6 are the first of another pace
    assert [moment.reward for moment in game.moments[1:]] == [2.0] * 3 + [6.0] * 3 + [2.0] * 3
    values = [m.info["shifts"]["parameters"]["values"]["pace"] for m in game.moments[1:]]
    assert values == [1.0] * 3 + [3.0] * 3 + [1.0] * 3
    assert [game.recent_change(t, 2) for t in range(10)] == [None] * 4 + [4, 4, None, 7, 7, None]
    assert game.at(99) is game.moments[-1]


def test_what_an_agent_thinks_is_kept(small_agent):
    agent = small_agent("gru")
    env = make_filmed_env("driftwise/ShiftingBandit-v0", {"num_arms": 3, "max_episode_steps": 8})
    game = record_game("x", agent, env, steps=10, seed=1)
    assert game.moments[0].probabilities is None
    thoughts = np.array([moment.probabilities for moment in game.moments[1:]])
    assert thoughts.shape == (10, 3)
    np.testing.assert_allclose(thoughts.sum(axis=1), 1.0, atol=1e-6)
    # The memory is empty at the start of both episodes, and only there.
    np.testing.assert_array_equal(thoughts[0], thoughts[8])
    assert not np.array_equal(thoughts[0], thoughts[1])


@pytest.mark.parametrize(
    ("length", "message"),
    [
        ({}, "give exactly one of steps and episodes"),
        ({"steps": 3, "episodes": 1}, "give exactly one of steps and episodes"),
        ({"steps": 0}, "steps must be from 1 to 5,000, got 0"),
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
        ({"episodes": 1 + MAX_STEPS // 4}, "1250 of 1251 ended within 5,000 steps; give steps"),
    ],
)
def test_lengths_that_are_none(length, message):
    env = make_filmed_env("tests/Counter-v0")
    with pytest.raises(ValueError, match=message):
        record_game("x", RandomPlayer(), env, **length)


def test_usual_lengths():
    assert usual_length("driftwise/ShiftingMaze-v0") == (None, 1)
    assert usual_length("tests/Counter-v0") == (250, None)
    assert usual_length("driftwise/ShiftingMaze-v0", {"max_episode_steps": None}) == (250, None)
    assert usual_length("tests/Counter-v0", {"max_episode_steps": 9}) == (None, 1)
    assert usual_length("driftwise.agents.suite:driftwise-8/DriftingCartPole-v1")[0] is not None


@pytest.mark.parametrize(
    ("env_id", "kwargs", "message"),
    [
        ("Elephant-v0", {}, "env: Environment `Elephant` doesn't exist"),
        ("elephants:Elephant-v0", {}, "env: No module named 'elephants'"),
        ("driftwise/ShiftingMaze-v0", {"size": 4}, "size must be at least 5"),
        ("driftwise/ShiftingMaze-v0", {"sise": 5}, "env_kwargs do not fit"),
        ("tests/Counter-v0", {"render_mode": "human"}, "env_kwargs must not have render_mode"),
    ],
)
def test_environments_that_cannot_be_made(env_id, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_filmed_env(env_id, kwargs)


@pytest.mark.filterwarnings("ignore:.*RGB-array rendering should return:UserWarning")
def test_environments_that_cannot_be_drawn(monkeypatch):
    with pytest.raises(ValueError, match=r"must draw images .* got shape \(6, 8\) of uint8"):
        make_filmed_env("tests/Counter-v0", {"shape": (6, 8)}).reset()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pygame", None)
        with pytest.raises(RuntimeError, match=r"env cannot be drawn: .*pygame is not installed"):
            make_filmed_env("CartPole-v1").reset(seed=0)
    monkeypatch.setattr(Counter, "metadata", {"render_modes": ["human"]})
    with pytest.raises(ValueError, match="tests/Counter-v0 has the render modes human"):
        make_filmed_env("tests/Counter-v0")
