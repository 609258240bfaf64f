"""What the wrappers refuse, before the first step and in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

from driftwise.envs import (
    DriftingParameters,
    Permute,
    Recur,
    Resample,
    ShiftingActions,
    ShiftingMaze,
    ShiftingMazeVector,
    ShiftingObservations,
    ShiftingRewards,
    ShiftingRewardsVector,
    Sinusoid,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of old ids of Gymnasium

TAXI = max(env_id for env_id in gym.registry if env_id.startswith("Taxi-v"))


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({}, ValueError, "ranges or values must be given, and not both"),
    ({"ranges": {}}, TypeError, "ranges must be a mapping with a parameter or more"),
    (
        {"ranges": {"gravty": (1, 2)}},
        ValueError,
        "no attribute 'gravty'; its numbers are force_mag, gr",
    ),
    (
        {"ranges": {"kinematics_integrator": (1, 2)}},
        TypeError,
        "must be a finite number, got 'euler'",
    ),
    ({"ranges": {"isopen": (0, 2)}}, TypeError, "must be a finite number, got True"),
    (
        {"ranges": {"total_mass": (1, 2)}},
        ValueError,
        "follows from masspole and masscart",
    ),
    ({"ranges": {"np_random_seed": (-2, 2)}}, ValueError, "'np_random_seed' of .* cannot be set"),
    ({"ranges": {"gravity": 3}}, TypeError, r"ranges\['gravity'\] must be a pair"),
    ({"ranges": {"gravity": (15, 5)}}, ValueError, "with low < high"),
    ({"ranges": {"gravity": (5, np.inf)}}, ValueError, r"ranges\['gravity'\] must be finite"),
    ({"ranges": {"gravity": (10, 15)}}, ValueError, "must hold its own value 9.8, or random_start"),
    ({"ranges": {"screen_width": (500, 700.5)}}, ValueError, "ranges must be integers where"),
    ({"values": {"screen_width": [500, 700.5]}}, ValueError, "values must be integers where"),
    (
        {"values": {"gravity": [9.8]}},
        ValueError,
        r"values\['gravity'\] must be finite",
    ),
    ({"values": {"gravity": [1, 2], "length": [1, 2, 3]}}, ValueError, "must be as many for each"),
    (
        {"values": {"gravity": [1, 2]}, "drift": Resample()},
        ValueError,
        "drift must be Recur or Cycle",
    ),
    ({"values": {"gravity": [1, 2]}, "drift": Recur(3)}, ValueError, "drift must have 2 contexts"),
    ({"drift": Recur(3)}, ValueError, "needs values, or random_start=True"),
    ({"drift": Permute()}, ValueError, "drift must not be Permute"),
    ({"drift": "SwapBest()"}, ValueError, "drift must not depend on what is best"),
    ({"drift": "InformativeArm()"}, ValueError, "drift must not depend on what is best"),
    ({"drift": "Rotting()"}, ValueError, "drift must not depend on what is best or pulled"),
    ({"drift": Sinusoid(10, 0.5)}, ValueError, "random_start=False must start where Sinusoid"),
    ({"schedule": "Reactive()"}, ValueError, "schedule must not depend on what is best"),
    (
        {"schedule": "AtSteps((10, 500))", "per_episode": True},
        ValueError,
        "must change before max_episode_steps=500",
    ),
    (
        {"schedule": "Periodic(500)", "per_episode": True},
        ValueError,
        "must change before max_episode_steps=500",
    ),
    ({"update": "gravity"}, TypeError, "update must be a function of the environment or None"),
    ({"notify": "loudly"}, ValueError, 'notify must be None, "change" or "values"'),
    ({"per_episode": 1}, TypeError, "per_episode must be True or False"),
    ({"name": 3}, TypeError, "name must be a string"),
    ({"rate": 3}, TypeError, "keyword arguments must be among schedule, .*, got 'rate'"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD, ids=lambda v: str(v)[:40])
def test_bad_parameters(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    if arguments and not {"ranges", "values"} & {*arguments}:
        arguments = {"ranges": {"gravity": (9.0, 15.0)}, **arguments}
    with pytest.raises(error, match=message) as caught:
        DriftingParameters(gym.make("CartPole-v1"), **arguments)
    assert "\n" not in str(caught.value)


def test_numbers_of_a_class_are_named_too() -> None:
    with pytest.raises(ValueError, match=r"its numbers are .*LINK_LENGTH_1, .*, torque"):
        DriftingParameters(gym.make("Acrobot-v1"), {"LINK_LEN": (1, 2)})


def test_bad_effects_and_spaces() -> None:
    cart, pendulum, jack = (gym.make(i) for i in ("CartPole-v1", "Pendulum-v1", "Blackjack-v1"))
    cases: list[tuple[Any, tuple[Any, ...], str]] = [
        (ShiftingActions, (cart, "Flip()"), "effect must be Permutation"),
        (ShiftingActions, (cart, "Scale()"), "effect must be Permutation"),
        (ShiftingActions, (cart, "Twist()"), "effect must be one of .*, got 'Twist'"),
        (ShiftingActions, (pendulum,), "actions must be two or more"),
        (ShiftingObservations, (jack,), "observations must be Box or Discrete, got Tuple"),
        (ShiftingObservations, (gym.make(TAXI), "Drop()"), "observations must be a Box for Drop"),
        (ShiftingObservations, (cart, "Delay()"), "effect must be Permutation, Drop or Scale"),
        (ShiftingRewards, (cart, "Drop()"), "effect must be Flip, Scale or Delay"),
        (ShiftingRewards, (cart, "Scale(2, 1)"), "effect: low must be above 0 and below high"),
        (ShiftingRewards, (cart, "Scale(2, 3)"), "the start .random_start=False. must be"),
        (ShiftingRewards, (cart, "Delay(0)"), "effect: max_delay must be at least 1"),
    ]
    for wrap, arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            wrap(*arguments)
    vector = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    ranges = {"gravity": (5, 15)}
    for wrap, arguments in (
        (ShiftingActions, ()),
        (ShiftingObservations, ()),
        (ShiftingRewards, ()),
        (DriftingParameters, (ranges,)),
    ):
        with pytest.raises(TypeError, match=f"env must be a single .*: use {wrap.__name__}Vector"):
            wrap(vector, *arguments)
        with pytest.raises(TypeError, match="env must be a Gymnasium environment, got 'CartPole"):
            wrap("CartPole-v1", *arguments)
    for drift in ("RandomWalk()", "Permute()", "Sinusoid()"):
        with pytest.raises(ValueError, match="drift must"):
            ShiftingRewards(cart, drift=drift)
    inner = DriftingParameters(cart, ranges)
    with pytest.raises(ValueError, match="'gravity' drifts already"):
        DriftingParameters(inner, ranges, name="again")


HORIZONS: list[Callable[[], Any]] = [
    lambda: ShiftingRewards(ShiftingMaze(), per_episode=True, schedule="AtSteps((250,))"),
    lambda: ShiftingRewards(
        TimeLimit(gym.make("CartPole-v1").unwrapped, 250),
        per_episode=True,
        schedule="Periodic(250)",
    ),
    lambda: ShiftingRewardsVector(
        ShiftingMazeVector(2), per_episode=True, schedule="AtSteps((9, 300))"
    ),
    lambda: gym.make_vec(
        "driftwise/DriftingCartPole-v0",
        num_envs=2,
        max_episode_steps=250,
        per_episode=True,
        schedule="AtSteps((250,))",
    ),
]


@pytest.mark.parametrize("make", HORIZONS)
def test_the_horizon_is_found(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="schedule must change before max_episode_steps=250, got"):
        make()


@pytest.mark.parametrize("mode", [None, "sync"])
@pytest.mark.parametrize("env_id", ["CartPole-v1", "driftwise/ShiftingMaze-v0"])
def test_the_horizon_is_what_make_vec_was_asked_for(env_id: str, mode: str | None) -> None:
    for horizon, end in ((80, 80), (700, 700), (None, None)):
        asked: dict[str, Any] = {"vectorization_mode": mode}
        if horizon is not None:
            asked["max_episode_steps"] = horizon
        end = end or gym.spec(env_id).max_episode_steps
        envs = gym.make_vec(env_id, num_envs=2, **asked)
        ShiftingRewardsVector(envs, per_episode=True, schedule=f"AtSteps(({end - 1},))")
        with pytest.raises(ValueError, match=f"before max_episode_steps={end}, got"):
            ShiftingRewardsVector(envs, per_episode=True, schedule=f"AtSteps(({end},))")


def test_a_reset_that_is_refused_inside_changes_nothing() -> None:
    env = DriftingParameters(
        ShiftingActions(gym.make("CartPole-v1"), schedule="Hazard(0.2)"),
        {"gravity": (5, 15)},
        schedule="Hazard(0.2)",
        random_start=True,
    )
    refused: dict[str, Any] = {"shifts": {"actions": {"context": 7}}}
    with pytest.raises(ValueError, match="needs contexts that recur"):
        env.reset(seed=5, options=refused)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    for _ in range(5):
        env.step(0)
    before, gravity = env.get_state(), env.unwrapped.gravity
    with pytest.raises(ValueError, match="needs contexts that recur"):
        env.reset(seed=5, options=refused)
    after = env.get_state()
    for key, value in before.items():
        np.testing.assert_array_equal(value, after[key], err_msg=key)
    assert env.unwrapped.gravity == gravity


def test_bad_options() -> None:
    env = DriftingParameters(gym.make("CartPole-v1"), {"gravity": (5, 15)}, per_episode=True)
    cases: list[tuple[Any, str]] = [
        ({"actions": {}}, r"options\['shifts'\] must have keys among parameters, got 'actions'"),
        ({"parameters": {"value": 1}}, r"options\['shifts'\]\['parameters'\] must have keys among"),
        ({"parameters": {"values": {"length": 1.0}}}, "must be a mapping with keys among gravity"),
        ({"parameters": {"values": {"gravity": 16.0}}}, "must be float64 numbers from 5.0 to 15.0"),
        ({"parameters": {"values": {"gravity": np.nan}}}, "must be float64 numbers from 5.0"),
        ({"parameters": {"change_times": [500]}}, "must be below max_episode_steps=500"),
        ({"parameters": {"context": 1}}, "needs contexts that recur"),
        ({"parameters": {"schedule": "Reactive"}}, "schedule must not depend"),
        ({"parameters": {"drift": "Permute()"}}, "drift must not be Permute"),
    ]
    env.reset(seed=0)
    before = env.get_state()
    for shifts, message in cases:
        with pytest.raises(ValueError, match=message):
            env.reset(seed=1, options={"shifts": shifts})
    after = env.get_state()
    for key, value in before.items():
        np.testing.assert_array_equal(value, after[key])
    other = DriftingParameters(gym.make("CartPole-v1"), {"gravity": (4, 15)}, per_episode=True)
    with pytest.raises(ValueError, match="state must be of an environment with"):
        other.set_state(before)
    with pytest.raises(gym.error.ResetNeeded):
        other.step(0)
