"""How fast agents train: ours, sb3-contrib's RecurrentPPO and SB3's PPO, side by side.

    driftwise results run training_throughput --jobs 1     # needs the extra `peers`

Every cell is a process with one thread that trains on the standard bandit for about ten seconds
after a first, uncounted rollout; a seed is a repeat, and the rows of one seed run directly after
one another. All contestants step the same fast vector environment, through our adapter, so that
only the algorithms differ. Where SB3's defaults say nothing (ours), the memory is the default one.
"""

import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from driftwise.agents import MemoryPPO, SB3VecEnv, make_vector_env
from driftwise.tracking import Result

SECONDS = 10.0

SETTINGS: dict[str, dict[str, Any]] = {
    # SB3's defaults for recurrent policies, with 8 environments.
    "sb3_default": {"num_envs": 8, "n_steps": 128, "batch_size": 128, "n_epochs": 10},
    "default": {"num_envs": 64, "n_steps": 200, "batch_size": 3200, "n_epochs": 3},
}
# At the first setting each keeps its own default sizes; at the second, all are 48 wide, and ours
# has as many parameters as RecurrentPPO: 27,000.
RECURRENT: dict[str, dict[str, Any]] = {
    "sb3_default": {},
    "default": {"lstm_hidden_size": 48, "net_arch": [48]},
}
FEED_FORWARD: dict[str, dict[str, Any]] = {"sb3_default": {}, "default": {"net_arch": [48, 48]}}
LSTM_SIZE = {"sb3_default": 256, "default": 48}
FAST_WEIGHTS: dict[str, dict[str, Any]] = {
    "sb3_default": {},
    "default": {"memory_kwargs": {"key_size": 8, "value_size": 8}},
}


def _ours(setting: str, env: SB3VecEnv, arguments: dict[str, Any]) -> MemoryPPO:
    policy = FAST_WEIGHTS[setting]
    return MemoryPPO("MemoryPolicy", env, device="cpu", policy_kwargs=policy, **arguments)


def _ours_lstm(setting: str, env: SB3VecEnv, arguments: dict[str, Any]) -> MemoryPPO:
    policy = {"memory": "lstm", "width": LSTM_SIZE[setting]}
    return MemoryPPO("MemoryPolicy", env, device="cpu", policy_kwargs=policy, **arguments)


def _recurrent_ppo(setting: str, env: SB3VecEnv, arguments: dict[str, Any]) -> BaseAlgorithm:
    from sb3_contrib import RecurrentPPO

    policy = RECURRENT[setting]
    return RecurrentPPO("MlpLstmPolicy", env, device="cpu", policy_kwargs=policy, **arguments)


def _ppo(setting: str, env: SB3VecEnv, arguments: dict[str, Any]) -> BaseAlgorithm:
    policy = FEED_FORWARD[setting]
    return PPO("MlpPolicy", env, device="cpu", policy_kwargs=policy, **arguments)


ROWS: dict[str, Callable[[str, SB3VecEnv, dict[str, Any]], BaseAlgorithm]] = {
    "ours": _ours,
    "ours_lstm": _ours_lstm,
    "recurrent_ppo": _recurrent_ppo,
    "ppo": _ppo,
}


class _Stopwatch(BaseCallback):
    """Counts whole rollouts with their training, from the second on, until the time is up."""

    def _on_training_start(self) -> None:
        self.begun = 0.0

    def _on_rollout_start(self) -> None:
        now = time.perf_counter()
        if self.num_timesteps and not self.begun:
            self.begun, self.first = now, self.num_timesteps
        elif self.begun:
            self.elapsed, self.steps = now - self.begun, self.num_timesteps - self.first

    def _on_step(self) -> bool:
        return not (self.begun and getattr(self, "elapsed", 0.0) > SECONDS)


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Train one contestant and measure it."""
    torch.set_num_threads(1)
    sizes = dict(SETTINGS[setting])
    env = SB3VecEnv(make_vector_env("driftwise/ShiftingBandit-v0", sizes.pop("num_envs")))
    model = ROWS[row](setting, env, {"seed": seed, **sizes})
    stopwatch = _Stopwatch()
    model.learn(10**9, stopwatch)
    return {
        "env_steps_per_s": stopwatch.steps / stopwatch.elapsed,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "parameters": sum(p.numel() for p in model.policy.parameters()),
    }


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    networks: list[dict[str, Any]] = [RECURRENT, FEED_FORWARD, LSTM_SIZE, FAST_WEIGHTS]
    return {
        "sizes": SETTINGS[setting],
        "networks": [sizes[setting] for sizes in networks],
        "seconds": SECONDS,
        "version": 2,
    }


RESULT = Result(
    name="training_throughput",
    command="driftwise results run training_throughput --jobs 1",
    protocol="Environment steps per second of wall time, rollouts and training together, one "
    "thread; peak memory of the process in MB. Repeats in place of seeds.",
    rows=list(ROWS),
    settings=list(SETTINGS),
    seeds=list(range(5)),
    run=run,
    config=config,
)
