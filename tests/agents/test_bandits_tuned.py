"""The tuned constants: what is in the code is what the record says, and it can be used."""

import inspect
import json
from pathlib import Path

import gymnasium as gym
import pytest

import driftwise
from driftwise.agents import HELD_OUT_WORLDS
from driftwise.agents.bandits import SETTINGS, TRAINING_SEED, TUNED, make_policy, play
from driftwise.agents.bandits.registry import POLICIES

RECORD = Path(driftwise.__file__).parent / "results" / "tuned_policies.json"


@pytest.mark.skipif(not RECORD.exists(), reason="results/ is not part of an installed package")
def test_constants_are_those_of_the_record():
    recorded = json.loads(RECORD.read_text())["tuned"]
    for policies in recorded.values():
        for arguments in policies.values():
            if "prior" in arguments:
                arguments["prior"] = tuple(arguments["prior"])
    assert recorded == TUNED


@pytest.mark.parametrize("setting_name", SETTINGS)
def test_constants_beat_the_defaults(setting_name):
    """On held-out worlds; by how much, the record says."""
    setting = SETTINGS[setting_name]
    assert 5 * TRAINING_SEED < HELD_OUT_WORLDS
    worlds = 200
    for name, arguments in TUNED[setting_name].items():
        regret = []
        for kwargs in (arguments, {}):
            env = gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=worlds, **setting.env_kwargs)
            policy = make_policy(name, setting.num_arms, worlds, seed=0, **kwargs)
            record = play(policy, env, num_episodes=1, seed=HELD_OUT_WORLDS)
            assert record.regret.shape == (worlds, setting.num_steps)
            regret.append(record.regret.mean())
        tuned, default = regret
        slack = 0.003 if name == "bayes_ucb" else 0.0  # its default is already the tuned one
        assert tuned < default + slack, name


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_explains_itself(name):
    """Its paper or principle and its arguments are in the docstring."""
    target = POLICIES[name]
    documented = inspect.getdoc(getattr(target, "func", target))
    assert len(documented.splitlines()) >= 1
    signature = inspect.signature(target).parameters
    for argument in signature.keys() - {"num_arms", "num_envs", "seed"}:
        assert f"{argument}:" in documented, argument
