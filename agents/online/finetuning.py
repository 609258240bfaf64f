"""A trained agent that goes on learning while it acts, in all of its weights or in some."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import FloatSchedule
from torch import nn

from ...memory import UpdateMask
from ...memory.contract import check_rates
from ..memory_ppo import MemoryPPO

FINETUNING = ("full", "masked", "last_layer", "frozen")
LAST_LAYER = ("actor.", "critic.", "log_std")


class FinishedEpisode(NamedTuple):
    """An episode that ended during fine-tuning.

    Attributes:
        row: of the environments.
        first: its first step, counted for each row since fine-tuning began.
        length: its steps.
        episode_return: undiscounted.
    """

    row: int
    first: int
    length: int
    episode_return: float


class OnlineFinetuning:
    """Lets a trained :class:`MemoryPPO` go on learning in an environment while it acts there.

    The environment may change meanwhile: nothing is reset but the episodes. Every rollout goes on
    where the last one ended, with the same memory state and the same moments of the optimiser,
    within one call of :meth:`learn` and from one call to the next. Step sizes are constant, since
    schedules that fell to zero in training would teach nothing.

    ``driftwise.agents.training_state`` saves all of it. The model keeps the step size and the
    weight of the entropy bonus that it is given here.

    Args:
        model: an agent with an environment, as ``load_agent(folder, env, n_steps=64)`` loads it.
        method: ``"full"``: all weights learn. ``"masked"``: those that ``mask`` lets change; all
            else stays the same to the bit. ``"last_layer"``: the heads of actor and critic.
            ``"frozen"``: none; the memory alone adapts. (The value head also rescales itself, which
            changes no value: see ``value_head.py``.)
        mask: of ``"masked"``, made for ``model.policy``; see
            :func:`~driftwise.agents.online.train_update_mask`.
        learning_rate: step size of the model's optimiser.
        ent_coef: weight of the entropy bonus.

    Attributes:
        episodes: all that have ended so far, in order.

    Raises:
        ValueError: an argument is not what it must be, the model has no environment, or the mask
            does not fit its policy.
    """

    def __init__(
        self,
        model: MemoryPPO,
        method: str = "full",
        *,
        mask: UpdateMask | None = None,
        learning_rate: float = 1e-3,
        ent_coef: float = 0.0,
    ) -> None:
        if method not in FINETUNING:
            raise ValueError(f"method must be one of {', '.join(FINETUNING)}, got {method!r}")
        if (mask is None) == (method == "masked"):
            raise ValueError(f"mask must be given for masked, and only there; got {method!r}")
        if model.env is None:
            raise ValueError("model must have an environment: load_agent(folder, env)")
        check_rates(learning_rate=learning_rate)
        if method == "last_layer":
            mask = last_layer_mask(model.policy)
        if mask is not None:
            if method == "masked" and mask.kind not in ("sparse", "generated"):
                raise ValueError(
                    "mask must be of kind 'sparse', as the optimiser has step sizes of its own, "
                    f"got {mask.kind!r}"
                )
            mask.check_fits(dict(model.policy.named_parameters()))
        self.model, self.method, self.mask = model, method, mask
        model.lr_schedule = FloatSchedule(learning_rate)
        model.ent_coef = FloatSchedule(ent_coef)  # type: ignore[assignment]
        self.episodes: list[FinishedEpisode] = []
        self._watch = _WatchEpisodes(self.episodes, model.num_timesteps)

    def learn(self, total_timesteps: int) -> OnlineFinetuning:
        """Act for at least so many more steps of all environments together, and learn from them."""
        model = self.model
        if self.method == "frozen":
            act_only(model, total_timesteps, self._watch)
            return self
        handle = (
            None if self.mask is None else self.mask.attach(model.policy.optimizer, model.policy)
        )
        try:
            model.learn(total_timesteps, self._watch, reset_num_timesteps=False)
        finally:
            if handle is not None:
                handle.remove()
        return self


def act_only(model: MemoryPPO, total_timesteps: int, callback: BaseCallback | None = None) -> None:
    """Collect rollouts, from where the environment and the memory are, and learn nothing.

    The last rollout stays in ``model.rollout_buffer``.
    """
    total, watch = model._setup_learn(total_timesteps, callback, reset_num_timesteps=False)
    assert model.env is not None
    while model.num_timesteps < total:
        model.collect_rollouts(model.env, watch, model.rollout_buffer, model.n_steps)


def last_layer_mask(policy: nn.Module) -> UpdateMask:
    """A mask that opens the heads of actor and critic, and nothing else."""
    names = [name for name, _ in policy.named_parameters() if name.startswith(LAST_LAYER)]
    return UpdateMask(policy, "dense", tensors=names)


class _WatchEpisodes(BaseCallback):
    """Takes note of the episodes that end."""

    def __init__(self, episodes: list[FinishedEpisode], begun: int) -> None:
        super().__init__()
        self.episodes, self.begun = episodes, begun

    def _on_step(self) -> bool:
        infos: Any = self.locals["infos"]
        now = (self.num_timesteps - self.begun) // len(infos)
        for row in np.flatnonzero(self.locals["dones"]).tolist():
            episode = infos[row]["episode"]
            length = int(episode["l"])
            self.episodes.append(FinishedEpisode(row, now - length, length, float(episode["r"])))
        return True
