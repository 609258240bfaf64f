"""The loop on the device: compiled, in bfloat16, killed and resumed."""

import math
import shutil
from pathlib import Path

import pytest
import torch

from driftwise.lm.corpora import DriftingCorpus
from driftwise.lm.losses import HebbianConfig, SoftmaxConfig
from driftwise.lm.models import FastBlockConfig, LSTMConfig, TransformerConfig
from driftwise.lm.training import TrainConfig, train_language_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
SOFTMAX = SoftmaxConfig(cutoffs=(20, 60), div_value=2.0, logit_cap=30.0)
MODELS = {
    "transformer": TransformerConfig(2, 64, 2, 32, 32, softmax=SOFTMAX),
    "block": TransformerConfig(
        2, 64, 2, 32, 32, softmax=SOFTMAX, fast_block=FastBlockConfig(chunk_size=16)
    ),
    "lstm": LSTMConfig(64, 32, softmax=SoftmaxConfig(cutoffs=(20,), hebbian=HebbianConfig(T=20))),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_resumed_run_ends_where_the_other_does(name: str, tmp_path: Path) -> None:
    corpus = DriftingCorpus(num_words=100, document_length=200, num_tokens=(20_000, 2_000, 2_000))
    config = TrainConfig(
        model=MODELS[name],
        corpus="drifting",
        batch_size=16,
        length=32,
        num_steps=60,
        warmup=5,
        micro_batches=2,
        average_decay=0.9,
        evaluate_every=30,
        checkpoint_every=20,
        valid_batch_size=4,
        sample_tokens=0,
        compile=True,
    )

    def train() -> float:
        report = train_language_model(
            config, corpus=corpus, runs=tmp_path, progress=False, tensorboard=False
        )
        return float(report["valid"]["loss"])

    whole = train()
    assert whole < math.log(100) - 0.3
    (checkpoint,) = tmp_path.glob("drifting/*/checkpoints/step_*60")
    shutil.rmtree(checkpoint)
    assert train() == pytest.approx(whole, rel=0.02)
