"""The adapter against SB3's own DummyVecEnv of the scalar environments."""

import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from driftwise.agents.sb3_vec_env import SB3VecEnv
from driftwise.agents.vector_info import info_of_rows, transition_info
from driftwise.envs import ShiftingBandit

MODES = list(AutoresetMode)


class DictWalk(gym.Env):
    """A random walk with observations of two kinds, and infos that come and go."""

    observation_space = spaces.Dict(
        {"place": spaces.Box(-99, 99, (2,)), "parity": spaces.Discrete(2)}
    )
    action_space = spaces.Box(-1, 1, (1,))

    def _obs(self):
        place = np.array([self.place, self.count], dtype=np.float32)
        return {"place": place, "parity": self.count % 2}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.count = self.np_random.normal(), 0
        self.length = int(self.np_random.integers(1, 6))
        return self._obs(), {"length": self.length, "options": options or None}

    def step(self, action):
        self.place += float(action[0])
        self.count += 1
        info = {"nested": {"place": self.place}}
        if self.count == 2:
            info["second"] = True
        return self._obs(), self.place, self.count == self.length, self.count == 4, info


class FloatProbability(gym.Wrapper):
    """FrozenLake resets with the integer 1, which `SyncVectorEnv` makes the type of all rows."""

    def reset(self, **kwargs):
        obs, info = self.env.reset(**kwargs)
        return obs, {"prob": float(info["prob"])}


def make_scalar(name):
    if name == "DictWalk":
        return DictWalk()
    kwargs = {"max_episode_steps": 12} if name in ("CartPole-v1", "Pendulum-v1") else {}
    if name == "FrozenLake-v1":
        return FloatProbability(gym.make(name, max_episode_steps=6))
    return gym.make(name, **kwargs)


def assert_same(a, b):
    assert (type(a) is dict) == (type(b) is dict) or isinstance(b, dict)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    else:
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(a, b)


def assert_equal_runs(ours, theirs, steps, seed=3):
    """Same observations, rewards, ends and infos, for the same random actions."""
    for env in (ours, theirs):
        env.seed(seed)
        env.action_space.seed(seed)
    assert_same(ours.reset(), theirs.reset())
    assert ours.reset_infos == theirs.reset_infos
    finished = 0
    for _ in range(steps):
        actions = np.array([ours.action_space.sample() for _ in range(ours.num_envs)])
        mine, other = ours.step(actions), theirs.step(actions)
        for ours_part, their_part in zip(mine[:3], other[:3], strict=True):
            assert_same(ours_part, their_part)
        for i, done in enumerate(mine[2]):
            info, expected = mine[3][i], other[3][i]
            if not done:
                assert_same(info, expected)
                continue
            finished += 1
            assert_same(info.pop("terminal_observation"), expected.pop("terminal_observation"))
            episode, monitored = info.pop("episode"), expected.pop("episode")
            assert episode["l"] == monitored["l"]
            assert episode["r"] == pytest.approx(monitored["r"], abs=1e-6)  # Monitor rounds
            assert info == expected
            assert ours.reset_infos[i] == theirs.reset_infos[i]
    assert finished > 5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "DictWalk"])
def test_equals_dummy_vec_env(name, mode):
    ours = SB3VecEnv(SyncVectorEnv([lambda: make_scalar(name)] * 3, autoreset_mode=mode))
    theirs = DummyVecEnv([lambda: Monitor(make_scalar(name))] * 3)
    assert_equal_runs(ours, theirs, 60)
    ours.close()


@pytest.mark.parametrize("mode", MODES)
def test_native_bandit_equals_dummy_vec_env_of_scalar_bandits(mode):
    kwargs = {"num_arms": 3, "schedule": "Hazard(probability=0.2)", "max_episode_steps": 15}
    native = gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=4, autoreset_mode=mode, **kwargs)
    theirs = DummyVecEnv([lambda: Monitor(ShiftingBandit(**kwargs))] * 4)
    assert_equal_runs(SB3VecEnv(native), theirs, 70)


@pytest.mark.parametrize("mode", MODES)
def test_info_arrays_describe_the_step_also_where_it_ended_an_episode(mode):
    kwargs = {"num_arms": 3, "max_episode_steps": 5}
    env = SB3VecEnv(
        gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=4, autoreset_mode=mode, **kwargs)
    )
    scalars = [ShiftingBandit(**kwargs) for _ in range(4)]
    env.seed(0)
    env.reset()
    for i, scalar in enumerate(scalars):
        scalar.reset(seed=i)
    for step in range(1, 13):
        infos = [scalar.step(1)[-1] for scalar in scalars]
        env.step(np.ones(4, dtype=np.int64))
        for key in infos[0]:
            expected = [info[key] for info in infos]
            np.testing.assert_array_equal(env.info_arrays[key], expected)
        if step % 5 == 0:
            for scalar in scalars:
                scalar.reset()


def test_environment_without_autoreset_and_reset_mask_is_refused_with_a_way_out():
    class Disabled(Blind):
        mode = AutoresetMode.DISABLED

        def step(self, actions):
            obs, *rest = super().step(actions)
            return obs + 1, *rest

    with pytest.raises(ValueError, match=r"reset_mask is ignored.*vectorization_mode='sync'"):
        SB3VecEnv(Disabled())


class Blind(VectorEnv):
    """Observations say nothing at first, so that ignoring the mask shows only later."""

    mode = AutoresetMode.NEXT_STEP

    def __init__(self):
        self.metadata = {"autoreset_mode": self.mode}
        self.num_envs = 2
        self.single_observation_space = self.observation_space = spaces.Discrete(9)
        self.single_action_space = spaces.Discrete(2)
        self.action_space = spaces.MultiDiscrete([2, 2])

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return np.zeros(2, dtype=np.int64), {}

    def step(self, actions):
        self.count += 1
        done = np.array([self.count == 3, False])
        obs = np.full(2, max(0, self.count - 1))
        return obs, np.ones(2), done, np.zeros(2, dtype=bool), {}


def test_ignored_mask_is_also_noticed_while_running():
    env = SB3VecEnv(Blind())
    env.reset()
    env.step(np.zeros(2, dtype=np.int64))
    env.step(np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="env must honour reset"):
        env.step(np.zeros(2, dtype=np.int64))


@pytest.mark.parametrize(
    ("env", "error", "message"),
    [
        (gym.make("CartPole-v1"), TypeError, "env must be a gymnasium.vector.VectorEnv, got"),
        (
            SyncVectorEnv([lambda: gym.make("Blackjack-v1")]),
            TypeError,
            "must not have Tuple observations",
        ),
    ],
)
def test_wrong_environments_are_named(env, error, message):
    with pytest.raises(error, match=message):
        SB3VecEnv(env)


def test_infos_in_a_list_are_taken_or_named():
    listing = SB3VecEnv(gym.wrappers.vector.DictInfoToList(sync()))
    assert_equal_runs(
        listing, DummyVecEnv([lambda: Monitor(make_scalar("CartPole-v1"))] * 2), steps=60
    )
    deeper = gym.wrappers.vector.DictInfoToList(sync())
    deeper = SB3VecEnv(gym.wrappers.vector.TransformReward(deeper, lambda reward: reward))
    with pytest.raises(TypeError, match="env must return infos as one dictionary of arrays"):
        deeper.reset()


def test_undeclared_autoreset_mode_is_an_error():
    env = Blind()
    env.metadata = {"autoreset_mode": "NextStep"}
    with pytest.raises(ValueError, match=r"autoreset_mode.*got 'NextStep'"):
        SB3VecEnv(env)


def sync(name="CartPole-v1", num_envs=2, mode=AutoresetMode.SAME_STEP):
    return SyncVectorEnv([lambda: make_scalar(name)] * num_envs, autoreset_mode=mode)


def test_observations_are_not_the_environments_own_arrays():
    class Reusing(Blind):
        buffer = np.zeros(2, dtype=np.int64)

        def step(self, actions):
            obs, *rest = super().step(actions)
            self.buffer[:] = obs
            return self.buffer, *rest

    env = SB3VecEnv(Reusing())
    env.reset()
    env.step(np.zeros(2, dtype=np.int64))
    second = env.step(np.zeros(2, dtype=np.int64))[0]
    kept = second.copy()
    env.env.buffer[:] = 7
    np.testing.assert_array_equal(second, kept)


def test_options_and_seeds_reach_the_environments_once():
    env = SB3VecEnv(sync("DictWalk"))
    env.seed(4)
    env.set_options({"a": 1})
    first = env.reset()
    assert [info["options"] for info in env.reset_infos] == [{"a": 1}, {"a": 1}]
    second = env.reset()
    assert [info["options"] for info in env.reset_infos] == [None, None]
    assert (first["place"] != second["place"]).any()
    env.seed(4)
    assert_same(env.reset(), first)
    env.set_options([{"a": 1}, {"a": 2}])
    with pytest.raises(ValueError, match="options must be the same for all environments"):
        env.reset()


def test_attributes_and_methods_of_separate_environments():
    env = SB3VecEnv(sync())
    env.reset()
    assert env.get_attr("spec")[0].id == "CartPole-v1"
    env.set_attr("gravity", 1.0, indices=1)
    assert env.get_attr("gravity") == [9.8, 1.0]
    env.set_attr("gravity", 2.0)
    assert env.get_attr("gravity", indices=[1]) == [2.0]
    assert env.env_method("get_wrapper_attr", "gravity", indices=0) == [2.0]
    assert env.env_is_wrapped(gym.wrappers.TimeLimit) == [True, True]
    assert env.env_is_wrapped(gym.wrappers.ClipReward, indices=0) == [False]
    assert env.has_attr("gravity") and not env.has_attr("no_such_thing")
    assert env.get_attr("render_mode") == [None, None]


def test_attributes_and_methods_of_an_undivided_environment():
    env = SB3VecEnv(gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=3))
    env.reset()
    assert env.get_attr("num_envs") == [3, 3, 3]
    assert env.has_attr("foresee") and not env.has_attr("no_such_thing")
    worlds = env.env_method("foresee", 4)
    assert len(worlds) == 3 and worlds[0].means.shape[:2] == (4, 3)
    env.set_attr("note", "x")
    assert env.get_attr("note", indices=2) == ["x"]
    assert env.env_is_wrapped(gym.wrappers.TimeLimit) == [False] * 3
    with pytest.raises(ValueError, match="indices must be None"):
        env.env_method("foresee", 4, indices=[0])
    with pytest.raises(ValueError, match="indices must be None"):
        env.set_attr("note", "y", indices=[0])


def test_state_continues_bit_for_bit():
    def make():
        return SB3VecEnv(
            gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=3, max_episode_steps=9)
        )

    env, other = make(), make()
    env.seed(0)
    env.reset()
    actions = np.random.default_rng(0).integers(5, size=(40, 3))
    for action in actions[:14]:
        env.step(action)
    assert env.has_state
    other.set_state(pickle.loads(pickle.dumps(env.get_state())))
    for action in actions[14:]:
        mine, theirs = env.step(action), other.step(action)
        for a, b in zip(mine[:3], theirs[:3], strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(mine[3], theirs[3], strict=True):
            assert a.get("episode", {}).get("r") == b.get("episode", {}).get("r")
    plain = SB3VecEnv(sync())
    assert not plain.has_state
    with pytest.raises(NotImplementedError, match="has no get_state"):
        plain.get_state()


def test_frames_are_tiled():
    env = SB3VecEnv(
        gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=3, render_mode="rgb_array")
    )
    env.reset()
    env.step(np.zeros(3, dtype=np.int64))
    frames = env.get_images()
    assert len(frames) == 3 and frames[0].ndim == 3
    height, width, _ = frames[0].shape
    assert env.render("rgb_array").shape == (2 * height, 2 * width, 3)


def test_own_episode_statistics_of_the_environment_win():
    scaled = gym.wrappers.vector.TransformReward(
        gym.wrappers.vector.RecordEpisodeStatistics(sync()), lambda reward: 10 * reward
    )
    env = SB3VecEnv(scaled)
    env.seed(0)
    env.reset()
    ends = []
    for _ in range(40):
        ends += [info for info in env.step(np.array([0, 1]))[3] if "episode" in info]
    assert ends
    for info in ends[:2]:  # later ones: gymnasium up to 1.3 miscounts in same-step mode
        assert info["episode"]["r"] == info["episode"]["l"] > 1


def learn(env, **kwargs):
    torch.set_num_threads(1)
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=64, n_epochs=2, seed=1, device="cpu")
    model.learn(512)
    return model


@pytest.mark.parametrize("mode", MODES)
def test_ppo_learns_the_same_as_on_dummy_vec_env(mode):
    ours = learn(SB3VecEnv(sync(num_envs=4, mode=mode)))
    theirs = learn(DummyVecEnv([lambda: Monitor(make_scalar("CartPole-v1"))] * 4))
    for a, b in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.equal(a, b)
    assert len(ours.ep_info_buffer) == len(theirs.ep_info_buffer) > 10
    assert [e["r"] for e in ours.ep_info_buffer] == [e["r"] for e in theirs.ep_info_buffer]


def test_ppo_trains_on_the_bandit_and_is_evaluated_without_a_warning():
    kwargs = {"num_envs": 8, "num_arms": 2, "max_episode_steps": 20}
    env = SB3VecEnv(gym.make_vec("driftwise/ShiftingBandit-v0", **kwargs))
    model = learn(env)
    assert len(model.ep_info_buffer) == 24  # of 64 steps in each of 8 environments
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, _ = evaluate_policy(model, env, n_eval_episodes=8)
    assert 0 <= mean <= 20


def test_sb3_wrappers_work_on_top():
    env = VecNormalize(SB3VecEnv(sync(num_envs=4)))
    assert learn(env).num_timesteps == 512
    with pytest.warns(UserWarning, match="already wrapped"):
        env = VecMonitor(SB3VecEnv(sync(num_envs=4)))
    assert learn(env).num_timesteps == 512


def test_transition_info_takes_the_end_from_final_info():
    done = np.array([False, True])
    info = {
        "a": np.array([1, 50]),
        "start": np.array([0, 9]),
        "_start": done,
        "final_obs": None,
        "_final_info": done,
        "final_info": {
            "a": np.array([0.0, 2.5]),
            "_a": done,
            "end": np.array([0, 3]),
            "deep": {"b": np.array([0, 4])},
        },
    }
    merged = transition_info(info, done)
    assert merged["a"].tolist() == [1.0, 2.5]
    assert "_a" not in merged  # both rows have it
    assert merged["end"].tolist() == [0, 3] and merged["_end"].tolist() == [False, True]
    assert merged["_start"].tolist() == [False, False]
    assert merged["deep"]["b"].tolist() == [0, 4]
    assert info_of_rows(merged, np.array([0, 1])) == [
        {"a": 1.0},
        {"a": 2.5, "end": 3, "deep": {"b": 4}},
    ]
    assert info["a"].tolist() == [1, 50] and "final_info" not in merged


def test_info_of_rows_follows_the_masks():
    info = {
        "a": np.array([1.5, 2.5, 3.5]),
        "_a": np.array([True, False, True]),
        "vector": np.arange(6).reshape(3, 2),
        "deep": {"b": np.array([1, 2, 3]), "_b": np.array([False, True, True])},
        "all": "same",
        "_private": np.array([7, 8, 9]),
    }
    first, last = info_of_rows(info, np.array([0, 2]))
    assert first["a"] == 1.5 and first["deep"] == {} and first["all"] == "same"
    assert last["deep"] == {"b": 3} and last["vector"].tolist() == [4, 5] and last["_private"] == 9
    assert "a" not in info_of_rows(info, np.array([1]))[0]


def test_asynchronous_environments_work_too():
    make = [lambda: make_scalar("CartPole-v1")] * 2
    ours = SB3VecEnv(AsyncVectorEnv(make))
    theirs = DummyVecEnv([lambda: Monitor(make_scalar("CartPole-v1"))] * 2)
    assert_equal_runs(ours, theirs, 60)
    assert ours.get_attr("gravity") == [9.8, 9.8]
    assert ours.env_method("get_wrapper_attr", "gravity") == [9.8, 9.8]
    with pytest.raises(ValueError, match="indices must be None"):
        ours.env_method("get_wrapper_attr", "gravity", indices=[0])
    ours.close()
