"""Infos that are made when somebody looks: plain dictionaries, wherever one looks from."""

import copy
import json
import pickle

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnvWrapper

from driftwise.agents import SB3VecEnv, make_vector_env
from driftwise.agents.step_infos import StepInfos

EXPECTED = [
    {"a": 1.5, "TimeLimit.truncated": False},
    {"done": True},
    {"TimeLimit.truncated": False},
]


def make():
    arrays = {"a": np.array([1.5, 2.5, 3.5]), "_a": np.array([True, True, False])}
    return StepInfos([None, {"done": True}, None], arrays)


@pytest.mark.parametrize(
    "look",
    [
        list,
        lambda infos: infos[:],
        lambda infos: [*infos],
        lambda infos: [infos[i] for i in range(len(infos))],
        lambda infos: [infos[i] for i in (-3, -2, -1)],
        lambda infos: [info for _, info in zip(range(3), infos, strict=True)],
        lambda infos: [dict(info) for info in infos],
        lambda infos: [{**info} for info in infos],
        lambda infos: json.loads(json.dumps(list(infos))),
        lambda infos: np.array(infos).tolist(),
        lambda infos: infos.copy(),
        copy.copy,
        copy.deepcopy,
        lambda infos: pickle.loads(pickle.dumps(infos)),
        lambda infos: infos + [],
        lambda infos: [] + infos,
        lambda infos: infos,
    ],
)
def test_every_look_sees_everything(look):
    seen = look(make())
    assert seen == EXPECTED
    assert list.__eq__(EXPECTED, list(seen))


def test_rows_of_object_arrays_are_filled():  # as the buffer of hindsight experience replay does
    stored = np.array([[{}, {}, {}], [{}, {}, {}]])
    stored[1] = make()
    assert stored[1].tolist() == EXPECTED and stored[0].tolist() == [{}, {}, {}]


def test_infos_are_plain_dictionaries_and_may_be_changed():
    infos = make()
    assert all(type(info) is dict for info in infos)
    infos[0]["mine"] = 1
    infos[2] = {"other": 2}
    infos.append({})
    assert infos == [{**EXPECTED[0], "mine": 1}, {"done": True}, {"other": 2}, {}]
    assert infos[0] is infos[0] and infos.copy() is not infos


def test_nothing_is_made_for_those_who_do_not_look():
    infos = make()
    assert len(infos) == 3 and infos[1] == {"done": True}
    assert infos._rows[0] is None and infos._rows[2] is None


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_infos_outlive_arrays_that_the_environment_uses_again(mode):
    env = SB3VecEnv(make_vector_env("driftwise/ShiftingBandit-v0", 3, autoreset_mode=mode))
    inner, shared = env.env.step, {"regret": np.zeros(3), "deep": {"b": np.zeros(3)}}

    def step(actions):
        obs, rewards, terminated, truncated, info = inner(actions)
        shared["regret"][:] = info["regret"]
        shared["deep"]["b"][:] += 1
        return obs, rewards, terminated, truncated, info | shared

    env.env.step = step
    env.seed(0)
    env.reset()
    actions = np.arange(3)
    told = [(env.step(actions)[3], env.info_arrays["regret"].tolist()) for _ in range(5)]
    for count, (infos, regrets) in enumerate(told, start=1):
        assert [info["regret"] for info in infos] == regrets
        assert [info["deep"] for info in infos] == [{"b": count}] * 3


def test_wrappers_may_write_into_every_info():
    class Marking(VecEnvWrapper):
        def reset(self):
            return self.venv.reset()

        def step_wait(self):
            obs, rewards, dones, infos = self.venv.step_wait()
            for k, info in enumerate(infos):
                info["mine"] = k
            return obs, rewards, dones, infos

    env = Marking(SB3VecEnv(make_vector_env("driftwise/ShiftingBandit-v0", 3)))
    env.reset()
    infos = env.step(np.zeros(3, dtype=np.int64))[3]
    assert [info["mine"] for info in infos] == [0, 1, 2]
    assert all({"regret", "context", "changed"} <= info.keys() for info in infos)
