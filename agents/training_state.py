"""All that a training run needs to go on exactly where it stopped, in plain data."""

from collections import deque
from typing import Any

from ..memory.state import flatten_state, map_state, unflatten_state
from ..tracking import rng_state, set_rng_state
from .agent_files import load_weights
from .memory_ppo import MemoryPPO
from .optimizer_state import load_optimizer
from .sb3_vec_env import SB3VecEnv


def training_state(model: MemoryPPO) -> dict[str, Any]:
    """Everything random, learned or in progress, between two rollouts.

    Returns:
        A tree for :func:`driftwise.tracking.save_checkpoint`. ``env`` is None where the environment
        has no ``get_state``: such a run restarts its episodes on resume.
    """
    env: Any = model.get_env()
    memory = model._memory_state
    return {
        "policy": model.policy.state_dict(),
        "optimizer": model.policy.optimizer.state_dict(),
        "rng": rng_state(),
        "env": _env_state(env),
        "num_timesteps": model.num_timesteps,
        "n_updates": model._n_updates,
        "last_obs": model._last_obs,
        "last_episode_starts": model._last_episode_starts,
        "memory_starts": model._memory_starts,
        "memory_state": None if memory is None else flatten_state(memory),
        "episodes": [dict(episode) for episode in model.ep_info_buffer or ()],
        "successes": list(model.ep_success_buffer or ()),
    }


def _env_state(env: Any) -> Any:
    """The environment's state, or None where it cannot be had whole.

    Wrappers pass ``get_state`` on, but have states of their own (running means, stacked frames).
    """
    whole = isinstance(env, SB3VecEnv) and env.has_state and env.env is env.env.unwrapped
    return env.get_state() if whole else None


def load_training_state(model: MemoryPPO, state: dict[str, Any]) -> bool:
    """Put a model back to where :func:`training_state` was taken.

    Args:
        model: made with the same arguments and the same number of environments.
        state: the tree.

    Returns:
        Whether the environment goes on too; if not, the next ``learn`` resets it.

    Raises:
        ValueError: if the weights are those of another architecture; the model is as before.
    """
    load_weights(model.policy, state["policy"])
    load_optimizer(model.policy.optimizer, state["optimizer"])
    model.num_timesteps, model._n_updates = state["num_timesteps"], state["n_updates"]
    model.ep_info_buffer = deque(state["episodes"], maxlen=model._stats_window_size)
    model.ep_success_buffer = deque(state["successes"], maxlen=model._stats_window_size)
    env: Any = model.get_env()
    continues = state["env"] is not None
    if continues:
        env.set_state(state["env"])
        model._last_obs = state["last_obs"]
        model._last_episode_starts = state["last_episode_starts"]
    # A memory that is never reset outlives its episodes, too.
    if state["memory_state"] is not None and (continues or model.memory_reset == "never"):
        like = model.policy.memory.initial_state(model.n_envs)
        saved = unflatten_state(like, state["memory_state"])
        model._memory_state = map_state(lambda x: x.to(model.device), saved)
        model._memory_starts = state["memory_starts"]
    # Last, since everything above may draw random numbers.
    set_rng_state(state["rng"])
    return continues
