"""Run a continual learner on a stream of tasks, in a run folder that survives being killed."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Literal

from tqdm import tqdm

from ...tracking import RunFolder, save_checkpoint
from ..classifiers import run_stream
from ..classifiers.stream_record import Recent
from .config import CURRICULUM, ContinualConfig
from .figures import plot_tasks
from .record import TaskRecord
from .worlds import OsakaWorld, TaskWorld

LOG_EVERY = 10
"""Steps over which the accuracy and the loss that are logged are averaged."""
MODES = ("omniglot", "mnist", "fashion_mnist")


def run_continual(
    config: ContinualConfig,
    *,
    runs: str | os.PathLike[str] = "runs",
    name: str | None = None,
    resume: Literal["auto"] | bool = "auto",
    progress: bool = True,
    tensorboard: bool = True,
) -> dict[str, Any]:
    """Run a continual learner on a stream, or go on with a run that was stopped.

    Every batch is predicted, and scored, before the learner is shown its labels. Started again with
    the same arguments after being killed at any moment, a run continues from its last checkpoint
    and ends, on a CPU, with bitwise the same learner and measurements.

    Args:
        config: what to run.
        runs: folder of all runs; this one is ``runs/<stream>/<name>-<seed>``.
        name: the run's name; the learner's by default.
        resume: ``"auto"`` continues a run that is there; True requires one; False refuses one.
        progress: show a progress bar.
        tensorboard: write TensorBoard events, too.

    Returns:
        What is also in the folder's ``report.json``: ``folder``, ``config``, ``steps``,
        ``online_accuracy`` (mean accuracy of the batches before they were learned), what
        :func:`~driftwise.evaluation.summarize_continual` makes of the K x K ``accuracy`` and of
        ``untrained``, and the ``sparsity`` by layer. The learner's state lies in the folder as
        ``learner/``. Of the curriculum, what :func:`~driftwise.agents.classifiers.run_stream`
        returns.

    Raises:
        FileNotFoundError: the images are not there; the message says how to get them.
        ValueError: a field of the configuration is not what it must be. Nothing is written then.
        FloatingPointError: the learner has diverged; names the step.
    """
    config.check()
    if config.stream == CURRICULUM:
        return run_stream(
            config.curriculum(),
            runs=runs,
            name=name,
            resume=resume,
            progress=progress,
            tensorboard=tensorboard,
        )
    world = OsakaWorld(config) if config.stream == "osaka" else TaskWorld(config)
    run = RunFolder.open(
        runs,
        config.task,
        name or config.learner,
        config.seed,
        config,
        resume=resume,
        ignore=("device",),
        tensorboard=tensorboard,
    )
    with run:
        record, recent = TaskRecord(len(world.ends)), Recent()
        saved = run.latest_checkpoint()
        if saved is not None:
            for part, state in zip((*world.parts, record, recent), saved[1]["parts"], strict=True):
                part.load_state_dict(state)
        _run(config, run, world, record, recent, progress)
        kind = {"learner": world.learner.state_dict(), "config": dataclasses.asdict(config)}
        save_checkpoint(run.path / "learner", kind)
        report = {
            "config": dataclasses.asdict(config),
            "steps": world.stream.step,
            **record.report(MODES if record.modes else ()),
            "sparsity": world.learner.sparsity(),
        }
        run.report(report)
        title = f"{config.learner}: {config.task}, seed {config.seed}"
        run.save_figure("tasks", plot_tasks(record, world.ends, title))
        return {"folder": str(run.path), **report}


def _run(
    config: ContinualConfig,
    run: RunFolder,
    world: TaskWorld | OsakaWorld,
    record: TaskRecord,
    recent: Recent,
    progress: bool,
) -> None:
    """The loops, before the stream and on it, from where all of it is to the end."""
    stream, tasks = world.stream, range(len(world.ends))
    assert stream.num_batches is not None
    with tqdm(
        total=world.pretrain_updates + stream.num_batches,
        initial=world.pretrained + stream.step,
        unit="step",
        disable=not progress,
        dynamic_ncols=True,
    ) as bar:
        while not stream.finished:
            step = world.pretrained + stream.step + 1
            try:
                if isinstance(world, OsakaWorld) and world.pretrained < world.pretrain_updates:
                    bar.set_description("before the stream")
                    loss = world.pretrain()
                    logged = {"pretraining/loss": loss} if step % LOG_EVERY == 0 else {}
                else:
                    logged = _step(world, record, recent)
            except FloatingPointError as error:
                raise FloatingPointError(f"step {step}: {error}") from None
            if stream.step in world.ends:
                task = world.ends.index(stream.step)
                record.accuracy[task] = [world.test(other) for other in tasks]
                logged["tasks/so_far"] = record.accuracy[task, : task + 1].mean().item()
                bar.set_description(f"{task + 1} tasks, {logged['tasks/so_far']:.3f} on them")
            if "accuracy" in logged:
                bar.set_postfix_str(f"accuracy {logged['accuracy']:.2f}")
            if logged:
                run.log(step, logged)
            if step % config.checkpoint_every == 0 or stream.finished:
                parts = [part.state_dict() for part in (*world.parts, record, recent)]
                run.checkpoint(step, {"parts": parts})
            bar.update()


def _step(world: TaskWorld | OsakaWorld, record: TaskRecord, recent: Recent) -> dict[str, float]:
    """One step of the stream; what to log of it, now and then."""
    if world.stream.step == 0:
        record.untrained[:] = [world.test(task) for task in range(len(world.ends))]
    batch = world.stream.next_batch()
    accuracy, loss = world.learn(batch)
    record.online.append(accuracy)
    if isinstance(world, OsakaWorld):
        record.modes.append(batch.mode)
    recent.add({"accuracy": accuracy, "loss": loss})
    return recent.take() if world.stream.step % LOG_EVERY == 0 else {}
