"""``SparseFastWeights`` against loops in numpy, written from the equations in its docstring."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from driftwise.memory import FastWeightState, SparseFastWeights
from driftwise.memory.delta_rule import Writes, chunked, sequential

pytestmark = pytest.mark.usefixtures("implementation")


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).sum())


def address(logits: np.ndarray, top_k: int) -> np.ndarray:
    """Softmax over the K largest logits, zero elsewhere, of unit length."""
    chosen = np.argsort(logits)[-top_k:]
    weights = np.zeros_like(logits)
    weights[chosen] = np.exp(logits[chosen]) / np.exp(logits[chosen]).sum()
    return unit(weights)


def of_slots(memory: SparseFastWeights, logits: np.ndarray) -> np.ndarray:
    """A logit for each slot; a product address has those of the rows and columns of a grid."""
    if memory.address != "product":
        return logits
    rows = {4: 2, 6: 2, 12: 3}[memory.num_slots]
    return np.array([row + column for row in logits[:rows] for column in logits[rows:]])


def loop(
    memory: SparseFastWeights, x: np.ndarray, weights: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Row by row, step by step, head by head, slot by slot. Returns outputs and fast weights."""
    slow = {name: tensor.detach().numpy() for name, tensor in memory.state_dict().items()}
    heads, slots, k, v = slow["initial"].shape
    outputs = np.zeros((*x.shape[:2], memory.output_size))
    weights = weights.copy()
    for row in range(x.shape[0]):
        for t in range(x.shape[1]):
            generated = slow["generate.weight"] @ x[row, t] + slow["generate.bias"]
            features: list[list[np.ndarray]] = []  # of each head
            for head, own in enumerate(np.split(generated, heads)):
                num_logits = {1: 0, 5: 5, 6: 5, 12: 7}[slots]
                sizes = [k, k, v, num_logits, num_logits, 1]
                parts = np.split(own, np.cumsum(sizes))
                key, query = (unit(part * sigmoid(part)) for part in parts[:2])
                value, rate = parts[2], sigmoid(parts[5][0])
                write, read = np.ones(1), np.ones(1)
                if slots > 1:
                    write, read = (
                        address(of_slots(memory, part), memory.top_k) for part in parts[3:5]
                    )
                fast = weights[row, head]  # (slots, k, v)
                if starts[row, t]:
                    fast[:] = slow["initial"][head]
                if memory.decay:
                    gamma = sigmoid(parts[6][0] + 4.0)
                    fast[:] = slow["initial"][head] + gamma * (fast - slow["initial"][head])
                stored = sum(write[slot] * (fast[slot].T @ key) for slot in range(slots))
                error = value - (stored if memory.rule == "delta" else 0.0)
                for slot in range(slots):
                    fast[slot] += rate * np.outer(write[slot] * key, error)
                result = sum(read[slot] * (fast[slot].T @ query) for slot in range(slots))
                features.append([result, error])
            for number in range(memory.num_reads - 1):
                name = f"next_queries.{number}."
                latest = np.concatenate([parts[-1 if number else 0] for parts in features])
                centred = latest - latest.mean()
                normed = centred / np.sqrt((centred**2).mean() + 1e-5)
                known = np.concatenate(
                    [x[row, t], slow[name + "norm.weight"] * normed + slow[name + "norm.bias"]]
                )
                asked = slow[name + "generate.weight"] @ known + slow[name + "generate.bias"]
                for head, own in enumerate(np.split(asked, heads)):
                    query, read = unit(own[:k] * sigmoid(own[:k])), np.ones(1)
                    if slots > 1:
                        read = address(of_slots(memory, own[k:]), memory.top_k)
                    fast = weights[row, head]
                    features[head].append(
                        sum(read[slot] * (fast[slot].T @ query) for slot in range(slots))
                    )
            outputs[row, t] = (
                slow["slow.weight"] @ x[row, t]
                + slow["slow.bias"]
                + slow["fast.weight"] @ np.concatenate([x for parts in features for x in parts])
            )
    return outputs, weights


def make(**options: Any) -> SparseFastWeights:
    sizes: dict[str, Any] = {"num_heads": 2, "num_slots": 5, "key_size": 3, "value_size": 2}
    memory = SparseFastWeights(4, 3, **sizes | options).double()
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return memory


OPTIONS: dict[str, dict[str, Any]] = {
    "delta": {},
    "delta_decay": {"decay": True},
    "additive": {"rule": "additive"},
    "additive_decay": {"rule": "additive", "decay": True},
    "every_slot": {"top_k": 5},
    "one_slot_of_five": {"top_k": 1},
    "dense": {"num_slots": 1, "top_k": 1},
    "dense_decay": {"num_slots": 1, "top_k": 1, "decay": True},
    "product": {"num_slots": 6, "address": "product"},
    "two_reads": {"num_reads": 2},
    "three_reads_of_one_slot": {"num_reads": 3, "num_slots": 1, "top_k": 1, "decay": True},
    "two_reads_of_a_grid": {"num_reads": 2, "num_slots": 6, "address": "product"},
    "product_of_twelve": {"num_slots": 12, "top_k": 5, "address": "product", "decay": True},
}


@pytest.mark.parametrize("name", OPTIONS)
@given(data=st.data())
@settings(deadline=None, max_examples=10)
def test_equals_the_loop_in_numpy(name: str, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 13), "length")
    torch.manual_seed(data.draw(st.integers(0, 1000), "seed"))
    memory = make(chunk_size=data.draw(st.integers(1, 14), "chunk size"), **OPTIONS[name])
    flags = st.lists(st.booleans(), min_size=2 * length, max_size=2 * length)
    starts = torch.tensor(data.draw(flags, "starts")).view(2, length)
    x = torch.randn(2, length, 4, dtype=torch.float64)
    weights = torch.randn_like(memory.initial_state(2).weights)
    y, state = memory(x, FastWeightState(weights), starts)
    expected_y, expected_weights = loop(memory, x.numpy(), weights.numpy(), starts.numpy())
    np.testing.assert_allclose(y.detach(), expected_y, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(state.weights.detach(), expected_weights, rtol=1e-9, atol=1e-11)


def test_one_slot_is_the_dense_delta_rule() -> None:
    """DeltaNet: S_t = S_{t-1} (I - beta k kᵀ) + beta v kᵀ, y = S q, in that paper's own form."""
    memory = make(num_slots=1, top_k=1, num_heads=1)
    x = torch.randn(1, 9, 4, dtype=torch.float64)
    generated = memory.generate(x[0])
    k, q, v, rate = generated.split([3, 3, 2, 1], dim=-1)
    k, q = (part * part.sigmoid() for part in (k, q))
    k, q = (part / part.norm(dim=-1, keepdim=True) for part in (k, q))
    beta, s = rate.sigmoid(), memory.initial[0, 0].T
    for t in range(9):
        error = v[t] - s @ k[t]
        s = s @ (torch.eye(3) - beta[t] * torch.outer(k[t], k[t])) + beta[t] * torch.outer(
            v[t], k[t]
        )
        y = memory.slow(x[0, t]) + memory.fast(torch.cat((s @ q[t], error)))
    outputs, state = memory(x)
    torch.testing.assert_close(outputs[0, -1], y, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(state.weights[0, 0, 0], s.T, rtol=1e-11, atol=1e-12)


# The gradient of a single address is not that of the values: see the test below.
@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - {"one_slot_of_five"}))
def test_gradcheck(name: str) -> None:
    memory = make(chunk_size=3, **OPTIONS[name])
    x = torch.randn(1, 5, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn_like(memory.initial_state(1).weights).requires_grad_()
    starts = torch.tensor([[False, False, True, False, False]])
    parameters = list(memory.parameters())

    def run(x: Tensor, weights: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
        y, state = memory(x, FastWeightState(weights), starts)
        return y, state.weights

    assert torch.autograd.gradcheck(run, (x, weights, *parameters), fast_mode=True)


# A single slot is always selected straight through.
@pytest.mark.parametrize(("top_k", "selection"), [(1, "renormalised"), (3, "straight_through")])
@pytest.mark.parametrize(("address", "num_slots"), [("learned", 5), ("product", 6)])
def test_straight_through(top_k: int, selection: str, address: str, num_slots: int) -> None:
    """Gradients of a loop with strength ``K^-0.5 + p - constant``, where p is differentiable."""
    memory = make(num_slots=num_slots, top_k=top_k, selection=selection, address=address)
    x = torch.randn(2, 6, 4, dtype=torch.float64)
    y, _ = memory(x)
    found = torch.autograd.grad(y.square().sum(), list(memory.parameters()))

    made = memory.generate(x).unflatten(-1, (2, -1))
    k, q, value, write, read, rate = made.split([3, 3, 2, 5, 5, 1], dim=-1)
    k, q = (part * part.sigmoid() for part in (k, q))
    k, q = (part / part.norm(dim=-1, keepdim=True) for part in (k, q))
    addresses = []
    for logits in (write, read):
        if address == "product":
            logits = (logits[..., :2, None] + logits[..., None, 2:]).flatten(-2)
        p = logits.exp() / logits.exp().sum(-1, keepdim=True)
        chosen = (logits >= logits.topk(top_k).values[..., -1:]).double()
        addresses.append(chosen * (top_k**-0.5 + p - p.detach()))
    writes = Writes(k, addresses[0], value, rate.squeeze(-1).sigmoid(), q, addresses[1])
    reads, errors, _ = sequential(writes, memory.initial_state(2).weights, memory.initial)
    features = torch.cat((reads, errors), -1).flatten(-2)
    expected_y = memory.slow(x) + memory.fast(features)
    torch.testing.assert_close(y, expected_y, rtol=1e-11, atol=1e-12)
    expected = torch.autograd.grad(expected_y.square().sum(), list(memory.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
    names = [name for name, _ in memory.named_parameters()]
    of_bias = found[names.index("generate.bias")].unflatten(0, (2, -1))[:, 8:18]  # both addresses
    assert (of_bias != 0).all()


def test_random_addresses_stay_and_are_as_sharp_as_untrained_ones() -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"num_heads": 8, "num_slots": 64}
    memory, learned = SparseFastWeights(40, address="random", **options), nn.Linear(40, 8 * 64)
    assert memory.projection.std().item() == pytest.approx(learned.weight.std().item(), rel=0.03)
    assert "projection" in memory.state_dict()
    before = memory.projection.clone()
    x = torch.randn(3, 5, 40)
    optimizer = torch.optim.SGD(memory.parameters(), lr=1.0)
    memory(x)[0].square().mean().backward()
    optimizer.step()
    assert not memory.projection.requires_grad
    assert torch.equal(memory.projection, before)
    # The generator has nothing for addresses: key, query, value and rate of each head.
    assert memory.generate.out_features == 8 * (8 + 8 + 12 + 1)
    # What a step writes is where the projection says, and it reads there too.
    state = FastWeightState(torch.zeros_like(memory.initial_state(3).weights))
    _, after = memory.step(x[:, 0], state)
    touched = (after.weights != 0).any(-1).any(-1)
    logits = (x[:, 0] @ before.T).unflatten(-1, (8, 64))
    assert torch.equal(touched, logits >= logits.topk(2).values[..., 1:])


def test_extreme_forgetting_leaves_both_forms_alike() -> None:
    """In float32, logarithms of 1e5 beside those of 1e-2 would lose these to rounding."""
    memory = SparseFastWeights(4, decay=True)
    with torch.no_grad():
        decay = memory.generate.weight.unflatten(0, (4, -1))[:, -1]
        decay.zero_()[:, 0] = -1e5
    x = torch.randn(2, 32, 4)
    x[..., 0] = 0.0
    x[:, 3, 0] = 1.0
    y, state = memory(x)
    outputs, step_state = [], memory.initial_state(2)
    for t in range(32):
        y_t, step_state = memory.step(x[:, t], step_state)
        outputs.append(y_t)
    torch.testing.assert_close(y, torch.stack(outputs, 1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state.weights, step_state.weights, rtol=1e-4, atol=1e-5)


def random_writes(length: int, slots: int, decay: bool) -> Writes:
    def normal(*shape: int) -> Tensor:
        return torch.randn(2, length, 3, *shape, dtype=torch.float64)

    return Writes(
        key=torch.nn.functional.normalize(normal(4), dim=-1),
        address=torch.nn.functional.normalize(normal(slots), dim=-1),
        value=normal(2),
        rate=normal().sigmoid(),
        query=normal(4),
        read_address=normal(slots),
        log_decay=-normal().exp() if decay else None,
    )


@given(
    length=st.integers(1, 20),
    chunk_size=st.integers(1, 25),
    slots=st.sampled_from([1, 3]),
    decay=st.booleans(),
    additive=st.booleans(),
    probability=st.sampled_from([None, 0.0, 0.2, 1.0]),
    first=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60)
def test_chunks_equal_the_sequential_reference(
    length: int,
    chunk_size: int,
    slots: int,
    decay: bool,
    additive: bool,
    probability: float | None,
    first: bool,
    seed: int,
) -> None:
    """Also where gamma is so small that products of gammas underflow."""
    torch.manual_seed(seed)
    writes = random_writes(length, slots, decay)
    initial = torch.randn(3, slots, 4, 2, dtype=torch.float64)
    leaves = [part.requires_grad_() for part in (*writes, initial) if part is not None]
    weights = initial.expand(2, *initial.shape)
    if not first:
        weights = torch.randn_like(weights).requires_grad_()
        leaves.append(weights)
    starts = None if probability is None else torch.rand(2, length) < probability
    expected = sequential(writes, weights, initial, starts, additive=additive)
    found = chunked(
        writes,
        None if first else weights,
        initial,
        starts,
        additive=additive,
        chunk_size=chunk_size,
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
    directions = [torch.randn_like(part) for part in expected]
    gradients = [
        torch.autograd.grad(parts, leaves, directions, allow_unused=True, materialize_grads=True)
        for parts in (found, expected)
    ]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_a_write_touches_only_the_chosen_slots() -> None:
    memory = make(num_slots=50, top_k=3)
    state = FastWeightState(torch.randn_like(memory.initial_state(6).weights))
    _, after = memory.step(torch.randn(6, 4, dtype=torch.float64), state)
    touched = (after.weights != state.weights).any(-1).any(-1)  # (row, head, slot)
    assert touched.sum(-1).tolist() == [[3, 3]] * 6


def test_what_is_stored_is_read_back_and_other_slots_keep_it() -> None:
    """Rate one and unit keys: the delta rule stores a value exactly, whatever was there."""
    key = torch.nn.functional.normalize(torch.randn(1, 2, 1, 4, dtype=torch.float64), dim=-1)
    address = torch.zeros(1, 2, 1, 6, dtype=torch.float64)
    address[0, 0, 0, 1:3] = 0.5**0.5
    address[0, 1, 0, 4:6] = 0.5**0.5  # the second write goes elsewhere
    value = torch.randn(1, 2, 1, 3, dtype=torch.float64)
    both_read_first = {"query": key[:, [0, 0]], "read_address": address[:, [0, 0]]}
    writes = Writes(key, address, value, torch.ones(1, 2, 1).double(), **both_read_first)
    initial = torch.randn(1, 6, 4, 3, dtype=torch.float64)
    reads, _, _ = chunked(writes, None, initial)
    torch.testing.assert_close(reads[0, :, 0], value[0, [0, 0], 0])


def test_reads_follow_a_chain() -> None:
    """What is found is where the next read looks: 0 leads to 1, 1 to 2, 2 to 3, by one query."""
    sizes = {"num_heads": 1, "num_slots": 1, "top_k": 1, "key_size": 5, "value_size": 5}
    memory = SparseFastWeights(15, 20, num_reads=3, **sizes).double()
    same = torch.eye(5, dtype=torch.float64)
    with torch.no_grad():
        for parameter in [*memory.slow.parameters(), *memory.generate.parameters()]:
            parameter.zero_()
        key, query, value, _ = memory.generate.weight.split([5, 5, 5, 1])
        key[:, :5], query[:, 5:10], value[:, 10:] = 60 * same, 60 * same, same
        memory.generate.bias[:10], memory.generate.bias[15] = -30.0, 30.0
        memory.fast.weight.copy_(torch.eye(20))
        for further in memory.next_queries:
            further.generate.weight.zero_()[:, 15:] = 60 * same
            further.generate.bias.fill_(-30.0)
    links = [torch.cat((same[i], same[0], same[i + 1])) for i in range(4)]
    y, _ = memory(torch.stack(links)[None])
    first, _, second, third = y[0, -1].unflatten(0, (4, 5))
    for number, read in enumerate((first, second, third), 1):
        torch.testing.assert_close(read, same[number], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 9}, "top_k must be at most num_slots=8, got 9"),
        ({"num_slots": 0}, "num_slots must be at least 1, got 0"),
        ({"key_size": 0}, "key_size must be at least 1, got 0"),
        ({"value_size": -1}, "value_size must be at least 1, got -1"),
        ({"num_heads": 0}, "num_heads must be at least 1, got 0"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"num_reads": 0}, "num_reads must be at least 1, got 0"),
        ({"chunk_size": 0}, "chunk_size must be at least 1, got 0"),
        ({"num_slots": 1}, "top_k must be at most num_slots=1, got 2"),
        ({"address": "hashed"}, "address must be 'learned', 'product' or 'random', got 'hashed'"),
        (
            {"address": "product", "num_slots": 7},
            "num_slots must be that of a grid of rows and columns for address='product', "
            "got the prime 7",
        ),
        (
            {"selection": "soft"},
            "selection must be 'renormalised' or 'straight_through', got 'soft'",
        ),
        ({"rule": "oja"}, "rule must be 'delta' or 'additive', got 'oja'"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SparseFastWeights(4, **options)


def test_float32_chunks_stay_close_to_float32_steps() -> None:
    memory = SparseFastWeights(8, num_slots=16).float()
    x = torch.randn(4, 200, 8)
    y, state = memory(x)
    outputs, step_state = [], memory.initial_state(4)
    for t in range(200):
        y_t, step_state = memory.step(x[:, t], step_state)
        outputs.append(y_t)
    torch.testing.assert_close(y, torch.stack(outputs, 1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(state.weights, step_state.weights, rtol=1e-4, atol=1e-4)
