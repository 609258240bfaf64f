"""Train an agent in a run folder that survives being killed."""

import dataclasses
import os
from typing import Any, Literal, NamedTuple

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger
from tqdm import tqdm

from ..memory.devices import find_device
from ..tracking import RunFolder
from .agent_files import save_agent
from .config import TrainConfig
from .memory_ppo import MemoryPPO
from .training_state import load_training_state, training_state
from .worlds import make_vector_env, training_world_seed


class Trained(NamedTuple):
    """What :func:`train_agent` leaves.

    Attributes:
        model: the trained agent.
        run: its open run folder.
        episodes_continued: False if the run was resumed and its environment, which could not be
            saved, began new episodes.
    """

    model: MemoryPPO
    run: RunFolder
    episodes_continued: bool


def train_agent(
    config: TrainConfig,
    *,
    runs: str | os.PathLike[str] = "runs",
    name: str | None = None,
    resume: Literal["auto"] | bool = "auto",
    progress: bool = True,
) -> "Trained":
    """Train an agent, or go on with a run that was stopped.

    Started again with the same arguments after being killed at any moment, a run continues from
    its last checkpoint and ends, on a CPU, with bitwise the same weights and metrics.

    Args:
        config: what to train.
        runs: folder of all runs; this one is ``runs/<environment>/<name>-<seed>``.
        name: the run's name; the memory's by default.
        resume: ``"auto"`` continues a run that is there; True requires one; False refuses one.
        progress: show a progress bar.

    Returns:
        The trained agent and its open run folder, in which the agent also lies as ``agent/``.

    Raises:
        ValueError: for a configuration that does not fit together, before anything is written.
    """
    model = make_agent(config)
    task = config.env.rpartition(":")[2].rsplit("/", 1)[-1]
    run = RunFolder.open(
        runs, task, name or config.memory, config.seed, config, resume=resume, ignore=("device",)
    )
    try:
        saved = run.latest_checkpoint()
        continued = saved is None or load_training_state(model, saved[1])
        model.set_logger(Logger(None, [_RunWriter(run)]))
        remaining = config.total_timesteps - model.num_timesteps
        if remaining > 0:
            callbacks: list[BaseCallback] = [_Checkpoints(run, config.checkpoint_every)]
            if progress:
                callbacks.append(_ProgressBar(config.total_timesteps))
            model.learn(remaining, callbacks, reset_num_timesteps=False)
        save_agent(run.path / "agent", model, {"config": dataclasses.asdict(config)})
    except BaseException:
        run.close()  # or it would stay locked in an interactive session
        raise
    return Trained(model, run, continued or remaining <= 0)


def make_agent(config: TrainConfig) -> MemoryPPO:
    """The untrained agent of a configuration, with its training environments.

    Raises:
        ValueError: for a configuration that does not fit together.
    """
    config.check()
    find_device(config.device)
    env = make_vector_env(config.env, config.num_envs, **config.env_kwargs)
    size = config.n_steps * config.num_envs
    if size % config.num_minibatches:
        raise ValueError(
            f"num_minibatches must divide the {size} steps of a rollout, "
            f"got {config.num_minibatches}"
        )
    model = MemoryPPO(
        "MemoryPolicy",
        env,
        learning_rate=Falling(config.learning_rate),
        n_steps=config.n_steps,
        sequence_length=config.sequence_length,
        batch_size=size // config.num_minibatches,
        n_epochs=config.n_epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip_range,
        ent_coef=Falling(config.ent_coef),
        vf_coef=config.vf_coef,
        reward_coef=config.reward_coef,
        reward_horizon=config.reward_horizon,
        objective=config.objective,
        max_grad_norm=config.max_grad_norm,
        memory_reset=config.memory_reset,
        policy_kwargs={
            "memory": config.memory,
            "width": config.width,
            "memory_kwargs": dict(config.memory_kwargs),
        },
        seed=config.seed,
        device=config.device,
    )
    # Seeds that follow one another must not share worlds: environment i takes seed + i.
    assert model.env is not None
    model.env.seed(training_world_seed(config.seed))
    return model


class Falling:
    """A schedule from ``start`` linearly to zero at the end of training."""

    def __init__(self, start: float) -> None:
        self.start = start

    def __call__(self, progress_remaining: float) -> float:
        """The value when this share of training remains."""
        return self.start * progress_remaining


class _RunWriter(KVWriter):
    """Passes what stable-baselines3 logs on to the run folder."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        self.run.log(step, {key: float(value) for key, value in key_values.items()})

    def close(self) -> None:
        """Nothing: the run folder is closed by its owner."""


class _Checkpoints(BaseCallback):
    """Saves everything between two rollouts, every so many rollouts and at the end."""

    def __init__(self, run: RunFolder, every: int) -> None:
        super().__init__()
        self.run, self.every, self.rollouts = run, every, 0

    def _on_rollout_start(self) -> None:
        if self.rollouts == self.every:
            self._save()
            self.rollouts = 0
        self.rollouts += 1

    def _on_training_end(self) -> None:
        self._save()

    def _save(self) -> None:
        self.run.checkpoint(self.model.num_timesteps, training_state(self.model))  # type: ignore[arg-type]

    def _on_step(self) -> bool:
        return True


class _ProgressBar(BaseCallback):
    """Steps done and left, with the regret, or else the return, of the last rollout."""

    def __init__(self, total_timesteps: int) -> None:
        super().__init__()
        self.total_timesteps = total_timesteps

    def _on_training_start(self) -> None:
        self.bar = tqdm(
            total=self.total_timesteps,
            initial=self.model.num_timesteps,
            unit="step",
            unit_scale=True,
            smoothing=0.05,
            dynamic_ncols=True,
        )

    def _on_rollout_end(self) -> None:
        self.bar.update(self.model.num_timesteps - self.bar.n)
        regret = self.logger.name_to_value.get("rollout/regret")
        if regret is not None:
            self.bar.set_postfix_str(f"regret {regret:.3f} a step")
        elif self.model.ep_info_buffer:
            returns = [episode["r"] for episode in self.model.ep_info_buffer]
            self.bar.set_postfix_str(f"return {np.mean(returns):.1f}")

    def _on_training_end(self) -> None:
        self.bar.close()

    def _on_step(self) -> bool:
        return True
