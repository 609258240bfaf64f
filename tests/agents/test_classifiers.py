"""The online classifiers: the contract, what each rule does in a learner, and files."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from driftwise.agents.classifiers import (
    LA_MAML_METHODS,
    LEARNERS,
    ConvNet,
    check_learner,
    load_learner,
    make_learner,
    save_learner,
)
from driftwise.agents.classifiers.checking import _same


def glyphs(num_classes, seed=0):
    """A function from labels to noisy images: each class is three strokes of its own."""
    random = np.random.default_rng(seed)
    prototypes = np.zeros((num_classes, 28, 28), np.float32)
    for prototype in prototypes:
        for begin, end in random.uniform(4, 24, (3, 2, 2)):
            for t in np.linspace(0, 1, 40):
                row, column = (begin + t * (end - begin)).astype(int)
                prototype[row : row + 2, column : column + 2] = 1

    def draw(labels):
        images = np.stack(
            [np.roll(prototypes[i], random.integers(-1, 2, 2), (0, 1)) for i in labels]
        )
        noisy = images + random.normal(0, 0.1, images.shape).astype(np.float32)
        return noisy.clip(0, 1)[:, None]

    return draw, random


def teach(learner, draw, random, classes, steps, batch=20):
    for _ in range(steps):
        labels = random.choice(classes, batch)
        learner.update(draw(labels), labels)


def accuracy(learner, draw, classes):
    labels = np.repeat(classes, 5)
    return (learner.predict(draw(labels)).argmax(1).numpy() == labels).mean()


SMALL = {"width": 16}


@pytest.mark.parametrize("name", LEARNERS)
def test_keeps_the_contract(name):
    check_learner(lambda: make_learner(name, 7, width=8))


# The others are slow, and learn in test_la_maml.py.
@pytest.mark.parametrize("name", [name for name in LEARNERS if name not in LA_MAML_METHODS])
def test_learns_new_classes_without_losing_the_old(name):
    draw, random = glyphs(16)
    learner = make_learner(name, 16, **SMALL)
    first, everything = np.arange(8), np.arange(16)
    teach(learner, draw, random, first, 40)
    assert accuracy(learner, draw, first) > 0.7
    teach(learner, draw, random, everything, 40)
    assert accuracy(learner, draw, everything) > 0.7


def test_hebbian_binds_new_classes_faster_than_the_plain_softmax():
    found = {"softmax": 0.0, "hebbian": 0.0}
    for name in found:
        for seed in (0, 1):
            draw, random = glyphs(30, seed)
            learner = make_learner(name, 30, seed=seed, width=32)
            teach(learner, draw, random, np.arange(20), 60)
            teach(learner, draw, random, np.arange(30), 4)
            found[name] += accuracy(learner, draw, np.arange(20, 30)) / 2
    assert found["hebbian"] > found["softmax"] + 0.3, found


def test_state_goes_through_files_to_the_bit(tmp_path):
    draw, random = glyphs(6)
    order = [4, 0, 9, 7, 2, 3]
    for name in LEARNERS:
        learner = make_learner(name, order, seed=3, width=8)
        teach(learner, draw, random, range(4), 3, batch=6)
        save_learner(tmp_path / name, learner, {"why": "a test"})
        loaded = load_learner(tmp_path / name, order)
        labels = random.integers(6, size=6)
        x = draw(labels)
        assert learner.update(x, labels) == loaded.update(x, labels)
        assert torch.equal(learner.predict(x), loaded.predict(x)), name


def test_unseen_classes_are_left_out():
    draw, random = glyphs(6)
    masked, whole = (
        make_learner("softmax", 6, mask_unseen=mask, **SMALL) for mask in (True, False)
    )
    rows = masked.head.weight.detach().clone()
    for learner in (masked, whole):
        assert (learner.predict(draw([0, 1])) > -math.inf).all()  # nothing is known at first
        teach(learner, draw, random, range(4), 2)
    assert (masked.predict(draw([0, 1]))[:, 4:] == -math.inf).all()
    assert (whole.predict(draw([0, 1])) > -math.inf).all()
    assert torch.equal(masked.head.weight[4:], rows[4:])
    assert not torch.equal(whole.head.weight[4:], rows[4:])


def test_softmax_is_a_linear_layer_trained_by_adam():
    """The plain learner against twenty lines of torch, in which nothing of ours but the body is."""
    learner = make_learner("softmax", 5, mask_unseen=False, **SMALL)
    body = copy.deepcopy(learner.body)
    linear = nn.Linear(16, 5)
    linear.load_state_dict({name: getattr(learner.head, name) for name in ("weight", "bias")})
    adam = torch.optim.Adam([*body.parameters(), *linear.parameters()], 5e-3, fused=True)
    draw, random = glyphs(5)
    for _ in range(4):
        labels = random.integers(5, size=10)
        x = draw(labels)
        loss = nn.functional.cross_entropy(linear(body(torch.tensor(x))), torch.tensor(labels))
        adam.zero_grad()
        loss.backward()
        adam.step()
        assert learner.update(x, labels)["loss"] == loss.item()
    assert torch.equal(learner.head.weight, linear.weight)


def test_lambda_only_has_no_gradient_on_its_rows():
    draw, random = glyphs(5)
    learner = make_learner("lambda_only", 5, **SMALL)
    rows = learner.head.weight.detach().clone()
    teach(learner, draw, random, range(3), 2)
    changed = (learner.head.weight != rows).any(1)
    assert changed.tolist() == [True, True, True, False, False]
    assert learner.head.weight.grad is None


def test_nearest_class_mean_predicts_the_nearest_mean():
    draw, random = glyphs(5)
    learner = make_learner("nearest_class_mean", 5, **SMALL)
    teach(learner, draw, random, range(5), 4)
    x = draw(range(5))
    predicted = learner.predict(x).argmax(1)
    distances = torch.cdist(learner.body(torch.tensor(x)), learner.head.means.weight)
    assert torch.equal(predicted, distances.argmin(1))


def test_fast_weights_bind_before_any_training():
    """Two examples of each of fifty classes, written and read back by untrained slow weights."""
    head = make_learner("fast_weights", 50).head
    random = torch.Generator().manual_seed(0)
    centres = torch.randn(50, 64, generator=random).relu()
    labels = torch.arange(50).repeat(2)

    def features():
        return (centres[labels] + 0.2 * torch.randn(100, 64, generator=random)).relu()

    head.apply(features(), labels)
    asked = features()
    recalled = head(asked) - head.softmax(asked)
    assert (recalled.argmax(1) == labels).float().mean() > 0.9


def test_fast_weights_in_pieces_are_those_of_the_whole():
    """However the writes come in batches, and wherever the window cuts, they are the same."""
    short, long = (
        make_learner("fast_weights", 6, window=window, width=8).head for window in (5, 100)
    )
    long.load_state_dict(
        {**long.state_dict(), **dict(short.named_parameters()), "codes": short.codes}
    )
    h, labels = torch.rand(40, 8), torch.randint(6, (40,))
    for part in (slice(0, 3), slice(3, 17), slice(17, 18), slice(18, 40)):
        short.apply(h[part], labels[part])
    long.apply(h, labels)
    asked = torch.rand(4, 8)
    # The softmax's mean of the activations counts batches, so it is left out.
    by_pieces, at_once = (head(asked) - head.softmax(asked) for head in (short, long))
    torch.testing.assert_close(by_pieces, at_once, rtol=1e-4, atol=1e-5)


def test_channels_last_and_pooling_first_compute_the_usual_network():
    """Without a norm, the network is that of the paper, and its gradients are."""
    torch.manual_seed(0)
    net = ConvNet(8, norm="none")
    x = torch.rand(3, 1, 28, 28)

    def usual(x):
        for conv in (layer for layer in net if isinstance(layer, nn.Conv2d)):
            x = nn.functional.conv2d(x, conv.weight.contiguous(), conv.bias, padding=1)
            x = nn.functional.max_pool2d(x.relu(), 2)
        return x.flatten(1)

    assert net(x).shape == (3, 8)
    torch.testing.assert_close(net(x), usual(x))
    ours = torch.autograd.grad(net(x).square().sum(), list(net.parameters()))
    plain = torch.autograd.grad(usual(x).square().sum(), list(net.parameters()))
    torch.testing.assert_close(ours, plain)


def test_batch_norm_knows_the_first_batch():
    net = ConvNet(8)
    x = torch.rand(6, 1, 28, 28)
    net.train()
    net(x)
    first = net[2]
    batch = net[1](net[0](x))
    torch.testing.assert_close(first.running_mean, batch.mean((0, 2, 3)))
    torch.testing.assert_close(first.running_var, batch.var((0, 2, 3)))


def test_learns_from_single_images_without_batch_norm():
    learner = make_learner("hebbian", 3, width=4, norm="none")
    learner.update(torch.rand(1, 1, 28, 28), torch.tensor([2]))
    learner = make_learner("hebbian", 3, width=4)
    with pytest.raises(ValueError, match="x must hold at least 2 images, got 1"):
        learner.update(torch.rand(1, 1, 28, 28), torch.tensor([2]))
    assert learner.predict(torch.rand(1, 1, 28, 28)).shape == (1, 3)
    assert learner.predict(torch.rand(0, 1, 28, 28)).shape == (0, 3)


def test_making_and_teaching_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    for name in LEARNERS:
        learner = make_learner(name, 4, width=4, seed=2)
        learner.update(torch.full((2, 1, 28, 28), 0.5), torch.tensor([0, 1]))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "class_order", "settings", "message"),
    [
        ("hebian", 3, {}, "name must be one of softmax, .*, got 'hebian'"),
        ("softmax", 3, {"gamma": 0.1}, "learner 'softmax' has no setting 'gamma'; it has width"),
        ("hebbian", 3, {"gamma": 2.0}, "gamma must be from 0 to 1"),
        ("softmax", 3, {"learning_rate": 0.0}, "learning_rate must be above 0"),
        ("softmax", 3, {"learning_rate": math.inf}, "learning_rate must be above 0, got inf"),
        ("softmax_fast_rows", 3, {"row_learning_rate": -1.0}, "row_learning_rate must be above 0"),
        ("softmax", 3, {"width": 0}, "width must be at least 1"),
        ("softmax", 3, {"norm": "layer"}, "norm must be one of"),
        ("softmax", [0, 1, 1], {}, "class_order must be different class numbers"),
        ("softmax", 0, {}, "class_order must be different class numbers"),
        ("softmax", [-1, 2], {}, r"class_order must be different class numbers, got \[-1, 2\]"),
        ("softmax", None, {}, "class_order must be different class numbers, got None"),
        ("softmax", "abc", {}, "class_order must be different class numbers, got 'abc'"),
        ("softmax", np.ones((90, 90), int), {}, "class_order must be different .* got array"),
        ("softmax", 3, {"seed": -1}, "seed must be at least 0, got -1"),
        ("softmax", 3, {"device": "cuda:99"}, "device must be one that torch finds, got 'cuda:99'"),
        ("replay", 3, {"memory_bytes": 100}, "memory_bytes must be at least 792, one image"),
        ("fast_weights", 3, {"window": 0}, "window must be at least 1"),
    ],
)
def test_bad_arguments(name, class_order, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_learner(name, class_order, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("softmax", {"learning_rate": "fast"}, "learning_rate must be a number, got 'fast'"),
        ("hebbian", {"mask_unseen": "no"}, "mask_unseen must be True or False, got 'no'"),
        ("la_maml", {"mask_unseen": 0}, "mask_unseen must be True or False, got 0"),
        ("cosine", {"centring": "no"}, "centring must be True or False, got 'no'"),
        ("hebbian", {"T": "500"}, "T must be a number, got '500'"),
        ("hebbian", {"width": 8.0}, "width must be an integer, got 8.0"),
        ("replay", {"memory_bytes": 1000.5}, "memory_bytes must be an integer, got 1000.5"),
        ("softmax", {"seed": 1.5}, "seed must be an integer, got 1.5"),
    ],
)
def test_arguments_of_another_kind(name, settings, message):
    with pytest.raises(TypeError, match=message):
        make_learner(name, 3, **settings)


def test_the_class_order_is_a_copy():
    order = np.array([2, 0, 1])
    learner = make_learner("softmax", order, width=4)
    order[:] = 0
    assert learner.class_order.tolist() == [2, 0, 1]
    assert make_learner("softmax", np.int64(3), width=4).num_classes == 3


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (np.zeros((2, 1, 28, 28)), [0, 1], TypeError, "x must be float32 images"),
        (np.zeros((2, 28, 27), "f4"), [0, 1], ValueError, r"x must have shape \(n, 1, 28, 28\)"),
        (np.zeros((2, 1, 28, 28), "f4"), [0, 3], ValueError, "y must be from 0 to 2, got 0 to 3"),
        (np.zeros((2, 1, 28, 28), "f4"), [-1, 0], ValueError, "y must be from 0 to 2, got -1 to 0"),
        (np.zeros((2, 1, 28, 28), "f4"), [0], ValueError, r"y must have shape \(2,\)"),
        (np.zeros((2, 1, 28, 28), "f4"), [0.0, 1.0], TypeError, "y must be integer labels"),
        (np.full((2, 1, 28, 28), np.nan, "f4"), [0, 1], ValueError, "x must be finite, got NaN"),
        (np.full((2, 1, 28, 28), np.inf, "f4"), [0, 1], ValueError, "x must be finite"),
        (np.full((2, 1, 28, 28), 200, "f4"), [0, 1], ValueError, "x must be from 0 .*, got 200 to"),
        (
            np.full((2, 1, 28, 28), -0.1, "f4"),
            [0, 1],
            ValueError,
            r"x must be from 0 .*, got -0\.1",
        ),
    ],
)
def test_bad_batches(x, y, error, message):
    for name in ("softmax", "replay", "la_maml"):
        learner = make_learner(name, 3, width=4)
        before = learner.state_dict()
        with pytest.raises(error, match=message):
            learner.update(x, np.array(y))
        _same(learner.state_dict(), before, "the states before and after")


@pytest.mark.parametrize("name", ["softmax", "replay", "hebbian", "fast_weights"])
def test_a_loss_that_is_no_number_leaves_no_trace(name):
    learner, x = make_learner(name, 3, width=4), torch.rand(4, 1, 28, 28)
    learner.update(x, torch.tensor([0, 1, 1, 0]))
    state = learner.state_dict()
    with torch.no_grad():
        learner.body[0].weight[0, 0] = math.inf
    with pytest.raises(FloatingPointError, match="the loss became nan: a smaller learning_rate"):
        learner.update(x, torch.tensor([0, 1, 2, 0]))
    with torch.no_grad():
        learner.body[0].weight.copy_(state["network"]["body.0.weight"])
    _same(learner.state_dict(), state, "the states before and after")


def test_images_as_streams_yield_them():
    learner, twin = (make_learner("softmax", 3, width=4) for _ in range(2))
    x, y = torch.rand(4, 28, 28), torch.tensor([0, 1, 2, 0])
    learner.update(x, y)
    twin.update(x[:, None].numpy(), y)
    assert torch.equal(learner.predict(x.numpy()), twin.predict(x[:, None]))


def test_every_setting_is_plain_data():
    for config in LEARNERS.values():
        for value in dataclasses.asdict(config()).values():
            assert value is None or isinstance(value, (bool, int, float, str))


SLOW_PARTS = {
    "softmax": ("head.mean", "head.num_writes"),
    "hebbian": ("head.mean", "head.num_writes", "head.scale"),
    "nearest_class_mean": (),
    "fast_weights": (
        "head.memory.",
        "head.log_sharpness",
        *(f"head.softmax.{name}" for name in ("scale", "mean", "num_writes")),
    ),
}


@pytest.mark.parametrize("name", SLOW_PARTS)
def test_slow_weights_of_other_classes(name):
    """All that belongs to no class is taken, and nothing else: it learns on as a new learner."""
    draw, random = glyphs(12)
    before = make_learner(name, random.permutation(7), width=8)
    teach(before, draw, random, range(7), steps=3)
    learner, new = (make_learner(name, range(12), seed=1, width=8) for _ in range(2))
    learner.take_slow_weights(before.state_dict())

    was, state, fresh = (x.state_dict() for x in (before, learner, new))
    for key, value in state.items():
        if key != "network":
            _same(value, fresh[key], key)
    for key, tensor in state["network"].items():
        slow = key.startswith(("body.", *SLOW_PARTS[name]))
        assert torch.equal(tensor, (was if slow else fresh)["network"][key]), key
    teach(learner, draw, random, range(12), steps=3)
    weight = "body.0.weight"
    assert not torch.equal(learner.state_dict()["network"][weight], state["network"][weight])
    _same(before.state_dict(), was, "the states before and after")
