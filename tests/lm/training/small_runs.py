"""Small training runs in a process of their own, for the tests that kill it or start two.

Called with a folder of runs and the names of some of CONFIGS, it trains these, one after the other.
"""

import os
import sys
from dataclasses import replace

import torch
import torch.distributed as dist

from driftwise.envs.schedules import Hazard
from driftwise.lm.corpora import DriftingCorpus
from driftwise.lm.losses import HebbianConfig, SoftmaxConfig
from driftwise.lm.models import (
    DropoutConfig,
    FastBlockConfig,
    LSTMConfig,
    SparseLayersConfig,
    TransformerConfig,
)
from driftwise.lm.optimizers import OptimizerConfig
from driftwise.lm.training import TrainConfig, train_language_model

LSTM = LSTMConfig(
    hidden_size=12,
    embedding_size=8,
    softmax=SoftmaxConfig(cutoffs=(8,), div_value=2.0, hebbian=HebbianConfig(T=20)),
    sparse_layers=SparseLayersConfig((0,), num_heads=1, num_slots=4, key_size=4, value_size=4),
)
TRANSFORMER = TransformerConfig(
    num_layers=2, hidden_size=16, num_heads=2, window=8, max_length=16, fast_block=FastBlockConfig()
)
ADAMW = OptimizerConfig("adamw", matrix_lr=0.01, table_lr=0.01, vector_lr=0.01)
# 20 steps are an epoch and a half. In its last batch, one lane has a target more than the others.
BASE = TrainConfig(
    corpus="drifting",
    batch_size=8,
    length=16,
    num_steps=20,
    warmup=2,
    log_every=4,
    evaluate_every=10,
    valid_batch_size=4,
    sample_tokens=5,
    checkpoint_every=5,
    average_decay=0.9,
    device="cpu",
)
DROPOUT = DropoutConfig(embedding=0.1, input=0.1, hidden=0.1, output=0.1)
AWD = LSTMConfig(
    hidden_size=12,
    embedding_size=8,
    num_layers=2,
    projection=False,
    softmax=SoftmaxConfig(bias=True),
    dropout=replace(DROPOUT, recurrent=0.2),
)
SGD = OptimizerConfig("sgd", matrix_lr=3.0, table_lr=3.0, vector_lr=3.0, weight_decay=1e-3)
CONFIGS = {
    "lstm": replace(BASE, model=LSTM, optimizer=ADAMW),
    "lstm-dropout": replace(
        BASE, model=replace(LSTM, dropout=DROPOUT), optimizer=ADAMW, micro_batches=2
    ),
    "awd": replace(
        BASE,
        model=AWD,
        optimizer=SGD,
        vary_length=True,
        warmup=0,
        cooldown=0.0,
        clip_norm=0.25,
        average_decay=None,
        average_patience=2,
        activation_coef=2.0,
        change_coef=1.0,
    ),
    "transformer": replace(BASE, model=TRANSFORMER),
    "transformer-dropout": replace(BASE, model=replace(TRANSFORMER, dropout=DROPOUT)),
    "sharded": replace(BASE, model=TRANSFORMER, optimizer=ADAMW, parallel="fsdp", micro_batches=2),
}


def corpus() -> DriftingCorpus:
    """Documents of 31 words, which begin inside of batches; lanes of unequal length."""
    return DriftingCorpus(
        num_words=20,
        num_topics=3,
        schedule=Hazard(0.05),
        document_length=31,
        num_tokens=(1_705, 310, 310),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    runs, *names = sys.argv[1:]
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")  # once for all
    text = corpus()
    for name in names:
        train_language_model(
            CONFIGS[name], corpus=text, runs=runs, name=name, progress=False, tensorboard=False
        )
