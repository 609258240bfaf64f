"""The inner loop against plain autograd and closed forms, and what it refuses."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from driftwise.memory import UpdateMask, functional, inner_loop, inner_step, repeat
from driftwise.memory.update_mask import KINDS


class Small(nn.Module):
    """A convolution with a batch norm, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.norm = nn.BatchNorm2d(3, track_running_stats=False)
        self.head = nn.Linear(3 * 4, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.norm(self.conv(x))).flatten(1))


def make(kind, seed=0, **options):
    torch.manual_seed(seed)
    net = Small().double()
    mask = UpdateMask(net, kind, inner_lr=0.3, **options)
    forward = functional(net)

    def loss(parameters, x, y):
        return F.cross_entropy(forward(parameters, x), y)

    return net, mask, loss


def task(seed, *size):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*size, 6, 1, 4, 4, generator=generator, dtype=torch.float64)
    return x, torch.randint(3, (*size, 6), generator=generator)


def plain_loop(loss, theta, sizes, support, query, steps, second):
    """Written out with torch.autograd alone: the loss after adaptation."""
    phi = dict(theta)
    for _ in range(steps):
        found = torch.autograd.grad(loss(phi, *support), list(phi.values()), create_graph=second)
        found = found if second else [g.detach() for g in found]
        phi = {n: p - sizes[n] * g for (n, p), g in zip(phi.items(), found, strict=True)}
    return loss(phi, *query)


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(KINDS), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_gradients_are_those_of_autograd(kind, steps, second, seed):
    """Also for second order; that of the weights and of everything that the mask learns."""
    net, mask, loss = make(kind, seed)
    noise = mask.draw_noise()
    theta, learned = dict(net.named_parameters()), list(mask.parameters())
    support, query = task(seed), task(seed + 1)
    wanted = [*theta.values(), *learned]
    expected_loss = plain_loop(loss, theta, mask(noise), support, query, steps, second)
    expected = torch.autograd.grad(expected_loss, wanted)
    fast = inner_loop(loss, theta, mask(noise), *support, steps=steps, first_order=not second)
    found_loss = loss(fast, *query)
    torch.testing.assert_close(found_loss, expected_loss, rtol=1e-12, atol=0)
    found = torch.autograd.grad(found_loss, wanted)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["sparse", "relu", "per_parameter"])
@pytest.mark.parametrize("steps", [1, 5])
def test_the_gradient_of_a_mask_has_a_closed_form(kind, steps):
    """- 0.5 alpha g_out * sum_k g_in of a sparse mask, - g_out * sum_k g_in of step sizes."""
    net, mask, loss = make(kind)
    with torch.no_grad():
        for rates in mask.rates.values():  # closed ones, too: the gradient goes straight through
            rates.sub_(0.4 * torch.rand_like(rates))
    support, query = task(0), task(1)
    sizes = {n: s.detach() for n, s in mask().items()}
    phi = {n: p.detach() for n, p in net.named_parameters()}
    sums = {n: torch.zeros_like(p) for n, p in phi.items()}
    for _ in range(steps):
        leaves = {n: p.clone().requires_grad_() for n, p in phi.items()}
        inner = torch.autograd.grad(loss(leaves, *support), list(leaves.values()))
        for (n, p), g in zip(leaves.items(), inner, strict=True):
            sums[n] += g
            phi[n] = p.detach() - sizes[n] * g
    leaves = {n: p.clone().requires_grad_() for n, p in phi.items()}
    outer = torch.autograd.grad(loss(leaves, *query), list(leaves.values()))

    fast = inner_loop(loss, dict(net.named_parameters()), mask(), *support, steps=steps)
    loss(fast, *query).backward()
    learned = mask.logits if kind == "sparse" else mask.rates
    factor = 0.5 * 0.3 if kind == "sparse" else 1.0
    assert any((sizes[n] == 0).any() for n in sizes) or kind == "per_parameter"
    for (n, p), g_out in zip(net.named_parameters(), outer, strict=True):
        closed_form = -factor * g_out * sums[n]
        found = learned[n.replace(".", "/")].grad
        torch.testing.assert_close(found, closed_form, rtol=1e-12, atol=1e-15)
        # Of the weights: that of the query at the adapted weights, also where the mask is closed.
        torch.testing.assert_close(p.grad, g_out, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first_order", [True, False])
def test_vmapped_equals_looped(kind, first_order):
    """Over tasks that share the weights and, but for generated ones, the mask."""
    net, mask, loss = make(kind)
    theta, wanted = dict(net.named_parameters()), [*net.parameters(), *mask.parameters()]
    support, query = task(0, 3), task(1, 3)
    noise = mask.draw_noise(3)
    options = {"steps": 3, "first_order": first_order}

    looped = sum(
        loss(
            inner_loop(
                loss,
                theta,
                mask(None if noise is None else noise[t]),
                support[0][t],
                support[1][t],
                **options,
            ),
            query[0][t],
            query[1][t],
        )
        for t in range(3)
    )
    fast = inner_loop(loss, repeat(theta, 3), mask(noise), *support, vmapped=True, **options)
    vmapped = torch.func.vmap(loss)(fast, *query).sum()
    torch.testing.assert_close(vmapped, looped, rtol=1e-12, atol=0)
    expected = torch.autograd.grad(looped, wanted)
    found = torch.autograd.grad(vmapped, wanted)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-13)


NORMS = {
    "batch": nn.BatchNorm2d(4, track_running_stats=False),
    "layer": nn.LayerNorm((4, 2, 2)),
    "instance": nn.InstanceNorm2d(4, affine=True),
    "group": nn.GroupNorm(2, 4),
}


@pytest.mark.parametrize("norm", NORMS)
def test_vmapped_second_order_through_norms(norm):
    """Which torch itself gets wrong where gain and bias differ between tasks."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), NORMS[norm], nn.Tanh(), nn.Flatten(), nn.Linear(16, 3))
    forward = functional(net.double())
    theta = {n: p.detach().clone().requires_grad_() for n, p in net.named_parameters()}

    def loss(parameters, x, y):
        return F.cross_entropy(forward(parameters, x), y)

    x, y = task(0, 2)
    options = {"steps": 3, "first_order": False}
    looped = [inner_loop(loss, theta, 0.3, x[t], y[t], **options) for t in range(2)]
    together = inner_loop(loss, repeat(theta, 2), 0.3, x, y, vmapped=True, **options)
    expected, found = (
        torch.autograd.grad(
            sum((p[n][t] ** 2).sum() for t in range(2) for n in theta), theta.values()
        )
        for p in ({n: [fast[n] for fast in looped] for n in theta}, together)
    )
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


def test_seeds_of_an_experiment_run_at_once():
    """Each with weights and a mask of its own, online, from batch to batch."""
    nets, masks, losses = zip(*(make("sparse", seed) for seed in range(3)), strict=True)
    weights, _ = torch.func.stack_module_state(list(nets))
    learned, _ = torch.func.stack_module_state(list(masks))
    sizes = torch.func.vmap(lambda p: torch.func.functional_call(masks[0], p, ()))(learned)
    together, alone = weights, [dict(net.named_parameters()) for net in nets]
    for step in range(4):
        x, y = task(step, 3)
        together = inner_step(losses[0], together, sizes, x, y, vmapped=True)
        alone = [inner_step(losses[0], p, masks[i](), x[i], y[i]) for i, p in enumerate(alone)]
    for i, name in itertools.product(range(3), weights):
        torch.testing.assert_close(together[name][i], alone[i][name], rtol=1e-11, atol=1e-13)


def test_only_the_tensors_with_a_step_size_move():
    net, mask, loss = make("dense", tensors=["head.weight", "head.bias"])
    theta = dict(net.named_parameters())
    fast = inner_loop(loss, theta, mask(), *task(0), steps=2)
    assert list(fast) == list(theta)
    moved = {name for name, p in fast.items() if not torch.equal(p, theta[name])}
    assert moved == {"head.weight", "head.bias"}
    with torch.no_grad():
        again = inner_loop(loss, theta, mask(), *task(0), steps=2, first_order=False)
    assert all(torch.equal(again[name], fast[name]) for name in fast)
    assert not any(p.requires_grad for name, p in again.items() if name in moved)


def test_one_number_for_all_and_inner_rates_of_zero():
    net, mask, loss = make("dense")
    theta = dict(net.named_parameters())
    one = inner_loop(loss, theta, 0.3, *task(0), steps=2)
    other = inner_loop(loss, theta, mask(), *task(0), steps=2)
    assert all(torch.equal(one[name], other[name]) for name in theta)
    with pytest.raises(ValueError, match=r"step_sizes must be above 0, got 0\.0"):
        inner_loop(loss, theta, 0.0, *task(0), steps=2)
    with pytest.raises(ValueError, match=r"inner_lr must be above 0, got 0\.0"):
        UpdateMask(net, inner_lr=0.0)
    with pytest.raises(ValueError, match=r"step_sizes: 'tail' is not one of conv\.weight"):
        inner_step(loss, theta, {"tail": torch.ones(1)}, *task(0))
    wide = mask() | {"head.bias": torch.ones(4)}
    with pytest.raises(ValueError, match=r"'head.bias' of shape \(3,\), got \(4,\)"):
        inner_step(loss, theta, wide, *task(0))
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        inner_loop(loss, theta, 0.3, *task(0), steps=0)


@pytest.mark.parametrize("vmapped", [False, True])
def test_a_nan_is_named_with_its_step_and_tensor(vmapped):
    """The loss has a NaN gradient as soon as the weight is below 0: in the third step."""

    def loss(parameters, x):
        a, b = parameters["a"], parameters["b"]
        return (a * x + b * torch.where(b.detach() < 0.15, torch.nan, 1.0)).sum()

    theta = {"a": torch.tensor([1.0]), "b": torch.tensor([0.3])}
    x = torch.tensor([1.0])
    if vmapped:
        theta = {"a": torch.ones(2, 1), "b": torch.tensor([[9.0], [0.3]])}
        x = torch.ones(2, 1)
    which = "'b' of task 1" if vmapped else "'b'"
    with pytest.raises(FloatingPointError, match=f"{which} became NaN in step 3 of 5"):
        inner_loop(loss, theta, 0.1, x, steps=5, vmapped=vmapped)
    assert inner_loop(loss, theta, 0.1, x, steps=2, vmapped=vmapped)["b"].isfinite().all()
    with pytest.raises(FloatingPointError, match=r"'a'.* became infinite in step 1 of 2"):
        inner_loop(loss, theta, 0.1, x * torch.inf, steps=2, vmapped=vmapped)
    bad = theta | {"b": theta["b"] * torch.nan}
    with pytest.raises(FloatingPointError, match="became NaN before the inner loop"):
        inner_loop(loss, bad, 0.1, x, steps=2, vmapped=vmapped)


def test_losses_and_step_sizes_that_are_none():
    net, _, loss = make("dense")
    theta = dict(net.named_parameters())
    for own in (lambda p, x, y: net(x).square().mean(), lambda p, x, y: x.square().mean()):
        with pytest.raises(ValueError, match="loss must be a function of the parameters"):
            inner_step(own, theta, 0.1, *task(0))
    with pytest.raises(ValueError, match=r"loss must return one number, as a tensor, got \(3,\)"):
        inner_step(lambda p, x, y: p["head.bias"], theta, 0.1, *task(0))
    for sizes in (True, "0.1", None):
        with pytest.raises(TypeError, match=f"step_sizes must be a number, got {sizes!r}"):
            inner_step(loss, theta, sizes, *task(0))
    with pytest.raises(TypeError, match=r"step_sizes must have a tensor for 'head\.bias'"):
        inner_step(loss, theta, {"head.bias": 0.1}, *task(0))
    with pytest.raises(ValueError, match="step_sizes must have at least one tensor"):
        inner_step(loss, theta, {}, *task(0))


class Counting(nn.Linear):
    """Writes to a buffer."""

    def __init__(self):
        super().__init__(2, 2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return super().forward(x)


def test_modules_that_are_no_functions():
    with pytest.raises(TypeError, match=r"module must be a torch\.nn\.Module, got function"):
        functional(make)
    with pytest.raises(ValueError, match="module must have parameters, ReLU has none"):
        functional(nn.ReLU())
    inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
    with pytest.raises(ValueError, match=r"not work in place, but 1 \(ReLU\) does"):
        functional(inner)
    norm = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    with pytest.raises(ValueError, match=r"but 1 \(BatchNorm2d\) writes running statistics"):
        functional(norm)
    functional(norm.eval())
    with pytest.raises(ValueError, match="'weight' is lazy, run it once first"):
        functional(nn.LazyLinear(3))
    counting = Counting()
    theta, x = dict(counting.named_parameters()), torch.ones(1, 2)

    def again(module, x):
        module.calls = module.calls + 1

    def clip(module, x):
        with torch.no_grad():
            module.weight.clamp_(max=1)

    class Hooked(nn.Linear):
        def __init__(self, write):
            super().__init__(2, 2)
            self.register_buffer("calls", torch.zeros(()))
            self.write = write

        def forward(self, x):
            self.write(self, x)
            return super().forward(x)

    with pytest.raises(RuntimeError, match="its forward pass wrote to buffer 'calls'"):
        functional(counting)(theta, x)
    for write, what in (
        (again, "buffer 'calls'"),
        (clip, "parameter 'weight'"),
        (lambda module, x: x.mul_(2), "an input"),
    ):
        with pytest.raises(RuntimeError, match=f"its forward pass wrote to {what}"):
            functional(Hooked(write))(theta, x)
    with pytest.raises(ValueError, match="parameters: 'wieght' is not one of the module's"):
        functional(nn.Linear(2, 2))({"wieght": theta["weight"]}, x)
    with torch.inference_mode():
        assert functional(nn.Linear(2, 2))(theta, torch.ones(1, 2)).shape == (1, 2)


def test_the_module_stays_as_it_is():
    net, mask, loss = make("sparse")
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    inner_loop(loss, dict(net.named_parameters()), mask(), *task(0), steps=3, first_order=False)
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    assert all(p.grad is None for p in [*net.parameters(), *mask.parameters()])
