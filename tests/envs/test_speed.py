"""A generous floor under the speed of the vector environment; the benchmark that measures it."""

from __future__ import annotations

import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from driftwise.benchmarks import env_speed
from driftwise.evaluation import load_result
from driftwise.tracking import machine


def steps_per_second(envs: gym.vector.VectorEnv, num_steps: int) -> float:
    actions = np.random.default_rng(0).integers(4, size=(50, envs.num_envs))
    envs.reset(seed=0)
    envs.step(actions[0])
    best = np.inf
    for _ in range(3):
        begin = time.perf_counter()
        for step in range(num_steps):
            envs.step(actions[step % 50])
        best = min(best, time.perf_counter() - begin)
    return num_steps * envs.num_envs / best


@pytest.mark.parametrize("world", ["ShiftingBandit", "ShiftingMaze"])
def test_the_vector_class_is_many_times_as_fast(world: str) -> None:
    ours = steps_per_second(gym.make_vec(f"driftwise/{world}-v0", 1024), 260)
    sync = gym.make_vec(f"driftwise/{world}-v0", 8, vectorization_mode="sync")
    assert ours > 25 * steps_per_second(sync, 260)


def test_the_benchmark_writes_a_result(tmp_path: Path) -> None:
    env_speed.main(
        ["--seconds", "0.001", "--repeats", "4", "--num-envs", "1", "3", "--folder", str(tmp_path)]
    )
    result = load_result(tmp_path / "env_speed.json")
    assert result["machine"] == machine() and {"python", "gymnasium"} <= set(result["versions"])
    found = {(entry["row"], entry["setting"], entry["metric"]) for entry in result["table"]}
    for size in (1, 3):
        for world in ("ShiftingBandit", "ShiftingMaze"):
            for row in (world, f"{world}_SyncVectorEnv", "gymnasium_CartPole"):
                assert (row, f"num_envs_{size}", "steps_per_s") in found
            assert (world, f"num_envs_{size}", "times_sync") in found
    for entry in result["table"]:
        assert 0 < entry["low"] <= entry["value"] <= entry["high"] and entry["n"] == 4


def test_the_benchmark_pairs_what_it_compares() -> None:
    """Both slow down fourfold in the second repeat; their ratio is 3 in each."""
    speeds = {
        ("ShiftingBandit_SyncVectorEnv", "num_envs_8"): [40.0, 10.0],
        ("ShiftingBandit", "num_envs_8"): [120.0, 30.0],
    }
    sync, ours, ratio = env_speed.make_table(speeds)
    assert ratio["metric"] == "times_sync" and sync["value"] == 25.0 and ours["value"] == 75.0
    assert ratio["low"] == ratio["value"] == ratio["high"] == pytest.approx(3.0)
