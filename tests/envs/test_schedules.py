"""Schedules against closed forms, and across the seams of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.envs import (
    AtSteps,
    Bursts,
    Hazard,
    Never,
    Periodic,
    Reactive,
    Schedule,
    ShiftingBanditVector,
)


def flags_of(schedule: Schedule, num_envs: int = 2000, num_steps: int = 400) -> np.ndarray:
    """Change flags (T, N) as the environment shows them."""
    envs = ShiftingBanditVector(
        num_envs, schedule=schedule, num_arms=2, max_episode_steps=num_steps
    )
    envs.reset(seed=0)
    return envs.foresee(num_steps).changed


def within(value: float, expected: float, variance: float, samples: float) -> bool:
    """Whether a sample mean lies within 4.5 standard errors."""
    return abs(value - expected) < 4.5 * np.sqrt(variance / samples)


def test_never() -> None:
    assert not flags_of(Never(), 10).any()


@pytest.mark.parametrize("probability", [0.02, 0.5, 1.0, 0.0])
def test_hazard(probability: float) -> None:
    flags = flags_of(Hazard(probability))
    assert not flags[0].any()
    p = probability
    assert within(flags[1:].mean(), p, p * (1 - p), flags[1:].size) or p in (0, 1)
    if 0 < p < 1:  # the first change is geometric: independent from step to step
        for step in (1, 2, 40, 199, 200, 201, 399):
            assert within(flags[step].mean(), p, p * (1 - p), flags.shape[1])
        both = (flags[1:-1] & flags[2:]).mean()
        assert within(both, p**2, p**2 * (1 - p**2) * 3, flags[2:].size)
    else:
        assert flags[1:].mean() == p


def test_at_steps() -> None:
    flags = flags_of(AtSteps((1, 5, 200, 201, 399)), 3)
    assert [np.flatnonzero(column).tolist() for column in flags.T] == [[1, 5, 200, 201, 399]] * 3


@pytest.mark.parametrize("phase", [0, 1, 7, 29])
def test_periodic_without_jitter(phase: int) -> None:
    flags = flags_of(Periodic(30, phase=phase), 2)
    expected = [step for step in range(1, 400) if step % 30 == phase]
    assert [np.flatnonzero(column).tolist() for column in flags.T] == [expected] * 2


def test_periodic_every_step() -> None:
    assert flags_of(Periodic(1), 2)[1:].all()


def test_periodic_jitter_is_uniform_and_fresh() -> None:
    flags = flags_of(Periodic(50, jitter=9, phase=45))
    delays = []
    for begin in range(45, 350, 50):
        window = flags[begin : begin + 50]
        assert (window.sum(axis=0) == 1).all() and not window[10:].any()
        delays.append(window.argmax(axis=0))
    assert not flags[:45].any()
    counts = np.bincount(np.ravel(delays), minlength=10) / np.size(delays)
    assert all(within(count, 0.1, 0.09, np.size(delays)) for count in counts)
    correlations = np.corrcoef(delays)[np.triu_indices(len(delays), 1)]
    assert (np.abs(correlations) < 4.5 / np.sqrt(flags.shape[1])).all()


def test_periodic_random_phase_is_uniform() -> None:
    flags = flags_of(Periodic(20, phase=-1))
    first = flags.argmax(axis=0)
    assert first.min() == 1 and first.max() == 20
    counts = np.bincount(first, minlength=21)[1:] / len(first)
    assert all(within(count, 0.05, 0.0475, len(first)) for count in counts)
    for step in range(21, 400):
        assert np.array_equal(flags[step], flags[step - 20])


def test_bursts() -> None:
    rate, length, probability = 0.03, 10, 0.3
    flags = flags_of(Bursts(rate, length, probability), 4000)
    inside = 1 - (1 - rate) ** length
    expected = inside * probability
    for step in (length, 60, 199, 200, 205, 399):
        assert within(flags[step].mean(), expected, expected * (1 - expected), 4000)
    first = rate * probability  # at step 1 only a burst that begins there can change anything
    assert within(flags[1].mean(), first, first * (1 - first), 4000)
    # Given a change, a burst is on; it is still on k steps later if it began late enough, or if
    # another has begun since: P = 1 - P(no start in the steps that would cover it), both inside.
    for gap in (1, 5, 9):
        neither = 1 - 2 * (1 - rate) ** length + (1 - rate) ** (length + gap)
        both = neither * probability**2
        pairs = flags[length:-gap] & flags[length + gap :]
        # Neighbouring pairs are dependent, so count worlds, with each world's own mean.
        means = pairs.mean(axis=0)
        assert within(means.mean(), both, means.var(), len(means)), gap


@given(
    schedule=st.one_of(
        st.builds(Hazard, st.floats(0, 1)),
        st.integers(1, 60).flatmap(
            lambda period: st.builds(
                Periodic, st.just(period), st.integers(0, period - 1), st.integers(-1, period - 1)
            )
        ),
        st.builds(Bursts, st.floats(0, 0.2), st.integers(1, 80), st.floats(0, 1)),
        st.builds(AtSteps, st.lists(st.integers(1, 150), max_size=5)),
    ),
    cuts=st.lists(st.integers(1, 149), max_size=4, unique=True),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60)
def test_blocks_may_be_cut_anywhere(schedule: Schedule, cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    uniforms = rng.random((150, 3, schedule.step_uniforms))
    start = schedule.start(rng.random((3, schedule.start_uniforms)))
    steps = np.arange(1, 151)[:, None]
    whole, last = schedule.changes(steps, uniforms, start)
    pieces: list[Any] = []
    state = start
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 150], strict=True):
        flags, state = schedule.changes(steps[begin:end], uniforms[begin:end], state)
        pieces.append(np.broadcast_to(flags, (end - begin, 3)))
    assert np.array_equal(np.concatenate(pieces), np.broadcast_to(whole, (150, 3)))
    assert np.array_equal(state, last)


@given(patience=st.integers(1, 5), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_reactive_counts_choices_in_a_row(patience: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    schedule = Reactive(patience)
    state = schedule.start(np.zeros((4, 0)))
    streaks = [0] * 4
    for _ in range(40):
        actions, best = rng.integers(2, size=(2, 4))
        flags, state = schedule.react(state, actions, best)
        for world in range(4):
            streaks[world] = streaks[world] + 1 if actions[world] == best[world] else 0
            assert flags[world] == (streaks[world] == patience)
            streaks[world] *= not flags[world]
