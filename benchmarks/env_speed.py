"""How fast the environments step: one process, one thread, writes results/env_speed.json.

    python -m driftwise.benchmarks.env_speed            # full measurement, about 5 minutes
    python -m driftwise.benchmarks.env_speed --seconds 0.2 --repeats 3 --folder /tmp

``steps_per_s`` counts environment transitions per second of wall time with random actions drawn
beforehand, infos included. Steps at which a vector environment only resets (NEXT_STEP) take time
and do not count. Repeats of all rows are interleaved, so that a busy moment of the machine hits all
alike. ``times_sync`` is how many times as fast the vector class is as SyncVectorEnv of the scalar
one, in the same repeat. Values are interquartile means over the repeats, with 95 % bootstrap
intervals. Rows of other packages are the nearest thing that they have, and not the same task.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import gymnasium as gym  # noqa: E402
import numpy as np  # noqa: E402

from driftwise.envs import ShiftingBandit, ShiftingMaze  # noqa: E402
from driftwise.evaluation import bootstrap_interval, write_result  # noqa: E402
from driftwise.tracking import machine, versions  # noqa: E402

SCALAR = "scalar"
WORLDS: dict[str, Callable[[], gym.Env[Any, Any]]] = {
    "ShiftingBandit": ShiftingBandit,
    "ShiftingMaze": ShiftingMaze,
}
PRESETS = (
    "RecurringBandit",
    "RestlessBandit",
    "ReactiveBandit",
    "RottingBandit",
    "StationaryMaze",
    "RedrawnMaze",
    "PermutedMaze",
    "BlockedMaze",
)
PACKAGES = ("driftwise", "numpy", "gymnasium", "popgym", "minigrid", "river")

Run = Callable[[float], float]  # seconds to measure -> transitions per second
Speeds = dict[tuple[str, str], list[float]]  # (row, setting) -> transitions per second by repeat


def run_scalar(env: gym.Env[Any, Any]) -> Run:
    """A single environment, reset where an episode ends."""
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(1000)]

    def run(seconds: float) -> float:
        env.reset(seed=0)
        count, begin = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds:
            for action in actions:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()
            count += len(actions)
        return count / elapsed

    return run


def run_vector(envs: gym.vector.VectorEnv[Any, Any, Any]) -> Run:
    """A vector environment; its resetting steps are not counted."""
    envs.action_space.seed(0)
    actions = [envs.action_space.sample() for _ in range(100)]

    def run(seconds: float) -> float:
        envs.reset(seed=0)
        done = np.zeros(envs.num_envs, dtype=bool)
        count, begin = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds:
            for action in actions:
                resetting = int(np.count_nonzero(done))
                _, _, terminated, truncated, _ = envs.step(action)
                done = terminated | truncated
                count += envs.num_envs - resetting
        return count / elapsed

    return run


def sync_row(world: str) -> str:
    """Row of SyncVectorEnv of a world's scalar class."""
    return f"{world}_SyncVectorEnv"


def contestants(sizes: list[int]) -> Iterator[tuple[str, str, Run]]:
    """Row, setting and what to measure: ours first, then what is near it and installed."""
    for world, make in WORLDS.items():
        env_id = f"driftwise/{world}-v0"
        yield world, SCALAR, run_scalar(make())
        yield f"{world}_gym.make", SCALAR, run_scalar(gym.make(env_id))
        for size in sizes:
            sync = gym.make_vec(env_id, size, vectorization_mode="sync")
            yield sync_row(world), f"num_envs_{size}", run_vector(sync)
            yield world, f"num_envs_{size}", run_vector(gym.make_vec(env_id, size))
    for preset in PRESETS:
        envs = gym.make_vec(f"driftwise/{preset}-v0", sizes[-1])
        yield preset, f"num_envs_{sizes[-1]}", run_vector(envs)
    yield "gymnasium_CartPole", SCALAR, run_scalar(gym.make("CartPole-v1"))
    for size in sizes:
        cartpole = gym.make_vec(
            "CartPole-v1", size, vectorization_mode=gym.VectorizeMode.VECTOR_ENTRY_POINT
        )
        yield "gymnasium_CartPole", f"num_envs_{size}", run_vector(cartpole)
    yield from peers()


def peers() -> Iterator[tuple[str, str, Run]]:
    """Bandits, mazes and memory tasks of other packages, where these are installed."""
    for package, module, name, arguments in (
        ("popgym", "popgym.envs.multiarmed_bandit", "MultiarmedBanditEasy", {}),
        ("minigrid", "minigrid.envs", "MemoryEnv", {"size": 7}),
        ("river", "river.bandit.envs", "KArmedTestbed", {}),
    ):
        try:
            make = getattr(import_module(module), name)
        except ImportError:
            print(f"{package}: not installed, left out")
            continue
        yield f"{package}_{name}", SCALAR, run_scalar(make(**arguments))


def measure(sizes: list[int], seconds: float, repeats: int) -> Speeds:
    """Speeds of all contestants, in turn in every repeat, after one round to warm up."""
    runs = {(row, setting): run for row, setting, run in contestants(sizes)}
    speeds: Speeds = {key: [] for key in runs}
    for repeat in range(repeats + 1):
        for key, run in runs.items():
            speeds[key].append(run(seconds))
        print(f"round {repeat} of {repeats}", flush=True)
    return {key: measured[1:] for key, measured in speeds.items()}


def make_table(speeds: Speeds) -> list[dict[str, Any]]:
    """The result's entries: speeds, and ratios within a repeat."""
    samples = {(*key, "steps_per_s"): values for key, values in speeds.items()}
    for (row, setting), fast in speeds.items():
        slow = speeds.get((sync_row(row), setting))
        if slow is not None:
            ratios = [ours / sync for ours, sync in zip(fast, slow, strict=True)]
            samples[row, setting, "times_sync"] = ratios
    return [
        {
            "row": row,
            "setting": setting,
            "metric": metric,
            **bootstrap_interval(values, "iqm")._asdict(),
        }
        for (row, setting, metric), values in samples.items()
    ]


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, measures, prints and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="per row and repeat")
    parser.add_argument("--repeats", type=int, default=7, help="after one round of warming up")
    parser.add_argument(
        "--num-envs", type=int, nargs="+", default=[1, 8, 64, 1024], help="sizes to measure"
    )
    parser.add_argument("--folder", type=Path, default=Path("results"), help="of env_speed.json")
    args = parser.parse_args(arguments)
    if args.seconds <= 0 or args.repeats < 1 or min(args.num_envs) < 1:
        parser.error("--seconds, --repeats and --num-envs must be positive")
    if not args.folder.is_dir():
        parser.error(f"--folder must be a folder, got {args.folder}")
    table = make_table(measure(args.num_envs, args.seconds, args.repeats))
    for entry in table:
        digits = 0 if entry["metric"] == "steps_per_s" else 1
        value, low, high = (f"{entry[key]:,.{digits}f}" for key in ("value", "low", "high"))
        print(
            f"{entry['row']:30s} {entry['setting']:14s} {entry['metric']:12s}"
            f"{value:>12s}  [{low}, {high}]"
        )
    result = {
        "name": "env_speed",
        "command": "python -m driftwise.benchmarks.env_speed "
        f"--seconds {args.seconds:g} --repeats {args.repeats} "
        f"--num-envs {' '.join(map(str, args.num_envs))}",
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions(PACKAGES),
        "protocol": " ".join((__doc__ or "").split("\n\n", 2)[2].split()),
        "statistic": "iqm over repeats, 95 % expanded percentile bootstrap",
        "seeds": [0],
        "table": table,
    }
    print(write_result(result, args.folder))


if __name__ == "__main__":
    main()
