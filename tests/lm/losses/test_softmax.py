"""Softmaxes: distributions, losses, oracles, chunks, compiled graphs, memorised rows."""

import dataclasses
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._dynamo.backends.registry import lookup_backend
from torch.utils._python_dispatch import TorchDispatchMode

from driftwise.lm.losses import (
    AdaptiveSoftmax,
    FullSoftmax,
    HebbianConfig,
    SoftmaxConfig,
    SoftmaxHead,
    make_softmax,
)

D, V = 8, 30
CONFIGS = {
    "full": SoftmaxConfig(),
    "full_bias_cap": SoftmaxConfig(bias=True, logit_cap=3.0),
    "full_hebbian": SoftmaxConfig(hebbian=HebbianConfig()),
    "adaptive": SoftmaxConfig(cutoffs=(6, 14), div_value=2.0),
    "adaptive_cap": SoftmaxConfig(cutoffs=(10,), logit_cap=3.0),
    "adaptive_hebbian": SoftmaxConfig(cutoffs=(6, 14), hebbian=HebbianConfig()),
}
each_head = pytest.mark.parametrize("name", CONFIGS)


def make(name: str, **changes: Any) -> SoftmaxHead:
    torch.manual_seed(0)
    head = make_softmax(dataclasses.replace(CONFIGS[name], **changes), D, V).double()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return head


def examples(*shape: int) -> tuple[Tensor, Tensor]:
    hidden = torch.randn(*shape, D, dtype=torch.float64, requires_grad=True)
    return hidden, torch.randint(V, shape)


def derivatives(head: SoftmaxHead, hidden: Tensor, targets: Tensor) -> list[Tensor]:
    """Losses; gradients; and gradients of a function of the gradient by the hidden vectors."""
    losses = head.loss(hidden, targets)
    upstream = torch.linspace(0.5, 2.0, losses.numel(), dtype=losses.dtype).view(losses.shape)
    sources = [hidden, *head.parameters()]
    first = torch.autograd.grad((losses * upstream).sum(), sources, create_graph=True)
    second = torch.autograd.grad((first[0] ** 2).sum(), sources, allow_unused=True)
    zeros = [torch.zeros_like(source) for source in sources]
    return [losses, *first, *(z if g is None else g for z, g in zip(zeros, second, strict=True))]


@each_head
def test_probabilities_sum_to_one_and_give_the_loss(name: str) -> None:
    head, (hidden, targets) = make(name), examples(3, 5)
    log_probs = head.log_probs(hidden)
    assert log_probs.shape == (3, 5, V)
    ones = torch.ones(3, 5, dtype=torch.float64)
    torch.testing.assert_close(log_probs.exp().sum(-1), ones, rtol=1e-12, atol=1e-12)
    expected = -log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(head.loss(hidden, targets), expected, rtol=1e-12, atol=1e-12)


def test_the_full_softmax_is_a_capped_linear_layer() -> None:
    head, (hidden, targets) = make("full_bias_cap"), examples(4)
    logits = 3.0 * torch.tanh((hidden @ head.rows.weight.T + head.rows.bias) / 3.0)
    expected = F.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(head.loss(hidden, targets), expected)
    torch.testing.assert_close(head.embed(targets), head.rows.weight[targets])


def test_cutoffs_beyond_the_vocabulary_are_left_out() -> None:
    config = SoftmaxConfig(cutoffs=(6, V, 99), capacities=(0.5, 0.2, 0.1))
    head = make_softmax(config, D, V)
    assert isinstance(head, AdaptiveSoftmax)
    assert (head.cutoffs, head.capacities) == ((6,), (0.5,))
    assert isinstance(make_softmax(config, D, 6), FullSoftmax)


def test_the_adaptive_softmax_is_that_of_torch() -> None:
    head, (hidden, targets) = make("adaptive"), examples(40)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(D, V, [6, 14], div_value=2.0).double()
    with torch.no_grad():
        theirs.head.weight.copy_(torch.cat((head.shortlist.weight, head.clusters.weight)))
        for (down, rows), projection, tail in zip(
            theirs.tail, head.projections, head.tails, strict=True
        ):
            down.weight.copy_(projection.weight)
            rows.weight.copy_(tail.weight)
    torch.testing.assert_close(head.log_probs(hidden), theirs.log_prob(hidden))
    found, expected = head.loss(hidden, targets), -theirs(hidden, targets).output
    torch.testing.assert_close(found, expected)
    ours = torch.autograd.grad(found.sum(), (hidden, *head.parameters()))
    (by_hidden, of_head, *of_tails) = torch.autograd.grad(
        expected.sum(), (hidden, *theirs.parameters())
    )
    first = (of_tails[0], of_tails[2], of_tails[1], of_tails[3])  # projections before rows
    for a, b in zip(ours, (by_hidden, of_head[:6], of_head[6:], *first), strict=True):
        torch.testing.assert_close(a, b)


def test_clusters_without_targets_get_gradients_of_zero() -> None:
    """Not None, which would leave a process of a data-parallel job waiting for it."""
    head, (hidden, targets) = make("adaptive"), examples(10)
    head.loss(hidden, targets % 6).sum().backward()
    for part in (*head.projections.parameters(), *head.tails.parameters()):
        assert part.grad is not None and not part.grad.any()


def test_adaptive_inputs_are_rows_through_their_projection() -> None:
    head = make("adaptive")
    ids = torch.arange(V).view(2, 15)
    rows = [*head.shortlist.weight]
    for projection, tail in zip(head.projections, head.tails, strict=True):
        rows += [*(tail.weight @ projection.weight)]
    torch.testing.assert_close(head.embed(ids), torch.stack(rows).view(2, 15, D))
    sources = list(head.parameters())
    upstream = torch.randn(2, 15, D, dtype=torch.float64)
    found = torch.autograd.grad(head.embed(ids), sources, upstream, allow_unused=True)
    expected = torch.autograd.grad(
        torch.stack(rows).view(2, 15, D), sources, upstream, allow_unused=True
    )
    for a, b in zip(found, expected, strict=True):
        assert a is b is None or torch.allclose(a, b, rtol=1e-12)


@each_head
@given(count=st.integers(1, 12), max_logits=st.integers(1, 200), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=6)
def test_chunks_are_the_whole_to_the_second_derivative(
    name: str, count: int, max_logits: int, seed: int
) -> None:
    torch.manual_seed(seed)
    hidden, targets = examples(count)
    expected = derivatives(make(name), hidden, targets)
    found = derivatives(make(name, max_logits=max_logits), hidden, targets)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


class LargestTensor(TorchDispatchMode):
    """Elements of the largest tensor that an operation has returned."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for part in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(part, Tensor):
                self.largest = max(self.largest, part.numel())
        return out


@pytest.mark.parametrize("name", ["full", "adaptive"])
def test_no_more_than_a_chunk_of_logits_is_alive(name: str) -> None:
    head, (hidden, targets) = make(name, max_logits=60), examples(100)
    kept: list[int] = []
    with (
        torch.autograd.graph.saved_tensors_hooks(
            lambda x: (kept.append(x.numel()), x)[1], lambda x: x
        ),
        LargestTensor() as seen,
    ):
        losses = head.loss(hidden, targets)
        gradient = torch.autograd.grad(losses.sum(), hidden, create_graph=True)[0]
        gradient.square().sum().backward()
    assert seen.largest == hidden.numel() == 100 * D
    assert max(kept) <= 100 * D
    with LargestTensor() as unchunked:
        make(name).loss(hidden, targets)
    assert unchunked.largest > 100 * D  # or there was nothing to avoid


@each_head
def test_half_precision_loses_only_precision(name: str) -> None:
    """Under autocast and with weights in bfloat16; logits in the hundreds stay finite."""
    head, (hidden, targets) = make(name), examples(64)
    expected = head.loss(hidden, targets)
    single = make(name).float()
    chunked = make(name, max_logits=64).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for other in (single, chunked):
            x = hidden.detach().float().requires_grad_()
            found = other.loss(x, targets)
            assert found.dtype == torch.float32
            assert (found - expected).abs().max() < 0.2
            (gradient,) = torch.autograd.grad(found.sum(), x)
            (exact,) = torch.autograd.grad(expected.sum(), hidden, retain_graph=True)
            assert (gradient - exact).norm() < 0.03 * exact.norm()
    half = make(name).bfloat16()
    large = 100 * hidden.detach().bfloat16()
    assert half.loss(large, targets).dtype == torch.float32
    total = half.log_probs(large).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-4)


@pytest.mark.parametrize("cap", [None, 5.0])
def test_one_compiled_graph_whatever_the_targets_are(cap: float | None) -> None:
    """More targets in a cluster than there is room for, or none: the same graph, and exact."""
    graphs = 0

    def counting(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        nonlocal graphs
        graphs += 1
        return aot_eager(graph, inputs)

    aot_eager = lookup_backend("aot_eager")
    head = make("adaptive", logit_cap=cap, capacities=(0.25, 0.1))
    loss = torch.compile(head.loss, fullgraph=True, backend=counting)
    hidden, mixed = examples(40)
    for targets in (mixed, mixed % 6, 6 + mixed % 8, 14 + mixed % 16, (mixed % 2) * 6 + mixed % 7):
        assert targets.max() < V
        sources = (hidden, *head.parameters())
        found, expected = loss(hidden, targets), head.loss(hidden, targets)
        torch.testing.assert_close(found, expected)
        ours = torch.autograd.grad(found.sum(), sources)
        theirs = torch.autograd.grad(expected.sum(), sources)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    assert graphs == 1


@pytest.mark.parametrize("name", ["full", "adaptive", "adaptive_hebbian"])
def test_embeddings_and_distributions_compile_to_one_graph(name: str) -> None:
    head, (hidden, targets) = make(name), examples(5)
    embed = torch.compile(head.embed, fullgraph=True, backend="eager")
    torch.testing.assert_close(embed(targets), head.embed(targets))
    log_probs = torch.compile(head.log_probs, fullgraph=True, backend="eager")
    torch.testing.assert_close(log_probs(hidden), head.log_probs(hidden))


@pytest.mark.parametrize("cutoffs", [(), (6, 14)])
def test_rows_memorise_the_mean_of_their_own_activations(cutoffs: tuple[int, ...]) -> None:
    """With gamma 0 and no norm matching, rows are class means: in a cluster, of projections."""
    rule = HebbianConfig(gamma=0.0, T=float("inf"), norm_matching=None)
    head = make_softmax(SoftmaxConfig(cutoffs=cutoffs, hebbian=rule), D, V).double()
    before = {name: part.clone() for name, part in head.state_dict().items()}
    batches = [examples(4, 3) for _ in range(5)]
    for hidden, targets in batches:
        head.memorise(hidden, targets)
    hidden = torch.cat([h.reshape(-1, D) for h, _ in batches]).detach()
    targets = torch.cat([y.flatten() for _, y in batches])
    for word in range(V):
        cluster = sum(word >= cutoff for cutoff in cutoffs)
        low = (0, *cutoffs)[cluster]
        prefix = "rows" if not cutoffs else "shortlist" if not cluster else f"tails.{cluster - 1}"
        row = head.get_parameter(f"{prefix}.weight")[word - low]
        mean = hidden[targets == word].mean(0)
        if cluster:
            mean = head.projections[cluster - 1].weight @ mean
        expected = mean if (targets == word).any() else before[f"{prefix}.weight"][word - low]
        torch.testing.assert_close(row, expected)
    for name, part in head.named_parameters():
        if name.startswith(("clusters", "projections")):
            assert torch.equal(part, before[name])


def test_plain_rows_memorise_nothing() -> None:
    for name in ("full", "adaptive"):
        head = make(name)
        before = {key: part.clone() for key, part in head.state_dict().items()}
        head.memorise(*examples(9))
        assert all(torch.equal(part, before[key]) for key, part in head.state_dict().items())


def test_bad_input_is_named() -> None:
    head, (hidden, targets) = make("full"), examples(4)
    with pytest.raises(ValueError, match=r"hidden must have shape \(\.\.\., 8\), got \(4, 7\)"):
        head.log_probs(hidden[:, :7])
    with pytest.raises(TypeError, match=r"targets must be int64, got torch.int32"):
        head.loss(hidden, targets.int())
    with pytest.raises(ValueError, match=r"targets must have shape \(4,\) like hidden, got \(3,\)"):
        head.loss(hidden, targets[:3])
    with pytest.raises(ValueError, match="targets must be from 0 to 29, got 30 to 30"):
        head.loss(hidden, torch.full((4,), V))
    with pytest.raises(ValueError, match="cutoffs must increase from above 0 to below vocab_size="):
        AdaptiveSoftmax(D, V, (10, 10))
    with pytest.raises(ValueError, match=r"cutoffs must increase .* got \(30,\)"):
        AdaptiveSoftmax(D, V, (V,))
    with pytest.raises(ValueError, match=r"capacities must be one share .* for each of 2 clusters"):
        AdaptiveSoftmax(D, V, (6, 14), capacities=(0.5,))
    with pytest.raises(ValueError, match=r"div_value must be at least 1, got 0\.5"):
        AdaptiveSoftmax(D, V, (6,), div_value=0.5)
    with pytest.raises(ValueError, match="logit_cap must be above 0, got 0"):
        FullSoftmax(D, V, logit_cap=0)
    with pytest.raises(ValueError, match="max_logits must be at least 1, got 0"):
        FullSoftmax(D, V, max_logits=0)
    with pytest.raises(ValueError, match="bias must be False with cutoffs"):
        make_softmax(SoftmaxConfig(cutoffs=(5,), bias=True), D, V)
    with pytest.raises(ValueError, match="capacities are for an adaptive softmax"):
        make_softmax(SoftmaxConfig(capacities=(0.5,)), D, V)
