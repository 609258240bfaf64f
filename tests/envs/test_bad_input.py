"""Bad arguments and actions: one-line errors that name the argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from driftwise.envs import (
    AtSteps,
    Bursts,
    Hazard,
    Interpolate,
    OrnsteinUhlenbeck,
    Periodic,
    RandomWalk,
    Reactive,
    Recur,
    Rotting,
    ShiftingBandit,
    ShiftingBanditVector,
    Sinusoid,
)

ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"num_arms": 1}, ValueError, "num_arms must be at least 2, got 1"),
    ({"num_arms": 2.0}, TypeError, "num_arms must be an integer, got 2.0"),
    ({"arms": "beta"}, ValueError, "arms must be .*, got 'beta'"),
    ({"noise_std": -1.0}, ValueError, "noise_std must be at least 0 and finite, got -1.0"),
    ({"noise_std": "1"}, TypeError, "noise_std must be a number, got '1'"),
    ({"mean_values": [0.1, 0.9]}, ValueError, r"mean_values must have shape \(5,\), got \(2,\)"),
    ({"mean_values": [2] * 5}, ValueError, r"mean_values of Bernoulli arms must be in \[0, 1\]"),
    ({"mean_values": 0.5}, ValueError, r"mean_values must have shape \(5,\), got \(\)"),
    ({"mean_values": "0.5"}, TypeError, "mean_values must be an array of numbers, got '0.5'"),
    ({"mean_values": [[1], [0, 1]]}, TypeError, "mean_values must be an array of numbers, got"),
    ({"dependent": "no"}, TypeError, "dependent must be True or False, got 'no'"),
    ({"observe_time": "no"}, TypeError, "observe_time must be True or False, got 'no'"),
    ({"terminate_on_horizon": 1}, TypeError, "terminate_on_horizon must be True or False, got 1"),
    (
        {"mean_values": [0.1] * 5, "dependent": True},
        ValueError,
        "mean_values cannot be combined with dependent=True",
    ),
    (
        {"mean_values": [0.1] * 5, "drift": "OrnsteinUhlenbeck"},
        ValueError,
        "mean_values cannot be combined with drift=OrnsteinUhlenbeck",
    ),
    ({"schedule": None}, TypeError, "schedule must be a Schedule, a string or a mapping, got None"),
    ({"schedule": "Hazrd(0.1)"}, ValueError, "schedule must be one of AtSteps, .*, got 'Hazrd'"),
    ({"schedule": "Hazard(0.1"}, ValueError, 'schedule must read like "Name"'),
    ({"schedule": "Hazard(p=1)"}, TypeError, "schedule: .*unexpected keyword argument 'p'"),
    ({"schedule": {"probability": 1}}, ValueError, "schedule must be one of .*, got ''"),
    ({"schedule": "Resample"}, ValueError, "schedule must be one of"),
    ({"drift": "Hazard"}, ValueError, "drift must be one of Cycle, "),
    ({"drift": Hazard()}, TypeError, "drift must be a Drift"),
    ({"drift": Sinusoid(amplitude=0.6)}, ValueError, "amplitude must be at most 0.5"),
    ({"drift": Rotting(floor=2.0)}, ValueError, r"floor must be in \[0, 1\] for Bernoulli"),
    ({"num_contexts": 1}, ValueError, "num_contexts must be at least 2, got 1"),
    ({"num_contexts": 3, "drift": "Permute"}, ValueError, "num_contexts needs drift=Resample"),
    ({"cue": "smell", "num_contexts": 3}, ValueError, "cue must be None, .*, got 'smell'"),
    ({"cue": "one_hot"}, ValueError, "cue='one_hot' needs contexts that recur"),
    ({"cue_size": 0}, ValueError, "cue_size must be at least 1, got 0"),
    (
        {"num_contexts": 5, "cue": "barcode", "cue_size": 3},
        ValueError,
        "cue_size must be at least 4 for 5 contexts, got 3",
    ),
    ({"max_episode_steps": 0}, ValueError, "max_episode_steps must be at least 1, got 0"),
    ({"max_episode_steps": 1.5}, TypeError, "max_episode_steps must be an integer, got 1.5"),
    (
        {"max_episode_steps": None, "observe_time": True},
        ValueError,
        "observe_time=True needs max_episode_steps, got None",
    ),
    (
        {"schedule": "AtSteps((50, 200))"},
        ValueError,
        r"schedule must change before max_episode_steps=200, got AtSteps\(steps=\(50, 200\)\)",
    ),
    ({"schedule": "Periodic(9)", "max_episode_steps": 9}, ValueError, "schedule must change"),
    ({"render_mode": "human"}, ValueError, "render_mode must be .*, got 'human'"),
    ({"num_arm": 3}, TypeError, "arguments must be among num_arms, .*, got 'num_arm'"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), ARGUMENTS, ids=lambda v: str(v)[:40])
def test_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    for make in (ShiftingBandit, ShiftingBanditVector):
        with pytest.raises(error, match=message) as caught:
            make(**arguments)
        assert "\n" not in str(caught.value)


def test_vector_arguments() -> None:
    with pytest.raises(ValueError, match="num_envs must be at least 1, got 0"):
        ShiftingBanditVector(0)
    with pytest.raises(ValueError, match="'Sometimes' is not a valid AutoresetMode"):
        ShiftingBanditVector(2, autoreset_mode="Sometimes")


PARTS: list[tuple[Callable[[], Any], str]] = [
    (lambda: Hazard(-0.1), "probability must be a probability"),
    (lambda: Hazard(float("nan")), "probability must be a probability"),
    (lambda: Hazard("0.1"), "probability must be a number"),  # type: ignore[arg-type]
    (lambda: Periodic(0), "period must be at least 1"),
    (lambda: Periodic(5, jitter=5), "jitter must be below period=5, got 5"),
    (lambda: Periodic(5, phase=5), "phase must be below period=5, got 5"),
    (lambda: Periodic(5, phase=-2), "phase must be at least -1"),
    (lambda: AtSteps((0,)), "steps must be at least 1, got 0"),
    (lambda: AtSteps((1.5,)), "steps must be an integer, got 1.5"),  # type: ignore[arg-type]
    (lambda: AtSteps(5), "steps must be a sequence of integers, got 5"),  # type: ignore[arg-type]
    (lambda: Bursts(length=0), "length must be at least 1"),
    (lambda: Bursts(rate=2), "rate must be a probability"),
    (lambda: Reactive(0), "patience must be at least 1"),
    (lambda: Recur(1), "num_contexts must be at least 2"),
    (lambda: RandomWalk(0), "std must be positive"),
    (lambda: OrnsteinUhlenbeck(0.0), r"reversion must be in \(0, 1\]"),
    (lambda: OrnsteinUhlenbeck(center=float("inf")), "center must be finite"),
    (lambda: Sinusoid(period=-1), "period must be positive"),
    (lambda: Interpolate(0), "duration must be at least 1"),
    (lambda: Rotting(1.0), r"decay must be in \[0, 1\)"),
    (lambda: Rotting("1"), "decay must be a number, got '1'"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "message"), PARTS, ids=[message[:30] for _, message in PARTS])
def test_schedules_and_drifts(make: Callable[[], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_parts_read_their_own_text() -> None:
    for part in (Hazard(0.1), Periodic(9, 3, -1), AtSteps((1, 2)), Bursts(), Reactive(3)):
        assert ShiftingBandit(schedule=repr(part)).settings.schedule == part
    for drift in (RandomWalk(0.3), Rotting(), Interpolate(3), OrnsteinUhlenbeck(), Sinusoid()):
        assert ShiftingBandit(drift=repr(drift)).settings.drift == drift
    mapping = {"type": "Periodic", "period": 9}
    assert ShiftingBandit(schedule=mapping).settings.schedule == Periodic(9)
    assert ShiftingBandit(schedule="Never").settings.schedule != Hazard()


def test_foresee_wants_a_positive_number_of_steps() -> None:
    for env in (ShiftingBandit(), ShiftingBanditVector(2)):
        env.reset(seed=0)
        for wrong in (0, -1):
            with pytest.raises(ValueError, match=f"num_steps must be at least 1, got {wrong}"):
                env.foresee(wrong)
        with pytest.raises(TypeError, match=r"num_steps must be an integer, got 2\.5"):
            env.foresee(2.5)  # type: ignore[arg-type]
        assert [len(env.foresee(steps).means) for steps in (None, 1)] == [200, 1]


SCALAR: list[tuple[Any, type[Exception], str]] = [
    (5, ValueError, r"action must be in \[0, 5\), got 5"),
    (-1, ValueError, r"action must be in \[0, 5\), got -1"),
    (1.0, TypeError, "action must be an integer, got 1.0"),
    ("1", TypeError, "action must be an integer, got '1'"),
    (None, TypeError, "action must be an integer, got None"),
    (np.array([1, 2]), TypeError, "action must be an integer"),
]


@pytest.mark.parametrize(("action", "error", "message"), SCALAR, ids=str)
def test_scalar_actions(action: Any, error: type[Exception], message: str) -> None:
    env = ShiftingBandit()
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(error, match=message):
        env.step(action)
    np.testing.assert_equal(env.get_state(), before)
    accepted: list[Any] = [1, np.int32(1), np.uint8(1), np.array(1)]
    for good in accepted:
        assert env.step(good)[0][1] == 1.0


VECTOR: list[tuple[Any, type[Exception], str]] = [
    ([0, 5, 1], ValueError, r"actions must be in \[0, 5\), got 5 at index 1"),
    ([0, 1, -1], ValueError, r"actions must be in \[0, 5\), got -1 at index 2"),
    ([0, 1], ValueError, r"actions must have shape \(3,\), got \(2,\)"),
    ([[0, 1, 2]], ValueError, r"actions must have shape \(3,\), got \(1, 3\)"),
    (1, ValueError, r"actions must have shape \(3,\), got \(\)"),
    ([0.0, 1.0, 2.0], TypeError, "actions must have an integer dtype, got float64"),
    ([True, False, True], TypeError, "actions must have an integer dtype, got bool"),
    (np.array([0, 300, 1], np.uint16), ValueError, "got 300 at index 1"),
    (np.array([0, -128, 1], np.int8), ValueError, "got -128 at index 1"),
]


@pytest.mark.parametrize(("actions", "error", "message"), VECTOR, ids=str)
def test_vector_actions(actions: Any, error: type[Exception], message: str) -> None:
    envs = ShiftingBanditVector(3)
    envs.reset(seed=0)
    before = envs.get_state()
    with pytest.raises(error, match=message):
        envs.step(actions if isinstance(actions, np.ndarray) else np.array(actions))
    np.testing.assert_equal(envs.get_state(), before)
    for dtype in (np.int64, np.int32, np.uint8):
        envs.step(np.array([0, 4, 1], dtype=dtype))
    envs.step(np.arange(6)[::2])  # not contiguous


def test_steps_outside_of_episodes() -> None:
    env, envs = ShiftingBandit(max_episode_steps=2), ShiftingBanditVector(2)
    with pytest.raises(ResetNeeded, match=r"call reset\(\) first"):
        env.step(0)
    with pytest.raises(ResetNeeded, match=r"call reset\(\) first"):
        envs.step(np.array([0, 0]))
    env.reset()
    env.step(0)
    env.step(0)
    with pytest.raises(ResetNeeded, match=r"call reset\(\) first"):
        env.step(0)
    manual = ShiftingBanditVector(2, max_episode_steps=1, autoreset_mode="Disabled")
    manual.reset()
    manual.step(np.array([0, 0]))
    with pytest.raises(ResetNeeded, match="reset_mask"):
        manual.step(np.array([0, 0]))
    for never in (ShiftingBandit(), envs):
        with pytest.raises(ValueError, match=r"foresee\(\) needs running episodes"):
            never.foresee()
