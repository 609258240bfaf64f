"""The nearest environments of other packages, for :mod:`driftwise.benchmarks.env_speed`.

None is the same task as ours. Packages that are not installed skip their cells.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from driftwise.tracking import SkipCell

PACKAGES = ("minigrid", "popgym", "river", "ns-gym", "gymnax", "jax")

STEPS = 100  # of one compiled call


def _import(module: str) -> Any:
    """Import a module of a peer.

    Raises:
        SkipCell: It cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise SkipCell(f"{module} cannot be imported ({error}): see the extra `peers`") from None


def _memory() -> gym.Env[Any, Any]:
    """Look at an object, walk down a corridor, choose the same one at its end; 7 x 7 cells seen."""
    env: gym.Env[Any, Any] = _import("minigrid.envs").MemoryEnv(size=7)
    return env


def _four_rooms() -> gym.Env[Any, Any]:
    """Find a goal in 19 x 19 cells; new places of doors, goal and agent in every episode."""
    env: gym.Env[Any, Any] = _import("minigrid.envs").FourRoomsEnv()
    return env


def _popgym_bandit() -> gym.Env[Any, Any]:
    """Ten Bernoulli arms, drawn anew in every episode of 200 steps."""
    env: gym.Env[Any, Any] = _import("popgym.envs.multiarmed_bandit").MultiarmedBanditEasy()
    return env


def _river_bandit() -> gym.Env[Any, Any]:
    """Ten Gaussian arms that do not change, 1,000 steps."""
    env: gym.Env[Any, Any] = _import("river.bandit.envs").KArmedTestbed()
    return env


def _ns_gym_cartpole() -> gym.Env[Any, Any]:
    """CartPole whose gravity takes a bounded random walk, a step of it before each step."""
    wrapper = _import("ns_gym.wrappers").NSClassicControlWrapper
    walk = _import("ns_gym.update_functions").BoundedRandomWalk
    every_step = _import("ns_gym.schedulers").ContinuousScheduler()
    gravity = walk(every_step, mu=0.0, sigma=0.1, lo=5.0, hi=15.0, seed=0)
    env: gym.Env[Any, Any] = wrapper(gym.make("CartPole-v1"), {"gravity": gravity})
    return env


PEERS: dict[str, Callable[[], gym.Env[Any, Any]]] = {
    "minigrid_MemoryEnv": _memory,
    "minigrid_FourRoomsEnv": _four_rooms,
    "popgym_MultiarmedBandit": _popgym_bandit,
    "river_KArmedTestbed": _river_bandit,
    "ns_gym_CartPole": _ns_gym_cartpole,
}


class Gymnax(NamedTuple):
    """An environment of gymnax, stepped from Python or many steps to a compiled call."""

    env_id: str
    scan: bool


GYMNAX = {
    f"gymnax_{env_id.partition('-')[0]}_{'scan' if scan else 'python'}": Gymnax(env_id, scan)
    # Two arms that are drawn per episode; Miconi's maze, whose goal moves per episode; one bit to
    # remember.
    for env_id in ("BernoulliBandit-misc", "MetaMaze-misc", "MemoryChain-bsuite")
    for scan in (False, True)
}


def _make_gymnax(env_id: str, num_envs: int | None) -> tuple[Any, Any, Any, Any]:
    """``reset`` and ``step`` of one environment (None) or several, a key, actions (STEPS, ...)."""
    jax, gymnax = _import("jax"), _import("gymnax")
    env, params = gymnax.make(env_id)
    actions = np.random.default_rng(0).integers(
        env.num_actions, size=(STEPS,) if num_envs is None else (STEPS, num_envs)
    )

    def reset(key: Any) -> Any:
        if num_envs is None:
            return env.reset(key, params)
        return jax.vmap(env.reset, in_axes=(0, None))(jax.random.split(key, num_envs), params)

    def step(key: Any, state: Any, action: Any) -> Any:
        if num_envs is None:
            return env.step(key, state, action, params)
        keys = jax.random.split(key, num_envs)
        return jax.vmap(env.step, in_axes=(0, 0, 0, None))(keys, state, action, params)

    return reset, step, jax.random.key(0), actions.astype(np.int32)


def run_gymnax(env_id: str, num_envs: int | None) -> Callable[[float], float]:
    """A call of the compiled step per step, the observations of which are waited for."""
    reset, step, first_key, actions = _make_gymnax(env_id, num_envs)
    jax = _import("jax")

    @jax.jit
    def advance(key: Any, state: Any, action: Any) -> Any:
        key, own = jax.random.split(key)
        observation, state, *rest = step(own, state, action)
        return key, state, observation, rest

    _, first_state = reset(first_key)

    def measure(seconds: float) -> float:
        key, state = first_key, first_state
        count, begin = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds:
            for action in actions:
                key, state, observation, _ = advance(key, state, action)
                observation.block_until_ready()
            count += actions.size
        return count / elapsed

    return measure


def run_gymnax_scan(env_id: str, num_envs: int | None) -> Callable[[float], float]:
    """STEPS steps in one compiled call, which returns all observations and rewards."""
    reset, step, first_key, actions = _make_gymnax(env_id, num_envs)
    jax = _import("jax")

    @jax.jit
    def advance(key: Any, state: Any) -> Any:
        def body(carry: Any, action: Any) -> Any:
            key, own = jax.random.split(carry[0])
            observation, state, reward, terminated, truncated, _ = step(own, carry[1], action)
            return (key, state), (observation, reward, terminated, truncated)

        return jax.lax.scan(body, (key, state), actions)

    _, first_state = reset(first_key)

    def measure(seconds: float) -> float:
        carry = first_key, first_state
        count, begin = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds:
            carry, seen = advance(*carry)
            jax.block_until_ready(seen)
            count += actions.size
        return count / elapsed

    return measure
