"""Proximal policy optimisation for agents with any memory, on stable-baselines3."""

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import FloatSchedule, explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ..memory.state import State, map_state, select_rows
from .memory_policy import MemoryPolicy
from .memory_reset import MEMORY_RESETS, memory_starts, trial_starts
from .minibatch_sizes import check_numbers, minibatch_sizes
from .objectives import OBJECTIVES, minus_regret
from .ppo_loss import LossWeights, ppo_loss
from .sb3_vec_env import SB3VecEnv
from .sequence_buffer import SequenceBuffer


class MemoryPPO(OnPolicyAlgorithm):
    """PPO (Schulman et al. 2017) with a memory that is trained through time.

    A drop-in among stable-baselines3's algorithms: ``learn``, ``predict(obs, state,
    episode_start)``, ``save``, ``load``, callbacks and loggers work as there. Rollouts are cut into
    sequences of one length and trained on in the memory's parallel form, without padding; resets
    inside a sequence are handled by the memory.

    Args:
        policy: ``"MemoryPolicy"``, or a subclass of :class:`MemoryPolicy`.
        env: an environment, its id, an SB3 ``VecEnv``, or a Gymnasium ``VectorEnv``.
        learning_rate: step size of Adam, or a function of the remaining progress (1 to 0).
        n_steps: T, steps of each environment in a rollout.
        sequence_length: L, steps through which gradients flow; a divisor of ``n_steps``, by default
            all of it.
        batch_size: steps in a minibatch, a multiple of L that divides T times the number of
            environments; by default a quarter of the rollout's sequences.
        n_epochs: passes over a rollout.
        gamma: discount.
        gae_lambda: lambda of generalised advantage estimation.
        clip_range: clipping of the probability ratio, or a function of the remaining progress.
        normalize_advantage: standardise the advantages of each minibatch.
        ent_coef: weight of the entropy bonus, or a function of the remaining progress.
        vf_coef: weight of the value loss, the share of the returns' variance that is unexplained.
        reward_coef: weight of predicting the reward of each step, from the memory and the action
            taken: an auxiliary loss, the share of the rewards' variance that is unexplained. It
            teaches a memory what to keep far sooner than advantages do, wherever rewards tell of
            the world; 0 is plain PPO.
        reward_horizon: rewards that are predicted at each step: its own, and those of the steps
            after it, as far as the episode goes. With more than one, an action is also known by
            what becomes possible after it.
        max_grad_norm: largest norm of a gradient.
        target_kl: stop the epochs of a rollout at 1.5 times this divergence.
        objective: what to maximise: the ``"reward"``, or minus the dynamic ``"regret"`` that a
            simulated environment tells in its info. Where the agent has no part in how the world
            changes, both have the same optimum, as what the best action would earn does not depend
            on the agent; but regrets are without the noise of rewards and without what makes one
            world richer than another, so that much is learned from fewer steps, and at longer
            horizons. The agent itself sees no regret: it plays as ever where none is told.
        memory_reset: when the memory forgets. ``"episode"``: where an episode starts. ``"trial"``:
            where an episode starts whose reset info does not say ``trial_start = False``, so that
            an environment may keep one task for several episodes; returns then count to the end of
            the trial, so that it pays to explore early (RL²; Duan et al. 2016). ``"never"``: only
            before the very first step; returns count to the end of the episode.
        stats_window_size: episodes over which the logged return is averaged.
        tensorboard_log: folder for stable-baselines3's own TensorBoard logs.
        policy_kwargs: arguments of the policy, such as ``memory`` and ``memory_kwargs``.
        verbose: 0 for silence, 1 for progress, 2 for everything.
        seed: seed of the generators of Python, numpy and torch, and of the environment.
        device: torch device; ``"auto"`` takes a GPU if there is one.

    Raises:
        ValueError: for numbers out of range, lengths that do not divide, an unknown
            ``memory_reset`` or ``objective``, or, while training, observations or rewards that are
            not finite, or no regret where that is the objective.
        FloatingPointError: if a gradient is not finite; the weights are still those before it.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MemoryPolicy": MemoryPolicy}
    policy: MemoryPolicy  # type: ignore[assignment]
    rollout_buffer: SequenceBuffer  # type: ignore[assignment]

    def __init__(
        self,
        policy: str | type[MemoryPolicy],
        env: GymEnv | VectorEnv | str | None,
        learning_rate: float | Schedule = 1e-3,
        n_steps: int = 128,
        sequence_length: int | None = None,
        batch_size: int | None = None,
        n_epochs: int = 4,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        clip_range: float | Schedule = 0.2,
        normalize_advantage: bool = True,
        ent_coef: float | Schedule = 0.01,
        vf_coef: float = 0.03,
        reward_coef: float = 0.0,
        reward_horizon: int = 1,
        max_grad_norm: float = 0.5,
        target_kl: float | None = None,
        objective: str = "reward",
        memory_reset: str = "episode",
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        if memory_reset not in MEMORY_RESETS:
            raise ValueError(
                f"memory_reset must be one of {', '.join(MEMORY_RESETS)}, got {memory_reset!r}"
            )
        if objective not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, got {objective!r}")
        super().__init__(
            policy,  # type: ignore[arg-type]
            env,  # type: ignore[arg-type]
            learning_rate=learning_rate,
            n_steps=n_steps,
            gamma=gamma,
            gae_lambda=gae_lambda,
            ent_coef=0.0,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,
            use_sde=False,
            sde_sample_freq=-1,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            seed=seed,
            device=device,
            supported_action_spaces=(
                spaces.Box,
                spaces.Discrete,
                spaces.MultiDiscrete,
                spaces.MultiBinary,
            ),
            _init_setup_model=False,
        )
        self.sequence_length = sequence_length
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.clip_range = clip_range
        self.ent_coef = ent_coef  # type: ignore[assignment]
        self.reward_coef = reward_coef
        self.reward_horizon = reward_horizon
        self.normalize_advantage = normalize_advantage
        self.target_kl = target_kl
        self.objective = objective
        self.memory_reset = memory_reset
        self._n_updates = 0
        self._memory_state: State = None
        self._memory_starts: np.ndarray | None = None
        if _init_setup_model:
            self._setup_model()

    @staticmethod
    def _wrap_env(
        env: GymEnv | VectorEnv, verbose: int = 0, monitor_wrapper: bool = True
    ) -> VecEnv:
        if isinstance(env, VectorEnv):
            env = SB3VecEnv(env)
        return BaseAlgorithm._wrap_env(env, verbose, monitor_wrapper)

    def _setup_model(self) -> None:
        # Here and not in __init__, which `load` calls before it knows the values.
        check_numbers(self)
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        self.policy = self.policy_class(  # type: ignore[assignment]
            self.observation_space,
            self.action_space,
            self.lr_schedule,
            reward_horizon=self.reward_horizon,
            **self.policy_kwargs,
        ).to(self.device)
        self.clip_range = FloatSchedule(self.clip_range)
        self.ent_coef = FloatSchedule(self.ent_coef)  # type: ignore[assignment]
        length, self.sequences_per_batch = minibatch_sizes(
            self.n_steps, self.n_envs, self.sequence_length, self.batch_size
        )
        self.rollout_buffer = SequenceBuffer(
            self.n_steps,
            self.n_envs,
            length,
            self.gamma,
            self.gae_lambda,
            self.reward_horizon,
        )
        if self._memory_state is not None:
            self._memory_state = map_state(lambda x: x.to(self.device), self._memory_state)

    @classmethod
    def load(cls, path: Any, *args: Any, **kwargs: Any) -> "MemoryPPO":
        """Load what ``save`` wrote, as in stable-baselines3 (pickled code may run).

        Raises:
            ValueError: if ``path`` is no such file, or only a part of one.
        """
        if isinstance(path, (str, os.PathLike)) and Path(path).is_dir():
            raise ValueError(
                f"path must be a file that MemoryPPO.save wrote, got the folder {path}; "
                "load_agent loads an agent's folder"
            )
        try:
            return super().load(path, *args, **kwargs)
        except AssertionError as error:  # how stable-baselines3 tells of a damaged archive
            raise ValueError(f"path must be a whole file, got {path}: {error}") from error

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        fresh = reset_num_timesteps or self._last_obs is None
        result = super()._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        known = self._memory_starts is not None and len(self._memory_starts) == self.n_envs
        if not known or (fresh and self.memory_reset != "never"):
            self._memory_state = None
            self._memory_starts = np.ones(self.n_envs, dtype=bool)
        return result

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "MemoryPPO",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> "MemoryPPO":
        """Train for at least ``total_timesteps`` steps (arguments as in stable-baselines3).

        Unlike there, a rollout is logged after it has been trained on, with that training's losses.
        """
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        assert self.env is not None
        callback.on_training_start(locals(), globals())
        iteration = 0
        while self.num_timesteps < total_timesteps:
            if not self.collect_rollouts(self.env, callback, self.rollout_buffer, self.n_steps):
                break
            self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
            # The last rollout may go beyond the total, and schedules below zero would unlearn.
            self._current_progress_remaining = max(0.0, self._current_progress_remaining)
            self.train()
            iteration += 1
            if log_interval is not None and iteration % log_interval == 0:
                self.dump_logs(iteration)
        callback.on_training_end()
        return self

    def collect_rollouts(  # type: ignore[override]
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: SequenceBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer with ``n_rollout_steps`` steps of every environment.

        Returns:
            False if the callback asked to stop.

        Raises:
            ValueError: if an observation or a reward is not finite.
        """
        assert self._last_obs is not None and self._memory_starts is not None
        self._check_finite("observations", self._last_obs)
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        regrets: list[float] = []
        for _ in range(n_rollout_steps):
            obs = self._to_tensor(self._last_obs)
            memory_start = self._to_tensor(self._memory_starts)
            rollout_buffer.add_state(self._memory_state, memory_start)
            with torch.no_grad():
                decision = self.policy.act(obs, self._memory_state, memory_start, in_place=True)
            self._memory_state = decision.state
            actions = self.policy.to_actions(decision.actions)

            new_obs, rewards, dones, infos = env.step(actions)

            self.num_timesteps += env.num_envs
            self._check_finite("observations", new_obs)
            self._check_finite("rewards", rewards)
            if self.objective == "regret":
                rewards = minus_regret(env, infos)
            gained = self._to_tensor(rewards.astype(np.float32))
            trial_start = None
            if dones.any():
                finished = np.flatnonzero(dones)
                self._update_info_buffer([infos[i] for i in finished], dones[finished])
                if self.memory_reset == "trial":
                    trial_start = trial_starts(env, dones)
            starts = memory_starts(self.memory_reset, dones, trial_start)
            # A return counts to the end of the trial, where there are trials.
            ends = starts if self.memory_reset == "trial" else dones
            bootstrap = self._bootstrap_truncated(np.flatnonzero(ends), infos)
            rollout_buffer.add(
                obs,
                decision.actions,
                gained,
                bootstrap,
                decision.values,
                decision.log_probs,
                self._to_tensor(ends),
                memory_start,
            )
            self._last_obs = new_obs  # type: ignore[assignment]
            self._last_episode_starts = dones
            self._memory_starts = starts
            arrays = getattr(env, "info_arrays", {})
            if "regret" in arrays:
                regret = arrays["regret"]
                if "dead_step" in arrays:
                    regret = regret[~arrays["dead_step"]]
                regrets.append(float(regret.mean()))
            # Last, so that what a callback saves, or a later `learn` goes on from, is consistent.
            callback.update_locals(locals())
            if not callback.on_step():
                return False

        with torch.no_grad():
            last_value = self.policy.predict_values(
                self._to_tensor(self._last_obs),
                self._memory_state,
                self._to_tensor(self._memory_starts),
            )
        rollout_buffer.finish(last_value)
        if regrets:
            self.logger.record("rollout/regret", float(np.mean(regrets)))
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _to_tensor(self, arrays: Any) -> Any:
        """A copy on the device: environments may use their arrays again."""
        if isinstance(arrays, dict):
            return {key: torch.tensor(value, device=self.device) for key, value in arrays.items()}
        return torch.tensor(arrays, device=self.device)

    def _check_finite(self, name: str, arrays: Any) -> None:
        for array in arrays.values() if isinstance(arrays, dict) else (arrays,):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                bad = np.argwhere(~np.isfinite(array))[0]
                raise ValueError(
                    f"{name} must be finite, got {array[tuple(bad)]} from environment {bad[0]} "
                    f"at timestep {self.num_timesteps}"
                )

    def _bootstrap_truncated(self, finished: np.ndarray, infos: list[dict[str, Any]]) -> Tensor:
        """Discounted values (N,) of the states in which time limits cut episodes short; else 0."""
        bootstrap = torch.zeros(self.n_envs, device=self.device)
        rows = [i for i in finished if infos[i].get("TimeLimit.truncated", False)]
        if not rows:
            return bootstrap
        last = [infos[i]["terminal_observation"] for i in rows]
        if isinstance(last[0], dict):
            stacked: Any = {key: np.stack([obs[key] for obs in last]) for key in last[0]}
        else:
            stacked = np.stack(last)
        with torch.no_grad():
            values = self.policy.predict_values(
                self._to_tensor(stacked), select_rows(self._memory_state, rows), None
            )
        bootstrap[rows] = self.gamma * values
        return bootstrap

    def train(self) -> None:
        """Update the policy from the rollout in the buffer.

        Raises:
            FloatingPointError: if a gradient is not finite; the update is not made.
        """
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        clip_range = self.clip_range(self._current_progress_remaining)  # type: ignore[operator]
        ent_coef = self.ent_coef(self._current_progress_remaining)  # type: ignore[operator]
        self.policy.critic.observe(self.rollout_buffer.returns)
        if self.reward_coef:
            self.policy.reward_head.observe(self.rollout_buffer.rewards)
        weights = self.loss_weights(clip_range, ent_coef)
        history: list[dict[str, Tensor]] = []
        for _ in range(self.n_epochs):
            self._n_updates += 1
            if not self._epoch(weights, history):
                break

        means = torch.stack([torch.stack(list(losses.values())) for losses in history]).mean(0)
        for name, mean in zip(history[0], means.tolist(), strict=True):
            self.logger.record(f"train/{name}", mean)
        values, returns = self.rollout_buffer.values, self.rollout_buffer.returns
        explained = explained_variance(
            values.flatten().cpu().numpy(), returns.flatten().cpu().numpy()
        )
        self.logger.record("train/explained_variance", float(explained))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip_range)
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", self.policy.log_std.exp().mean().item())

    def loss_weights(self, clip_range: float, ent_coef: float) -> LossWeights:
        """How the loss is added up, with these values of what follows a schedule."""
        fixed = (self.vf_coef, self.reward_coef, self.normalize_advantage)
        return LossWeights(clip_range, ent_coef, *fixed)

    def _epoch(self, weights: LossWeights, history: list[dict[str, Tensor]]) -> bool:
        """One pass over the rollout; False if the policy has gone far enough from the old one."""
        for batch in self.rollout_buffer.minibatches(self.sequences_per_batch):
            loss, measured = ppo_loss(self.policy, batch, weights)
            history.append(measured)
            if self.target_kl is not None and measured["approx_kl"] > 1.5 * self.target_kl:
                return False
            self.policy.optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            if not norm.isfinite():
                raise FloatingPointError(
                    f"the gradient must be finite, its norm is {norm.item()} at timestep "
                    f"{self.num_timesteps}; a smaller learning_rate may help"
                )
            self.policy.optimizer.step()
        return True
