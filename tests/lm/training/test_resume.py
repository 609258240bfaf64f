"""Runs that are killed end as if they had not been."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from driftwise.tracking import load_checkpoint, read_metrics

Train = Callable[..., dict[str, Any]]


NAMES = ("lstm-dropout", "transformer-dropout")


def test_ten_steps_a_kill_and_ten_steps_are_twenty(
    script: Path, train: Train, tmp_path: Path
) -> None:
    """Bitwise: weights, their average, moments, carried state, place in the text, and metrics."""
    killed, alone = (
        [tmp_path / runs / f"drifting/{name}-0" for name in NAMES] for runs in ("killed", "alone")
    )
    process = subprocess.Popen(
        [sys.executable, script, tmp_path / "killed", *NAMES],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while not list(killed[1].glob("checkpoints/step_*10")):
        assert process.poll() is None, "ended before it was killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed[1] / "report.json").exists()
    # The other run had ended by then: as if killed after its checkpoint of step 15.
    shutil.rmtree(killed[0] / "checkpoints/step_000000000020")

    for name, folders in zip(NAMES, zip(killed, alone, strict=True), strict=True):
        for runs in ("killed", "alone"):
            train(name, tmp_path / runs)
        metrics = [read_metrics(folder, drop_time=True) for folder in folders]
        assert metrics[0] == metrics[1] and metrics[0][-1]["step"] == 20
        reports = [json.loads((folder / "report.json").read_text()) for folder in folders]
        resumed = [report.pop("time")["resumed_at_steps"] for report in reports]
        assert resumed[0][0] in (10, 15) and resumed[1] == []
        assert reports[0] == reports[1]
        for part in ("checkpoints/step_000000000020", "best/weights", "last/weights"):
            assert_same(*(load_checkpoint(folder / part) for folder in folders))


def assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b)
    else:
        assert a == b


def test_a_finished_run_stays_as_it_is(train: Train) -> None:
    first, again = train("lstm"), train("lstm")
    assert first == again


def test_another_configuration_is_another_run(train: Train) -> None:
    train("lstm", num_steps=5)
    with pytest.raises(ValueError, match=r"config field 'length' is 8 but the run in .* has 16"):
        train("lstm", num_steps=5, length=8)
