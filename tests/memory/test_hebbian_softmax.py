"""The Hebbian softmax against a slow reference, and what it must reduce to."""

import copy
import itertools
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from driftwise.memory import HebbianSoftmax, ParameterRule, WeightImprinting

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, 0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.01),
}


def make(d=4, m=6, seed=0, **kwargs):
    torch.manual_seed(seed)
    return HebbianSoftmax(d, m, **kwargs).double()


class Reference:
    """The rule of one head, example by example in Python numbers, in the order of the equations."""

    def __init__(self, head):
        self.head = head
        self.rows = head.weight.tolist()
        self.counts = [0] * head.num_classes
        self.mean = [0.0] * head.in_features
        self.steps = 0

    def write(self, h, labels):
        head, h, labels = self.head, h.tolist(), labels.tolist()
        for i in labels:
            self.counts[i] += 1
        if head.T == 0 or not labels:
            return
        mean = list(self.mean)
        if head.centring:
            self.steps += 1
            rate = max(1 / self.steps, head.gamma)
            for f in range(head.in_features):
                batch_mean = sum(example[f] for example in h) / len(h)
                self.mean[f] = (1 - rate) * mean[f] + rate * batch_mean
        rows = {}
        for i in set(labels):
            n, c, old = labels.count(i), self.counts[i], self.rows[i]
            if not c < head.T:
                continue
            lam = max((n if head.batch_rate == "n/c" else 1) / c, head.gamma)
            hbar = [0.0] * head.in_features
            for example, label in zip(h, labels, strict=True):
                if label == i:
                    seen = [a - b for a, b in zip(example, mean, strict=True)]
                    if head.norm_matching is not None:
                        length = math.hypot(*seen)
                        seen = [b * math.hypot(*old) / length for b in seen] if length else old
                    hbar = [a + b / n for a, b in zip(hbar, seen, strict=True)]
            new = [(1 - lam) * a + lam * b for a, b in zip(old, hbar, strict=True)]
            if head.norm_matching == "row":
                new = [a * math.hypot(*old) / math.hypot(*new) for a in new]
            rows[i] = new
        for i, row in rows.items():
            self.rows[i] = row


options = st.fixed_dictionaries(
    {
        "gamma": st.sampled_from([0.0, 0.01, 0.3, 1.0]),
        "T": st.sampled_from([0, 1, 3, 8, math.inf]),
        "batch_rate": st.sampled_from(["n/c", "1/c"]),
        "norm_matching": st.sampled_from([None, "activation", "row"]),
        "centring": st.booleans(),
        "cosine": st.booleans(),
    }
)
batches_of_labels = st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=5)


@settings(deadline=None, max_examples=60)
@given(options, batches_of_labels, st.integers(0, 1000))
def test_is_the_slow_reference(options, batches, seed):
    head = make(seed=seed, **options)
    slow = Reference(head)
    for labels in batches:
        h, labels = torch.randn(len(labels), 4).double(), torch.tensor(labels, dtype=torch.long)
        head.apply(h, labels)
        slow.write(h, labels)
        expected = torch.tensor(slow.rows, dtype=torch.float64)
        torch.testing.assert_close(head.weight.detach(), expected, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(head.mean.tolist(), slow.mean, rtol=1e-11, atol=1e-12)
        assert head.counts.tolist() == slow.counts


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=8), min_size=1, max_size=6))
def test_rate_one_over_count_alone_is_the_running_class_mean(batches):
    head = make(gamma=0.0, norm_matching=None)
    untouched = head.weight.detach().clone()
    h_all, labels_all = torch.zeros(0, 4).double(), torch.zeros(0, dtype=torch.long)
    for labels in batches:
        h, labels = torch.randn(len(labels), 4).double(), torch.tensor(labels)
        head.apply(h, labels)
        h_all, labels_all = torch.cat((h_all, h)), torch.cat((labels_all, labels))
    for i in range(6):
        of_class = h_all[labels_all == i]
        expected = of_class.mean(0) if len(of_class) else untouched[i]
        torch.testing.assert_close(head.weight[i].detach(), expected, rtol=1e-12, atol=1e-13)


def test_one_by_one_in_numbers():
    """Class 1 with gamma = 0.4 and T = 4, on one feature: rates 1, 1/2, 0.4, and then none."""
    head = make(1, 2, gamma=0.4, T=4, norm_matching=None)
    row_0 = head.weight[0].item()
    expected = [6.0, 6.0 / 2 + 2.0 / 2, 0.6 * 4.0 + 0.4 * 9.0, 6.0]
    for h, row in zip([6.0, 2.0, 9.0, 100.0], expected, strict=True):
        head.apply(torch.tensor([[h]]).double(), torch.tensor([1]))
        assert head.weight[1].item() == pytest.approx(row, rel=1e-14)
    assert head.weight[0].item() == row_0
    assert head.counts.tolist() == [0, 4]


def train(head, optimizer, steps=8):
    """Train a small network with the head; returns all its weights and the losses."""
    torch.manual_seed(1)
    body = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    optimizer = OPTIMIZERS[optimizer]([*body.parameters(), *head.parameters()])
    losses = []
    for _ in range(steps):
        x, labels = torch.randn(10, 3), torch.randint(6, (10,))
        h = body(x)
        loss = nn.functional.cross_entropy(head(h), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if isinstance(head, ParameterRule):
            head.apply(h, labels)
        losses.append(loss.item())
    return [*body.parameters(), head.weight, head.bias], losses


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_T_0_is_the_plain_softmax_to_the_bit(optimizer):
    for norm_matching, centring in itertools.product([None, "activation", "row"], [False, True]):
        torch.manual_seed(0)
        head = HebbianSoftmax(4, 6, T=0, norm_matching=norm_matching, centring=centring)
        linear = nn.Linear(4, 6)
        linear.load_state_dict({"weight": head.weight.detach(), "bias": head.bias.detach()})
        ours, our_losses = train(head, optimizer)
        plain, plain_losses = train(linear, optimizer)
        assert our_losses == plain_losses
        assert all(torch.equal(a, b) for a, b in zip(ours, plain, strict=True))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_writes_after_any_optimizer(optimizer):
    """Nothing but the rows of the batch's classes differs from the optimiser's own step."""
    plain, _ = train(make(T=0).float(), optimizer, steps=1)
    head = make().float()
    hebbian, _ = train(head, optimizer, steps=1)
    seen = head.counts > 0
    assert seen.any() and not seen.all()
    for a, b in zip(plain[:-2], hebbian[:-2], strict=True):
        assert torch.equal(a, b)
    assert torch.equal(plain[-1], hebbian[-1])  # the bias
    assert torch.equal(plain[-2][~seen], hebbian[-2][~seen])
    assert (plain[-2][seen] != hebbian[-2][seen]).any(1).all()


def test_norm_matching():
    h, labels = torch.randn(5, 4).double() * 30, torch.tensor([0, 0, 1, 2, 2])
    for kind in (None, "activation", "row"):
        head = make(norm_matching=kind)
        before = head.weight.detach().norm(dim=1)
        head.apply(h, labels)
        head.apply(h.roll(1, 0), labels)
        after = head.weight.detach().norm(dim=1)
        if kind == "row":
            torch.testing.assert_close(after, before)
        elif kind == "activation":
            assert (after[:3] < before[:3]).all()
        else:
            assert (after[:3] > 3 * before[:3]).all()


def test_centring_takes_out_what_all_activations_share():
    h = torch.randn(2, 3, 4).double()
    common = torch.tensor([5.0, 7.0, 2.0, 9.0]).double()
    heads = [make(centring=True), make(centring=True)]
    for head, shift in zip(heads, (0.0, common), strict=True):
        head.apply(h[0] + shift, torch.tensor([0, 1, 2]))  # nothing is known of the mean yet
        head.apply(h[1] + shift, torch.tensor([3, 4, 5]))
    torch.testing.assert_close(heads[0].weight[3:], heads[1].weight[3:])
    torch.testing.assert_close(heads[0](h)[..., 3:], heads[1](h + common)[..., 3:])


def test_cosine_logits():
    head = make(cosine=True, bias=False)
    h = torch.randn(3, 4).double()
    cosine = nn.functional.cosine_similarity(h[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(h), 10 * cosine)
    torch.testing.assert_close(head(7 * h), 10 * cosine)


@pytest.mark.parametrize("norm_matching", [None, "activation", "row"])
def test_a_row_of_length_zero_becomes_its_activations(norm_matching):
    head, h = make(norm_matching=norm_matching), torch.randn(3, 4).double()
    nn.init.zeros_(head.weight)
    head.apply(h, torch.tensor([1, 4, 4]))
    expected = torch.zeros(6, 4).double()
    expected[1], expected[4] = h[0], h[1:].mean(0)
    torch.testing.assert_close(head.weight.detach(), expected)


def test_T_1_never_writes_and_follows_the_mean():
    head, h = make(T=1, centring=True, cosine=True), torch.randn(3, 4).double()
    before = head.weight.detach().clone()
    for labels in ([0, 0, 1], [1, 2, 5]):
        head.apply(h, torch.tensor(labels))
    assert torch.equal(head.weight, before)
    torch.testing.assert_close(head.mean, h.mean(0))
    centred = nn.functional.cosine_similarity((h - h.mean(0))[:, None], before[None], dim=2)
    torch.testing.assert_close(head(h), 10 * centred + head.bias)


def test_imprinting_of_centred_activations():
    h, shift = torch.randn(6, 4).double(), 7.0
    heads = [WeightImprinting(4, 6, centring=centring).double() for centring in (True, False)]
    for head in heads:
        head.apply(h[:3] + shift, torch.zeros(3, dtype=torch.int64))  # tells the mean
        head.apply(h[3:] + shift, torch.tensor([1, 2, 3]))
    for head, centre in zip(heads, (h[:3].mean(0), torch.full((4,), -shift)), strict=True):
        rows = nn.functional.normalize(head.weight[1:4].detach(), dim=1)
        torch.testing.assert_close(rows, nn.functional.normalize(h[3:] - centre, dim=1))


def test_imprinting_writes_at_first_sight_only():
    torch.manual_seed(0)
    head = WeightImprinting(4, 6).double()
    before = head.weight.detach().clone()
    h = torch.randn(3, 4).double()
    head.apply(h, torch.tensor([2, 2, 5]))
    directions = nn.functional.normalize(h, dim=1)
    expected = torch.stack(((directions[0] + directions[1]) / 2, directions[2]))
    found = nn.functional.normalize(head.weight[[2, 5]], dim=1)
    torch.testing.assert_close(found.detach(), nn.functional.normalize(expected, dim=1))
    first = head.weight.detach().clone()
    head.apply(torch.randn(3, 4).double(), torch.tensor([2, 5, 0]))
    assert torch.equal(head.weight[1:], first[1:])
    assert not torch.equal(head.weight[0], before[0])


def test_shares_a_tied_weight():
    embedding = nn.Embedding(6, 4)
    head = HebbianSoftmax(4, 6, weight=embedding.weight, norm_matching=None)
    h = torch.randn(2, 4)
    head.apply(h, torch.tensor([3, 1]))
    torch.testing.assert_close(embedding(torch.tensor([3, 1])), h)
    assert head.weight is embedding.weight


def test_any_leading_dimensions_and_an_empty_batch():
    flat, shaped = make(), make()
    h, labels = torch.randn(6, 4).double(), torch.tensor([0, 1, 1, 2, 0, 0])
    flat.apply(h, labels)
    shaped.apply(h.view(2, 3, 4), labels.view(2, 3))
    shaped.apply(h[:0], labels[:0])
    assert torch.equal(flat.weight, shaped.weight)


def test_half_precision_accumulates_in_single():
    head = make(gamma=0.0, norm_matching=None).to(torch.bfloat16)
    h = torch.randn(500, 4)
    head.apply(h, torch.zeros(500, dtype=torch.long))
    torch.testing.assert_close(head.weight[0].float(), h.mean(0), rtol=0.005, atol=1e-3)


def test_the_mean_of_a_tied_weight_in_half_precision_follows_small_steps():
    weight = nn.Parameter(torch.zeros(6, 1, dtype=torch.bfloat16))
    head = HebbianSoftmax(1, 6, weight=weight, gamma=0.001, centring=True, norm_matching=None)
    for value in [1.0] * 100 + [1.15] * 3000:
        head.apply(torch.full((1, 1), value), torch.tensor([0]))
    assert head.mean.item() > 1.13
    assert head(torch.ones(2, 1, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("norm_matching", [None, "activation", "row"])
@pytest.mark.parametrize(("dtype", "value"), [(torch.float64, 1e300), (torch.float32, 3e38)])
def test_activations_that_a_row_cannot_hold_leave_no_trace(norm_matching, dtype, value):
    head = HebbianSoftmax(4, 6, norm_matching=norm_matching, centring=True)
    head.apply(torch.randn(3, 4), torch.tensor([0, 1, 1]))
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    with pytest.raises(ValueError, match="h must be finite, and its rows as well"):
        head.apply(torch.full((2, 4), value, dtype=dtype), torch.tensor([2, 2]))
    for name, tensor in head.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_state_dict_has_all_of_it():
    head = make(T=5, centring=True)
    h, labels = torch.randn(3, 8, 4).double(), torch.randint(6, (3, 8))
    head.apply(h[0], labels[0])
    other = make(seed=9, T=5, centring=True)
    other.load_state_dict(head.state_dict())
    for rule in (head, other, copy.deepcopy(head)):
        rule.apply(h[1], labels[1])
    assert all(
        torch.equal(a, b)
        for a, b in zip(head.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_two_processes_write_what_one_writes(tmp_path):
    """Uneven parts, an empty one, and classes that only one process sees."""
    torch.manual_seed(0)
    batches = [
        (torch.randn(n, 5).double(), torch.randint(7, (n,)), cut)
        for n, cut in ((8, 4), (5, 1), (6, 6), (9, 3))
    ]
    torch.save(batches, tmp_path / "batches")
    script = Path(__file__).with_name("two_processes.py")
    subprocess.run([sys.executable, script, tmp_path], check=True, timeout=120)
    torch.manual_seed(0)
    head = HebbianSoftmax(5, 7, gamma=0.1, T=9, centring=True).double()
    for h, labels, _ in batches:
        head.apply(h, labels)
    ends = [torch.load(tmp_path / f"end_{rank}") for rank in (0, 1)]
    for name, tensor in head.state_dict().items():
        assert torch.equal(ends[0][name], ends[1][name]), name
        torch.testing.assert_close(ends[0][name], tensor, rtol=1e-12, atol=1e-13)


def test_a_module_around_it_can_still_apply_a_function():
    network = nn.Sequential(nn.Linear(3, 4), make())
    visited = []
    assert network.apply(visited.append) is network
    assert visited == [*network, network]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma": -0.1}, "gamma must be from 0 to 1, got -0.1"),
        ({"gamma": 1.5}, "gamma must be from 0 to 1"),
        ({"gamma": math.nan}, "gamma must be from 0 to 1"),
        ({"T": -1}, "T must be at least 0, got -1"),
        ({"T": math.nan}, "T must be at least 0"),
        ({"batch_rate": "c"}, "batch_rate must be one of"),
        ({"norm_matching": "rows"}, "norm_matching must be one of"),
        ({"m": 0}, "num_classes must be at least 1"),
        ({"weight": nn.Parameter(torch.zeros(4, 6))}, r"weight must have shape \(6, 4\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma": "0.1"}, "gamma must be a number, got '0.1'"),
        ({"T": None}, "T must be a number, got None"),
        ({"cosine": "false"}, "cosine must be True or False, got 'false'"),
        ({"d": 2.0}, "in_features must be an integer, got 2.0"),
        # No optimiser would train it, and no state have it.
        ({"weight": torch.zeros(6, 4)}, "weight must be an nn.Parameter, got dtype torch.float32"),
    ],
)
def test_arguments_of_another_kind(arguments, message):
    with pytest.raises(TypeError, match=message):
        make(**arguments)


def test_activations_of_another_width_are_no_logits():
    for cosine, centring in itertools.product([False, True], [False, True]):
        head = make(cosine=cosine, centring=centring)
        with pytest.raises(ValueError, match=r"h must have shape \(..., 4\), got \(3, 1\)"):
            head(torch.ones(3, 1).double())


@pytest.mark.parametrize(
    ("h", "labels", "error", "message"),
    [
        (
            torch.ones(2, 4),
            torch.tensor([0, 6]),
            ValueError,
            "labels must be from 0 to 5, got 0 to 6",
        ),
        (torch.ones(2, 4), torch.tensor([-1, 2]), ValueError, "labels must be from 0 to 5"),
        (torch.ones(2, 3), torch.tensor([0, 1]), ValueError, r"h must have shape \(..., 4\)"),
        (torch.ones(2, 4), torch.tensor([0]), ValueError, r"labels must have shape \(2,\) like h"),
        (torch.ones(2, 4), torch.tensor([0.0, 1.0]), TypeError, "labels must be an int64 tensor"),
        (torch.ones(2, 4), [0, 1], TypeError, "labels must be an int64 tensor, got a list"),
        (torch.ones(2, 4).numpy(), torch.tensor([0, 1]), TypeError, "h must be a tensor of float"),
        (torch.ones(2, 4).int(), torch.tensor([0, 1]), TypeError, "got dtype torch.int32"),
        (
            torch.tensor([[math.nan] * 4, [1.0] * 4]),
            torch.tensor([0, 1]),
            ValueError,
            "h must be f",
        ),
        (
            torch.tensor([[math.inf] * 4, [1.0] * 4]),
            torch.tensor([0, 1]),
            ValueError,
            "h must be f",
        ),
    ],
)
def test_bad_batches_change_nothing(h, labels, error, message):
    head = make()
    before = copy.deepcopy(head.state_dict())
    with pytest.raises(error, match=message):
        head.apply(h, labels)
    assert all(torch.equal(before[name], tensor) for name, tensor in head.state_dict().items())
