"""``check_vector_env`` accepts what is right and finds what is wrong."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from driftwise.envs import ShiftingBandit, ShiftingBanditVector, check_vector_env

SHORT: dict[str, Any] = {"max_episode_steps": 15}


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "driftwise/RecurringBandit-v0"])
def test_gymnasiums_sync_vector_env_passes(env_id: str, mode: AutoresetMode) -> None:
    envs = gym.make_vec(
        env_id, 2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
    )
    keys = () if env_id == "CartPole-v1" else ("context", "changed", "steps_since_change")
    check_vector_env(envs, lambda: gym.make(env_id), info_keys=keys, num_steps=250)


class Broken(ShiftingBanditVector):
    """Runs well until ``spoil`` changes what a step returns."""

    kind = ""

    def __init__(self) -> None:
        mode = "SameStep" if self.kind.startswith("final") else "NextStep"
        super().__init__(2, autoreset_mode=mode, **SHORT)
        self.time = 0
        self.buffer = np.zeros(2)

    def reset(self, **kwargs: Any) -> Any:
        self.time = 0
        return super().reset(**kwargs)

    def step(self, actions: Any) -> Any:
        self.time += 1
        obs, rewards, terms, truncs, infos = super().step(actions)
        kind = self.kind
        if kind == "outside":
            obs[0, 0] = 2.0
        elif kind == "reward shape":
            rewards = rewards[:1]
        elif kind == "reward dtype":
            rewards = rewards.astype(int)
        elif kind == "nan":
            rewards[1] = np.nan
        elif kind == "flag dtype":
            truncs = truncs.astype(int)
        elif kind == "missing key":
            del infos["context"]
        elif kind == "missing scalar key":
            del infos["regret"]
        elif kind == "info shape":
            infos["changed"] = infos["changed"][:, None]
        elif kind == "info dtype":
            infos["context"] = infos["context"].astype(float)
        elif kind == "regret":
            infos["regret"] -= 1.0
        elif kind == "optimal":
            infos["optimal_action"] += 5
        elif kind == "random":
            obs[:, 5] = np.random.default_rng().random()
        elif kind == "buffer":
            self.buffer[:] = rewards
            rewards = self.buffer
        elif kind == "no reset reward" and self.time % 16 == 0:
            rewards += 1.0
        elif kind == "since":
            infos["steps_since_change"] += self.time % 2
        elif kind == "since changed":
            infos["changed"][:] = True
        elif kind == "parity" and self.time == 40:
            rewards[1] = 1.0 - rewards[1]
        elif kind == "final missing":
            infos.pop("final_obs", None)
        elif kind == "final mask" and "_final_obs" in infos:
            infos["_final_obs"][0] = False
        elif kind == "final wrong" and "final_obs" in infos:
            infos["final_obs"][1] = infos["final_obs"][1] * 0
        return obs, rewards, terms, truncs, infos

    def get_state(self) -> Any:
        state: dict[str, Any] = dict(super().get_state())
        if self.kind == "state object":
            state["extra"] = np.array([None])
        elif self.kind == "state pickled":
            state["extra"] = object()
        elif self.kind == "state forgets":
            state["generators"] = state["generators"] * 0 + np.uint64(3)
        return state


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("outside", "observations must lie in"),
        ("reward shape", r"rewards must be an array of shape \(2,\)"),
        ("reward dtype", "rewards must have kind f"),
        ("nan", "rewards must be finite"),
        ("flag dtype", "truncations must have kind b"),
        ("missing key", "infos must have the key 'context'"),
        ("missing scalar key", "infos must have the key 'regret' of the scalar environment's info"),
        ("info shape", r"infos\['changed'\] must be an array of shape"),
        ("info dtype", r"infos\['context'\] must have a dtype of kind 'iu'"),
        ("regret", r"infos\['regret'\] must not be negative"),
        ("optimal", r"infos\['optimal_action'\] must be actions"),
        ("random", "the same seed and actions must give the same run"),
        ("buffer", "later steps must leave returned data as it was"),
        ("no reset reward", "NEXT_STEP: the step after the end must reset"),
        ("since", "steps_since_change must go up by 1 or start at 0"),
        ("since changed", "steps_since_change must be 0 where changed"),
        ("parity", "sub-environment 1 must equal the scalar environment"),
        ("final missing", "SAME_STEP: infos must have 'final_obs'"),
        ("final mask", "SAME_STEP: infos.* must tell which episodes ended"),
        ("final wrong", "final_obs and final_info of sub-environment 1 must equal"),
        ("state object", r"state\['extra'\] must not be an array of objects"),
        ("state pickled", r"state\['extra'\] must be an array, a number"),
        ("state forgets", r"after set_state\(\) there must be the same run"),
    ],
)
def test_broken_promises_are_found(
    kind: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Broken, "kind", kind)
    with pytest.raises(AssertionError, match=message):
        check_vector_env(Broken(), lambda: ShiftingBandit(**SHORT), num_steps=60)


class Nested(gym.Wrapper[Any, Any, Any, Any]):
    """Puts a dict into the info."""

    def reset(self, **kwargs: Any) -> Any:
        observation, info = self.env.reset(**kwargs)
        return observation, {**info, "more": {"context": info["context"]}}

    def step(self, action: Any) -> Any:
        *output, info = self.env.step(action)
        return (*output, {**info, "more": {"context": info["context"]}})


def test_infos_may_hold_infos() -> None:
    def scalar() -> gym.Env[Any, Any]:
        return Nested(ShiftingBandit(**SHORT))

    check_vector_env(gym.vector.SyncVectorEnv([scalar] * 2), scalar, num_steps=60)


def test_the_unbroken_environment_passes() -> None:
    check_vector_env(Broken(), lambda: ShiftingBandit(**SHORT), num_steps=60)


def test_wrong_spaces_and_modes() -> None:
    envs = ShiftingBanditVector(2)
    envs.action_space = spaces.MultiDiscrete([5, 4])
    with pytest.raises(AssertionError, match="action_space must be MultiDiscrete"):
        check_vector_env(envs)
    envs = ShiftingBanditVector(2)
    envs.metadata = {"autoreset_mode": "NextStep"}
    with pytest.raises(AssertionError, match=r"metadata\['autoreset_mode'\] must be"):
        check_vector_env(envs)


def test_wrong_scalar() -> None:
    with pytest.raises(AssertionError, match="sub-environment 0 must equal the scalar"):
        check_vector_env(ShiftingBanditVector(2), lambda: ShiftingBandit(schedule="Hazard(0.1)"))


def test_no_end_no_check_of_autoreset() -> None:
    envs = ShiftingBanditVector(2, max_episode_steps=None)
    with pytest.warns(UserWarning, match="autoreset has not been checked"):
        check_vector_env(envs, lambda: ShiftingBandit(max_episode_steps=None), num_steps=20)
