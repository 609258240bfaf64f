"""Runs of continual learners: what is measured, killed and resumed, bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftwise.agents.classifiers import LaMAML
from driftwise.agents.classifiers.stream_record import answers
from driftwise.agents.continual import RECIPES, ContinualConfig, config, run_continual, settings
from driftwise.envs import Glyphs, ImageSet
from driftwise.tracking import load_checkpoint, read_metrics

SCRIPT = Path(__file__).with_name("resumable_continual.py")
TASKS: dict[str, Any] = {
    "learner": "sparse_la_maml",
    "images": "glyphs",
    "num_tasks": 3,
    "samples_per_task": 40,
    "learner_kwargs": {"hidden_size": 16, "glances": 1},
    "checkpoint_every": 4,
}
OSAKA: dict[str, Any] = {
    "stream": "osaka",
    "learner": "sparse_c_maml",
    "images": "glyphs",
    "steps": 24,
    "pieces": 3,
    "num_ways": 3,
    "num_shots": 2,
    "stay_probability": 0.9,
    "learner_kwargs": {"width": 4, "pretrain_updates": 4, "pretrain_tasks": 1},
    "checkpoint_every": 3,
}


@pytest.fixture(scope="module")
def drawn() -> dict[str, ImageSet]:
    """All images, drawn once."""
    return {
        name: Glyphs(40) if name == "omniglot" else make() for name, make in config.GLYPHS.items()
    }


@pytest.fixture(autouse=True)
def few_glyphs(monkeypatch: pytest.MonkeyPatch, drawn: dict[str, ImageSet]) -> None:
    for name, images in drawn.items():
        monkeypatch.setitem(config.GLYPHS, name, lambda images=images: images)


def play(runs: Path, given: ContinualConfig, **options: Any) -> dict[str, Any]:
    options = {"progress": False, "tensorboard": False, **options}
    return run_continual(given, runs=runs, **options)


def test_a_run_over_tasks(tmp_path: Path) -> None:
    given = ContinualConfig(**TASKS)
    report = play(tmp_path, given, tensorboard=True)
    folder = tmp_path / "glyphs-rotations" / "sparse_la_maml-0"
    assert report["folder"] == str(folder) and report["steps"] == 12
    assert (folder / "figures" / "tasks.png").stat().st_size > 10_000
    assert list(folder.glob("events.out.tfevents.*"))

    # The same written out.
    stream = given.make_tasks()
    learner = given.make_la_maml()
    matrix, online = np.zeros((3, 3)), []

    def test(task: int) -> float:
        images, labels = stream.test_set(task)
        return float((answers(learner, images) == labels).mean())

    untrained = [test(task) for task in range(3)]
    for number, batch in enumerate(stream):
        online.append((answers(learner, batch.images) == batch.labels).mean())
        learner.update(batch.images[:, None], batch.labels)
        if number % 4 == 3:
            matrix[number // 4] = [test(task) for task in range(3)]
    assert report["accuracy"] == matrix.tolist() and report["untrained"] == untrained
    assert report["online_accuracy"] == pytest.approx(np.mean(online))
    assert report["retained_accuracy"] == pytest.approx(matrix[2].mean())
    change = matrix[2] - matrix.diagonal()
    assert report["backward_transfer_and_interference"] == pytest.approx(change.sum() / 3)
    assert report["backward_transfer"] == pytest.approx(change.sum() / 2)
    best = matrix[:2, :2].max(0)
    assert report["forgetting"] == pytest.approx((best - matrix[2, :2]).mean())
    forward = [matrix[0, 1] - untrained[1], matrix[1, 2] - untrained[2]]
    assert report["forward_transfer"] == pytest.approx(np.mean(forward))
    share = np.mean([s == 0 for t in learner.step_sizes().values() for s in t.flatten().tolist()])
    assert report["sparsity"]["total"] == pytest.approx(share)
    saved = load_checkpoint(folder / "learner")["learner"]
    assert all((saved["network"][n] == p).all() for n, p in learner.net.state_dict().items())
    with pytest.raises(ValueError, match="samples_per_task"):
        play(tmp_path, replace(given, samples_per_task=30))


def test_a_run_on_osaka(tmp_path: Path) -> None:
    given = ContinualConfig(**OSAKA)
    report = play(tmp_path, given)
    assert Path(report["folder"]).parent.name == "glyphs-osaka-0.9"

    # The same written out; a copy of the learner does each test.
    stream, learner = given.make_osaka(), given.make_online()
    episodes = given.make_pretraining(stream)
    tasks = []
    ahead = given.make_osaka()
    for step, _ in enumerate(ahead):
        if step % 8 == 0:
            tasks.append(ahead.task)
    for _ in range(4):
        learner.pretrain([episodes.next_batch()])

    def test(task: int) -> float:
        copied = given.make_online()
        copied.load_state_dict(learner.state_dict())
        episode = stream.episode(tasks[task], seed=task)
        copied.update(episode.images[:, None], episode.labels)
        return float((answers(copied, episode.query_images) == episode.query_labels).mean())

    untrained = [test(task) for task in range(3)]
    matrix, online, modes = np.zeros((3, 3)), [], []
    for number, batch in enumerate(stream):
        online.append((answers(learner, batch.images) == batch.labels).mean())
        modes.append(batch.mode)
        learner.update(batch.images[:, None], batch.labels)
        if number % 8 == 7:
            matrix[number // 8] = [test(task) for task in range(3)]
    assert report["accuracy"] == matrix.tolist() and report["untrained"] == untrained
    assert report["online_accuracy"] == pytest.approx(np.mean(online))
    for mode, name in enumerate(("omniglot", "mnist", "fashion_mnist")):
        chosen = [a for a, m in zip(online, modes, strict=True) if m == mode]
        if chosen:
            assert report[f"online_accuracy_{name}"] == pytest.approx(np.mean(chosen))
        else:
            assert f"online_accuracy_{name}" not in report
    assert 0 < report["sparsity"]["total"] < 1


def test_killed_and_resumed(tmp_path: Path) -> None:
    """Bitwise the same learner and measurements, also of adapted weights with a graph behind."""
    given = OSAKA | {"steps": 45}
    named = ContinualConfig(**given)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen(
        [sys.executable, SCRIPT, tmp_path / "killed", json.dumps(given)], env=environment
    )
    folder = tmp_path / "killed" / named.task / f"{named.learner}-0"
    while not list(folder.glob("checkpoints/step_*12")):
        assert killed.poll() is None, "ended before it was killed"
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (folder / "report.json").exists()
    ends_the_same(tmp_path, named)


@pytest.mark.parametrize("learner", ["la_maml", "sparse_la_maml_inner"])
def test_interrupted_and_resumed(tmp_path: Path, monkeypatch, learner: str) -> None:
    named = ContinualConfig(**TASKS | {"learner": learner, "checkpoint_every": 3})
    with monkeypatch.context() as patch:
        taught = []

        def update(self: LaMAML, *batch: Any) -> dict[str, float]:
            taught.append(batch)
            if len(taught) == 8:
                raise KeyboardInterrupt
            return known(self, *batch)

        known = LaMAML.update
        patch.setattr(LaMAML, "update", update)
        with pytest.raises(KeyboardInterrupt):
            play(tmp_path / "killed", named)
    ends_the_same(tmp_path, named)


def ends_the_same(tmp_path: Path, named: ContinualConfig) -> None:
    """The run that was stopped, once it has gone on, and one that never was."""
    folders = [tmp_path / n / named.task / f"{named.learner}-0" for n in ("alone", "killed")]
    for runs in ("killed", "alone"):
        play(tmp_path / runs, named)
    metrics = [read_metrics(folder, drop_time=True) for folder in folders]
    assert metrics[0] == metrics[1] and len(metrics[0]) >= 3
    reports = [json.loads((folder / "report.json").read_text()) for folder in folders]
    assert [report.pop("time")["resumed_at_steps"] != [] for report in reports] == [False, True]
    assert reports[0] == reports[1]
    sums = [(folder / "learner" / "SHA256SUMS").read_text() for folder in folders]
    assert sums[0] == sums[1]


def test_the_curriculum_tells_what_is_kept_of_each_block(tmp_path: Path) -> None:
    given = ContinualConfig(
        stream="omniglot-curriculum",
        learner="sparse_la_maml",
        images="glyphs",
        max_classes=60,
        steps=3,
        learner_kwargs={"width": 4, "glances": 1, "parts": 1},
    )
    report = play(tmp_path, given)
    assert Path(report["folder"]).parent.name == "glyphs-curriculum" and report["steps"] == 3
    assert report["retained_accuracy"] == pytest.approx(report["stages"][-1]["accuracy"])
    assert report["forgetting"] is None  # of one block


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        (
            TASKS,
            {"learner": "hebbian"},
            "learner must be one of er, c_maml, sync, .* on the stream",
        ),
        (OSAKA, {"learner": "la_maml"}, "learner must be one of online_adam, maml, .* osaka, got"),
        (TASKS, {"stream": "elephants"}, "stream must be one of osaka, rotations"),
        (TASKS, {"images": "elephants"}, "images must be data or glyphs, got 'elephants'"),
        (TASKS, {"num_tasks": 0}, "num_tasks must be at least 1, got 0"),
        (TASKS, {"samples_per_task": 601}, "samples_per_task must be at most 600"),
        (TASKS, {"checkpoint_every": 0}, "checkpoint_every must be at least 1, got 0"),
        (TASKS, {"learner_kwargs": {"inner_lr": 0}}, "inner_lr must be above 0, got 0"),
        (
            TASKS,
            {"learner_kwargs": {"width": 4}},
            "learner 'sparse_la_maml' has no setting 'width'",
        ),
        (OSAKA, {"learner_kwargs": {"parts": 4}}, "learner 'sparse_c_maml' has no setting 'parts'"),
        (OSAKA, {"stay_probability": 2.0}, r"stay_probability must be a probability in \[0, 1\]"),
        (OSAKA, {"num_ways": 11}, "num_ways must be at most 10"),
        (OSAKA, {"pieces": 25}, "pieces must be at most steps=24, got 25"),
        (
            OSAKA,
            {"learner": "online_adam", "learner_kwargs": {"inner_lr": 1}},
            "learner 'online_adam' has no setting 'inner_lr'; it has width, learning_rate",
        ),
        (
            OSAKA,
            {"learner": "c_maml", "learner_kwargs": {"sparsity": 0.5}},
            "learner 'c_maml' has no setting 'sparsity'",
        ),
        (
            OSAKA,
            {"learner": "maml", "learner_kwargs": {"modulation": 1}},
            "learner 'maml' has no setting 'modulation'",
        ),
        (OSAKA, {"num_shots": 6}, "num_shots must be at most 5, as tasks are tested on 15 of the"),
        (
            TASKS,
            {"learner": "er", "learner_kwargs": {"inner_lr": 1}},
            "learner 'er' has no setting 'inner_lr'",
        ),
        (
            TASKS,
            {"learner": "la_maml", "learner_kwargs": {"learning_rate": 1}},
            "learner 'la_maml' has no setting 'learning_rate'",
        ),
        (TASKS, {"num_shots": 3}, "num_shots must be left as it is .* rotations.*; it is of osaka"),
        (TASKS, {"steps": 3}, "steps must be left as .*; it is of osaka, omniglot-curriculum"),
        (OSAKA, {"num_tasks": 3}, "num_tasks must be left as it is on the stream osaka"),
        (OSAKA, {"max_classes": 60}, "max_classes must be left as it is on the stream osaka"),
    ],
)
def test_bad_input_is_found_before_anything_is_written(
    tmp_path: Path, base: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        play(tmp_path / "runs", ContinualConfig(**{**base, **changes}))
    assert not (tmp_path / "runs").exists()


def test_divergence_names_the_step(tmp_path: Path) -> None:
    given = ContinualConfig(**TASKS | {"learner_kwargs": {"inner_lr": 1e38, "hidden_size": 8}})
    with pytest.raises(FloatingPointError, match=r"step \d+: '.*' became \w+"):
        play(tmp_path, given)


def test_recipes_and_settings_are_those_of_learners_that_there_are() -> None:
    for recipe in RECIPES.values():
        recipe().check()
    for stream, learners in settings.LA_MAML.items():
        for learner in learners:
            ContinualConfig(stream=stream, learner=learner).make_la_maml()  # type: ignore[arg-type]
    for stay, learners in settings.OSAKA.items():
        for learner in learners:
            given = ContinualConfig(stream="osaka", learner=learner, stay_probability=stay)
            assert given.make_online().config.width == 64
        released = settings.SPARSE_RELU_RELEASE[stay]
        ContinualConfig(
            stream="osaka", learner="sparse_relu_c_maml", learner_kwargs=released
        ).make_online()
