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
    arguments: dict[str, Any] = {
        "schedule": schedule,
        "drift": drift,
        "arms": "gaussian",
        "max_episode_steps": 240,
    }
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


EQUAL: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"schedule": Hazard(1)}, {"schedule": Hazard(1.0)}),
    ({"schedule": Hazard(np.float64(0.25))}, {"schedule": "Hazard(0.25)"}),
    ({"schedule": Periodic(np.int64(9))}, {"schedule": Periodic(9)}),
    ({"drift": Rotting(0, np.float32(0.5))}, {"drift": Rotting(0.0, 0.5)}),
    ({"drift": RandomWalk(1)}, {"drift": "RandomWalk(1.0)"}),
    ({"noise_std": 1, "arms": "gaussian"}, {"arms": "gaussian"}),
    ({"mean_values": np.array([0, 1, 0, 0, 1])}, {"mean_values": [0.0, 1.0, 0.0, 0.0, 1.0]}),
    ({"dependent": np.True_, "num_arms": np.int32(5)}, {"dependent": True}),
    ({"num_contexts": np.int64(3), "cue_size": np.int64(16)}, {"drift": "Recur(3)"}),
    ({"max_episode_steps": np.int64(200), "observe_time": np.False_}, {}),
]


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize(("one", "other"), EQUAL, ids=str)
def test_equal_arguments_take_each_others_states(
    vector: bool, one: dict[str, Any], other: dict[str, Any]
) -> None:
    env, same = make(vector, **one), make(vector, **other)
    env.reset(seed=0)
    same.set_state(env.get_state())
    np.testing.assert_equal(run(same, 20, vector), run(env, 20, vector))
    settings = env.settings
    assert repr(settings) == repr(same.settings)
    again = make(vector, schedule=repr(settings.schedule), drift=repr(settings.drift)).settings
    assert (again.schedule, again.drift) == (settings.schedule, settings.drift)


BROKEN: list[tuple[str, Any, str]] = [
    ("clock", 500, r"state\['clock'\] must be from 0 to 200, got 500"),
    ("clock", -1, r"state\['clock'\] must be from 0 to 200, got -1"),
    ("clock", 1.5, r"state\['clock'\] must hold finite numbers of dtype int64"),
    ("clock", "ten", r"state\['clock'\] must hold finite numbers"),
    ("drawn", [500], r"state\['drawn'\] must be from 10 to 200 while .* running, got 500"),
    ("drawn", [9], r"state\['drawn'\] must be from 10 to 200 while .* running, got 9"),
    ("generators", [[-1] * 6], r"state\['generators'\] must hold finite numbers of dtype uint64"),
    ("contexts", np.full((1, 3, 5), np.nan), r"state\['contexts'\] must hold finite numbers"),
    ("drift_state", [[3.0]], r"state\['drift_state'\] must be contexts in \[0, 3\), got 3 to 3"),
    ("trace_context", np.full((201, 1), -2), r"state\['trace_context'\] must be contexts in"),
]


@pytest.mark.parametrize(("key", "value", "message"), BROKEN, ids=lambda value: str(value)[:30])
def test_states_with_impossible_numbers(key: str, value: Any, message: str) -> None:
    for env in (
        ShiftingBandit(num_contexts=3, cue="barcode"),
        ShiftingBanditVector(1, num_contexts=3, cue="barcode"),
    ):
        env.reset(seed=0)
        for _ in range(10):
            env.step(np.array([0]) if isinstance(env, ShiftingBanditVector) else 0)
        before: dict[str, Any] = env.get_state()
        broken = {**before, key: value}
        if key == "clock" and isinstance(value, int):  # consistent but for the clock
            broken["first"] = np.array([value - 10])
            if "elapsed" in broken:
                broken["elapsed"] = np.array(10)
        with pytest.raises(ValueError, match=message) as caught:
            env.set_state(broken)
        assert "\n" not in str(caught.value)
        np.testing.assert_equal(env.get_state(), before)


def test_states_out_of_an_episodes_bounds() -> None:
    env, envs = ShiftingBandit(max_episode_steps=30), ShiftingBanditVector(2, max_episode_steps=30)
    env.reset(seed=0)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"state\['elapsed'\] must be -1 or 0, got 7"):
        env.set_state({**env.get_state(), "elapsed": 7})
    with pytest.raises(ValueError, match=r"state\['first'\] must be from -29 to 0 .*, got -30"):
        env.set_state({**env.get_state(), "elapsed": 30, "first": [-30]})
    with pytest.raises(ValueError, match=r"state\['first'\] must be from -29 to 0 .*, got 1"):
        envs.set_state({**envs.get_state(), "first": [0, 1]})
    fresh = ShiftingBanditVector(2, max_episode_steps=30).get_state()
    with pytest.raises(ValueError, match=r"state\['drawn'\] must be from 0 to 200"):
        envs.set_state({**fresh, "running": True})


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
