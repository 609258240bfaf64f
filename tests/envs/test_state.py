"""``get_state`` and ``set_state``: a run goes on bit for bit, in this or another environment."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from driftwise.envs import (
    Drift,
    Hazard,
    Periodic,
    RandomWalk,
    Reactive,
    Rotting,
    Schedule,
    ShiftingBandit,
    ShiftingBanditVector,
)


def run(env: Any, steps: int, vector: bool) -> list[Any]:
    """Outputs of steps with fixed actions; a scalar environment is reset where it ends."""
    rng = np.random.default_rng(steps)
    outputs = []
    for _ in range(steps):
        output = env.step(rng.integers(5, size=3) if vector else int(rng.integers(5)))
        if "final_obs" in output[4]:  # an array of objects, which assert_equal cannot compare
            output[4]["final_obs"] = list(output[4]["final_obs"])
        outputs.append(output)
        if not vector and output[3]:
            outputs.append(env.reset())
    return outputs


def make(vector: bool, **arguments: Any) -> Any:
    return ShiftingBanditVector(3, **arguments) if vector else ShiftingBandit(**arguments)


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("at", [0, 1, 129, 130, 131, 200, 333])
def test_resuming_elsewhere(vector: bool, at: int) -> None:
    arguments: dict[str, Any] = {
        "max_episode_steps": 130 if at != 200 else 230,
        "num_contexts": 6,
        "cue": "barcode",
        "schedule": Periodic(40, jitter=30, phase=-1),
    }
    env, other = make(vector, **arguments), make(vector, **arguments)
    env.reset(seed=9)
    run(env, at, vector)
    state = load(save(env.get_state()))  # through a safetensors file
    expected = run(env, 300, vector)
    other.set_state(state)
    np.testing.assert_equal(run(other, 300, vector), expected)
    env.set_state(state)
    np.testing.assert_equal(run(env, 300, vector), expected)


def test_resuming_every_dynamics(schedule: Schedule, drift: Drift) -> None:
    arguments: dict[str, Any] = {"schedule": schedule, "drift": drift, "arms": "gaussian"}
    for vector in (False, True):
        env, other = make(vector, **arguments), make(vector, **arguments)
        env.reset(seed=9)
        run(env, 150, vector)
        text = json.dumps({key: value.tolist() for key, value in env.get_state().items()})
        expected = run(env, 120, vector)
        other.reset(seed=1)
        other.set_state(json.loads(text))  # JSON keeps float64 exactly
        np.testing.assert_equal(run(other, 120, vector), expected)


def test_resuming_out_of_step_and_with_options() -> None:
    arguments: dict[str, Any] = {"autoreset_mode": "SameStep", "max_episode_steps": 90}
    env = ShiftingBanditVector(3, **arguments)
    env.reset(seed=0, options={"change_times": [3, 88]})
    run(env, 40, True)
    env.reset(options={"reset_mask": np.array([True, False, False]), "change_times": [60, 70, 80]})
    run(env, 10, True)
    state = env.get_state()
    expected = run(env, 200, True)
    other = ShiftingBanditVector(3, **arguments)
    other.set_state(state)
    np.testing.assert_equal(run(other, 200, True), expected)
    assert sum(step[4]["changed"][0] for step in expected[:80]) == 3


def test_a_state_is_a_copy() -> None:
    for vector in (False, True):
        env = make(vector)
        env.reset(seed=0)
        state = env.get_state()
        kept = {key: value.copy() for key, value in state.items()}
        run(env, 250, vector)
        np.testing.assert_equal(state, kept)
        env.set_state(state)
        run(env, 250, vector)
        np.testing.assert_equal(state, kept)


def test_np_random_is_restored() -> None:
    env = ShiftingBandit()
    env.reset(seed=0)
    state = env.get_state()
    before = env.np_random.bit_generator.state
    env.reset()
    env.set_state(state)
    assert env.np_random.bit_generator.state == before


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize(
    "others",
    [
        {"num_arms": 4},
        {"schedule": Hazard(0.03)},
        {"drift": RandomWalk()},
        {"drift": Rotting()},
        {"schedule": Reactive()},
        {"max_episode_steps": 100},
        {"num_contexts": 3},
    ],
    ids=str,
)
def test_states_of_other_environments(vector: bool, others: dict[str, Any]) -> None:
    env, other = make(vector), make(vector, **others)
    env.reset(seed=0)
    other.reset(seed=0)
    before = env.get_state()
    with pytest.raises(ValueError, match=r"^state must "):
        env.set_state(other.get_state())
    np.testing.assert_equal(env.get_state(), before)


def test_broken_states() -> None:
    env, wide = ShiftingBanditVector(2), ShiftingBanditVector(3)
    env.reset(seed=0)
    wide.reset(seed=0)
    before = env.get_state()
    with pytest.raises(ValueError, match=r"state\['first'\] must have shape \(2,\), got \(3,\)"):
        env.set_state(wide.get_state())
    with pytest.raises(ValueError, match="state must have the key 'trace_means'"):
        env.set_state({key: value for key, value in before.items() if key != "trace_means"})
    with pytest.raises(ValueError, match="state must be what get_state"):
        env.set_state(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"state\['observations'\] must have shape \(2, 7\)"):
        env.set_state({**before, "observations": np.zeros((2, 6))})
    np.testing.assert_equal(env.get_state(), before)
