"""A killed run, started again, ends as if nothing had happened: bitwise, on the CPU."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import VecNormalize

from driftwise.agents import (
    MemoryPPO,
    TrainConfig,
    load_training_state,
    train_agent,
    training_state,
)
from driftwise.agents.training import make_agent
from driftwise.tracking import load_checkpoint, read_metrics, save_checkpoint

SCRIPT = Path(__file__).with_name("resumable_run.py")


def start(runs, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, SCRIPT, runs, *arguments], env=environment)


def run_folder(runs):
    (folder,) = (Path(runs) / "ShiftingBandit-v0").iterdir()
    return folder


def wait_for_lines(process, runs, lines):
    """Wait until the run has logged so many lines; False if it ended before."""
    while process.poll() is None:
        found = list(Path(runs).glob("*/*/metrics.jsonl"))
        if found and found[0].read_bytes().count(b"\n") >= lines:
            return True
        time.sleep(0.01)
    return False


def test_killed_three_times_and_resumed(tmp_path):
    arguments = ("sparse", "never")
    alone = start(tmp_path / "alone", *arguments)
    rng = random.Random(0)
    kills = sorted(rng.sample(range(4, 38), 3))
    for lines in kills:
        process = start(tmp_path / "killed", *arguments)
        assert wait_for_lines(process, tmp_path / "killed", lines), "ended before it was killed"
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(tmp_path / "killed", *arguments).wait() == 0
    assert alone.wait() == 0

    folders = [run_folder(tmp_path / name) for name in ("alone", "killed")]
    metrics = [read_metrics(folder / "metrics.jsonl", drop_time=True) for folder in folders]
    assert len(metrics[0]) == 40
    assert metrics[0] == metrics[1]
    states = [load_checkpoint(folder / "checkpoints" / "step_000000006400") for folder in folders]
    assert_equal_trees(*states, "checkpoint")
    policies = [load_checkpoint(folder / "agent")["policy"] for folder in folders]
    assert_equal_trees(*policies, "policy")


def assert_equal_trees(a, b, place):
    assert type(a) is type(b), place
    if isinstance(a, dict):
        assert a.keys() == b.keys(), place
        for key in a:
            if key != "t":  # wall time of an episode
                assert_equal_trees(a[key], b[key], f"{place}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), place
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal_trees(x, y, f"{place}[{i}]")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), place
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, err_msg=place)
    else:
        assert a == b, place


def config(**changes):
    settings = {
        "env_kwargs": {"num_arms": 2, "max_episode_steps": 10},
        "num_envs": 4,
        "n_steps": 10,
        "total_timesteps": 120,
        "width": 8,
        "memory": "gru",
    }
    return TrainConfig(**settings | changes)


def test_a_finished_run_is_not_trained_again(tmp_path):
    first, run, _ = train_agent(config(), runs=tmp_path, progress=False)
    run.close()
    again, run, _ = train_agent(config(), runs=tmp_path, progress=False)
    run.close()
    for a, b in zip(first.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(a, b)
    assert len(read_metrics(run.path / "metrics.jsonl")) == 3


def test_another_configuration_in_the_same_folder(tmp_path):
    train_agent(config(), runs=tmp_path, progress=False).run.close()
    with pytest.raises(ValueError, match="learning_rate"):
        train_agent(config(learning_rate=1e-4), runs=tmp_path, progress=False)


def test_resume_that_is_refused_or_required(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        train_agent(config(), runs=tmp_path, resume=True, progress=False)
    train_agent(config(), runs=tmp_path, progress=False).run.close()
    with pytest.raises(FileExistsError):
        train_agent(config(), runs=tmp_path, resume=False, progress=False)


def test_an_unwritable_run_folder_is_found_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        train_agent(config(), runs=tmp_path / "file", progress=False)


def test_an_environment_that_cannot_be_saved_is_reset_and_reported(tmp_path):
    small = config(env="CartPole-v1", env_kwargs={})
    model = make_agent(small)
    model.learn(40)
    save_checkpoint(tmp_path / "state", training_state(model))
    again = make_agent(small)
    assert load_training_state(again, load_checkpoint(tmp_path / "state")) is False
    assert again.num_timesteps == 40
    for a, b in zip(model.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(a, b)
    again.learn(40, reset_num_timesteps=False)
    assert again.num_timesteps == 80


def test_a_wrapper_has_a_state_of_its_own(tmp_path):
    """Running means and the like are not saved, so the environment must begin anew, and say so."""
    small = config()
    model = make_agent(small)
    model.set_env(VecNormalize(model.get_env()))
    model.learn(40)
    assert training_state(model)["env"] is None


def test_a_memory_that_is_never_reset_outlives_its_environment():
    small = config(env="CartPole-v1", env_kwargs={}, memory_reset="never")
    model = make_agent(small)
    model.learn(40)
    again = make_agent(small)
    assert not load_training_state(again, training_state(model))
    again._setup_learn(40, reset_num_timesteps=False)
    assert not again._memory_starts.any()
    assert torch.equal(again._memory_state[0][0], model._memory_state[0][0])


def test_a_failed_run_gives_its_folder_free(tmp_path, monkeypatch):
    monkeypatch.setattr(MemoryPPO, "train", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_agent(config(), runs=tmp_path, progress=False)
    monkeypatch.undo()
    train_agent(config(), runs=tmp_path, progress=False).run.close()


def test_a_training_state_of_another_architecture(tmp_path):
    save_checkpoint(tmp_path / "state", training_state(make_agent(config())))
    wider = make_agent(config(width=9))
    with pytest.raises(ValueError, match="does not fit"):
        load_training_state(wider, load_checkpoint(tmp_path / "state"))
