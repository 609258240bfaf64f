"""Rollouts kept as sequences of one length, so that training needs no padding."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..memory.state import State, clone, map_state, select_rows


class Sequences(NamedTuple):
    """A minibatch of B sequences of L steps.

    Attributes:
        observations: (B, L, ...), or a dictionary of such.
        actions: (B, L, ...).
        old_log_probs: (B, L).
        old_values: (B, L).
        advantages: (B, L).
        returns: (B, L).
        rewards: (B, L, n), those of the step and of the n - 1 after it, without what was added for
            episodes cut short; NaN after the end of an episode (or trial), or of the rollout.
        starts: (B, L) bool, steps before which the memory is reset; None if there are none.
        state: memory state of B rows before the first step; None if every sequence starts fresh.
    """

    observations: Tensor | dict[str, Tensor]
    actions: Tensor
    old_log_probs: Tensor
    old_values: Tensor
    advantages: Tensor
    returns: Tensor
    rewards: Tensor
    starts: Tensor | None
    state: State


class SequenceBuffer:
    """One rollout of T steps in N environments, cut into T/L x N sequences of L steps.

    Memory states are kept at the sequences' first steps only; and not at all where every
    environment's memory is reset at each of these, as when a trial fills the rollout.

    Args:
        num_steps: T.
        num_envs: N.
        sequence_length: L, a divisor of T.
        gamma: discount.
        gae_lambda: lambda of generalised advantage estimation (Schulman et al. 2016).
        reward_horizon: n, rewards that are kept for each step: its own, and those that follow.
    """

    def __init__(
        self,
        num_steps: int,
        num_envs: int,
        sequence_length: int,
        gamma: float,
        gae_lambda: float,
        reward_horizon: int = 1,
    ) -> None:
        self.num_steps, self.num_envs, self.sequence_length = num_steps, num_envs, sequence_length
        self.gamma, self.gae_lambda, self.reward_horizon = gamma, gae_lambda, reward_horizon
        self.reset()

    def reset(self) -> None:
        """Forget the last rollout."""
        self._steps: list[tuple[State, ...]] = []
        self._states: list[State] = []
        self._fresh: list[bool] = []

    def add(
        self,
        observation: Tensor | dict[str, Tensor],
        action: Tensor,
        reward: Tensor,
        bootstrap: Tensor,
        value: Tensor,
        log_prob: Tensor,
        end: Tensor,
        memory_start: Tensor,
    ) -> None:
        """Add one step of all environments.

        Args:
            observation: (N, ...), or a dictionary of such.
            action: (N, ...).
            reward: (N,).
            bootstrap: (N,) what counts beside it where a time limit ended the episode: the
                discounted value of what would have followed; else 0.
            value: (N,) estimates before the step.
            log_prob: (N,).
            end: (N,) bool, True where no later reward counts for this step's return.
            memory_start: (N,) bool, rows whose memory was reset before the step.
        """
        step = (observation, action, reward, bootstrap, value, log_prob, end, memory_start)
        self._steps.append(step)

    def add_state(self, state: State, memory_start: Tensor) -> None:
        """Keep the memory state before the next step, if a sequence begins there.

        Args:
            state: state of N rows; None is the initial one.
            memory_start: (N,) bool, rows that the next step resets in any case.
        """
        if len(self._steps) % self.sequence_length == 0:
            fresh = state is None or bool(memory_start.all())
            self._fresh.append(fresh)
            self._states.append(state if fresh else clone(state))

    def finish(self, last_value: Tensor) -> None:
        """Stack the rollout and estimate advantages.

        Args:
            last_value: (N,) values of the observations after the last step.
        """
        (
            self.observations,
            self.actions,
            self.rewards,
            bootstraps,
            self.values,
            self.log_probs,
            ends,
            starts,
        ) = (
            map_state(lambda *steps: torch.stack(steps), *column)
            for column in zip(*self._steps, strict=True)
        )
        self.memory_starts = starts
        self._steps = []
        rewards = self.rewards + bootstraps
        alive = (~ends).to(rewards.dtype)
        next_values = torch.cat((self.values[1:], last_value[None]))
        surprise = rewards + self.gamma * alive * next_values - self.values
        self.advantages = torch.empty_like(rewards)
        advantage = torch.zeros_like(last_value)
        for t in reversed(range(self.num_steps)):
            advantage = surprise[t] + self.gamma * self.gae_lambda * alive[t] * advantage
            self.advantages[t] = advantage
        self.returns = self.advantages + self.values
        self._cut_into_sequences(ends)

    def minibatches(self, sequences_per_batch: int) -> Iterator[Sequences]:
        """Yield every sequence once, in random order (torch's global generator)."""
        count = self._sequences.actions.shape[0]
        for rows in torch.randperm(count).split(sequences_per_batch):
            parts = (None if x is None else select_rows(x, rows) for x in self._sequences)
            yield Sequences._make(parts)

    def _cut_into_sequences(self, ends: Tensor) -> None:
        starts = self._cut(self.memory_starts)
        fresh = all(self._fresh)
        if fresh:
            starts[:, 0] = False  # said already by `state=None`
        self._sequences = Sequences(
            observations=map_state(self._cut, self.observations),
            actions=self._cut(self.actions),
            old_log_probs=self._cut(self.log_probs),
            old_values=self._cut(self.values),
            advantages=self._cut(self.advantages),
            returns=self._cut(self.returns),
            rewards=self._cut(self._rewards_to_come(ends)),
            starts=starts if starts.any() else None,
            state=None if fresh else self._stacked_states(),
        )

    def _rewards_to_come(self, ends: Tensor) -> Tensor:
        """The rewards that a step, and each of the next, was followed by, (T, N, n)."""
        columns = [self.rewards]
        while len(columns) < self.reward_horizon:
            later = torch.full_like(self.rewards, torch.nan)
            later[:-1] = columns[-1][1:]
            columns.append(later.masked_fill(ends, torch.nan))
        return torch.stack(columns, -1)

    def _cut(self, x: Tensor) -> Tensor:
        """(T, N, ...) to (T/L * N, L, ...)."""
        cut = x.unflatten(0, (-1, self.sequence_length))  # (T/L, L, N, ...)
        return cut.transpose(1, 2).flatten(0, 1).clone()

    def _stacked_states(self) -> State:
        like = next(state for state in self._states if state is not None)
        states = [like if state is None else state for state in self._states]
        return map_state(lambda *cuts: torch.cat(cuts), *states)
