"""Every fast form against a reading word by word, written as the papers have it, in float64."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from driftwise.lm.adapters import (
    Adapter,
    AdapterMaker,
    DynamicEvaluation,
    HebbianRows,
    LocalAdaptation,
    NearestNeighbours,
    NeuralCache,
    Reader,
    build_datastore,
    gradient_statistics,
)
from driftwise.lm.adapters.commit import commit, segment_of
from driftwise.lm.corpora import IGNORED, Batch, Lanes, TokenSplit
from driftwise.lm.models import LanguageModel
from driftwise.memory import autograd_dynamic_evaluation, detach

Models = Callable[[str], LanguageModel]
Streams = Callable[..., list[Batch]]


def scores_of(adapter: Adapter, batches: list[Batch]) -> Tensor:
    """(B, all positions), no position checked."""
    nowhere = torch.zeros(0, dtype=torch.long)
    adapter.begin(len(batches[0].inputs))
    last, scores = torch.full_like(batches[0].targets[:, :1], IGNORED), []
    for batch in batches:
        scores.append(commit(adapter, segment_of(batch, last), batch.targets, (nowhere, nowhere)))
        last = batch.targets[:, -1:]
    return torch.cat(scores, 1)


def lane_of(batches: list[Batch], lane: int) -> list[tuple[int, int, bool]]:
    """Input, target, start of every position of a lane."""
    parts = [torch.cat(part, 1)[lane].tolist() for part in zip(*batches, strict=True)]
    return list(zip(*parts, strict=True))


@torch.no_grad()
def hidden_of(model: LanguageModel, lane: list[tuple[int, int, bool]]) -> list[Tensor]:
    """The model's hidden vectors, word by word."""
    state, found = None, []
    for word, _, start in lane:
        hidden, state = model(torch.tensor([[word]]), state, torch.tensor([[start]]))
        found.append(hidden[0, 0])
    return found


def past_pairs(lane: list[tuple[int, int, bool]], t: int, window: int) -> list[int]:
    """Positions whose pairs position t may use: the last ones of its document."""
    begin = max(i for i in range(t + 1) if lane[i][2])
    return [i for i in range(max(begin, t - window), t) if lane[i][1] != IGNORED]


def assert_scores(found: Tensor, expected: list[list[Tensor | float]]) -> None:
    wanted = torch.stack([torch.stack([torch.as_tensor(v).double() for v in e]) for e in expected])
    wanted = wanted.detach()
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("length", [1, 4, 30])
@pytest.mark.parametrize("name", ["lstm", "adaptive", "transformer"])
def test_cache(name: str, length: int, make_model: Models, stream: Streams) -> None:
    model, batches = make_model(name), stream(2, 30, min(length, 16))
    window, theta, weight = 5, 0.7, 0.3
    found = scores_of(Reader(model, memories=[NeuralCache(window, theta, weight)]), batches)
    expected = []
    for row in range(2):
        lane = lane_of(batches, row)
        h, scores = hidden_of(model, lane), []
        for t, (_, target, _) in enumerate(lane):
            p = model.head.log_probs(h[t]).detach().exp()
            pairs = past_pairs(lane, t, window)
            if pairs:
                cache = torch.zeros_like(p)
                for i in pairs:
                    cache[lane[i][1]] += torch.exp(theta * h[t] @ h[i])
                p = (1 - weight) * p + weight * cache / cache.sum()
            scores.append(0.0 if target == IGNORED else p[target].log())
        expected.append(scores)
    assert_scores(found, expected)


@pytest.mark.parametrize("chunk", [7, 1000])
def test_nearest_neighbours(
    chunk: int, make_model: Models, train: TokenSplit, stream: Streams
) -> None:
    model, batches = make_model("lstm"), stream(2, 12, 5)
    lanes = list(Lanes(train, 2, 7, order="given", epochs=1))
    store = build_datastore(model, lanes, max_keys=100)
    k, temperature, weight = 9, 0.05, 0.4
    memory = NearestNeighbours(store, k, temperature, weight, chunk=chunk)
    found = scores_of(Reader(model, memories=[memory]), batches)

    # The keys are what the model makes of the text word by word.
    lane = lane_of(lanes, 0)
    h = hidden_of(model, lane)
    torch.testing.assert_close(store.keys[:7], torch.stack(h[:7]), rtol=1e-9, atol=1e-10)
    assert store.words[:7].tolist() == [target for _, target, _ in lane[:7]]
    assert len(store.keys) == len(store.words) == 100

    scale, expected = store.keys.square().sum(1).mean(), []
    for row in range(2):
        lane = lane_of(batches, row)
        scores = []
        for vector, (_, target, _) in zip(hidden_of(model, lane), lane, strict=True):
            squares = (store.keys - vector).square().sum(1)
            near = squares.sort().indices[:k]
            shares = (-squares[near] / (temperature * scale)).softmax(0)
            p = (1 - weight) * model.head.log_probs(vector).detach().exp()
            for share, word in zip(shares, store.words[near], strict=True):
                p[word] += weight * share
            scores.append(0.0 if target == IGNORED else p[target].log())
        expected.append(scores)
    assert_scores(found, expected)


@pytest.mark.parametrize("length", [1, 5])
def test_local_adaptation_is_gradient_steps_on_the_rows(
    length: int, make_model: Models, stream: Streams
) -> None:
    """By autograd, on a copy of the softmax for every single position."""
    model, batches = make_model("lstm"), stream(2, 15, length)
    window, k, steps, lr, pull, eps = 6, 3, 4, 0.5, 0.2, 0.1
    memory = LocalAdaptation(window, k, steps, lr, pull, eps)
    found = scores_of(Reader(model, memories=[memory]), batches)
    expected = []
    for row in range(2):
        lane = lane_of(batches, row)
        h, scores = hidden_of(model, lane), []
        for t, (_, target, _) in enumerate(lane):
            pairs = past_pairs(lane, t, window)
            pairs = sorted(pairs, key=lambda i: float((h[i] - h[t]).square().sum()))[:k]
            rows = model.head.rows.weight.detach().clone()
            if pairs:
                keys = torch.stack([h[i] for i in pairs])
                words = torch.tensor([lane[i][1] for i in pairs])
                scale = keys.square().sum(1).mean()
                kernel = 1 / ((keys - h[t]).square().sum(1) + eps * scale)
                for _ in range(steps):
                    moved = rows.clone().requires_grad_()
                    log_probs = (keys @ moved.T + model.head.rows.bias).log_softmax(1)
                    fit = kernel / kernel.sum() @ log_probs.gather(1, words[:, None]).squeeze(1)
                    (gradient,) = torch.autograd.grad(fit, moved)
                    back = lr * pull * (model.head.rows.weight.detach() - rows)
                    rows = rows + back + lr / scale * gradient
            p = (h[t] @ rows.T + model.head.rows.bias).log_softmax(0)
            scores.append(0.0 if target == IGNORED else p[target])
        expected.append(scores)
    assert_scores(found, expected)


@pytest.mark.parametrize("rms", [False, True])
def test_dynamic_evaluation(
    rms: bool, make_model: Models, train: TokenSplit, stream: Streams
) -> None:
    """With weights as plain values, moved by the rule as the paper has it."""
    model, length = make_model("adaptive"), 5
    batches = stream(1, 20, length, starts=False)
    batches[2].starts[0, 0] = True
    lr, decay, epsilon = (0.01, 0.3, 1e-3) if rms else (0.3, 0.0, 1e-5)
    statistics = None
    if rms:
        lanes = Lanes(train, 2, 7, order="given", epochs=1)
        statistics = gradient_statistics(model, lanes, num_batches=4)
    rule = DynamicEvaluation(lr, length, decay=decay, epsilon=epsilon, statistics=statistics)
    found = scores_of(Reader(model, rules=[rule]), batches)

    trained = {name: value.detach().clone() for name, value in model.named_parameters()}
    weights, state, scores = dict(trained), None, []
    mean = 0.0
    if statistics is not None:
        mean = sum(m.sqrt().mean() for m in statistics.values()) / len(statistics)
    for inputs, targets, starts in batches:
        if starts[0, 0]:
            weights = dict(trained)
        leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
        total = torch.zeros(())
        for t in range(inputs.shape[1]):  # word by word, gradients back to the segment's start
            at = inputs[:, t : t + 1], state, starts[:, t : t + 1]
            hidden, state = functional_call(model, leaves, at)
            if targets[0, t] == IGNORED:
                scores.append(0.0)
                continue
            head = {name[5:]: v for name, v in leaves.items() if name.startswith("head.")}
            loss = functional_call(model.head, head, (hidden[0], targets[0, t : t + 1])).sum()
            scores.append(-loss.detach())
            total = total + loss / length
        state = detach(state)
        gradients = torch.autograd.grad(total, list(leaves.values()))
        for (name, value), gradient in zip(weights.items(), gradients, strict=True):
            if statistics is None:
                weights[name] = value - lr * gradient
                continue
            root = statistics[name].sqrt()
            ratio = (root / mean).clamp(max=1 / decay)
            step = decay * ratio * (trained[name] - value) - lr * gradient / (root + epsilon)
            weights[name] = value + step
    assert_scores(found, [scores])


def test_gradient_statistics(make_model: Models, train: TokenSplit) -> None:
    model = make_model("lstm")
    batches = [b for b, _ in zip(Lanes(train, 2, 7, order="given"), range(3), strict=False)]
    found = gradient_statistics(model, batches, num_batches=2)
    state, squares = None, torch.zeros_like(model.head.rows.bias)
    for inputs, targets, starts in batches[:2]:
        hidden, state = model(inputs, state, starts)
        p = model.head.log_probs(hidden).detach().exp()
        onehot = torch.nn.functional.one_hot(targets, model.vocab_size)
        squares += (p - onehot).mean((0, 1)).square()
    torch.testing.assert_close(found["head.rows.bias"], squares / 2, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="batches must be at least one"):
        gradient_statistics(model, [], num_batches=2)


def test_gradient_statistics_of_a_frozen_model(make_model: Models, train: TokenSplit) -> None:
    model = make_model("lstm")
    found = []
    for trained in (True, False):
        model.requires_grad_(trained)
        lanes = Lanes(train, 2, 5, order="given", epochs=1)
        found.append(gradient_statistics(model, lanes, num_batches=3))
        assert all(p.requires_grad == trained for p in model.parameters())
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("length", [1, 4])
def test_hebbian_rows(length: int, make_model: Models, stream: Streams) -> None:
    model, batches = make_model("lstm"), stream(1, 16, length, starts=False)
    gamma, limit, counts = 0.2, 9, torch.arange(11)
    found = scores_of(Reader(model, rules=[HebbianRows(counts, gamma, limit)]), batches)
    ours, seen, state, scores = copy.deepcopy(model), counts.tolist(), None, []
    rows = ours.head.rows.weight.data
    for inputs, targets, starts in batches:
        with torch.no_grad():
            hidden, state = ours(inputs, state, starts)
            log_probs = ours.head.log_probs(hidden)[0]
        words = [word for word in targets[0].tolist() if word != IGNORED]
        scores += [
            p[w] if w != IGNORED else 0.0 for p, w in zip(log_probs, targets[0], strict=True)
        ]
        for word in set(words):
            places = [t for t, target in enumerate(targets[0].tolist()) if target == word]
            seen[word] += len(places)
            if seen[word] < limit:
                rate = max(len(places) / seen[word], gamma)
                size = rows[word].norm()
                mean = sum(hidden[0, t] / hidden[0, t].norm() for t in places) / len(places)
                mixed = (1 - rate) * rows[word] + rate * size * mean
                rows[word] = mixed * size / mixed.norm()
    assert_scores(found, [scores])


def test_sliding(make_model: Models, stream: Streams) -> None:
    """Every word with a model that has read nothing but the words of its window."""
    for name, length, context in (("lstm", 3, 7), ("lstm", 4, 2), ("transformer", 1, 3)):
        model, batches = make_model(name), stream(2, 17, length)
        found = scores_of(Reader(model, context=context), batches)
        expected = []
        for row in range(2):
            lane, scores = lane_of(batches, row), []
            for t, (_, target, _) in enumerate(lane):
                end = min(len(lane), t // length * length + length)  # of its segment
                size = end - t // length * length
                window = lane[max(0, end - max(size, context)) : t + 1]
                hidden = hidden_of(model, window)[-1]
                scores.append(0.0 if target == IGNORED else model.head.log_probs(hidden)[target])
            expected.append(scores)
        assert_scores(found, expected)


def test_the_block_is_slow_or_adapts(make_model: Models, stream: Streams) -> None:
    model, batches = make_model("block"), stream(2, 12, 5)
    inputs, targets, starts = (torch.cat(part, 1) for part in zip(*batches, strict=True))
    with torch.no_grad():
        x, _ = model.body(inputs, None, starts)
        following = torch.cat((inputs[:, 1:], inputs[:, :1]), 1)
    fast, _ = autograd_dynamic_evaluation(model.layer, x, following, starts=starts)
    known = targets != IGNORED
    for hidden, adapting in ((model.layer.slow(x), False), (fast, True)):
        expected = -model.head.loss(hidden.detach(), targets.clamp(min=0)) * known
        found = scores_of(Reader(model, fast_block=adapting), batches)
        torch.testing.assert_close(found, expected.detach(), rtol=1e-8, atol=1e-9)


def test_the_block_forgets_in_time(make_model: Models, stream: Streams) -> None:
    """As the block does whose sums begin anew with every batch of its training."""
    model, batches = make_model("block"), stream(2, 12, 2)
    expected, state = [], None
    for index, (inputs, targets, starts) in enumerate(batches):
        if index and index % 2 == 0:
            state = model.initial_state(2)._replace(body=state.body)
        with torch.no_grad():
            hidden, state = model(inputs, state, starts)
        expected.append(-model.head.loss(hidden, targets.clamp(min=0)) * (targets != IGNORED))
    found = scores_of(Reader(model, fast_block=True, forget_every=4), batches)
    torch.testing.assert_close(found, torch.cat(expected, 1).detach(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["static", "sliding", "cache", "knn", "mbpa", "knn+cache+mbpa"])
def test_lanes_do_not_see_each_other(
    name: str, make_maker: Callable[..., AdapterMaker], stream: Streams
) -> None:
    maker, batches = make_maker("transformer"), stream(3, 14, 4)
    adapter = maker.make(name, {"sliding": {"context": 9}})
    together = scores_of(adapter, batches)
    alone = [
        scores_of(adapter, [Batch(*(part[row : row + 1] for part in batch)) for batch in batches])
        for row in range(3)
    ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-9, atol=1e-10)


def test_weights_come_back_where_a_document_starts(
    make_maker: Callable[..., AdapterMaker], stream: Streams
) -> None:
    """So that a document scores the same, whatever was read before."""
    maker = make_maker("lstm")
    batches = stream(1, 16, 4, starts=False)
    for name in ("dynamic", "hebbian", "cache+hebbian+dynamic_rms"):
        adapter = maker.make(name)
        twice = scores_of(adapter, [*batches, *batches])
        torch.testing.assert_close(twice[:, :16], twice[:, 16:], rtol=0, atol=0)


def test_weights_move_by_the_loss_of_the_model_alone(
    make_maker: Callable[..., AdapterMaker], stream: Streams
) -> None:
    maker, batches = make_maker("lstm"), stream(1, 16, 4)
    settings = {"mbpa": {"lr": 0.0}, "dynamic": {"lr": 0.5}}
    scores = [
        scores_of(maker.make(name, settings), batches) for name in ("dynamic", "mbpa+dynamic")
    ]
    torch.testing.assert_close(*scores)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NeuralCache(0), "window must be at least 1"),
        (lambda: NeuralCache(theta=-1.0), "theta must be at least 0"),
        (lambda: NeuralCache(weight=1.0), "weight must be from 0 to below 1"),
        (lambda: LocalAdaptation(k=0), "k and steps must be at least 1"),
        (lambda: DynamicEvaluation(-1.0, 4), "lr must be at least 0"),
        (lambda: HebbianRows(torch.ones(3), gamma=2.0), "gamma must be from 0 to 1"),
    ],
)
def test_bad_settings(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cash", {}, "unknown adapter name 'cash': there are static, sliding, fwl"),
        ("cache+cache", {}, "must have each part once"),
        ("dynamic+dynamic_rms", {}, "must have one of dynamic and dynamic_rms"),
        ("cache", {"cache": {"size": 3}}, "cache has no setting 'size': it has window, theta"),
        ("fwl", {}, "fwl needs a model that was trained with an adaptive block"),
        ("sliding", {"sliding": {"context": 0}}, "context must be at least 1"),
        ("knn", {"knn": {"temperature": 0.0}}, "temperature above 0"),
        ("knn", {"knn": {"max_keys": 0}}, "knn.max_keys must be at least 1"),
    ],
)
def test_bad_names(
    name: str,
    settings: dict[str, dict[str, float]],
    message: str,
    make_maker: Callable[..., AdapterMaker],
) -> None:
    with pytest.raises(ValueError, match=message):
        make_maker("lstm").make(name, settings)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("cache", "window", True),
        ("cache", "weight", "much"),
        ("sliding", "context", 2.5),
        ("dynamic_rms", "statistics_batches", 1.5),
    ],
)
def test_types_of_settings(
    part: str, name: str, value: Any, make_maker: Callable[..., AdapterMaker]
) -> None:
    with pytest.raises(TypeError, match=f"{part}.{name} must be an? "):
        make_maker("lstm").check(part, {part: {name: value}})


def test_flops(make_maker: Callable[..., AdapterMaker]) -> None:
    maker = make_maker("lstm", 4)
    static = maker.make("static").flops_per_token(4)
    # Two products with the tied 6 x 5 matrix, the 4 gates, and 11 rows of 5.
    assert static == 2 * (2 * 6 * 5 + 4 * 6 * (6 + 6) + 5 * 11)
    assert maker.make("dynamic").flops_per_token(4) == 3 * static
    assert maker.make("hebbian").flops_per_token(4) == static
    cache = maker.make("cache", {"cache": {"window": 10}}).flops_per_token(4)
    assert cache == static + 2 * 5 * (10 + 4)
    assert maker.make("knn").flops_per_token(4) == static + 2 * 5 * 300
    sliding = maker.make("sliding", {"sliding": {"context": 12}}).flops_per_token(4)
    assert sliding == 3 * (static - 2 * 5 * 11) + 2 * 5 * 11
    block = make_maker("block", 4)
    assert block.make("fwl").flops_per_token(4) > 2 * block.make("static").flops_per_token(4)
