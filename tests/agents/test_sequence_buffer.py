"""The rollout buffer: advantages against a slow loop, and sequences that lose nothing."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.agents.sequence_buffer import SequenceBuffer


def filled(num_steps, num_envs, length, seed, memory_starts=None, state=None, buffer=None):
    """A rollout in which step t of environment n has the number t * num_envs + n everywhere."""
    rng = np.random.default_rng(seed)
    if buffer is None:
        buffer = SequenceBuffer(num_steps, num_envs, length, gamma=0.9, gae_lambda=0.8)
    buffer.reset()
    rewards = torch.tensor(rng.normal(size=(num_steps, num_envs)))
    bootstraps = torch.tensor(rng.normal(size=(num_steps, num_envs)))
    values = torch.tensor(rng.normal(size=(num_steps, num_envs)))
    ends = torch.tensor(rng.random((num_steps, num_envs)) < 0.3)
    if memory_starts is None:
        memory_starts = torch.tensor(rng.random((num_steps, num_envs)) < 0.3)
    for t in range(num_steps):
        number = t * num_envs + torch.arange(num_envs)
        at_t = None if state is None else (number[:, None].double(),)
        buffer.add_state(at_t, memory_starts[t])
        buffer.add(
            number[:, None],
            number,
            rewards[t],
            bootstraps[t],
            values[t],
            -values[t],
            ends[t],
            memory_starts[t],
        )
    last_value = torch.tensor(rng.normal(size=num_envs))
    buffer.finish(last_value)
    assert torch.equal(buffer.rewards, rewards)
    return buffer, rewards + bootstraps, values, ends, last_value


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_advantages_equal_a_slow_loop(num_steps, num_envs, seed):
    buffer, rewards, values, ends, last_value = filled(num_steps, num_envs, num_steps, seed)
    for n in range(num_envs):
        for t in range(num_steps):
            # The sum of discounted one-step surprises, until the episode or the rollout ends.
            advantage, weight = 0.0, 1.0
            for k in range(t, num_steps):
                after = last_value[n] if k == num_steps - 1 else values[k + 1, n]
                surprise = rewards[k, n] + (0.0 if ends[k, n] else 0.9 * after) - values[k, n]
                advantage += weight * surprise
                weight *= 0.9 * 0.8
                if ends[k, n]:
                    break
            assert abs(buffer.advantages[t, n] - advantage) < 1e-12
    assert torch.equal(buffer.returns, buffer.advantages + buffer.values)


@given(st.sampled_from([(6, 2), (6, 3), (6, 6), (4, 1)]), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_every_step_comes_once_and_in_order(lengths, num_envs, per_batch):
    num_steps, length = lengths
    buffer, *_ = filled(num_steps, num_envs, length, seed=0, state=True)
    seen = []
    for batch in buffer.minibatches(per_batch):
        assert len(batch.actions) <= per_batch
        assert batch.actions.shape[1] == length
        # Environment n counts n, n + N, n + 2 N, ...: one sequence is one environment, in order.
        assert (batch.actions.diff(dim=1) == num_envs).all()
        assert torch.equal(batch.observations[..., 0], batch.actions)
        assert torch.equal(batch.old_log_probs, -batch.old_values)
        flat = batch.actions.flatten()
        assert torch.equal(batch.old_values.flatten(), buffer.values.flatten()[flat])
        assert torch.equal(batch.advantages.flatten(), buffer.advantages.flatten()[flat])
        assert torch.equal(batch.rewards.flatten(), buffer.rewards.flatten()[flat])
        if batch.state is not None:
            assert torch.equal(batch.state[0][:, 0].long(), batch.actions[:, 0])
        expected = buffer.memory_starts.flatten()[flat].view_as(batch.actions)
        got = torch.zeros_like(expected) if batch.starts is None else batch.starts
        if batch.state is None:
            expected[:, 0] = False  # a fresh state needs no reset
        assert torch.equal(got, expected)
        seen += flat.tolist()
    assert sorted(seen) == list(range(num_steps * num_envs))


def test_no_state_is_kept_where_trials_fill_the_sequences():
    starts = torch.zeros(6, 2, dtype=torch.bool)
    starts[::3] = True
    buffer, *_ = filled(6, 2, 3, seed=0, memory_starts=starts, state=True)
    for batch in buffer.minibatches(2):
        assert batch.state is None
        assert batch.starts is None


def test_the_second_rollout_replaces_the_first():
    buffer, *_ = filled(4, 2, 2, seed=0, state=True)
    filled(4, 2, 2, seed=1, state=True, buffer=buffer)
    alone, *_ = filled(4, 2, 2, seed=1, state=True)
    assert torch.equal(buffer.returns, alone.returns)
    numbers = sorted(n for batch in buffer.minibatches(1) for n in batch.actions.flatten().tolist())
    assert numbers == list(range(8))


def test_minibatches_leave_the_rollout_as_it_is():
    starts = torch.zeros(4, 1, dtype=torch.bool)
    starts[::2] = True
    buffer, *_ = filled(4, 1, 2, seed=0, memory_starts=starts, state=True)
    list(buffer.minibatches(1))
    assert torch.equal(buffer.memory_starts, starts)
