"""Step sizes: their kinds, their initial sparsity, masks beside optimisers, and bad input."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from driftwise.memory import ParameterRule, UpdateMask
from driftwise.memory.update_mask import KINDS

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1),
    "nesterov": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01, amsgrad=True),
    "adamw_fused": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.5, fused=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.5, centered=True),
}


def network(width=6):
    return nn.Sequential(
        nn.Conv2d(2, width, 3), nn.Flatten(), nn.Linear(width * 4, 5), nn.LayerNorm(5)
    )


def make(kind="sparse", seed=0, **options):
    torch.manual_seed(seed)
    net = network()
    return net, UpdateMask(net, kind, noise_size=4 if kind == "generated" else None, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_step_sizes_have_the_shapes_of_the_tensors(kind):
    net, mask = make(kind, inner_lr=0.25)
    assert isinstance(mask, ParameterRule)
    sizes = mask()
    assert {n: s.shape for n, s in sizes.items()} == {n: p.shape for n, p in net.named_parameters()}
    values = {v for s in sizes.values() for v in s.flatten().tolist()}
    assert values == ({0.0, 0.25} if kind in ("sparse", "generated") else {0.25})


def test_closed_rates_and_their_gradients():
    net, mask = make("relu", inner_lr=0.25)
    with torch.no_grad():
        mask.rates["0/bias"].copy_(torch.tensor([-1.0, -0.1, 0.0, 0.1, 1.0, 2.0]))
    sizes = mask()["0.bias"]
    assert sizes.tolist() == pytest.approx([0, 0, 0, 0.1, 1, 2])
    sizes.sum().backward()
    assert mask.rates["0/bias"].grad.tolist() == [1.0] * 6
    report = mask.sparsity()
    assert report.tensors["0.bias"] == pytest.approx(0.5)
    assert report.layers["0"] == pytest.approx(3 / (6 + 6 * 18))
    count = sum(p.numel() for p in net.parameters())
    assert report.total == pytest.approx(3 / count)
    assert set(report.layers) == {"0", "2", "3"}
    nested = UpdateMask(nn.Sequential(net, nn.Linear(2, 2)), sparsity=1.0)
    assert set(nested.sparsity().layers) == {"0.0", "0.2", "0.3", "1"}
    assert nested.sparsity(depth=1).layers == {"0": 1.0, "1": 1.0}


def test_at_zero_a_logit_is_open():
    _, mask = make("sparse", inner_lr=0.25)
    with torch.no_grad():
        mask.logits["0/bias"].copy_(torch.tensor([-1.0, -1e-9, -0.0, 0.0, 1e-9, 1.0]))
    sizes = mask()["0.bias"]
    assert sizes.tolist() == [0, 0, 0.25, 0.25, 0.25, 0.25]
    sizes.sum().backward()
    assert mask.logits["0/bias"].grad.tolist() == [0.5 * 0.25] * 6


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 1), st.integers(0, 99))
def test_one_sparsity_is_that_of_every_tensor(share, seed):
    """To the nearest entry, whatever the spread of its logits."""
    net, mask = make(seed=seed, sparsity=share)
    sizes = {n: p.numel() for n, p in net.named_parameters()}
    for name, found in mask.sparsity().tensors.items():
        assert found == pytest.approx(round(share * sizes[name]) / sizes[name], abs=1e-12)


def test_initial_sparsity_by_tensor_and_the_spread_of_logits():
    net = network()
    shares = {n: i / 5 for i, (n, _) in enumerate(net.named_parameters())}
    report = UpdateMask(net, sparsity=shares).sparsity()
    for (name, share), p in zip(shares.items(), net.parameters(), strict=True):
        assert report.tensors[name] == pytest.approx(round(share * p.numel()) / p.numel())
    torch.manual_seed(0)
    wide = UpdateMask(nn.Conv2d(3, 64, 3))
    narrow = UpdateMask(nn.Conv2d(3, 64, 3), logit_scale=0.1)
    for mask, bound in ((wide, (6 / 27) ** 0.5), (narrow, 0.1)):
        logits = mask.logits["weight"].detach()
        assert logits.max() - logits.min() == pytest.approx(2 * bound, rel=0.02)
        assert logits.abs().max() == pytest.approx(bound, rel=0.1)
    biases = wide.logits["bias"].detach()
    assert biases.max() - biases.min() == pytest.approx(1, rel=0.1)
    assert UpdateMask(nn.Conv2d(3, 64, 3), sparsity=0.0).sparsity().total == 0
    assert UpdateMask(nn.Conv2d(3, 64, 3), sparsity=1.0).sparsity().total == 1


def test_generated_masks_differ_between_tasks_and_not_within():
    net, mask = make("generated")
    noise = mask.draw_noise(3, generator=torch.Generator().manual_seed(5))
    together = mask(noise)
    assert together["0.weight"].shape == (3, *net[0].weight.shape)
    assert together["2.weight"].shape == net[2].weight.shape, "only convolutions are generated"
    for t in range(3):
        assert torch.equal(mask(noise[t])["0.weight"], together["0.weight"][t])
        z = mask.noise_shift + mask.noise_scale * noise[t]
        logits = (mask.noise_map @ z).view_as(net[0].weight) + mask.logits["0/weight"]
        assert torch.equal(mask(noise[t])["0.weight"] > 0, logits >= 0)
    assert not torch.equal(together["0.weight"][0], together["0.weight"][1])
    mask(noise[0])["0.weight"].sum().backward()
    for learned in (mask.noise_map, mask.noise_scale, mask.noise_shift, mask.logits["0/weight"]):
        assert learned.grad is not None and learned.grad.abs().sum() > 0
    plain = UpdateMask(nn.Linear(3, 4), "generated", noise_size=2)
    assert plain.noise_map.shape == (12, 2)
    assert make("sparse")[1].draw_noise() is None


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["sparse", "relu", "generated"])
def test_beside_an_optimiser_only_the_support_changes(kind, optimizer):
    net, mask = make(kind)
    names = [n for n, _ in net.named_parameters() if n != "3.weight"]
    mask = UpdateMask(net, kind, tensors=names)
    with torch.no_grad():
        for rates in mask.rates.values():
            rates.copy_(torch.randn_like(rates))
    noise = mask.draw_noise()
    optimizer = OPTIMIZERS[optimizer](net.parameters())
    net(torch.randn(4, 2, 4, 4)).square().sum().backward()
    optimizer.step()  # moments of all entries, before the mask is there
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    handle = mask.attach(optimizer, net, noise)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.randn(4, 2, 4, 4)).square().sum().backward()
        net[2].bias.grad[0] = torch.nan if not mask.support(noise)["2.bias"][0] else 1.0
        optimizer.step()
    support = mask.support(noise) | {"3.weight": torch.zeros(5, dtype=torch.bool)}
    for n, p in net.named_parameters():
        closed = ~support[n]
        assert torch.equal(p.detach()[closed], before[n][closed]), n
        assert (p.detach()[support[n]] != before[n][support[n]]).all(), n
    assert any(s.any() and not s.all() for s in support.values())
    handle.remove()
    optimizer.zero_grad()
    net(torch.randn(4, 2, 4, 4)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(net[3].weight.detach(), before["3.weight"])


def test_around_an_optimiser_by_hand():
    net, mask = make()
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    with torch.no_grad():
        for p in net.parameters():
            p += 1
    mask.apply(net, before)
    for n, p in net.named_parameters():
        assert torch.equal(p.detach(), torch.where(mask.support()[n], before[n] + 1, before[n]))


@pytest.mark.parametrize("kind", KINDS)
def test_states(kind):
    _, mask = make(kind, seed=1)
    _, other = make(kind, seed=2)
    other.load_state_dict(mask.state_dict())
    noise = mask.draw_noise()
    assert all(torch.equal(a, other(noise)[n]) for n, a in mask(noise).items())


def test_states_of_other_masks():
    mask = UpdateMask(network(6))
    kept = {k: v.clone() for k, v in mask.state_dict().items()}
    with pytest.raises(ValueError, match=r"'0.weight' is \(7, 2, 3, 3\) there, \(6, 2, 3, 3\)"):
        mask.load_state_dict(UpdateMask(network(7)).state_dict())
    with pytest.raises(ValueError, match=r"same architecture: '3.weight' is missing there"):
        mask.load_state_dict(UpdateMask(network(6)[:3]).state_dict())
    with pytest.raises(ValueError, match="same kind, 'sparse', got 'relu'"):
        mask.load_state_dict(UpdateMask(network(6), "relu").state_dict())
    with pytest.raises(ValueError, match="same kind, 'relu', got 'per_parameter'"):
        state = UpdateMask(network(6), "per_parameter").state_dict()  # tensors of the same shapes
        UpdateMask(network(6), "relu").load_state_dict(state)
    with pytest.raises(ValueError, match="'_extra_state' is missing there"):
        mask.load_state_dict({k: v for k, v in kept.items() if k != "_extra_state"})
    assert all(torch.equal(v, kept[k]) for k, v in mask.state_dict().items())
    with pytest.raises(ValueError, match=r"module must have '0.weight' of shape \(6, 2, 3, 3\)"):
        mask.attach(torch.optim.SGD(network(7).parameters()), network(7))
    with pytest.raises(ValueError, match="optimizer must be over parameters of module"):
        mask.attach(torch.optim.SGD(network(6).parameters()), network(6))
    with pytest.raises(ValueError, match=r"before must have a copy of '0\.bias'"):
        mask.apply(network(6), {})
    with pytest.raises(ValueError, match=r"the mask's tensor '3\.weight', which is missing"):
        mask.apply(network(6)[:3], {})


def test_a_mask_inside_another_module():
    whole, other = (nn.ModuleDict({"mask": UpdateMask(network(), inner_lr=r)}) for r in (0.5, 0.1))
    other.load_state_dict(whole.state_dict())
    sizes = other["mask"]()
    assert all(torch.equal(sizes[n], size) for n, size in whole["mask"]().items())
    assert other["mask"].inner_lr == 0.5
    relu, rates = (
        nn.ModuleDict({"mask": UpdateMask(network(), k)}) for k in ("relu", "per_parameter")
    )
    with pytest.raises(ValueError, match="same kind, 'relu', got 'per_parameter'"):
        relu.load_state_dict(rates.state_dict())


class Named(nn.Module):
    """Names that dictionaries have, too, a name with a dot below it, and a tensor of nothing."""

    def __init__(self):
        super().__init__()
        self.keys = nn.Parameter(torch.ones(3))
        self.values = nn.Parameter(torch.ones(2))
        self.type = nn.Linear(2, 2)
        self.nothing = nn.Parameter(torch.ones(0, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_any_kind(kind):
    mask = UpdateMask(Named(), kind)
    names = {"keys", "values", "type.weight", "type.bias"}
    assert set(mask()) == set(mask.shapes) == names
    UpdateMask(Named(), kind).load_state_dict(mask.state_dict())
    assert 0 <= mask.sparsity().total <= 1


def test_such_names_in_messages():
    less = Named()
    del less.keys
    with pytest.raises(ValueError, match=r"'keys' is \(3,\) there, missing here"):
        UpdateMask(less).load_state_dict(UpdateMask(Named()).state_dict())


def test_all_parameters_are_counted():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))  # 16 and 10
    found = UpdateMask(net, "dense", tensors=["1.weight", "1.bias"]).sparsity()
    assert found.layers == {"0": 1.0, "1": 0.0}
    assert found.total == pytest.approx(16 / 26)
    assert found.tensors["0.weight"] == 1.0


def test_a_step_takes_the_mask_as_it_was_before():
    """Also where the same optimiser learns the mask."""
    net, mask = make()
    optimizer = torch.optim.SGD([*net.parameters(), *mask.parameters()], 1e3)
    mask.attach(optimizer, net)
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    support = mask.support()
    for p in (*net.parameters(), *mask.parameters()):
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert not any(where.any() for where in mask.support().values())
    for n, p in net.named_parameters():
        assert torch.equal(p.detach() != before[n], support[n])


BAD = [
    (
        {"kind": "elephant"},
        "kind must be one of sparse, relu, dense, per_tensor, per_parameter, generated",
    ),
    ({"inner_lr": -0.1}, r"inner_lr must be above 0, got -0\.1"),
    ({"inner_lr": float("nan")}, "inner_lr must be above 0"),
    ({"sparsity": 1.5}, r"sparsity must be from 0 to 1, got 1\.5 for '0.weight'"),
    ({"sparsity": {"0.weight": 0.5}}, "sparsity must name every tensor .* '0.bias' is missing"),
    ({"tensors": ["5.weight"]}, "tensors: '5.weight' is not one of 0.weight, 0.bias"),
    ({"tensors": []}, "tensors must name at least one parameter"),
    ({"logit_scale": 0.0}, "logit_scale must be above 0"),
    ({"logit_scale": float("inf")}, "logit_scale must be above 0"),
    ({"kind": "generated", "noise_size": 0}, "noise_size must be at least 1, got 0"),
    ({"kind": "relu", "sparsity": 0.9}, "sparsity must be left open for masks of kind 'relu'"),
    ({"kind": "dense", "logit_scale": 0.1}, "logit_scale must be left open .* 'dense'"),
    ({"noise_size": 8}, "noise_size must be left open .* 'sparse', .* it is of generated masks"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=str)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        UpdateMask(network(), **options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("inner_lr", True), ("inner_lr", "0.1"), ("inner_lr", None)),
        *(("sparsity", True), ("sparsity", "0.1")),
    ],
)
def test_arguments_of_another_type(name, value):
    with pytest.raises(TypeError, match=f"{name} must be a number, got {value!r}"):
        UpdateMask(network(), **{name: value})


def test_noise_of_another_shape():
    with pytest.raises(ValueError, match=r"noise must have shape \(\.\.\., 4\)"):
        make("generated")[1](torch.zeros(5))
    with pytest.raises(ValueError, match=r"noise must have shape \(\.\.\., 0\) for kind='sparse'"):
        make("sparse")[1](torch.zeros(5))
