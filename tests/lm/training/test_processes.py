"""Two processes are one: losses, weights, Hebbian counts, and checkpoints that go both ways."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from driftwise.tracking import latest_checkpoint, read_metrics

NAMES = ("lstm", "sharded")
Train = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def of_two(script: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of runs that two processes have trained together, started as torchrun starts them."""
    runs = tmp_path_factory.mktemp("of_two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [
        subprocess.Popen(
            [sys.executable, script, runs, *NAMES],
            env={**os.environ, **shared, "RANK": str(rank), "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=60) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    return runs


def course(folder: Path) -> list[float]:
    """Every loss and every norm that a run has logged."""
    keep = ("train/loss", "train/tokens", "train/weight_norm", "valid/loss")
    return [line[key] for line in read_metrics(folder) for key in keep if key in line]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_are_one(name: str, of_two: Path, train: Train) -> None:
    """DDP with Hebbian rows and learned initial states; FSDP2 with an adaptive block."""
    alone, together = Path(train(name)["folder"]), of_two / f"drifting/{name}-0"
    assert course(together) == pytest.approx(course(alone), rel=2e-5)
    (_, one), (_, two) = (latest_checkpoint(folder) or (0, {}) for folder in (alone, together))
    for part in ("model", "average"):
        for key, tensor in one[part].items():
            assert two[part][key].shape == tensor.shape
            if key.endswith("counts"):
                assert tensor.sum() > 0 and (two[part][key] == tensor).all()
            # AdamW divides by what may be rounding alone.
            assert (two[part][key] - tensor).abs().max() < 2e-3, key
    assert one["lanes"] == two["lanes"] and one["tokens"] == two["tokens"]
    assert one["state"].keys() == two["state"].keys()
    for key, tensor in one["state"].items():
        assert (two["state"][key].float() - tensor.float()).abs().max() < 2e-2, key


@pytest.mark.parametrize("name", NAMES)
def test_one_process_goes_on_from_two(
    name: str, of_two: Path, train: Train, tmp_path: Path
) -> None:
    shutil.copytree(of_two, tmp_path / "half")
    half = tmp_path / f"half/drifting/{name}-0"
    shutil.rmtree(half / "checkpoints/step_000000000020")
    train(name, tmp_path / "half")
    assert course(half) == pytest.approx(course(of_two / f"drifting/{name}-0"), rel=2e-5)
