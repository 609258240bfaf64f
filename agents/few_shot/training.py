"""Train a few-shot learner in a run folder that survives being killed."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from tqdm import tqdm

from ...envs import FewShotEpisodes
from ...evaluation import bootstrap_interval
from ...tracking import CheckpointError, RunFolder, load_checkpoint, save_checkpoint
from ..classifiers.stream_record import Recent
from .config import FewShotConfig
from .figures import plot_history
from .learner import FewShotLearner

LOG_EVERY = 10
"""Updates over which the accuracy and the loss that are logged are averaged."""


def train_few_shot(
    config: FewShotConfig,
    *,
    runs: str | os.PathLike[str] = "runs",
    name: str | None = None,
    resume: Literal["auto"] | bool = "auto",
    progress: bool = True,
    tensorboard: bool = True,
) -> dict[str, Any]:
    """Train a few-shot learner, or go on with a run that was stopped, and test it at the end.

    Started again with the same arguments after being killed at any moment, a run continues from its
    last checkpoint and ends, on a CPU, with bitwise the same learner and measurements.

    Args:
        config: what to train.
        runs: folder of all runs; this one is ``runs/<images>-<N>way-<K>shot/<name>-<seed>``.
        name: the run's name; the method's by default.
        resume: ``"auto"`` continues a run that is there; True requires one; False refuses one.
        progress: show a progress bar.
        tensorboard: write TensorBoard events, too.

    Returns:
        What is also in the folder's ``report.json``: ``folder``, ``config``, ``updates``,
        ``history`` (of each evaluation the update, the accuracy on the classes to validate by and
        the sparsity of each layer), ``kept`` (the update of the learner that was tested), ``tests``
        (see :func:`measure`, for each set of images) and ``sparsity`` (by layer and in all). The
        learner that was tested lies in the folder as ``learner/``.

    Raises:
        FileNotFoundError: the images are not there; the message says how to get them.
        ValueError: a field of the configuration is not what it must be. Nothing is written then.
        FloatingPointError: the learner has diverged; names the step and the tensor.
    """
    config.check()
    train, validation = config.training_images()
    stream, held_out = config.training_stream(train), config.test_stream(validation)
    tests = {
        name: config.test_stream(config.test_images(name))
        for name in (config.images, *config.test_on)
    }
    learner = FewShotLearner(config, *_shape(stream))
    for other, test in tests.items():
        if _shape(test) != _shape(stream):
            raise ValueError(
                f"test_on must have images of (channels, pixels) {_shape(stream)} as those of "
                f"training, {other} has {_shape(test)}"
            )
    run = RunFolder.open(
        runs,
        config.task,
        name or config.method,
        config.seed,
        config,
        resume=resume,
        ignore=("device", "updates", "test_on", "test_episodes", "checkpoint_every"),
        tensorboard=tensorboard,
    )
    with run:
        history: list[dict[str, Any]] = []
        best: dict[str, Any] = {}
        recent = Recent()
        saved = run.latest_checkpoint()
        if saved is not None:
            learner.load_state_dict(saved[1]["learner"])
            stream.load_state_dict(saved[1]["stream"])
            recent.load_state_dict(saved[1]["recent"])
            history, best = saved[1]["history"], saved[1]["best"]
        _train(config, run, learner, stream, held_out, recent, history, best, progress)
        updates = learner.updates
        if config.keep == "best":
            learner.load_state_dict(best["learner"])
        save_few_shot_learner(run.path / "learner", learner)
        report = {
            "config": dataclasses.asdict(config),
            "updates": updates,
            "history": history,
            "kept": learner.updates,
            "tests": {
                other: measure(learner, test, config.test_episodes) for other, test in tests.items()
            },
            "sparsity": sparsity_by_layer(learner),
        }
        run.report(report)
        title = f"{config.method}: {config.task}, seed {config.seed}"
        run.save_figure("training", plot_history(history, title))
        return {"folder": str(run.path), **report}


def _shape(stream: FewShotEpisodes) -> tuple[int, int]:
    """Channels and pixels of a side of a stream's images."""
    shape = stream.image_shape
    return (shape[2] if len(shape) == 3 else 1), shape[0]


def _train(
    config: FewShotConfig,
    run: RunFolder,
    learner: FewShotLearner,
    stream: FewShotEpisodes,
    held_out: FewShotEpisodes,
    recent: Recent,
    history: list[dict[str, Any]],
    best: dict[str, Any],
    progress: bool,
) -> None:
    """The loop, from where learner and stream are to the end."""
    with tqdm(
        total=config.updates,
        initial=learner.updates,
        unit="update",
        disable=not progress,
        dynamic_ncols=True,
    ) as bar:
        while learner.updates < config.updates:
            metrics = learner.update([stream.next_batch() for _ in range(config.tasks_per_update)])
            update = learner.updates
            last = update >= config.updates
            recent.add({name: metrics[name] for name in ("accuracy", "loss")})
            logged: dict[str, float] = {}
            if update % LOG_EVERY == 0:
                logged |= recent.take()
                bar.set_postfix_str(f"accuracy {logged['accuracy']:.3f}")
            if update % config.evaluate_every == 0 or last:
                accuracy = measure(learner, held_out, config.evaluate_episodes)["accuracy"]
                shares = sparsity_by_layer(learner)
                history.append({"update": update, "accuracy": accuracy, "sparsity": shares})
                if config.keep == "best" and accuracy > best.get("accuracy", -1.0):
                    best.update(accuracy=accuracy, learner=learner.state_dict())
                logged["validation/accuracy"] = accuracy
                logged |= {f"sparsity/{layer}": share for layer, share in shares.items()}
                bar.set_description(f"validation {accuracy:.3f}")
            if logged:
                run.log(update, logged)
            if update % config.checkpoint_every == 0 or last:
                state = {
                    "learner": learner.state_dict(),
                    "stream": stream.state_dict(),
                    "recent": recent.state_dict(),
                    "history": history,
                    "best": best,
                }
                run.checkpoint(update, state)
            bar.update()


def measure(learner: FewShotLearner, stream: FewShotEpisodes, episodes: int) -> dict[str, Any]:
    """The accuracy on the next episodes of a stream, which is then put back.

    Returns:
        ``accuracy``, the mean; ``low`` and ``high``, its 95 % interval over the episodes, which
        says nothing of how much learners of other seeds would differ; ``n``, the number of
        episodes, and ``diverged``, that of those in which the inner loop did: they count as
        guessed.
    """
    begin = stream.state_dict()
    found = learner.evaluate(itertools.islice(stream, episodes))
    stream.load_state_dict(begin)
    guessed = np.where(np.isnan(found), 1 / learner.config.num_ways, found)
    interval = bootstrap_interval(guessed, num_resamples=2_000)
    diverged = int(np.isnan(found).sum())
    return {
        "accuracy": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
        "diverged": diverged,
    }


def sparsity_by_layer(learner: FewShotLearner) -> dict[str, float]:
    """The share of weights that stay as they are: in each block, in the head, and ``total``.

    What the method never changes (the body, of ANIL) is counted. Of a mask that is generated for
    every task, the mean over 20 of them.
    """
    noise = learner.mask.draw_noise(20, generator=torch.Generator().manual_seed(0))
    report = learner.mask.sparsity(noise, depth=1)
    return {**report.layers, "total": report.total}


def save_few_shot_learner(folder: str | os.PathLike[str], learner: FewShotLearner) -> None:
    """Write a learner to a folder, as safetensors and JSON; it is replaced if it exists."""
    save_checkpoint(
        folder, {"config": dataclasses.asdict(learner.config), "learner": learner.state_dict()}
    )


def load_few_shot_learner(folder: str | os.PathLike[str], device: str = "cpu") -> FewShotLearner:
    """Load a learner that :func:`save_few_shot_learner` wrote; runs no code from the files.

    Raises:
        CheckpointError: the folder is damaged, or holds something else.
    """
    saved = load_checkpoint(folder)
    if not isinstance(saved, Mapping) or set(saved) != {"config", "learner"}:
        raise CheckpointError(f"{folder} must hold a few-shot learner, but it holds another thing")
    config = FewShotConfig(**saved["config"])
    kind = saved["learner"]["kind"]
    learner = FewShotLearner(
        dataclasses.replace(config, device=device), kind["in_channels"], kind["image_size"]
    )
    learner.load_state_dict(saved["learner"])
    return learner
