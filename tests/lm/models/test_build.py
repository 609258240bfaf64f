"""Configurations, parameter counts, and costs against those that torch counts."""

import dataclasses
import json
from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from driftwise.lm.losses import HebbianConfig, SoftmaxConfig
from driftwise.lm.models import (
    DropoutConfig,
    FastBlockConfig,
    LSTMConfig,
    ModelConfig,
    SparseLayersConfig,
    TransformerConfig,
    awd_lstm,
    build_model,
    config_from_dict,
    count_parameters,
    flops_per_token,
    rae_lstm,
    small_lstm,
    small_transformer,
)
from driftwise.memory import without_kernels

V = 50


def test_the_model_of_rae_et_al_has_their_172_million_parameters() -> None:
    with torch.device("meta"):
        model = build_model(rae_lstm(), 267_735)
    lstm = 4 * 2048 * (2048 + 2048 + 2)
    assert count_parameters(model) == 267_735 * 512 + 512 * 2048 + lstm == 171_699_712
    # 345 million operations a word, as the MicroNet challenge counts it (a multiply-add is two).
    assert flops_per_token(rae_lstm(), 267_735, 100).forward == pytest.approx(345e6, rel=0.01)


@pytest.mark.parametrize("recipe", [small_lstm, small_transformer, rae_lstm, awd_lstm])
def test_recipes_survive_json(recipe: Callable[[], ModelConfig]) -> None:
    config = recipe()
    assert config_from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_a_configuration_with_everything_survives_json() -> None:
    softmax = SoftmaxConfig(cutoffs=(5, 20), capacities=(0.2, 0.1), hebbian=HebbianConfig())
    for kind in (LSTMConfig, TransformerConfig):
        config = kind(
            softmax=softmax,
            dropout=DropoutConfig(0.1, 0.2, 0.3, 0.4),
            sparse_layers=SparseLayersConfig((0,)),
            fast_block=FastBlockConfig(8, residual=True),
        )
        assert config_from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


ADAPTIVE = SoftmaxConfig(cutoffs=(10, 20), div_value=2.0)


@pytest.mark.parametrize("softmax", [SoftmaxConfig(), ADAPTIVE], ids=["full", "adaptive"])
def test_flops_are_those_that_torch_counts(softmax: SoftmaxConfig) -> None:
    """Forward, over a sequence without a state: all pairs are computed, also the masked ones."""
    config = TransformerConfig(3, 16, 2, 64, embedding_size=8, softmax=softmax)
    model, ids = build_model(config, V), torch.randint(V, (2, 12))
    shares = None
    if softmax.cutoffs:
        shares = [part.double().mean().item() for part in ((ids >= 10) & (ids < 20), ids >= 20)]
    counter = FlopCounterMode(display=False)
    with counter:
        model.head.loss(model(ids)[0], ids)
    found = flops_per_token(config, V, 12, carried=False, tail_shares=shares)
    assert found.attention == 4 * 6.5 * 16 * 3
    pairs = 4 * 12 * 16 * 3
    expected = found.forward - found.attention + pairs
    assert counter.get_total_flops() == pytest.approx(24 * expected, rel=1e-12)


def test_flops_of_an_adaptive_block_and_sparse_layers() -> None:
    plain = LSTMConfig(32, 16)
    block = dataclasses.replace(plain, fast_block=FastBlockConfig(chunk_size=8))
    cost, base = flops_per_token(block, V, 64), flops_per_token(plain, V, 64)
    assert base.body == 2 * (2 * 4 * 32 * 32) + 2 * 2 * 32 * 16
    narrow = dataclasses.replace(plain, num_layers=2, projection=False)
    assert flops_per_token(narrow, V, 64).body == 2 * 4 * (32 * (16 + 32) + 16 * (32 + 16))
    assert cost.head == 3 * base.head == 3 * 2 * 16 * V
    assert cost.block == 64 * 16**2 + 24 * 8 * 16
    assert (cost.body, cost.training) == (base.body, 3 * cost.forward)
    sizes = SparseLayersConfig((0,), 2, 4, 2, 3, 5)
    sparse = flops_per_token(dataclasses.replace(plain, sparse_layers=sizes), V, 64)
    assert sparse.memories == 6 * 2 * 2 * 3 * 5
    generated = 2 * (2 * 3 + 5 + 2 * 4 + 1)
    assert sparse.body - base.body == 2 * (32 * generated + 32 * 32 + 2 * 2 * 5 * 32)


def test_sparse_layers_start_without_effect() -> None:
    config = TransformerConfig(2, 16, 2, 8, sparse_layers=SparseLayersConfig((0, 1)))
    torch.manual_seed(0)
    model = build_model(config, V)
    plain = build_model(dataclasses.replace(config, sparse_layers=None), V)
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith("sparse.")}
    plain.load_state_dict(weights)
    ids = torch.randint(V, (2, 8))
    with without_kernels():
        assert torch.equal(model(ids)[0], plain(ids)[0])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (LSTMConfig(hidden_size=0), "hidden_size must be at least 1, got 0"),
        (LSTMConfig(softmax=SoftmaxConfig(logit_cap=float("inf"))), "logit_cap must be above 0"),
        (LSTMConfig(num_layers=0), "num_layers must be at least 1, got 0"),
        (LSTMConfig(embedding_size=-1), "embedding_size must be at least 1, got -1"),
        (TransformerConfig(window=0), "window must be at least 1, got 0"),
        (TransformerConfig(hidden_size=20), "hidden_size must be num_heads=6 times an even number"),
        (LSTMConfig(dropout=DropoutConfig(input=1.0)), "dropout.input must be from 0 to below 1"),
        (LSTMConfig(dropout=DropoutConfig(attention=0.1)), "dropout.attention must be 0 in a mode"),
        (TransformerConfig(dropout=DropoutConfig(recurrent=0.1)), "dropout.recurrent must be 0 in"),
        (LSTMConfig(projection=False), "num_layers must be at least 2 without projection"),
        (
            LSTMConfig(sparse_layers=SparseLayersConfig((1,))),
            r"sparse_layers.after must be increasing numbers from 0 to 0, got \(1,\)",
        ),
        (
            LSTMConfig(sparse_layers=SparseLayersConfig(())),
            "sparse_layers.after must be increasing",
        ),
        (
            LSTMConfig(fast_block=FastBlockConfig(size=8)),
            "fast_block.size needs fast_block.residual",
        ),
    ],
)
def test_bad_configurations_are_named(config: LSTMConfig | TransformerConfig, message: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        build_model(config, V)


def test_bad_dicts_and_lengths_are_named() -> None:
    with pytest.raises(ValueError, match=r"architecture must be one of .*, got 'gru'"):
        config_from_dict({"architecture": "gru"})
    with pytest.raises(ValueError, match="LSTMConfig has no field 'depth', it has"):
        config_from_dict({"architecture": "lstm", "depth": 3})
    with pytest.raises(ValueError, match="DropoutConfig has no field 'inner'"):
        config_from_dict({"architecture": "lstm", "dropout": {"inner": 0.1}})
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        flops_per_token(LSTMConfig(), V, 0)
    adaptive = LSTMConfig(8, 8, softmax=ADAPTIVE)
    with pytest.raises(ValueError, match="tail_shares must be 2 numbers, got 1"):
        flops_per_token(adaptive, V, 4, tail_shares=[0.5])
