"""The run folder: what it holds, what it refuses, and that a killed run ends the same."""

import json
import math
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from driftwise.tracking import RunFolder, latest_checkpoint, list_checkpoints, read_metrics

TOY_RUN = str(Path(__file__).with_name("toy_run.py"))
CONFIG = {"lr": 0.1, "net": {"width": 4, "layers": [1, 2]}, "device": "cpu"}


def open_run(root: Path, **kwargs: Any) -> RunFolder:
    options = {"config": CONFIG, "tensorboard": False, **kwargs}
    return RunFolder.open(root, "bandit", "sparse", 3, **options)


def load_latest(run: Path | RunFolder) -> tuple[int, Any]:
    latest = latest_checkpoint(run) if isinstance(run, Path) else run.latest_checkpoint()
    assert latest is not None
    return latest


def test_what_a_run_leaves(tmp_path: Path) -> None:
    @dataclass
    class Config:
        lr: float = 0.1
        layers: tuple[int, ...] = (1, 2)

    with open_run(tmp_path, config=Config()) as run:
        assert run.resumed_from is None and run.latest_checkpoint() is None and not run.finished
        run.log(1, {"loss": 0.1, "n": np.int64(3), "f32": np.float32(0.1), "t": torch.tensor(2.0)})
        run.log(1, {"bad": math.nan, "big": -math.inf, "ok": True})
        run.checkpoint(1, {"w": np.ones(2)})
        run.report({"regret": np.float64(0.5), "curve": [1, math.inf]})
    folder = tmp_path / "bandit" / "sparse-3"
    assert run.path == folder and run.finished
    assert json.loads((folder / "config.json").read_text()) == {"lr": 0.1, "layers": [1, 2]}
    rows = read_metrics(folder, drop_time=True)
    assert rows[0] == {"step": 1, "loss": 0.1, "n": 3, "f32": float(np.float32(0.1)), "t": 2.0}
    assert math.isnan(rows[1]["bad"]) and rows[1]["big"] == -math.inf and rows[1]["ok"] == 1
    assert set(read_metrics(folder)[0]) - set(rows[0]) == {"time/elapsed_s"}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    report = json.loads((folder / "report.json").read_text())
    assert report["regret"] == 0.5 and report["curve"] == [1, "Infinity"]
    assert report["time"]["resumed_at_steps"] == [] and "python" in report["versions"]
    step, tree = load_latest(folder)
    assert step == 1 and tree["w"].tolist() == [1, 1]


def test_resume_cuts_back_and_says_from_where(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        for step in range(1, 8):
            run.log(step, {"loss": step / 3})
            if step in (2, 4):
                run.log(step, {"more": step})
                run.checkpoint(step, {"step": step})
                with pytest.raises(ValueError, match="before the checkpoint of step"):
                    run.log(step, {"after": step})
    with open_run(tmp_path, resume=True) as run:
        assert run.resumed_from == 4 and run.latest_checkpoint() == (4, {"step": 4})
        steps = [row["step"] for row in read_metrics(run.path)]
        assert steps == [1, 2, 2, 3, 4, 4]
        before = run.elapsed_s
        with pytest.raises(ValueError, match="log step 4 before the checkpoint of step 4, not aft"):
            run.log(4, {})
        run.log(5, {})
        with pytest.raises(ValueError, match="step must be at least 5, the last one seen, got 4"):
            run.checkpoint(4, {})
        run.checkpoint(5, {"step": 5})
        run.report({})
    report = json.loads((run.path / "report.json").read_text())
    assert report["time"]["resumed_at_steps"] == [4]
    with open_run(tmp_path) as run:
        assert run.resumed_from == 5 and run.elapsed_s >= before


def test_a_run_without_checkpoint_begins_again(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        run.log(1, {"loss": 1.0})
    with open_run(tmp_path) as run:
        assert run.resumed_from is None and read_metrics(run.path) == []
        run.log(1, {"loss": 2.0})
        with pytest.raises(ValueError, match="step must not go back: got 0 after 1"):
            run.log(0, {"loss": 2.0})
    assert len(read_metrics(run.path)) == 1


def test_only_the_newest_checkpoints_stay(tmp_path: Path) -> None:
    with open_run(tmp_path, keep=3) as run:
        for step in (1, 5, 20, 20, 100):  # the second 20 replaces the first
            run.checkpoint(step, step)
        assert [step for step, _ in list_checkpoints(run.path)] == [5, 20, 100]


@pytest.mark.parametrize("name", ["state.safetensors", "state.json", "SHA256SUMS"])
def test_a_damaged_newest_checkpoint_is_skipped(tmp_path: Path, name: str) -> None:
    with open_run(tmp_path) as run:
        for step in (1, 2, 3):
            run.log(step, {"loss": step})
            run.checkpoint(step, np.full(100, step))
    damaged = run.path / "checkpoints" / f"step_{3:012d}" / name
    damaged.write_bytes(damaged.read_bytes()[:50])
    with pytest.warns(UserWarning, match=f"skipped a damaged checkpoint: {damaged}"):
        assert load_latest(run.path)[0] == 2
    with pytest.warns(UserWarning, match="skipped a damaged checkpoint"):
        run = open_run(tmp_path)
    with run:
        step, tree = load_latest(run)
        assert run.resumed_from == step == 2 and tree.tolist() == [2] * 100
        assert [row["step"] for row in read_metrics(run.path)] == [1, 2]
        run.checkpoint(3, "again")
        names = sorted(path.name for path in (run.path / "checkpoints").iterdir())
        assert names == [f"damaged-step_{3:012d}", f"step_{2:012d}", f"step_{3:012d}"]


def test_all_checkpoints_damaged(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        run.log(1, {})
        run.checkpoint(1, "x")
    (run.path / "checkpoints" / f"step_{1:012d}" / "state.json").unlink()
    with pytest.warns(UserWarning, match="damaged"):
        with pytest.raises(FileNotFoundError, match="no whole checkpoint in"):
            open_run(tmp_path, resume=True)
    with open_run(tmp_path) as run:
        assert run.resumed_from is None and read_metrics(run.path) == []


def test_other_versions_are_mentioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_run(tmp_path) as run:
        run.checkpoint(1, "x")
    monkeypatch.setattr("driftwise.tracking.run.versions", lambda: {"python": "2.7"})
    with pytest.warns(UserWarning, match=r"now there is \{'python': '2.7'\}: .* not be bitwise"):
        open_run(tmp_path).close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.2}, r"config field 'lr' is 0.2 but the run in .*sparse-3 has 0.1: use the same"),
        ({"lr": 1}, r"'lr' is 1 but"),
        ({"net": {"width": 5, "layers": [1, 2]}}, r"'net.width' is 5 but .* has 4"),
        ({"net": {"width": 4, "layers": [2]}}, r"'net.layers' is \[2\] but .* has \[1, 2\]"),
        ({"net": {"width": 4}}, r"'net.layers' is missing but .* has \[1, 2\]"),
        ({"new": "a"}, r"'new' is \"a\" but .* has no such field"),
        ({"net": None}, r"'net' is null but"),
        ({"device": "cuda"}, r"'device' is \"cuda\" but .* has \"cpu\""),
    ],
)
def test_another_config_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    with open_run(tmp_path) as run:
        run.log(1, {"loss": 1.0})
        run.checkpoint(1, "x")
    with pytest.raises(ValueError, match=message):
        open_run(tmp_path, config={**CONFIG, **change})
    open_run(tmp_path).close()  # nothing is lost, and the folder is free
    assert len(read_metrics(run.path)) == 1


def test_ignored_config_fields_may_change(tmp_path: Path) -> None:
    open_run(tmp_path).close()
    config = {**CONFIG, "device": "cuda", "net": {"width": 9}}
    open_run(tmp_path, config=config, ignore=("device", "net")).close()
    with pytest.raises(ValueError, match=r"'net\.width' is 9 but"):
        open_run(tmp_path, config=config, ignore=("device", "net.layers"))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"task": "a/b"}, ValueError, "task must be letters, digits, .* got 'a/b'"),
        ({"name": ".."}, ValueError, "name must be letters"),
        ({"seed": -1}, ValueError, "seed must be a non-negative integer, got -1"),
        ({"keep": 0}, ValueError, "keep must be at least 1, got 0"),
        ({"resume": "yes"}, ValueError, "resume must be 'auto', True or False, got 'yes'"),
        ({"config": {"net": {"f": print}}}, TypeError, "config.net.f must be plain data"),
        ({"config": [1]}, TypeError, "config must be a dict or a dataclass, got list"),
        ({"resume": True}, FileNotFoundError, "resume=True, but there is no checkpoint in"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: dict, error: type, message: str) -> None:
    good = {"root": tmp_path, "task": "t", "name": "n", "seed": 0, "config": {}}
    with pytest.raises(error, match=message):
        RunFolder.open(**{**good, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_resume_false_protects_a_run(tmp_path: Path) -> None:
    with open_run(tmp_path, resume=False) as run:
        run.log(1, {})
    with pytest.raises(FileExistsError, match="sparse-3 already holds a run: delete it or use"):
        open_run(tmp_path, resume=False)
    assert len(read_metrics(run.path)) == 1


def test_unwritable_root_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=f"cannot write {tmp_path}/file/bandit/sparse-3: "):
        open_run(tmp_path / "file")


def test_bad_metrics_are_named(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        with pytest.raises(TypeError, match="metric 'loss' must be one number, got str"):
            run.log(1, {"loss": "0.5"})
        with pytest.raises(TypeError, match="metric 'loss' must be one number, got ndarray"):
            run.log(1, {"loss": np.ones(1)})
        with pytest.raises(TypeError, match="metrics: names must be strings, got 3"):
            run.log(1, cast(Any, {3: 0.5}))
        with pytest.raises(ValueError, match="the name 'step' is taken"):
            run.log(1, {"step": 0.5})
        with pytest.raises(ValueError, match="log step -1 before"):
            run.log(-1, {})
        with pytest.raises(ValueError, match="step must be at least 0, the last one seen, got -1"):
            run.checkpoint(-1, "x")
    assert read_metrics(run.path) == []


def test_removed_lines_are_noticed(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        run.log(1, {"loss": 1.0})
        run.checkpoint(1, "x")
    (run.path / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"metrics.jsonl has 0 bytes but .* lines are missing"):
        open_run(tmp_path)


def test_damaged_lines_are_named_and_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo')
    assert read_metrics(path) == [{"step": 1}]
    path.write_text('{"step": 1}\n{"step": 2, "lo\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"metrics.jsonl, line 2: not a JSON object"):
        read_metrics(path)


def test_full_disk_keeps_what_was_logged_and_saved(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_run(tmp_path) as run:
        run.log(1, {"loss": 1.0})
        run.checkpoint(1, {"w": np.ones(10)})
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
        try:
            with pytest.raises(OSError, match=r"cannot write .*step_0+2: "):
                run.checkpoint(2, {"w": np.ones(10_000)})
            with pytest.raises(OSError, match=r"cannot write .*metrics.jsonl: "):
                for _ in range(1000):
                    run.log(2, {"loss": 2.0})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        kept = read_metrics(run.path, drop_time=True)
        assert kept == [{"step": 1, "loss": 1.0}] + [{"step": 2, "loss": 2.0}] * (len(kept) - 1)
        run.log(3, {"loss": 3.0})  # there is room again
    assert len(read_metrics(run.path)) == len(kept) + 1
    assert [step for step, _ in list_checkpoints(run.path)] == [1]


def test_one_process_and_one_owner(tmp_path: Path) -> None:
    code = """
import sys
from driftwise.tracking import RunFolder
with RunFolder.open(sys.argv[1], "bandit", "sparse", 3, {}, tensorboard=False):
    print("open", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        message = rf"run folder {tmp_path}/.* is in use by another process \(process {other.pid}\)"
        with pytest.raises(RuntimeError, match=message):
            open_run(tmp_path, config={})
        other.kill()
    with open_run(tmp_path, config={}):  # the lock died with its process
        with pytest.raises(RuntimeError, match="is already in use by this process"):
            open_run(tmp_path, config={})
    open_run(tmp_path, config={}).close()


def test_tensorboard_shows_what_metrics_jsonl_holds(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with open_run(tmp_path, tensorboard=True) as run:
        for step in range(1, 6):
            run.log(step, {"loss": step / 4})
            if step == 3:
                run.checkpoint(step, "x")
    with open_run(tmp_path, tensorboard=True) as run:
        run.log(4, {"loss": 40.0})
        writer = run.tensorboard
        assert writer is not None
        writer.add_histogram("weights", np.arange(3.0), 4)
    events = EventAccumulator(str(run.path)).Reload()
    found = [(event.step, event.value) for event in events.Scalars("loss")]
    assert found == [(1, 0.25), (2, 0.5), (3, 0.75), (4, 40.0)]
    assert found == [(row["step"], row["loss"]) for row in read_metrics(run.path)]


def test_tensorboard_events_survive_a_kill_and_are_not_doubled(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    code = """
import os, signal, sys
from driftwise.tracking import RunFolder
run = RunFolder.open(sys.argv[1], "bandit", "sparse", 3, {})
for step in range(1, 9):
    run.log(step, {"loss": float(step)})
    if step == 5:
        run.checkpoint(step, "x")
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert killed.returncode == -signal.SIGKILL
    with open_run(tmp_path, config={}, tensorboard=True) as run:
        run.log(6, {"loss": 60.0})
    events = EventAccumulator(str(run.path)).Reload().Scalars("loss")
    found = [(event.step, event.value) for event in events]
    assert found == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0), (6, 60.0)]


def test_figures_are_saved(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    with open_run(tmp_path) as run:
        path = run.save_figure("regret", Figure())
        assert path == run.path / "figures" / "regret.png"
        assert path.read_bytes().startswith(b"\x89PNG")
        with pytest.raises(ValueError, match="name must be letters"):
            run.save_figure("a/b", Figure())


def test_killed_at_every_file_operation_ends_the_same(tmp_path: Path) -> None:
    root = str(tmp_path / "runs")
    done = subprocess.run(
        [sys.executable, TOY_RUN, root, "every"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40  # operations a run was killed at


def test_killed_at_random_moments_ends_the_same(tmp_path: Path) -> None:
    whole = ["toy", "walk-0"]
    subprocess.run([sys.executable, TOY_RUN, str(tmp_path / "whole")], check=True)
    expected = read_metrics(tmp_path.joinpath("whole", *whole), drop_time=True)
    assert len(expected) == 315  # 300 steps, 15 checkpoints
    moments = random.Random(5)
    metrics = tmp_path.joinpath("killed", *whole, "metrics.jsonl")
    kills, lines_wanted = 0, 0
    while lines_wanted < 250:
        lines_wanted += moments.randint(20, 120)
        child = subprocess.Popen([sys.executable, TOY_RUN, str(tmp_path / "killed")])
        while child.poll() is None:
            if metrics.exists() and metrics.read_bytes().count(b"\n") >= lines_wanted:
                child.kill()
                kills += child.wait() == -signal.SIGKILL
            time.sleep(0.002)
    assert kills >= 2
    subprocess.run([sys.executable, TOY_RUN, str(tmp_path / "killed")], check=True)
    found = read_metrics(metrics, drop_time=True)
    assert str(found) == str(expected)  # as text: NaN equals itself there
    ends = [
        sorted((tmp_path / r / "toy/walk-0/checkpoints").iterdir()) for r in ("whole", "killed")
    ]
    for one, other in zip(*ends, strict=True):
        assert one.name == other.name
        name = "state.safetensors"
        assert (one / name).read_bytes() == (other / name).read_bytes()
