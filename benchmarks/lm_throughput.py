"""How fast language models train: our loop beside a minimal one in the style of nanoGPT.

    driftwise results run lm_throughput --jobs 1     # needs PTB in DRIFTWISE_DATA

Both train the same model with the same optimiser on the Penn Treebank, in batches of the same size
with the state carried. The minimal loop has a tensor of ids, a forward pass, a backward pass,
clipping and a step, and prints its loss now and then. Ours is the one of ``driftwise train-lm``,
with resets, metrics and TensorBoard. Validation and checkpoints are left out.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import torch

from driftwise.lm.corpora import Corpus, open_corpus
from driftwise.lm.models import build_model
from driftwise.lm.optimizers import make_optimizers, set_learning_rates
from driftwise.lm.training import RECIPES, TrainConfig, train_language_model
from driftwise.memory import detach
from driftwise.tracking import Result, SkipCell, read_metrics

RECIPE = {"default": "ptb-lstm", "transformer": "ptb-transformer"}
WARM_UP, STEPS, BLOCKS = 5, 20, 3  # of each block, whose loops take turns


def _settings(setting: str) -> TrainConfig:
    return replace(
        RECIPES[RECIPE[setting]](),
        num_steps=WARM_UP + STEPS,
        log_every=5,
        evaluate_every=10**6,
        checkpoint_every=10**6,
        valid_tokens=1,
        sample_tokens=0,
        warmup=2,
        device="cpu",
    )


def ours(config: TrainConfig, corpus: Corpus) -> float:
    """Tokens per second of our loop, between its first line of metrics and its last."""
    with tempfile.TemporaryDirectory() as runs:
        report = train_language_model(config, corpus=corpus, runs=runs, progress=False)
        lines = [line for line in read_metrics(report["folder"]) if "train/loss" in line]
    first, last = lines[0], lines[-1]
    tokens = last["train/tokens"] - first["train/tokens"]
    return tokens / (last["time/elapsed_s"] - first["time/elapsed_s"])


def nanogpt_style(config: TrainConfig, corpus: Corpus) -> float:
    """Tokens per second of the minimal loop, after the same steps to warm up."""
    torch.manual_seed(config.seed)
    model = build_model(config.model, len(corpus.tokenizer))
    optimizers = make_optimizers(model, config.optimizer)
    ids = torch.from_numpy(corpus.train.ids.astype("int64"))
    lanes = ids[: len(ids) // config.batch_size * config.batch_size].view(config.batch_size, -1)
    state, begun, T = None, 0.0, config.length
    for step in range(config.num_steps):
        if step == WARM_UP:
            begun = time.perf_counter()
        set_learning_rates(optimizers, config.learning_rate_factor(step))
        x, y = lanes[:, step * T : step * T + T], lanes[:, step * T + 1 : step * T + T + 1]
        hidden, state = model(x.contiguous(), state)
        state = detach(state)
        loss = model.head.loss(hidden, y.contiguous()).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm or float("inf"))
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if step % 10 == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    return STEPS * config.batch_size * T / (time.perf_counter() - begun)


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Measure a loop; ours in turns with the minimal one, for the ratio of the two."""
    torch.set_num_threads(1)
    config = replace(_settings(setting), seed=seed)
    try:
        corpus = open_corpus(config.corpus, progress=False)
    except FileNotFoundError as error:
        raise SkipCell(str(error)) from None
    if row == "nanogpt_style":
        speeds = [nanogpt_style(config, corpus) for _ in range(BLOCKS)]
        return {"tokens_per_s": statistics.median(speeds)}
    pairs = [(ours(config, corpus), nanogpt_style(config, corpus)) for _ in range(BLOCKS)]
    return {
        "tokens_per_s": statistics.median(own for own, _ in pairs),
        "ratio": statistics.median(own / plain for own, plain in pairs),
    }


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return {"train": asdict(_settings(setting)), "blocks": BLOCKS, "version": 1}


RESULT = Result(
    name="lm_throughput",
    command="driftwise results run lm_throughput --jobs 1",
    protocol="Tokens per second of wall time while training on the Penn Treebank by the recipes "
    "ptb-lstm (default) and ptb-transformer, float32, one thread, 20 steps of 2,048 tokens after 5 "
    "uncounted ones, median of 3. Ratio: our loop over the minimal one, the two taking turns in "
    "one process, median of 3. Validation and checkpoints are left out.",
    rows=["ours", "nanogpt_style"],
    settings=list(RECIPE),
    seeds=[0],
    run=run,
    config=config,
)
