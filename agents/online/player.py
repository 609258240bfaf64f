"""An online learner at play: every row of an environment has weights of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from ...memory import Parameters
from ...memory.inner_loop import check_finite
from ..plain_spaces import check_same_spaces
from ..players import Player
from .learner import OnlineLearner
from .network import Segment


class OnlinePlayer(Player):
    """Plays with a learner, which adapts to every row apart.

    A row's weights begin at the learner's with every episode, and change after each
    ``adapt_every`` of the row's own steps. What the learner itself has learned stays as it is.

    Args:
        learner: the learner.
        deterministic: take the most likely actions instead of samples.
        generator: where samples come from; torch's own by default.

    Attributes:
        num_parameters: of the network.
        num_timesteps: steps of training that the learner has had.
    """

    def __init__(
        self,
        learner: OnlineLearner,
        *,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        self.learner, self.deterministic, self.generator = learner, deterministic, generator
        self.num_parameters = sum(p.numel() for p in learner.net.parameters())
        self.num_timesteps = learner.num_timesteps

    def begin(self, env: VectorEnv, seed: int | None) -> None:
        """See :meth:`Player.begin`."""
        spaces = env.single_observation_space, env.single_action_space
        check_same_spaces(self.learner, *spaces)
        rows, every = env.num_envs, self.learner.config.adapt_every
        like = next(self.learner.net.parameters())
        shape = (rows, every)
        self._seen = Segment(  # what each row has seen since it last adapted
            like.new_zeros(rows, every + 1, spaces[0].shape[0]),  # type: ignore[index]
            torch.zeros(shape, dtype=torch.int64, device=like.device),
            like.new_zeros(shape),
        )
        self._count = np.zeros(rows, dtype=np.int64)  # steps in there
        self._every_row = np.arange(rows)
        with torch.no_grad():
            self._sizes = self.learner.step_sizes()
            self._theta = {n: p.detach().clone() for n, p in self.learner.initial(rows).items()}
        self._fast = self._theta

    @torch.no_grad()
    def act(self, obs: Any) -> NDArray[Any]:
        """See :meth:`Player.act`; rows that are due adapt first.

        Raises:
            FloatingPointError: adapted weights are not finite; names the tensor and the row.
        """
        obs = self._seen_by_network(obs)
        self._fast = self._adapted(obs)
        self._count[self._count == self.learner.config.adapt_every] = 0
        logits, _ = self.learner.predict(self._fast, obs)
        check_finite({"the logits": logits}, "after inner steps", vmapped=True)
        if self.deterministic:
            actions = logits.argmax(-1)
        else:
            probabilities = logits.softmax(-1)
            actions = torch.multinomial(probabilities, 1, generator=self.generator).squeeze(-1)
        self._seen.obs[self._every_row, self._count] = obs
        self._seen.actions[self._every_row, self._count] = actions
        return actions.cpu().numpy()

    @torch.no_grad()
    def probabilities(self, obs: Any) -> NDArray[np.float64]:
        """See :meth:`Player.probabilities`."""
        obs = self._seen_by_network(obs)
        logits, _ = self.learner.predict(self._adapted(obs), obs)
        return logits.softmax(-1).double().cpu().numpy()

    def observe(
        self, rewards: NDArray[np.float64], dones: NDArray[np.bool_], info: dict[str, Any]
    ) -> None:
        """See :meth:`Player.observe`."""
        scaled = self._to_tensor(rewards) * self.learner.config.reward_scale
        self._seen.rewards[self._every_row, self._count] = scaled
        self._count += 1
        if dones.any():
            self._count[dones] = 0
            mask = torch.from_numpy(dones).to(scaled.device)
            self._fast = {
                n: torch.where(mask.view(-1, *[1] * (p.ndim - 1)), self._theta[n], p)
                for n, p in self._fast.items()
            }

    def _adapted(self, obs: torch.Tensor) -> Parameters:
        """The weights of all rows after an inner step of those that are due; changes nothing.

        Args:
            obs: (N, D), what the rows see now, after the steps to learn from.
        """
        every = self.learner.config.adapt_every
        due = np.flatnonzero(self._count == every)
        if len(due) == 0 or self._sizes is None:
            return self._fast
        segment = Segment(*(part[due] for part in self._seen))
        segment.obs[:, every] = obs[due]
        fast, theta = ({n: p[due] for n, p in part.items()} for part in (self._fast, self._theta))
        moved = self.learner.adapt(fast, theta, self._sizes, segment)
        check_finite(moved, "in an inner step", vmapped=True)
        if len(due) == len(self._count):
            return moved
        rows = torch.from_numpy(due).to(obs.device)
        return {n: p.index_copy(0, rows, moved[n]) for n, p in self._fast.items()}

    def _seen_by_network(self, obs: Any) -> torch.Tensor:
        """Observations (N, D), a copy, without what is hidden."""
        seen = self._to_tensor(obs).clone()
        seen[:, list(self.learner.config.hidden)] = 0
        return seen

    def _to_tensor(self, array: Any) -> torch.Tensor:
        like = next(self.learner.net.parameters())
        return torch.as_tensor(np.asarray(array), dtype=like.dtype, device=like.device)
