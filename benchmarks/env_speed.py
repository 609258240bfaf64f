"""How fast the environments step: one process, one thread, writes results/env_speed.json.

    python -m driftwise.benchmarks.env_speed            # full measurement, about 3 minutes
    python -m driftwise.benchmarks.env_speed --seconds 0.2 --repeats 3 --output /tmp/speed.json

Every row counts environment transitions per second of wall time with random actions drawn
beforehand, infos included. Steps at which a vector environment only resets (NEXT_STEP) take time
and do not count. Repeats of all rows are interleaved, so that a busy moment of the machine hits all
alike; ``value`` is the median of the repeats, ``low`` and ``high`` are the slowest and the fastest.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import gymnasium as gym  # noqa: E402
import numpy as np  # noqa: E402

import driftwise  # noqa: E402
from driftwise.envs import ShiftingBandit  # noqa: E402

ENV_ID = "driftwise/ShiftingBandit-v0"
NEAREST = "nearest, not equal"

Run = Callable[[float], float]  # seconds to measure -> transitions per second
Entry = tuple[str, str, Run]  # row, setting, run


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


def entries(sizes: list[int]) -> Iterator[Entry]:
    """What is measured: ours first, then what is near it and installed."""
    standard = "standard bandit"
    yield "ours_scalar", standard, run_scalar(ShiftingBandit())
    yield "ours_scalar_gym_make", standard, run_scalar(gym.make(ENV_ID))
    for size in sizes:
        sync = gym.make_vec(ENV_ID, size, vectorization_mode="sync")
        yield "ours_sync", f"{size} envs, {standard}", run_vector(sync)
        yield "ours_vector", f"{size} envs, {standard}", run_vector(gym.make_vec(ENV_ID, size))
    for preset in ("RecurringBandit", "RestlessBandit", "ReactiveBandit", "RottingBandit"):
        envs = gym.make_vec(f"driftwise/{preset}-v0", sizes[-1])
        yield "ours_vector", f"{sizes[-1]} envs, {preset}", run_vector(envs)
    yield "gymnasium_cartpole_scalar", NEAREST, run_scalar(gym.make("CartPole-v1"))
    for size in sizes:
        cartpole = gym.make_vec(
            "CartPole-v1", size, vectorization_mode=gym.VectorizeMode.VECTOR_ENTRY_POINT
        )
        yield "gymnasium_cartpole_vector", f"{size} envs, {NEAREST}", run_vector(cartpole)
    yield from peers()


def peers() -> Iterator[Entry]:
    """Bandits and memory tasks of other packages, where these are installed."""
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
        yield f"{package}_{name}", f"{NEAREST}: stationary", run_scalar(make(**arguments))


def measure(todo: list[Entry], seconds: float, repeats: int) -> list[dict[str, Any]]:
    """Rows of the result: median, slowest and fastest of the repeats."""
    values: list[list[float]] = [[] for _ in todo]
    for repeat in range(repeats + 1):
        for (_, _, run), measured in zip(todo, values, strict=True):
            speed = run(seconds)
            if repeat:  # the first round warms up
                measured.append(speed)
        print(f"round {repeat} of {repeats}", flush=True)
    return [
        {
            "row": row,
            "setting": setting,
            "metric": "steps_per_s",
            "value": float(np.median(measured)),
            "low": min(measured),
            "high": max(measured),
            "n": repeats,
        }
        for (row, setting, _), measured in zip(todo, values, strict=True)
    ]


def speedups(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many times as fast the vector class is as SyncVectorEnv, for each number of envs."""
    found = {(entry["row"], entry["setting"]): entry["value"] for entry in table}
    return [
        {
            "row": "ours_vector_over_sync",
            "setting": setting,
            "metric": "ratio",
            "value": value / found["ours_sync", setting],
            "low": None,
            "high": None,
            "n": 1,
        }
        for (row, setting), value in found.items()
        if row == "ours_vector" and ("ours_sync", setting) in found
    ]


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "load_at_start": list(os.getloadavg()),
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Versions of what is measured."""
    found = {"driftwise": driftwise.__version__, "python": platform.python_version()}
    for package in ("numpy", "gymnasium", "popgym", "minigrid", "river"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write(table: list[dict[str, Any]], about: dict[str, Any], path: Path, command: str) -> None:
    """Writes a result of record."""
    result = {
        "name": "env_speed",
        "command": command,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "machine": about,
        "versions": versions(),
        "protocol": " ".join((__doc__ or "").split("\n\n", 2)[2].split()),
        "seeds": [0],
        "table": table,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


def main() -> None:
    """Parses the command line, measures, prints and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="per row and repeat")
    parser.add_argument("--repeats", type=int, default=7, help="after one round of warming up")
    parser.add_argument(
        "--num-envs", type=int, nargs="+", default=[1, 8, 64, 1024], help="sizes to measure"
    )
    parser.add_argument("--output", type=Path, default=Path("results/env_speed.json"))
    args = parser.parse_args()
    if args.seconds <= 0 or args.repeats < 1 or min(args.num_envs) < 1:
        parser.error("--seconds, --repeats and --num-envs must be positive")
    about = machine()
    table = measure(list(entries(args.num_envs)), args.seconds, args.repeats)
    table += speedups(table)
    for row in table:
        spread = "" if row["low"] is None else f"  ({row['low']:,.0f} to {row['high']:,.0f})"
        number = f"{row['value']:,.0f}" if row["metric"] == "steps_per_s" else f"{row['value']:.1f}"
        print(f"{row['row']:28s} {row['setting']:34s} {number:>14s}{spread}")
    command = (
        "python -m driftwise.benchmarks.env_speed "
        f"--seconds {args.seconds:g} --repeats {args.repeats} "
        f"--num-envs {' '.join(map(str, args.num_envs))}"
    )
    write(table, about, args.output, command)


if __name__ == "__main__":
    main()
