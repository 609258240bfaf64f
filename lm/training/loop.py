"""The training loop, in a run folder that survives being killed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from ...tracking import RunFolder, latest_checkpoint
from ..checkpoint import BEST, LAST
from ..corpora import Corpus
from ..models import build_model, count_parameters, flops_per_token
from ..optimizers import make_optimizers, set_learning_rates
from ..precision import autocast
from .config import TrainConfig
from .objective import Objective, Read, static_loss
from .outputs import measured, sample_text, save_model, show
from .processes import join_processes, replicate, shard, whole
from .recent import Recent
from .step import Step, compile_parts
from .training_state import TrainingState
from .weight_average import WeightAverage


def train_language_model(
    config: TrainConfig,
    *,
    corpus: Corpus | None = None,
    runs: str | os.PathLike[str] = "runs",
    name: str | None = None,
    resume: Literal["auto"] | bool = "auto",
    progress: bool = True,
    tensorboard: bool = True,
) -> dict[str, Any]:
    """Train a language model, or go on with a run that was stopped.

    Started again with the same arguments after being killed at any moment, a run continues from its
    last checkpoint and ends, on a CPU, with bitwise the same weights and metrics. Started by
    ``torchrun``, all processes share each batch; the folder must be one that all of them see.

    Args:
        config: What to train.
        corpus: The corpus, where it is open already; else the one that ``config`` names.
        runs: Folder of all runs; this one is ``runs/<corpus>/<name>-<seed>``.
        name: The run's name; the architecture's by default.
        resume: ``"auto"`` continues a run that is there; True requires one; False refuses one.
        progress: Show a progress bar, and samples of text.
        tensorboard: Write TensorBoard events, too.

    Returns:
        What is also in the folder's ``report.json``: ``folder``, ``config``, ``steps``, ``tokens``,
        ``parameters``, ``train_flops_per_token``, and of the last and the best validation
        (``valid`` and ``best``) the ``step``, ``loss`` in nats per token and ``perplexity`` per
        word. The models lie in the folder, as ``last/`` and ``best/``
        (:func:`driftwise.lm.checkpoint.load_language_model`).

    Raises:
        ValueError: A field of the configuration is not what it must be. Nothing is written then.
        FileNotFoundError: The corpus is not there; the message says how to get it.
        FloatingPointError: A loss, a gradient or a weight is not finite. The last checkpoint is
            from before.
        OSError: The disk is full, or not writable. Earlier checkpoints and models are untouched.
    """
    config.check()
    with contextlib.ExitStack() as stack:
        processes = stack.enter_context(join_processes(config.device))
        rank, world_size, device = processes

        # The text. What is wrong with it, or with the batches asked for, must come out now.
        corpus = corpus or config.open_corpus(progress and processes.main)
        pieces = world_size * config.micro_batches
        if config.batch_size % pieces:
            raise ValueError(
                f"batch_size must be a multiple of {pieces}, {world_size} processes times "
                f"micro_batches={config.micro_batches}, got {config.batch_size}"
            )
        lanes = config.train_lanes(corpus, rank, world_size)
        config.valid_lanes(corpus, rank, world_size)

        # The model, the same in all processes, and what trains it.
        torch.manual_seed(config.seed)
        model = build_model(config.model, len(corpus.tokenizer)).to(device)
        like, parameters = model.initial_state(1), count_parameters(model)
        objective: nn.Module = Objective(model, config.activation_coef, config.change_coef)
        if config.compile:
            compile_parts(model)
        if world_size > 1 and config.parallel == "fsdp":
            shard(objective, processes)
        optimizers = make_optimizers(model, config.optimizer)
        average = WeightAverage(model, config.average_decay, config.average_patience)
        if world_size > 1 and config.parallel == "ddp":
            objective = replicate(objective, processes)
        now = TrainingState(model, optimizers, average, lanes, like, config.micro_batches)

        def read(*args: Any) -> Read:
            with autocast(device, config.precision):
                found: Read = objective(*args)
            return found

        step = Step(config, model, objective, read, optimizers, processes)

        # The folder, and what a killed run has left in it.
        task = re.sub(r"[^A-Za-z0-9_.-]+", "-", corpus.name).strip("-.") or "text"
        name = name or config.model.architecture
        folder, run = Path(runs) / task / f"{name}-{config.seed}", None
        if processes.main:
            run = RunFolder.open(
                runs,
                task,
                name,
                config.seed,
                {**dataclasses.asdict(config), "vocabulary": corpus.fingerprint},
                resume=resume,
                ignore=("device", "parallel", "micro_batches", "compile"),
                tensorboard=tensorboard,
            )
            stack.enter_context(run)
        processes.wait()
        saved = latest_checkpoint(folder)
        if saved is not None:
            now.load_tree(*saved, processes)

        batches, recent = iter(lanes), Recent(processes)
        bar = stack.enter_context(
            tqdm(
                total=config.num_steps,
                initial=now.step,
                unit="step",
                disable=not (progress and processes.main),
                dynamic_ncols=True,
            )
        )

        def due(every: int) -> bool:
            return now.step % every == 0 or now.step == config.num_steps

        model.train()
        while now.step < config.num_steps:
            batch = next(batches)
            # All that is random in a step depends on its number, so that a run can be resumed.
            torch.manual_seed(_seed_of(config.seed, now.step, rank))
            # A batch that is longer or shorter than the others counts by its length.
            factor = config.learning_rate_factor(now.step) * batch.inputs.shape[1] / config.length
            set_learning_rates(optimizers, factor)
            taken = step.take(batch, now.states)
            average.update()
            recent.add(taken)
            now.step += 1

            evaluating, saving = due(config.evaluate_every), due(config.checkpoint_every)
            if evaluating or saving or due(config.log_every):
                weights = whole(nn.utils.get_total_norm(step.trained))
                found = recent.take(now.step, weights, folder)
                now.tokens += int(found["train/tokens"])
                found["train/tokens"] = now.tokens
                found["train/epoch"] = lanes.epoch + lanes.step / lanes.steps_per_epoch
                found["train/lr_factor"] = config.learning_rate_factor(now.step)
                if run:
                    run.log(now.step, found)
                speed = f"{found['time/tokens_per_s']:,.0f} tokens/s"
                bar.set_postfix_str(f"loss {found['train/loss']:.3f}, {speed}")
            bar.update()

            if evaluating:
                with average.swapped_in():
                    loss, _ = static_loss(
                        read,
                        model,
                        config.valid_lanes(corpus, rank, world_size),
                        carry=config.carry,
                        processes=processes,
                        max_steps=config.valid_steps,
                    )
                    now.valid = measured(now.step, loss, corpus.valid)
                    if not now.best or loss < now.best["loss"]:
                        now.best = now.valid
                        save_model(folder / BEST, config, model, corpus, now.valid, run)
                    text = sample_text(config, model, corpus.tokenizer, processes)
                average.validated(loss)
                if run:
                    show(run, now.valid, text, bar)
            if saving:
                tree = now.to_tree(processes)
                if run:
                    run.checkpoint(now.step, tree)
            if evaluating or saving:
                recent.restart_clock()

        with average.swapped_in():
            save_model(folder / LAST, config, model, corpus, now.valid, run)
        flops = flops_per_token(
            config.model, len(corpus.tokenizer), config.length, carried=config.carry != "none"
        )
        report = {
            "config": dataclasses.asdict(config),
            "steps": now.step,
            "tokens": now.tokens,
            "parameters": parameters,
            "train_flops_per_token": flops.training,
            "valid": now.valid,
            "best": now.best,
        }
        if run:
            run.report(report)
        return {"folder": str(folder), **report}


def _seed_of(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
