"""The configuration of a training run."""

from dataclasses import dataclass, field
from typing import Any

from .worlds import MAX_ENVS, MAX_SEEDS


@dataclass(frozen=True)
class TrainConfig:
    """One training run of a MemoryPPO agent.

    Every field is plain data, so that a run's folder holds the whole of it.
    """

    env: str = "driftwise/ShiftingBandit-v0"
    """Id of a Gymnasium environment."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the environment."""
    num_envs: int = 128
    """Environments stepped side by side."""
    total_timesteps: int = 7_680_000
    """Steps of all environments together; rounded up to whole rollouts."""

    memory: str = "sparse"
    """sparse, dense, gru, lstm or none."""
    width: int = 48
    """Features that go into the memory."""
    memory_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the memory, such as num_slots or num_layers."""
    memory_reset: str = "episode"
    """When the memory forgets: episode, trial or never."""

    n_steps: int = 200
    """Steps of each environment in a rollout."""
    sequence_length: int | None = None
    """Steps through which gradients flow; all of the rollout by default."""
    num_minibatches: int = 4
    """Minibatches that a rollout is cut into."""
    n_epochs: int = 3
    """Passes over a rollout."""
    learning_rate: float = 6e-3
    """Adam's step size at the beginning; it falls linearly to zero."""
    gamma: float = 0.9
    """Discount."""
    gae_lambda: float = 0.9
    """Lambda of generalised advantage estimation."""
    clip_range: float = 0.2
    """Clipping of the probability ratio."""
    ent_coef: float = 0.01
    """Weight of the entropy bonus at the beginning; it falls linearly to zero."""
    vf_coef: float = 0.03
    """Weight of the value loss, which is a share of the returns' variance."""
    reward_coef: float = 0.0
    """Weight of predicting each step's reward, an auxiliary loss: a share of their variance."""
    reward_horizon: int = 1
    """Rewards that are predicted at each step: its own, and those of the steps after it."""
    objective: str = "reward"
    """What to maximise: the reward, or minus the regret that a simulated environment tells."""
    max_grad_norm: float = 0.5
    """Largest norm of a gradient."""

    seed: int = 0
    """Seed of the weights, of the actions, and of the training worlds."""
    checkpoint_every: int = 20
    """Rollouts between checkpoints."""
    device: str = "cpu"
    """torch device; small memories are fastest on the CPU."""

    def check(self) -> None:
        """Raise a ``ValueError`` that names a field out of range."""
        for name in (
            "num_envs",
            "total_timesteps",
            "width",
            "n_steps",
            "num_minibatches",
            "n_epochs",
            "reward_horizon",
            "checkpoint_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_envs > MAX_ENVS:
            raise ValueError(f"num_envs must be at most {MAX_ENVS:,}, got {self.num_envs}")
        if not 0 <= self.seed < MAX_SEEDS:
            raise ValueError(f"seed must be from 0 to {MAX_SEEDS - 1:,}, got {self.seed}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
