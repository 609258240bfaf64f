"""Run a learner on a stream, in a run folder that survives being killed."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from ...envs import ClassCurriculum
from ...envs.image_streams import ClassStream
from ...tracking import RunFolder, list_checkpoints
from .la_maml import LaMAML
from .learner import Learner
from .registry import save_learner
from .stream_config import StreamConfig
from .stream_figures import confusion_sheet, plot_stages
from .stream_record import Recent, StreamRecord, answers, current_stage

LOG_EVERY = 10
"""Steps over which the accuracy and the loss that are logged are averaged."""


def run_stream(
    config: StreamConfig,
    *,
    runs: str | os.PathLike[str] = "runs",
    name: str | None = None,
    resume: Literal["auto"] | bool = "auto",
    progress: bool = True,
    tensorboard: bool = True,
) -> dict[str, Any]:
    """Run a learner on a stream, or go on with a run that was stopped.

    Every batch is predicted, and scored, before the learner is shown its labels. Started again with
    the same arguments after being killed at any moment, a run continues from its last checkpoint
    and ends, on a CPU, with bitwise the same learner and measurements.

    Args:
        config: what to run.
        runs: folder of all runs; this one is ``runs/<images>-<stream>/<name>-<seed>``.
        name: the run's name; the learner's by default.
        resume: ``"auto"`` continues a run that is there; True requires one; False refuses one.
        progress: show a progress bar.
        tensorboard: write TensorBoard events, too.

    Returns:
        What is also in the folder's ``report.json``: ``folder``, ``config``, ``steps``,
        ``finished`` (False if ``max_steps`` or ``max_level_steps`` ended it), ``stages`` and
        ``binding`` (see :class:`StreamRecord`), ``retained_accuracy``, ``forgetting`` and the like
        over the blocks of classes and, of a curriculum, ``steps_per_level`` and
        ``sightings_to_criterion``; of learners with step sizes, the ``sparsity`` by layer. The
        learner lies in the folder as ``learner/``.

    Raises:
        FileNotFoundError: the images are not there; the message says how to get them.
        ValueError: a field of the configuration is not what it must be; ``max_steps``, for one,
            not below the steps that a run already has. Nothing is written then.
    """
    stream = config.make_stream()
    task, name = f"{config.images}-{config.stream}", name or config.learner
    steps = [step for step, _ in list_checkpoints(Path(runs) / task / f"{name}-{config.seed}")]
    if steps and config.max_steps is not None and config.max_steps < steps[-1]:
        raise ValueError(
            f"max_steps must be at least {steps[-1]}, the steps of the run so far, "
            f"got {config.max_steps}"
        )
    learner = config.make_learner(stream, begins=not steps)
    run = RunFolder.open(
        runs,
        task,
        name,
        config.seed,
        config,
        resume=resume,
        ignore=("device", "max_steps", "max_level_steps"),
        tensorboard=tensorboard,
    )
    with run:
        record, recent = StreamRecord(), Recent()
        saved = run.latest_checkpoint()
        if saved is not None:
            learner.load_state_dict(saved[1]["learner"])
            stream.load_state_dict(saved[1]["stream"])
            record.load_state_dict(saved[1]["record"])
            recent.load_state_dict(saved[1]["recent"])
        _run(config, run, learner, stream, record, recent, progress)
        notes = {"config": dataclasses.asdict(config), "images": stream.settings["images"]}
        save_learner(run.path / "learner", learner, notes)
        report = _report(config, stream, record)
        if isinstance(learner, LaMAML):
            report["sparsity"] = learner.sparsity()
        run.report(report)
        if record.stages:
            title = f"{config.learner}: {config.images}, {config.stream}, seed {config.seed}"
            curriculum = isinstance(stream, ClassCurriculum)
            figure = plot_stages(record.stages, title, with_steps=curriculum)
            run.save_figure("stages", figure)
        return {"folder": str(run.path), **report}


def _run(
    config: StreamConfig,
    run: RunFolder,
    learner: Learner,
    stream: ClassStream,
    record: StreamRecord,
    recent: Recent,
    progress: bool,
) -> None:
    """The loop, from where learner and stream are to the end."""

    def answer(images: Any) -> Any:
        return answers(learner, images)

    def ended() -> bool:
        return stream.finished or (config.max_steps is not None and stream.step >= config.max_steps)

    total = min((n for n in (stream.num_batches, config.max_steps) if n), default=None)
    with tqdm(
        total=total, initial=stream.step, unit="step", disable=not progress, dynamic_ncols=True
    ) as bar:
        while not ended():
            stage = current_stage(stream, config.steps_per_task)
            batch = stream.next_batch()
            right = answer(batch.images) == batch.labels  # scored before the update
            metrics = learner.update(batch.images[:, None], batch.labels)
            stream.observe(answer)

            recent.add({**metrics, "accuracy": float(right.mean())})
            record.observe(learner, stream, stage)
            complete = current_stage(stream, config.steps_per_task) != stage
            if stream.step % LOG_EVERY == 0:
                means = recent.take()
                run.log(stream.step, {"classes": stage.stop, **means})
                bar.set_description(f"level {stage.number}, {stage.stop:,} classes")
                bar.set_postfix_str(f"accuracy {means['accuracy']:.2f}")
            if complete or ended():
                held_out = stream.held_out(0, stage.stop)
                predicted = answer(held_out.images)
                end = record.close_stage(stage, stream.step, predicted == held_out.labels, complete)
                known = {f"level/{key}": value for key, value in end.items() if value is not None}
                run.log(stream.step, known)
                sheet = confusion_sheet(held_out, predicted)
                if run.tensorboard is not None and sheet is not None:
                    tag = "level/confusions"
                    run.tensorboard.add_image(tag, sheet, stream.step, dataformats="HW")
            if stream.step % config.checkpoint_every == 0 or ended():
                state = {
                    "learner": learner.state_dict(),
                    "stream": stream.state_dict(),
                    "record": record.state_dict(),
                    "recent": recent.state_dict(),
                }
                run.checkpoint(stream.step, state)
            bar.update()


def _report(config: StreamConfig, stream: ClassStream, record: StreamRecord) -> dict[str, Any]:
    report = {
        "config": dataclasses.asdict(config),
        "steps": stream.step,
        "finished": stream.finished,
        "stages": record.stages,
        "binding": record.binding,
        **record.forgetting(),
    }
    if isinstance(stream, ClassCurriculum):
        report["finished"] = stream.level == stream.levels.count
        report["steps_per_level"] = stream.steps_per_level.tolist()
        report["sightings_to_criterion"] = stream.sightings_to_criterion.tolist()
    return report
