"""What all drifting wrappers promise, around every small environment of Gymnasium."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import WrapperSpec
from gymnasium.utils.env_checker import check_env

from driftwise.envs import (
    AtSteps,
    DriftingParameters,
    DriftingWrapper,
    Hazard,
    Never,
    ShiftingActions,
    ShiftingBandit,
    ShiftingObservations,
    ShiftingRewards,
)

PARAMETERS = {
    "CartPole-v1": {"gravity": (5.0, 15.0), "length": (0.3, 0.8)},
    "Pendulum-v1": {"g": (5.0, 15.0), "m": (0.5, 1.5), "l": (0.5, 1.5)},
    "Acrobot-v1": {"LINK_LENGTH_1": (0.5, 1.5)},
    "MountainCar-v0": {"gravity": (0.002, 0.003), "force": (0.0005, 0.002)},
    "MountainCarContinuous-v0": {"power": (0.001, 0.003)},
}
# The newest versions that this Gymnasium has.
TOY_TEXT = [
    max(env_id for env_id in gym.registry if env_id.startswith(f"{name}-v"))
    for name in ("FrozenLake", "CliffWalking", "Taxi", "Blackjack")
]
IDS = [*PARAMETERS, *TOY_TEXT]
FAST = Hazard(0.2)

Wrap = Callable[..., DriftingWrapper]


def make(env_id: str, **kwargs: Any) -> gym.Env[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium's own version notices
        return gym.make(env_id, **kwargs)


def wraps(env_id: str) -> dict[str, Wrap]:
    """Every wrapper that fits the spaces of an environment."""
    env = make(env_id)
    found: dict[str, Wrap] = {
        "flipped rewards": ShiftingRewards,
        "scaled rewards": lambda env, **kw: ShiftingRewards(env, "Scale(0.5, 2)", **kw),
        "delayed rewards": lambda env, **kw: ShiftingRewards(env, "Delay(4)", **kw),
    }
    if isinstance(env.action_space, gym.spaces.Discrete):
        found["actions"] = ShiftingActions
    else:
        found["flipped actions"] = lambda env, **kw: ShiftingActions(env, "Flip()", **kw)
    part = 0 if isinstance(env.observation_space, gym.spaces.Tuple) else None
    found["observations"] = lambda env, **kw: ShiftingObservations(env, part=part, **kw)
    if isinstance(env.observation_space, gym.spaces.Box):
        found["dropped"] = lambda env, **kw: ShiftingObservations(env, "Drop(0.3)", **kw)
        found["scaled"] = lambda env, **kw: ShiftingObservations(env, "Scale(0.5, 2)", **kw)
    if env_id in PARAMETERS:
        found["parameters"] = lambda env, **kw: DriftingParameters(env, PARAMETERS[env_id], **kw)
    return found


CASES = [
    pytest.param(env_id, wrap, id=f"{env_id}-{name}")
    for env_id in IDS
    for name, wrap in wraps(env_id).items()
]
assert len(CASES) == 5 * 8 + 3 * 5 + 5


def play(
    env: gym.Env[Any, Any], num_steps: int = 60, seed: int | None = 0, **reset: Any
) -> list[tuple[Any, ...]]:
    """Everything that the environment returns; actions come from a stream of their own."""
    actions = copy.deepcopy(env.action_space)
    actions.seed(5)
    out: list[tuple[Any, ...]] = [env.reset(seed=seed, **reset)]
    for _ in range(num_steps):
        out.append(env.step(actions.sample()))
        if out[-1][2] or out[-1][3]:
            out.append(env.reset())
    return copy.deepcopy(out)


def assert_same(first: Any, second: Any) -> None:
    """Equal to the last bit, types of numbers apart."""
    assert type(first) is type(second) or np.isscalar(first)
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif not np.array_equal(first, second):  # many times as fast, but for NaN and for messages
        np.testing.assert_array_equal(first, second)


def without_reports(out: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    own = ("context", "changed", "steps_since_change", "change_size", "shifts")
    return [(*rest, {k: v for k, v in info.items() if k not in own}) for *rest, info in out]


@pytest.mark.parametrize(("env_id", "wrap"), CASES)
def test_gymnasiums_checker(env_id: str, wrap: Wrap) -> None:
    for notify in (None, "values"):
        env = wrap(make(env_id), schedule=FAST, notify=notify)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings(
                "ignore", message=".*(different from the unwrapped|infinity|symmetric and norm).*"
            )
            check_env(env, skip_render_check=True)


@pytest.mark.parametrize(("env_id", "wrap"), CASES)
def test_what_never_changes_is_what_is_wrapped(env_id: str, wrap: Wrap) -> None:
    env, plain = wrap(make(env_id), schedule=Never()), make(env_id)
    assert_same(without_reports(play(env)), play(plain))
    assert env.np_random.bit_generator.state == plain.np_random.bit_generator.state


@pytest.mark.parametrize(("env_id", "wrap"), CASES)
def test_replay_state_copies_and_specs(env_id: str, wrap: Wrap) -> None:
    env = wrap(make(env_id), schedule=FAST)
    expected = play(env)
    assert sum(part[-1]["changed"] for part in expected) > 3
    assert_same(play(env), expected)
    rebuilt = gym.make(type(env.spec).from_json(env.spec.to_json()))
    assert_same(play(rebuilt), expected)

    # The wrapper's own state, beside a copy of the environment, which has none to give.
    env.reset(seed=3)
    env.action_space.seed(0)
    for _ in range(3):
        env.step(env.action_space.sample())
    state = {
        key: np.array(json.loads(json.dumps(value.tolist())))
        for key, value in env.get_state().items()
    }
    fresh = wrap(make(env_id), schedule=FAST)
    fresh.env = copy.deepcopy(env.env)
    fresh.set_state(state)
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env)), fresh]
    after = play(env, seed=None)
    for other in copies:
        # Not seeded: the copies of the environment go on from the same random state.
        assert_same(play(other, seed=None), after)


@pytest.mark.parametrize(("env_id", "wrap"), CASES)
def test_the_wrapped_randomness_is_its_own(env_id: str, wrap: Wrap) -> None:
    """Other changes, same random stream inside; same changes, whatever the actions."""
    states, changes = [], []
    for schedule in (FAST, Never()):
        env = wrap(make(env_id), schedule=schedule)
        env.reset(seed=7)
        states.append(env.np_random.bit_generator.state)
    assert states[0] == states[1]
    for action_seed in (0, 1):
        env = wrap(make(env_id), schedule=FAST)
        env.action_space.seed(action_seed)
        info = env.reset(seed=7)[1]
        story = [info["shifts"]]
        for _ in range(40):
            _, _, terminated, truncated, info = env.step(env.action_space.sample())
            story.append(info["shifts"])
            if terminated or truncated:
                env.reset()
        changes.append(story)
    assert_same(changes[0], changes[1])


def cart(wrap: Wrap = ShiftingActions, **arguments: Any) -> DriftingWrapper:
    return wrap(make("CartPole-v1"), **arguments)


def test_streams_differ_by_name() -> None:
    def story(name: str) -> list[bool]:
        env = cart(ShiftingRewards, schedule=Hazard(0.5), name=name)
        return [part[-1]["changed"] for part in play(env)]

    assert story("one") == story("one") != story("two")


def test_a_bandit_inside() -> None:
    """Its own changes are told, too, and its state is part of the wrapper's."""
    env = ShiftingActions(ShiftingBandit(schedule=AtSteps((3,))), schedule=AtSteps((5,)))
    info = env.reset(seed=0)[1]
    for step in range(10):
        action = info["optimal_action"]
        info = env.step(action)[-1]
        assert info["changed"] == (step in (3, 5)) and info["context"] == (step >= 3) + (step >= 5)
        if not info["changed"]:
            assert info["regret"] == 0.0  # what the last info called best is best
    state = env.get_state()
    after = [env.step(k % 5) for k in range(20)]
    env.set_state(state)
    assert_same([env.step(k % 5) for k in range(20)], after)
    info = ShiftingRewards(ShiftingBandit()).reset(seed=0)[1]
    assert "regret" not in info and "optimal_action" not in info


def test_notices() -> None:
    plain = cart(schedule=AtSteps((3, 5)))
    told = cart(schedule=AtSteps((3, 5)), notify="change")
    shown = cart(schedule=AtSteps((3, 5)), notify="values")
    without = play(plain, 8)
    for env, keys in (
        (told, ["changed", "observation"]),
        (shown, ["changed", "observation", "values"]),
    ):
        assert isinstance(env.observation_space, gym.spaces.Dict)
        out = play(env, 8)
        for step, (part, bare) in enumerate(zip(out, without, strict=True)):
            assert sorted(part[0]) == keys and part[0] in env.observation_space
            np.testing.assert_array_equal(part[0]["observation"], bare[0])
            assert part[0]["changed"].tolist() == [float(step in (3, 5))]  # that of the next action
            if "values" in part[0]:
                expected = [1, 0] if 3 <= step < 5 else [0, 1]
                assert part[0]["values"].tolist() == expected
    flat = gym.wrappers.FlattenObservation(shown)
    assert flat.observation_space.shape == (7,)


def test_options() -> None:
    env = cart(DriftingParameters, ranges=PARAMETERS["CartPole-v1"], schedule=Never())
    options = {"shifts": {"parameters": {"values": {"gravity": 12.5}, "change_times": [2, 4]}}}
    kept = copy.deepcopy(options)
    info = env.reset(seed=0, options=options)[1]
    assert options == kept
    assert info["shifts"]["parameters"]["values"] == {"gravity": 12.5, "length": 0.5}
    assert env.unwrapped.gravity == 12.5
    assert [env.step(0)[-1]["changed"] for _ in range(6)] == [
        False,
        False,
        True,
        False,
        True,
        False,
    ]
    options = {
        "shifts": {"parameters": {"schedule": "AtSteps((1,))", "drift": "Sinusoid(20, 0.1)"}}
    }
    env.reset(options=options)
    assert [env.step(0)[-1]["changed"] for _ in range(3)] == [False, True, False]
    low = env.reset(seed=0, options={"low": 0.03, "high": 0.04})[0]
    assert ((low >= 0.03) & (low <= 0.04)).all()  # the rest goes to the wrapped environment
    contexts = cart(schedule=AtSteps((1,)), values=[[0, 1], [1, 0]], drift="Cycle(2)")
    info = contexts.reset(seed=0, options={"shifts": {"actions": {"context": 1}}})[1]
    assert info["context"] == 1 and info["shifts"]["actions"]["values"].tolist() == [1, 0]


def test_random_starts() -> None:
    env = cart(DriftingParameters, ranges={"gravity": (20.0, 30.0)}, random_start=True)
    starts = [
        env.reset(seed=seed)[1]["shifts"]["parameters"]["values"]["gravity"] for seed in range(50)
    ]
    assert len(set(starts)) == 50 and 20 <= min(starts) < 22 and 28 < max(starts) <= 30
    recurring = cart(
        DriftingParameters,
        ranges={"gravity": (5.0, 15.0)},
        random_start=True,
        drift="Recur(3)",
        schedule=Hazard(0.5),
    )
    infos = [part[-1] for part in play(recurring)]
    gravity = {(i["context"], i["shifts"]["parameters"]["values"]["gravity"]) for i in infos}
    assert len(gravity) == 3


def test_specs_of_wrappers() -> None:
    spec = copy.deepcopy(gym.spec("CartPole-v1"))
    spec.additional_wrappers = (
        WrapperSpec(
            "DriftingParameters",
            "driftwise.envs:DriftingParameters",
            {"ranges": {"gravity": [5, 15]}, "schedule": "Hazard(0.3)"},
        ),
    )
    env = gym.make(spec)
    expected = cart(DriftingParameters, ranges={"gravity": (5, 15)}, schedule=Hazard(0.3))
    assert_same(play(env), play(expected))
    values = np.array([[0, 1], [1, 0]])
    env = cart(values=values, schedule=AtSteps((1,)))
    assert json.loads(env.spec.to_json())["additional_wrappers"][0]["kwargs"] == {
        "effect": "Permutation()",
        "values": [[0, 1], [1, 0]],
        "schedule": "AtSteps(steps=(1,))",
    }


def test_integers_stay_integers() -> None:
    """What is set, what is told at every level, and what is measured are the same numbers."""
    env = DriftingParameters(
        gym.make("Pendulum-v1"),
        {"max_speed": (4.0, 10.0)},
        schedule=Never(),
        drift="RandomWalk(0.1)",
        notify="values",
    )
    observation, info = env.reset(seed=0)
    met = [8]
    for _ in range(100):
        assert env.unwrapped.max_speed == met[-1] == observation["values"].item()
        assert type(env.unwrapped.max_speed) is int
        observation, _, _, _, info = env.step(np.zeros(1))
        assert info["shifts"]["parameters"]["values"] == {"max_speed": met[-1]}
        assert info["change_size"] == pytest.approx(abs(met[-1] - met[max(len(met) - 2, 0)]) / 6)
        met.append(env.unwrapped.max_speed)
    assert len({*met}) > 3 and {*met} <= {*range(4, 11)}
    with pytest.raises(ValueError, match="must be integers where"):
        env.reset(options={"shifts": {"parameters": {"values": {"max_speed": 4.5}}}})
    env.close()
    assert type(env.unwrapped.max_speed) is int and env.unwrapped.max_speed == 8


def test_in_sync_vector_environments() -> None:
    """Row i of a seed is the environment of seed + i, changes and all."""
    envs = gym.make_vec(
        "CartPole-v1",
        num_envs=3,
        vectorization_mode="sync",
        wrappers=[lambda env: ShiftingActions(env, schedule=FAST)],
    )
    infos = [envs.reset(seed=10)[1], *(envs.step(np.zeros(3, dtype=int))[-1] for _ in range(7))]
    for row in range(3):
        env = cart(schedule=FAST)
        alone = [env.reset(seed=10 + row)[1], *(env.step(0)[-1] for _ in range(7))]
        for key in ("context", "changed", "steps_since_change", "change_size"):
            assert [info[key][row] for info in infos] == [info[key] for info in alone]
        values = [info["shifts"]["actions"]["values"][row].tolist() for info in infos]
        assert values == [info["shifts"]["actions"]["values"].tolist() for info in alone]


def test_minigrid() -> None:
    """A third party's environments: their pictures, actions and rewards."""
    pytest.importorskip("minigrid", reason="minigrid is not installed (extra: peers)")
    from minigrid.wrappers import ImgObsWrapper

    def grid() -> gym.Env[Any, Any]:
        return ImgObsWrapper(make("MiniGrid-Empty-5x5-v0"))

    cases: list[Wrap] = [
        ShiftingActions,
        ShiftingObservations,
        lambda env, **kw: ShiftingObservations(env, "Drop(0.5)", **kw),
        ShiftingRewards,
        lambda env, **kw: ShiftingRewards(env, "Delay(3)", **kw),
        lambda env, **kw: DriftingParameters(env, {"max_steps": (20, 200)}, **kw),
    ]
    for wrap in cases:
        env = wrap(grid(), schedule=Never())
        assert_same(without_reports(play(env)), play(grid()))
        env = wrap(grid(), schedule=FAST)
        assert_same(play(env), play(env))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_env(env, skip_render_check=True, skip_close_check=True)
    env.reset(seed=0)
    assert type(env.unwrapped.max_steps) is int
    with pytest.raises(ValueError, match="observations must be floats for Scale"):
        ShiftingObservations(grid(), "Scale()")
    with pytest.raises(ValueError, match="observations must be Box or Discrete"):
        ShiftingObservations(make("MiniGrid-Empty-5x5-v0"))
