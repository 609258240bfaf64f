"""Learners on streams in run folders: what is measured, killed and resumed, and bad input."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from driftwise.agents.classifiers import (
    LEARNERS,
    StreamConfig,
    StreamRecord,
    load_learner,
    make_learner,
    run_stream,
    run_streams,
    save_learner,
)
from driftwise.agents.classifiers.learner_configs import SoftmaxConfig as Softmax
from driftwise.agents.classifiers.stream_figures import confusion_sheet
from driftwise.agents.classifiers.stream_record import Stage, current_stage
from driftwise.envs import ClassIncremental, Glyphs
from driftwise.envs.image_streams import Batch
from driftwise.tracking import CheckpointError, load_checkpoint, read_metrics

SCRIPT = Path(__file__).with_name("resumable_stream.py")
SMALL: dict[str, Any] = {
    "images": "glyphs",
    "max_classes": 20,
    "block_size": 5,
    "batch_size": 8,
    "learner_kwargs": {"width": 8, "learning_rate": 5e-3},
}


def small(**changes: Any) -> StreamConfig:
    return StreamConfig(**SMALL | changes)


def play(runs: Path, config: StreamConfig, **options: Any) -> dict[str, Any]:
    options = {"progress": False, "tensorboard": False} | options
    return run_stream(config, runs=runs, **options)


def test_a_curriculum_is_the_plain_loop(tmp_path: Path) -> None:
    """The report agrees with a loop written out: predict, update, observe."""
    config = small(threshold=0.5, learner="replay", max_level_steps=150)
    report = play(tmp_path, config, tensorboard=True)

    stream, right = config.make_stream(), []
    learner = make_learner("replay", stream.class_order.tolist(), **SMALL["learner_kwargs"])
    for batch in stream:
        images = batch.images[:, None]
        right.append((learner.predict(images).argmax(1).numpy() == batch.labels).mean())
        learner.update(images, batch.labels)
        stream.observe(lambda x: learner.predict(x[:, None]).argmax(1).numpy())
    assert report["steps"] == stream.step
    assert report["steps_per_level"] == stream.steps_per_level.tolist()
    assert report["sightings_to_criterion"] == stream.sightings_to_criterion.tolist()
    completed = [stage for stage in report["stages"] if stage["complete"]]
    assert [stage["steps"] for stage in completed] == report["steps_per_level"]
    assert [stage["accuracy"] for stage in completed] == stream.accuracy_per_level.tolist()
    for stage in report["stages"][1:]:
        mean = (5 * stage["new"] + (stage["classes"] - 5) * stage["old"]) / stage["classes"]
        assert stage["accuracy"] == pytest.approx(mean)

    folder = Path(report["folder"])
    lines = read_metrics(folder / "metrics.jsonl")
    logged = [line["accuracy"] for line in lines if "accuracy" in line]
    scored = np.reshape(right[: len(logged) * 10], (-1, 10)).mean(axis=1)
    np.testing.assert_allclose(logged, scored, rtol=1e-12)
    saved = load_learner(folder / "learner", stream.class_order.tolist())
    held_out = stream.held_out().images[:, None]
    assert torch.equal(saved.predict(held_out), learner.predict(held_out))
    assert json.loads((folder / "report.json").read_text())["stages"] == report["stages"]
    assert (folder / "figures" / "stages.png").stat().st_size > 10_000
    events = b"".join(path.read_bytes() for path in folder.glob("events.out.tfevents.*"))
    assert b"level/confusions" in events and b"level/accuracy" in events


def test_binding_is_measured_by_sightings(tmp_path: Path) -> None:
    report = play(tmp_path, small(stream="incremental", steps_per_task=40, seed=3))
    assert report["finished"] and report["steps"] == 160
    assert [stage["classes"] for stage in report["stages"]] == [5, 10, 15, 20]
    # The sightings are those of the stream, whatever the learner does.
    stream, expected = (
        ClassIncremental(Glyphs(20), seed=3, classes_per_task=5, steps_per_task=40, batch_size=8),
        [],
    )
    for _ in stream:
        for first in range(0, 20, 5):
            for k in (1, 5, 20):
                entry = (first + 5, k)
                seen = stream.sightings[first : first + 5].mean() >= k
                if seen and entry not in [other[:2] for other in expected]:
                    expected.append((*entry, stream.step))
    found = [(e["classes"], e["sightings"], e["step"]) for e in report["binding"]]
    assert found == expected and len(found) == 12
    assert all((e["old"] is None) == (e["classes"] == 5) for e in report["binding"])
    first, last = report["stages"][0], report["stages"][-1]
    assert first["new"] > 0.5 > last["old"], "what does not come again is forgotten"


def test_an_iid_stream_ends_at_max_steps_and_can_go_on(tmp_path: Path) -> None:
    config = {"stream": "iid", "steps_per_task": 20}
    report = play(tmp_path / "parts", small(**config, max_steps=50))
    assert [stage["steps"] for stage in report["stages"]] == [20, 20, 10]
    assert [stage["complete"] for stage in report["stages"]] == [True, True, False]
    parts = play(tmp_path / "parts", small(**config, max_steps=80))
    whole = play(tmp_path / "whole", small(**config, max_steps=80))
    assert parts["stages"] == whole["stages"] and parts["binding"] == whole["binding"]
    assert [stage["steps"] for stage in whole["stages"]] == [20, 20, 20, 20]
    written = (Path(whole["folder"]) / "config.json").read_text()
    with pytest.raises(ValueError, match="max_steps must be at least 80, the steps of the run"):
        play(tmp_path / "whole", small(**config, max_steps=79))
    assert (Path(whole["folder"]) / "config.json").read_text() == written


def test_killed_and_resumed(tmp_path: Path) -> None:
    """Bitwise the same learner, stream and measurements, from the middle of a level too."""
    config = SMALL | {"threshold": 0.95, "max_level_steps": 60, "checkpoint_every": 7}

    def start(runs: Path) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, SCRIPT, runs, json.dumps(config)], env=environment)

    folders = [tmp_path / name / "glyphs-curriculum/hebbian-0" for name in ("alone", "killed")]
    process = start(tmp_path / "killed")
    while not list(folders[1].glob("checkpoints/step_*21")):
        assert process.poll() is None, "ended before it was killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folders[1] / "report.json").exists()
    for runs in ("killed", "alone"):
        play(tmp_path / runs, StreamConfig(**config))

    metrics = [read_metrics(folder, drop_time=True) for folder in folders]
    assert metrics[0] == metrics[1] and len(metrics[0]) >= 7
    reports = [json.loads((folder / "report.json").read_text()) for folder in folders]
    assert [report.pop("time")["resumed_at_steps"] != [] for report in reports] == [False, True]
    assert reports[0] == reports[1]
    (last,) = {folder.name for folder in folders[0].glob("checkpoints/*")} & {
        f"step_{reports[0]['steps']:012d}"
    }
    assert_same(*(load_checkpoint(folder / "checkpoints" / last) for folder in folders))


def assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert np.array_equal(a, b)


def test_what_a_run_goes_on_with_must_fit(tmp_path: Path) -> None:
    config = small(max_level_steps=20)
    folder = play(tmp_path, config)["folder"]
    with pytest.raises(ValueError, match="threshold"):
        play(tmp_path, small(max_level_steps=20, threshold=0.6))
    with pytest.raises(FileExistsError):
        play(tmp_path, config, resume=False)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        play(tmp_path / "new", config, resume=True)

    start_from = str(Path(folder) / "learner")
    before = load_learner(start_from).state_dict()
    with pytest.raises(ValueError, match="class order: at position 0 it has class"):
        play(tmp_path / "new", small(start_from=start_from, seed=1))
    with pytest.raises(ValueError, match="for the 10 classes of class_order, got 20"):
        play(tmp_path / "new", small(start_from=start_from, max_classes=10))
    with pytest.raises(ValueError, match=r"state must be that of \{'learner': 'softmax'"):
        play(tmp_path / "new", small(start_from=start_from, learner="softmax"))
    assert not (tmp_path / "new").exists()
    report = play(tmp_path / "new", small(start_from=start_from, stream="iid", max_steps=1))
    assert report["steps"] == 1
    assert_same(load_learner(start_from).state_dict(), before)

    others = small(start_from=start_from, stream="iid", max_steps=1, rotations=True)
    order = small().make_stream().class_order.tolist()
    turned = others.make_stream()
    turned.class_order = np.array(order)  # the same numbers, of other images
    with pytest.raises(ValueError, match=r"start_from must have learned Glyphs.*, got Glyphs"):
        others.make_learner(turned)


def test_a_run_that_goes_on_does_not_need_what_it_started_from(tmp_path: Path) -> None:
    folder = Path(play(tmp_path, small(max_level_steps=20))["folder"])
    config: dict[str, Any] = {"stream": "iid", "start_from": str(folder / "learner")}
    play(tmp_path / "on", small(**config, max_steps=3))
    shutil.rmtree(folder)
    assert play(tmp_path / "on", small(**config, max_steps=5))["steps"] == 5


def test_a_series_of_streams_takes_slow_weights_along(tmp_path: Path) -> None:
    config = small(stream="iid", max_steps=3, learner="fast_weights", seed=5)
    reports = play_series(tmp_path / "all", config, 3)
    assert [report["config"]["seed"] for report in reports] == [5, 6, 7]

    # The same by hand.
    learner = None
    for seed in (5, 6, 7):
        stream = small(seed=seed, stream="iid", max_steps=3).make_stream()
        before, order = learner, stream.class_order.tolist()
        learner = make_learner("fast_weights", order, seed=seed, **SMALL["learner_kwargs"])
        if before is not None:
            learner.take_slow_weights(before.state_dict())
        for _ in range(3):
            batch = stream.next_batch()
            learner.update(batch.images[:, None], batch.labels)
    assert_same(
        load_learner(Path(reports[-1]["folder"]) / "learner").state_dict(), learner.state_dict()
    )

    # Stopped in the second stream, and started again, also where a run is required.
    play_series(tmp_path / "some", config, 2)
    shutil.rmtree(tmp_path / "some" / "glyphs-iid" / "fast_weights-6")
    resumed = play_series(tmp_path / "some", config, 3, resume=True)
    for ours, theirs in zip(resumed, reports, strict=True):
        folders = (Path(report["folder"]) / "learner" for report in (ours, theirs))
        assert_same(*(load_learner(folder).state_dict() for folder in folders))
    with pytest.raises(FileExistsError):
        play_series(tmp_path / "some", config, 3, resume=False)


def play_series(runs: Path, config: StreamConfig, count: int, **options: Any) -> Any:
    options = {"progress": False, "tensorboard": False} | options
    return run_streams(config, count, runs=runs, **options)


def test_slow_weights_from_what_has_none(tmp_path: Path) -> None:
    other = small(learner="la_maml", stream="iid", max_steps=1)
    with pytest.raises(ValueError, match="count must be 1 for the learner 'la_maml'"):
        play_series(tmp_path / "runs", other, 2)
    with pytest.raises(ValueError, match=r"slow_weights_from must be None for .* 'la_maml'"):
        play(tmp_path / "runs", dataclasses.replace(other, slow_weights_from="x"))
    with pytest.raises(ValueError, match="slow_weights_from must be None with start_from"):
        play(tmp_path / "runs", small(start_from="x", slow_weights_from="x"))
    with pytest.raises(CheckpointError, match="no checkpoint at nowhere"):
        play(tmp_path / "runs", small(slow_weights_from="nowhere"))
    for count, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="count must be"):
            play_series(tmp_path / "runs", small(), count)
    assert not (tmp_path / "runs").exists()


def test_a_learner_that_tells_no_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Softmax):
        def make(self, *arguments: Any) -> Any:
            learner = super().make(*arguments)
            update = learner.update
            learner.update = lambda x, y: {"surprise": 2 * update(x, y)["loss"]}  # type: ignore[method-assign]
            return learner

    monkeypatch.setitem(LEARNERS, "silent", Silent)
    config = small(learner="silent", stream="iid", max_steps=20)
    folder = play(tmp_path, config)["folder"]
    rows = [row for row in read_metrics(Path(folder) / "metrics.jsonl") if "surprise" in row]
    assert len(rows) == 2 and "loss" not in rows[0] and "accuracy" in rows[0]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"learner": "elephant"}, ValueError, "learner must be one of softmax, "),
        ({"learner_kwargs": {"T": 5}, "learner": "softmax"}, ValueError, "has no setting 'T'"),
        ({"stream": "elephant"}, ValueError, "stream must be one of curriculum, incremental, iid"),
        ({"images": "elephants"}, ValueError, "images must be one of omniglot, glyphs"),
        ({"stream": "iid"}, ValueError, "max_steps must be given for stream='iid'"),
        ({"threshold": 1.5}, ValueError, "threshold must be"),
        ({"max_classes": 0}, ValueError, "max_classes must be at least 1, got 0"),
        ({"max_classes": 3}, ValueError, "block_size must be at most max_classes=3, got 5"),
        ({"learner_kwargs": {"seed": 1}}, ValueError, "learner_kwargs must not have seed, which"),
        ({"learner_kwargs": {"T": "x"}}, TypeError, "T must be a number, got 'x'"),
        ({"batch_size": 1}, ValueError, "batch_size must be at least 2, which the learner's batch"),
        ({"device": "cuda:99"}, ValueError, "device must be one that torch finds, got 'cuda:99'"),
        ({"stream": "incremental", "threshold": 7.0}, ValueError, "threshold must be"),
        ({"max_level_steps": 0}, ValueError, "max_level_steps must be at least 1"),
        ({"block_size": 2.5}, TypeError, "block_size must be an integer, got 2.5"),
        ({"checkpoint_every": 0}, ValueError, "checkpoint_every must be at least 1, got 0"),
    ],
)
def test_bad_input_is_found_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        play(tmp_path / "runs", small(**changes))
    assert not (tmp_path / "runs").exists()


def test_omniglot_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path / "empty"))
    monkeypatch.delenv("DRIFTWISE_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"Get it with torchvision: Omniglot\("):
        play(tmp_path / "runs", StreamConfig())


def test_more_classes_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "driftwise.agents.classifiers.stream_config.Omniglot", lambda: Glyphs(40, 20)
    )
    assert StreamConfig(max_classes=40).make_stream().num_classes == 40
    with pytest.raises(ValueError, match=r"max_classes must be at most 40, all of .*, got 41"):
        StreamConfig(max_classes=41).make_stream()
    assert StreamConfig(max_classes=160, rotations=True).make_stream().num_classes == 160
    with pytest.raises(ValueError, match=r"at most 160, all of .* with rotations, got 161"):
        StreamConfig(max_classes=161, rotations=True).make_stream()


def test_glyphs_are_as_many_as_wanted() -> None:
    assert small(max_classes=7).make_stream().num_classes == 7
    assert small(max_classes=None).make_stream().num_classes == 300
    assert small(max_classes=10, rotations=True).make_stream().num_classes == 10


def test_stages() -> None:
    stream = ClassIncremental(Glyphs(8), classes_per_task=5, steps_per_task=2, batch_size=4)
    found = [current_stage(stream, 99)]
    for _ in stream:
        found.append(current_stage(stream, 99))
    assert found[:4] == [Stage(0, 0, 5), Stage(0, 0, 5), Stage(1, 5, 8), Stage(1, 5, 8)]


def test_confusions_are_those_made_most_often() -> None:
    """Images whose grey says which drawing it is: 3 classes of 2."""
    images = np.repeat(np.arange(6, dtype=np.float32) / 10, 28 * 28).reshape(6, 28, 28)
    held_out = Batch(images, np.array([0, 0, 1, 1, 2, 2]))
    sheet = confusion_sheet(held_out, np.array([0, 2, 0, 0, 7, 2]))
    assert sheet is not None and sheet.shape == (2 * 56, 4 * 56)
    greys = (255 - sheet[::56, ::56]) / 25.5
    np.testing.assert_allclose(greys, [[2, 3, 0, 1], [1, 0, 4, 5]], atol=0.05)
    assert confusion_sheet(held_out, held_out.labels) is None


def test_a_learner_of_another_kind_of_checkpoint(tmp_path: Path) -> None:
    learner = make_learner("softmax", small().make_stream().class_order.tolist(), width=16)
    save_learner(tmp_path / "wide", learner)
    with pytest.raises(ValueError, match="state must be that of"):
        play(tmp_path / "runs", small(learner="softmax", start_from=str(tmp_path / "wide")))


def test_the_record_is_plain_data() -> None:
    record = StreamRecord()
    right = np.array([True, True, False, False])
    record.close_stage(Stage(0, 0, 2), 30, right, True)
    state = json.loads(json.dumps(record.state_dict()))
    other = StreamRecord()
    other.load_state_dict(state)
    other.close_stage(Stage(1, 2, 4), 50, np.array([1, 1, 1, 0, 0, 0, 0, 1], bool), True)
    assert record.stages[0]["accuracy"] == 0.5 and len(record.stages) == 1
    second = {"number": 1, "classes": 4, "step": 50, "steps": 20, "complete": True}
    assert other.stages[1] == second | {"accuracy": 0.5, "new": 0.25, "old": 0.75}
    assert other.blocks == [[0.5], [0.75, 0.25]]
    kept = other.forgetting()
    assert kept["retained_accuracy"] == 0.5 and kept["forgetting"] == 0.5 - 0.75
