"""What does adapting cost, in time and in operations, and what does a cheap block bring?

    driftwise results run adaptation_cost --jobs 1

A Transformer of 10 blocks with a cheap softmax, in which what adapts is a small part: as it is,
with dynamic evaluation, with an adaptive block of its own width, and with one of half the width,
which is added to the residual stream.
"""

import dataclasses
import statistics
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from driftwise.benchmarks.lm_cells import VERSION, trained_model
from driftwise.lm.adapters import Adapter, DynamicEvaluation, Reader
from driftwise.lm.adapters.commit import predict, segment_of
from driftwise.lm.corpora import IGNORED, Batch, Corpus, open_corpus
from driftwise.lm.evaluation import StreamEvaluator, ratio_interval
from driftwise.lm.evaluation.intervals import unit_edges
from driftwise.lm.losses import SoftmaxConfig
from driftwise.lm.models import (
    DropoutConfig,
    FastBlockConfig,
    TransformerConfig,
    build_model,
)
from driftwise.lm.training import TrainConfig
from driftwise.tracking import Result, SkipCell

VOCAB_SIZE = 10_000
ROWS = ("static", "dynamic", "dynamic_rms", "fwl", "fwl_narrow")
WIDTHS = {"default": 384, "width_192": 192, "ptb": 192}
LENGTH = 256  # positions of a segment
SEGMENTS = 16  # timed in each round
ROUNDS = 15
NUM_STEPS = 1_500
TEST_TOKENS: int | None = None
CUTOFFS = (500, 2_000)
# Share of the words of the Penn Treebank in each cluster of the softmax.
TAIL_SHARES = (0.14, 0.18)


def fast_block(row: str, width: int) -> FastBlockConfig | None:
    """The adaptive block of a row."""
    if row == "fwl":
        return FastBlockConfig(chunk_size=64)
    if row == "fwl_narrow":
        return FastBlockConfig(size=width // 2, residual=True, chunk_size=64)
    return None


def model_config(row: str, width: int) -> TransformerConfig:
    """The model of a row."""
    return TransformerConfig(
        num_layers=10,
        hidden_size=width,
        num_heads=width // 64,
        window=64,
        max_length=256,
        softmax=SoftmaxConfig(cutoffs=CUTOFFS, logit_cap=30.0),
        dropout=DropoutConfig(input=0.1, hidden=0.1, output=0.2),
        fast_block=fast_block(row, width),
    )


def training(row: str) -> TrainConfig:
    """How the model of a row is trained on the Penn Treebank."""
    model = model_config(row, WIDTHS["ptb"])
    return TrainConfig(
        model=model,
        batch_size=16,
        length=128,
        carry="all" if model.fast_block is None else "body",
        num_steps=NUM_STEPS,
        evaluate_every=500,
        sample_tokens=0,
    )


def random_segments() -> list[Batch]:
    """Words as the softmax's clusters expect them, in one lane."""
    rng = np.random.default_rng(0)
    edges = (0, *CUTOFFS, VOCAB_SIZE)
    shares = (1 - sum(TAIL_SHARES), *TAIL_SHARES)
    cluster = rng.choice(len(shares), size=SEGMENTS * LENGTH + 1, p=shares)
    low, high = np.array(edges[:-1])[cluster], np.array(edges[1:])[cluster]
    words = torch.from_numpy(rng.integers(low, high)).unsqueeze(0)
    starts = torch.zeros(1, SEGMENTS * LENGTH, dtype=torch.bool)
    parts = (part.split(LENGTH, 1) for part in (words[:, :-1], words[:, 1:], starts))
    return [Batch(*piece) for piece in zip(*parts, strict=True)]


def make_adapter(row: str, width: int) -> Reader:
    """The reader of a row, on a new model: what it costs does not depend on the weights."""
    torch.manual_seed(0)
    model = build_model(model_config(row, width), VOCAB_SIZE)
    rules = []
    if row in ("dynamic", "dynamic_rms"):
        ones = {name: torch.ones_like(p) for name, p in model.named_parameters()}
        statistics_, decay = (ones, 1e-3) if row == "dynamic_rms" else (None, 0.0)
        rules = [DynamicEvaluation(1e-4, LENGTH, decay=decay, statistics=statistics_)]
    return Reader(model, rules=rules, fast_block=row.startswith("fwl"), tail_shares=TAIL_SHARES)


def seconds_to_read(adapter: Adapter, batches: list[Batch]) -> float:
    """Time of this process to predict, score and learn all segments."""
    begin = time.process_time()
    read_through(adapter, batches)
    return time.process_time() - begin


def read_through(adapter: Adapter, batches: list[Batch]) -> None:
    """Predict, score and learn all segments."""
    adapter.begin(len(batches[0].targets))
    last = torch.full_like(batches[0].targets[:, :1], IGNORED)
    for batch in batches:
        predict(adapter, segment_of(batch, last)).log_prob(batch.targets)
        adapter.update(batch.targets)
        last = batch.targets[:, -1:]


def counted_flops(adapter: Adapter, batches: list[Batch]) -> float:
    """Operations for each token, as torch counts them while they are made."""
    with FlopCounterMode(display=False) as counter:
        seconds_to_read(adapter, batches)
    return counter.get_total_flops() / sum(batch.targets.numel() for batch in batches)


def cost(row: str, width: int) -> dict[str, float]:
    """Time and operations of a row, as ratios to static, both timed in turn."""
    batches = random_segments()
    adapter, static = make_adapter(row, width), make_adapter("static", width)
    counted = counted_flops(adapter, batches) / counted_flops(static, batches)
    ratios = []
    for _ in range(ROUNDS + 1):
        base = seconds_to_read(static, batches)
        ratios.append(seconds_to_read(adapter, batches) / base)
    ratios = sorted(ratios[1:])
    rank = max(0, int((len(ratios) - 1.96 * len(ratios) ** 0.5) / 2))
    predicted = adapter.flops_per_token(LENGTH) / static.flops_per_token(LENGTH)
    return {
        "time_ratio": statistics.median(ratios),
        "time_ratio_low": ratios[rank],
        "time_ratio_high": ratios[-1 - rank],
        "flops_ratio": counted,
        "flops_ratio_predicted": predicted,
        "time_over_predicted": statistics.median(ratios) / predicted,
    }


@cache
def corpus() -> Corpus:
    try:
        return open_corpus("ptb", progress=False)
    except FileNotFoundError as error:
        raise SkipCell(str(error)) from None


def gain(row: str, seed: int) -> dict[str, Any]:
    """What the block of a row brings, against the model without one, trained alike."""
    text = corpus()
    stream = text.test if TEST_TOKENS is None else text.test.first(TEST_TOKENS)
    evaluator = StreamEvaluator(stream, length=64, progress=False)
    readings = {}
    for name in dict.fromkeys(("static", row)):
        model = trained_model(training(name), text, f"cost-{name}", seed)
        fast = training(name).model.fast_block is not None
        # As in training, the block begins anew after each 128 words.
        adapter = Reader(model, fast_block=fast, forget_every=128 if fast else 0)
        readings[name] = evaluator.read(adapter).nats.astype(np.float64)
    edges, _ = unit_edges(stream.documents.offsets)
    less = np.add.reduceat(readings["static"] - readings[row], edges[:-1])
    found = ratio_interval(less, np.diff(edges).astype(np.float64))
    return {
        "gain_nats": found.value,
        "gain_nats_low": found.low,
        "gain_nats_high": found.high,
        "perplexity": float(np.exp(readings[row].mean())),
    }


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    return gain(row, seed) if setting == "ptb" else cost(row, WIDTHS[setting])


def config(row: str, setting: str) -> Mapping[str, Any] | None:
    """What decides the numbers of a cell."""
    if setting == "ptb":
        if row.startswith("dynamic"):
            return None
        return {"train": dataclasses.asdict(training(row)), "test": TEST_TOKENS, "version": VERSION}
    model = dataclasses.asdict(model_config(row, WIDTHS[setting]))
    timing = {"length": LENGTH, "segments": SEGMENTS, "rounds": ROUNDS}
    return {"model": model, **timing, "version": VERSION}


RESULT = Result(
    name="adaptation_cost",
    command="driftwise results run adaptation_cost --jobs 1",
    protocol="A Transformer of 10 blocks with an adaptive softmax over 10,000 words (cut-offs 500 "
    "and 2,000), one lane, segments of 256 words, one thread, float32. default: blocks of width "
    "384; width_192: of 192. time_ratio: processor time to predict, score and learn, to that of "
    "static, the two timed in turn, median of 15 rounds with its 95 % interval; flops_ratio: "
    "operations as torch counts them; flops_ratio_predicted: by the formulas of docs/memory.md and "
    "docs/language_models.md, dynamic evaluation taken as three passes. fwl: a block as wide as "
    "the body; fwl_narrow: half as wide, added to the residual stream. ptb: models of width 192 "
    "trained on the Penn Treebank for 1,500 batches; gain_nats: nats per word of the test text "
    "less than the model without a block.",
    rows=ROWS,
    settings=list(WIDTHS),
    seeds=[0],
    run=run,
    config=config,
)
