"""How fast language models train: our loop beside a minimal one in the style of nanoGPT.

    driftwise results run lm_throughput --jobs 1     # needs PTB in DRIFTWISE_DATA

Both train the same model with the same optimiser on the Penn Treebank, in batches of the same size
with the state carried. The minimal loop has a tensor of ids, a forward pass, a backward pass,
clipping and a step, and prints its loss now and then. Ours is the one of ``driftwise train-lm``,
with resets, metrics and TensorBoard. Each is run for a few steps and for some more, and what the
difference takes is what counts: neither the beginning nor the end, with validation and checkpoint.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import torch

from driftwise.lm.corpora import Corpus, open_corpus
from driftwise.lm.models import build_model
from driftwise.lm.optimizers import make_optimizers, set_learning_rates
from driftwise.lm.training import RECIPES, TrainConfig, train_language_model
from driftwise.memory import detach
from driftwise.tracking import Result, SkipCell

RECIPE = {"default": "ptb-lstm", "transformer": "ptb-transformer"}
FEW, MORE, REPEATS = 4, 20, 3


def _settings(setting: str) -> TrainConfig:
    return replace(
        RECIPES[RECIPE[setting]](),
        log_every=5,
        evaluate_every=10**6,
        checkpoint_every=10**6,
        valid_tokens=1,
        sample_tokens=0,
        warmup=2,
        device="cpu",
    )


def ours(config: TrainConfig, corpus: Corpus) -> None:
    """Our loop."""
    with tempfile.TemporaryDirectory() as runs:
        train_language_model(config, corpus=corpus, runs=runs, progress=False)


def nanogpt_style(config: TrainConfig, corpus: Corpus) -> None:
    """The minimal loop."""
    torch.manual_seed(config.seed)
    model = build_model(config.model, len(corpus.tokenizer))
    optimizers = make_optimizers(model, config.optimizer)
    ids = torch.from_numpy(corpus.train.ids.astype("int64"))
    lanes = ids[: len(ids) // config.batch_size * config.batch_size].view(config.batch_size, -1)
    state, length = None, config.length
    for step in range(config.num_steps):
        set_learning_rates(optimizers, config.learning_rate_factor(step))
        x = lanes[:, step * length : (step + 1) * length].contiguous()
        y = lanes[:, step * length + 1 : (step + 1) * length + 1].contiguous()
        hidden, state = model(x, state)
        state = detach(state)
        loss = model.head.loss(hidden, y).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm or float("inf"))
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if step % 10 == 0:
            print(f"step {step}: loss {loss.item():.3f}")


def tokens_per_s(
    loop: Callable[[TrainConfig, Corpus], None], config: TrainConfig, corpus: Corpus
) -> float:
    """Tokens per second of processor time, of all threads of this process."""
    seconds = []
    for steps in (FEW, MORE):
        begun = time.process_time()
        loop(replace(config, num_steps=steps), corpus)
        seconds.append(time.process_time() - begun)
    return (MORE - FEW) * config.batch_size * config.length / (seconds[1] - seconds[0])


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Measure a loop; ours in turns with the minimal one, for the ratio of the two."""
    torch.set_num_threads(1)
    config = replace(_settings(setting), seed=seed)
    try:
        corpus = open_corpus(config.corpus, progress=False)
    except FileNotFoundError as error:
        raise SkipCell(str(error)) from None
    if row == "nanogpt_style":
        alone = [tokens_per_s(nanogpt_style, config, corpus) for _ in range(REPEATS)]
        return {"tokens_per_s": statistics.median(alone)}
    loops = (ours, nanogpt_style)
    pairs = [[tokens_per_s(loop, config, corpus) for loop in loops] for _ in range(REPEATS)]
    return {
        "tokens_per_s": statistics.median(own for own, _ in pairs),
        "ratio": statistics.median(own / plain for own, plain in pairs),
    }


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return {"train": asdict(_settings(setting)), "steps": [FEW, MORE, REPEATS], "version": 2}


RESULT = Result(
    name="lm_throughput",
    command="driftwise results run lm_throughput --jobs 1",
    protocol="Tokens per second of processor time while training on the Penn Treebank by the "
    "recipes ptb-lstm (default) and ptb-transformer, float32, one thread: 20 steps less 4 steps of "
    "2,048 tokens, median of 3. Ratio: our loop over the minimal one, the two taking turns in one "
    "process, median of 3.",
    rows=["ours", "nanogpt_style"],
    settings=list(RECIPE),
    seeds=[0],
    run=run,
    config=config,
)
