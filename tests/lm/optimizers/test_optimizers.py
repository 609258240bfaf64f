"""Who trains which parameter, and learning rates over time."""

import copy

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from driftwise.lm.losses import HebbianConfig, SoftmaxConfig
from driftwise.lm.models import (
    FastBlockConfig,
    LSTMConfig,
    SparseLayersConfig,
    TransformerConfig,
    build_model,
)
from driftwise.lm.optimizers import (
    OptimizerConfig,
    check_claims,
    cosine,
    make_optimizers,
    roles,
    set_learning_rates,
    trapezoid,
)

V = 20
ADAPTIVE = SoftmaxConfig(cutoffs=(5,), hebbian=HebbianConfig())
PARTS = {"sparse_layers": SparseLayersConfig((0,)), "fast_block": FastBlockConfig()}
CONFIGS = {
    "lstm": LSTMConfig(8, 4, softmax=SoftmaxConfig(tied=False, bias=True), **PARTS),
    "transformer": TransformerConfig(2, 8, 2, 4, 8, softmax=ADAPTIVE, **PARTS),
}
each_model = pytest.mark.parametrize("name", CONFIGS)


@each_model
def test_every_parameter_has_a_role_by_what_it_is(name: str) -> None:
    found = roles(build_model(CONFIGS[name], V))
    for key, role in found.items():
        part = key.removeprefix("body.")
        if key.endswith("log_step_size"):
            assert role == "step_size"
        elif part.startswith(("head.", "embedding.")):
            assert role == "table"
        else:
            small = key.endswith(("bias", "gain", "offset", "initial", "_l0"))
            vector = small and not key.endswith(("weight_ih_l0", "weight_hh_l0"))
            assert role == ("vector" if vector else "matrix"), key
    assert set(found.values()) == {"matrix", "table", "vector", "step_size"}


@each_model
@pytest.mark.parametrize("matrices", ["muon", "adamw", "sgd"])
def test_one_step_moves_every_parameter(name: str, matrices: str) -> None:
    model = build_model(CONFIGS[name], V)
    optimizers = make_optimizers(model, OptimizerConfig(matrices, matrix_lr=0.01, weight_decay=0.1))
    names = {"muon": ["Muon", "AdamW"], "adamw": ["AdamW"], "sgd": ["SGD"]}
    assert [type(o).__name__ for o in optimizers] == names[matrices]
    ids = torch.randint(V, (4, 8))
    before = copy.deepcopy(dict(model.named_parameters()))
    for _ in range(2):  # what is behind a zero has its first gradient at the second step
        model.head.loss(model(ids)[0], ids).mean().backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    for key, parameter in model.named_parameters():
        assert not torch.equal(parameter, before[key]), key


def test_only_matrices_decay_and_step_sizes_have_their_own_rate() -> None:
    model = build_model(CONFIGS["transformer"], V)
    config = OptimizerConfig(matrix_lr=0.1, table_lr=0.2, vector_lr=0.3, step_size_lr=0.4)
    muon, adamw = make_optimizers(model, OptimizerConfig(**vars(config) | {"weight_decay": 0.5}))
    assert [(g["lr"], g["weight_decay"]) for g in muon.param_groups] == [(0.1, 0.5)]
    assert [(g["lr"], g["weight_decay"]) for g in adamw.param_groups] == [
        (0.2, 0.0),
        (0.3, 0.0),
        (0.4, 0.0),
    ]
    assert adamw.param_groups[2]["params"] == [model.layer.log_step_size]
    set_learning_rates([muon, adamw], 0.5)
    set_learning_rates([muon, adamw], 0.1)
    assert [g["lr"] for o in (muon, adamw) for g in o.param_groups] == pytest.approx(
        [0.01, 0.02, 0.03, 0.04]
    )


def test_sgd_trains_and_decays_everything() -> None:
    model = build_model(CONFIGS["lstm"], V)
    config = OptimizerConfig("sgd", 0.1, 0.2, 0.3, 0.4, weight_decay=0.5)
    (sgd,) = make_optimizers(model, config)
    assert [(g["lr"], g["weight_decay"]) for g in sgd.param_groups] == [
        (rate, 0.5) for rate in (0.1, 0.2, 0.3, 0.4)
    ]
    rates = {"matrix": 0.1, "table": 0.2, "vector": 0.3, "step_size": 0.4}
    before, of = copy.deepcopy(dict(model.named_parameters())), roles(model)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    sgd.step()
    for name, parameter in model.named_parameters():
        moved = before[name] - rates[of[name]] * (parameter.grad + 0.5 * before[name])
        torch.testing.assert_close(parameter, moved)


def test_muon_moves_a_matrix_by_its_orthogonal_part() -> None:
    """The first step of a square matrix is close to -lr U Vᵀ of its gradient's decomposition."""
    model = build_model(CONFIGS["transformer"], V)
    (weight,) = [p for n, p in model.named_parameters() if n.endswith("blocks.0.query.weight")]
    muon, _ = make_optimizers(model, OptimizerConfig(matrix_lr=0.1))
    gradient, before = torch.randn_like(weight), weight.detach().clone()
    weight.grad = gradient
    muon.step()
    u, _, v = torch.linalg.svd(gradient)
    step = (before - weight) / 0.1
    assert torch.linalg.svdvals(step.detach()).max() < 1.3  # 0.7 to 1.2, by construction
    assert torch.cosine_similarity(step.flatten(), (u @ v).flatten(), 0) > 0.95


def test_frozen_parameters_belong_to_nobody() -> None:
    model = build_model(CONFIGS["lstm"], V)
    model.body.requires_grad_(False)
    optimizers = make_optimizers(model, OptimizerConfig())
    claimed = sum(len(g["params"]) for o in optimizers for g in o.param_groups)
    assert claimed == 7  # the six tensors of the block and their step sizes


def test_claims_are_checked_by_name() -> None:
    model = build_model(LSTMConfig(4, 4), V)
    table, *others = model.parameters()
    with pytest.raises(ValueError, match=r"'head.rows.weight' must be in one optimiser, .* in 0"):
        check_claims(model, [torch.optim.SGD(others)])
    both = [torch.optim.SGD(model.parameters()), torch.optim.SGD([table])]
    with pytest.raises(ValueError, match=r"'head.rows.weight' must be in one optimiser, .* in 2"):
        check_claims(model, both)
    stranger = torch.nn.Parameter(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"parameter of shape \(2, 3\) that is not the model's"):
        check_claims(model, [torch.optim.SGD([table, *others, stranger])])


def test_schedules_by_hand() -> None:
    found = [trapezoid(step, 10, warmup=2, cooldown=0.5) for step in range(11)]
    assert found == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0])
    assert trapezoid(9, 10, cooldown=0) == 1
    found = [cosine(step, 6, warmup=2) for step in range(7)]
    half = 0.5**0.5 / 2
    assert found == pytest.approx([1 / 3, 2 / 3, 1, 0.5 + half, 0.5, 0.5 - half, 0])
    assert cosine(0, 4) == 1


def test_bad_input_is_named() -> None:
    for options, message in (
        ({"matrices": "adam"}, "matrices must be 'muon', 'adamw' or 'sgd', got 'adam'"),
        ({"matrix_lr": float("inf")}, "matrix_lr must be above 0, got inf"),
        ({"table_lr": 0}, "table_lr must be above 0, got 0"),
        ({"weight_decay": -1}, "weight_decay must be at least 0 and finite, got -1"),
        ({"betas": (0.9, 1.0)}, "betas must be from 0 to below 1, got 1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            make_optimizers(build_model(LSTMConfig(4, 4), V), OptimizerConfig(**options))
    with pytest.raises(ValueError, match="step must be from 0 to num_steps=5, got 6"):
        cosine(6, 5)
    with pytest.raises(ValueError, match="warmup must be from 0 to below num_steps=5, got 5"):
        trapezoid(0, 5, warmup=5)
    with pytest.raises(ValueError, match="cooldown must be from 0 to 1, got 2"):
        trapezoid(0, 5, cooldown=2)


@each_model
def test_the_average_of_torch_keeps_shared_weights_shared(name: str) -> None:
    """An average of weights over time is not ours to write: torch's works on these models."""
    model, ids = build_model(CONFIGS[name], V), torch.randint(V, (2, 5))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    expected = {key: p.detach().clone() for key, p in model.named_parameters()}
    average.update_parameters(model)
    for _ in range(3):
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
                expected[key] = 0.5 * expected[key] + 0.5 * parameter
        average.update_parameters(model)
    for key, parameter in average.module.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[key])
    twin = build_model(CONFIGS[name], V)
    twin.load_state_dict(average.module.state_dict())
    torch.testing.assert_close(average(ids)[0], twin(ids)[0])
