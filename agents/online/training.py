"""Train an online learner in a run folder that survives being killed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.utils import get_device
from tqdm import tqdm

from ...evaluation import bootstrap_interval
from ...tracking import (
    CheckpointError,
    RunFolder,
    load_checkpoint,
    load_metadata,
    save_checkpoint,
)
from ..agent_files import agent_folder
from ..plain_spaces import space_from_plain, space_to_plain
from ..play_agent import Step, play_agent, play_steps
from ..worlds import HELD_OUT_WORLDS, MAX_ENVS, find_spec, make_vector_env
from .config import OnlineConfig
from .learner import OnlineLearner
from .network import Segment
from .player import OnlinePlayer

KIND = "online_learner"


def train_online(
    config: OnlineConfig,
    *,
    runs: str | os.PathLike[str] = "runs",
    name: str | None = None,
    resume: Literal["auto"] | bool = "auto",
    progress: bool = True,
    tensorboard: bool = True,
) -> dict[str, Any]:
    """Train an online learner, or go on with a run that was stopped, and test it at the end.

    Started again with the same arguments after being killed at any moment, a run continues from its
    last checkpoint and ends, on a CPU, with bitwise the same learner and measurements.

    Args:
        config: what to train.
        runs: folder of all runs; this one is ``runs/<environment>/<name>-<seed>``.
        name: the run's name; ``online-<method>`` by default.
        resume: ``"auto"`` continues a run that is there; True requires one; False refuses one.
        progress: show a progress bar.
        tensorboard: write TensorBoard events, too.

    Returns:
        What is also in the folder's ``report.json``: ``folder``, ``config``, ``updates``,
        ``sparsity`` (by tensor and in all; empty if frozen) and ``test``, means over the held-out
        worlds with their 95 % intervals, of ``return`` and, where it is told, ``regret`` per step.
        The learner lies in the folder as ``agent/``.

    Raises:
        ValueError: a field of the configuration is not what it must be, or the environment does not
            fit.
        FloatingPointError: the learner has diverged; names the update and the tensor.
    """
    config.check()
    _check_adapts(config)
    env = make_vector_env(config.env, config.num_envs, **config.env_kwargs)
    learner = OnlineLearner(config, env.single_observation_space, env.single_action_space)
    run = RunFolder.open(
        runs,
        config.env.rsplit("/", 1)[-1],
        name or f"online-{config.method}",
        config.seed,
        config,
        resume=resume,
        ignore=("device", "updates", "test_worlds"),
        tensorboard=tensorboard,
    )
    with run:
        saved = run.latest_checkpoint()
        if saved is not None:
            learner.load_state_dict(saved[1])
        with tqdm(
            total=config.updates,
            initial=learner.updates,
            unit="update",
            disable=not progress,
            dynamic_ncols=True,
        ) as bar:
            while learner.updates < config.updates:
                episodes, returns = collect(learner, env, world_seed(config.seed, learner.updates))
                loss = learner.update(episodes)
                last = learner.updates >= config.updates
                shares = {f"sparsity/{n}": s for n, s in sparsity(learner).items()}
                run.log(learner.updates, {"return": returns.mean().item(), "loss": loss, **shares})
                if learner.updates % config.checkpoint_every == 0 or last:
                    run.checkpoint(learner.updates, learner.state_dict())
                bar.set_postfix_str(f"return {returns.mean():.2f}")
                bar.update()
        env.close()
        save_online_learner(run.path / "agent", learner)
        report = {
            "config": dataclasses.asdict(config),
            "updates": learner.updates,
            "sparsity": sparsity(learner),
            "test": measure(learner),
        }
        run.report(report)
        return {"folder": str(run.path), **report}


def _check_adapts(config: OnlineConfig) -> None:
    """Raise a ``ValueError`` if episodes are over before the first inner step."""
    registered = find_spec(config.env).max_episode_steps
    horizon = config.env_kwargs.get("max_episode_steps", registered)
    if config.method != "frozen" and horizon is not None and config.adapt_every >= horizon:
        raise ValueError(
            f"adapt_every must be below {horizon}, the steps of an episode, "
            f"got {config.adapt_every}: there would be no step of adaptation"
        )


def world_seed(seed: int, update: int) -> int:
    """Seed of the first world of an update, none of which is held out.

    Worlds are a function of the update, so that a resumed run meets the same ones.
    """
    return int(np.random.default_rng([seed, update]).integers(HELD_OUT_WORLDS - MAX_ENVS))


def collect(
    learner: OnlineLearner, env: VectorEnv, seed: int
) -> tuple[Segment, NDArray[np.float64]]:
    """Let a learner play one episode in every row, adapting as it goes.

    Returns:
        The episodes, (N, T + 1, D), (N, T), (N, T) with scaled rewards, and their returns (N,).

    Raises:
        ValueError: the episodes are not of one length.
        FloatingPointError: adapted weights are not finite; names update, tensor and row.
    """
    player = _Recorder(learner, generator=learner.generator)
    rewards: list[NDArray[np.float64]] = []

    def visit(step: Step) -> bool:
        rewards.append(step.rewards)
        if step.dones.any() and not step.dones.all():
            raise ValueError(
                "env must have episodes of one length to be trained on, got one that ended after "
                f"{len(rewards)} steps beside others that did not"
            )
        return not step.dones.any()

    try:
        play_steps(player, env, visit, seed=seed)
    except FloatingPointError as error:
        raise FloatingPointError(f"update {learner.updates + 1}: {error}") from None
    like = next(learner.net.parameters())
    scaled = torch.as_tensor(np.stack(rewards, 1) * learner.config.reward_scale).to(like)
    # What the last action led to is never learned from.
    obs = torch.stack([*player.obs, torch.zeros_like(player.obs[0])], 1)
    return Segment(obs, torch.stack(player.actions, 1), scaled), np.sum(rewards, axis=0)


class _Recorder(OnlinePlayer):
    """A player that keeps what it has seen and done."""

    def begin(self, env: VectorEnv, seed: int | None) -> None:
        super().begin(env, seed)
        self.obs: list[torch.Tensor] = []
        self.actions: list[torch.Tensor] = []

    def act(self, obs: Any) -> NDArray[Any]:
        self.obs.append(self._seen_by_network(obs))
        actions = super().act(obs)
        self.actions.append(torch.as_tensor(actions, device=self.obs[0].device))
        return actions


def sparsity(learner: OnlineLearner) -> dict[str, float]:
    """The share of weights that inner steps leave as they are, by tensor and ``total``."""
    if learner.mask is None:
        return {}
    report = learner.mask.sparsity()
    return {**report.tensors, "total": report.total}


def measure(learner: OnlineLearner) -> dict[str, dict[str, float]]:
    """Return, and regret per step where it is told, in held-out worlds: ``value, low, high, n``."""
    config = learner.config
    env = make_vector_env(config.env, config.test_worlds, **config.env_kwargs)
    record = play_agent(OnlinePlayer(learner), env, seed=HELD_OUT_WORLDS)
    env.close()
    scores = {"return": record.reward.sum(1)}
    if not np.isnan(record.regret).any():
        scores["regret"] = record.regret.mean(1)
    return {
        name: dict(bootstrap_interval(values, num_resamples=2_000)._asdict())
        for name, values in scores.items()
    }


def save_online_learner(folder: str | os.PathLike[str], learner: OnlineLearner) -> None:
    """Write a learner to a folder, as safetensors and JSON; it is replaced if it exists."""
    config = dataclasses.asdict(learner.config)
    tree = {
        "config": config,
        "observation_space": space_to_plain(learner.observation_space),
        "action_space": space_to_plain(learner.action_space),
        "learner": learner.state_dict(),
    }
    save_checkpoint(folder, tree, {"kind": KIND, "config": config})


def load_online_learner(folder: str | os.PathLike[str], device: str = "cpu") -> OnlineLearner:
    """Load a learner that :func:`save_online_learner` wrote; runs no code from the files.

    Raises:
        CheckpointError: the folder is damaged, or holds something else.
    """
    saved = load_checkpoint(folder)
    if not isinstance(saved, Mapping) or "learner" not in saved or "action_space" not in saved:
        raise CheckpointError(f"{folder} must hold an online learner, but it holds another thing")
    learner = OnlineLearner(
        dataclasses.replace(OnlineConfig(**saved["config"]), device=device),
        space_from_plain(saved["observation_space"]),
        space_from_plain(saved["action_space"]),
    )
    learner.load_state_dict(saved["learner"])
    return learner


def find_online_learner(name: str, device: torch.device | str = "auto") -> OnlineLearner | None:
    """The learner in the folder of a run, or in one of its own; None if there is none.

    Args:
        name: the folder.
        device: torch device; ``"auto"`` takes a GPU if there is one.
    """
    with agent_folder(name) as folder:
        if folder is None or load_metadata(folder).get("kind") != KIND:
            return None
        return load_online_learner(folder, str(get_device(device)))
