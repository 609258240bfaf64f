"""Lanes: against a plain loop over tokens, resumed, and by two processes."""

import json
from itertools import chain, islice, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.lm.corpora import IGNORED, Lanes

documents = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=9), min_size=1, max_size=9)
orders = st.sampled_from(["shuffled", "time", "given"])
KEYS = [5, 2, 9, 2, 7, 1, 1, 3, 8]


def plain_lanes(order, bounds, reset):
    """Each lane of an epoch as lists of inputs, targets and starts, token by token."""
    stream = [
        (document[i - 1] if i else 0, token, reset and i == 0)
        for document in order
        for i, token in enumerate(document)
    ]
    lanes = []
    for begin, end in pairwise(bounds):
        lane = stream[begin:end]
        if lane:
            lane[0] = (*lane[0][:2], True)
        lanes.append(lane)
    return lanes


def read_lanes(batches):
    """The same out of batches, whose padding is checked and taken away."""
    inputs, targets, starts = (torch.cat(parts, dim=1) for parts in zip(*batches, strict=True))
    assert inputs.dtype == targets.dtype == torch.int64 and starts.dtype == torch.bool
    ended = targets == IGNORED
    assert (ended.long().diff(dim=1) >= 0).all()  # only behind the end of a lane
    assert (inputs[ended] == 0).all() and not starts[ended].any()
    rows = zip(inputs.tolist(), targets.tolist(), starts.tolist(), strict=True)
    return [[one for one in zip(*row, strict=True) if one[1] != IGNORED] for row in rows]


@settings(deadline=None, max_examples=300)
@given(documents, orders, st.integers(1, 6), st.integers(1, 12), st.data())
def test_batches_are_those_of_a_plain_loop(make_split, documents, order, batch_size, length, data):
    split = make_split(documents, KEYS[: len(documents)])
    total, count = len(split), len(documents)
    whole = data.draw(st.booleans()) and batch_size <= count and order != "shuffled"
    batch_size = min(batch_size, total)
    reset = data.draw(st.booleans())
    options = {"order": order, "whole_documents": whole, "reset_documents": reset}
    options["vary_length"] = data.draw(st.booleans())
    lanes = Lanes(split, batch_size, length, seed=3, **options)
    batches = iter(lanes)
    for epoch in range(2):
        permutation = range(count)
        if order == "time":
            permutation = sorted(range(count), key=lambda i: KEYS[i])
        if order == "shuffled":
            permutation = np.random.default_rng([3, epoch]).permutation(count)
        ordered = [documents[i] for i in permutation]
        first = next(batches)
        found = read_lanes([first, *islice(batches, lanes.steps_per_epoch - 1)])
        if whole:
            begins = {0, *np.cumsum([len(document) for document in ordered]).tolist()}
            bounds = [0, *np.cumsum([len(lane) for lane in found]).tolist()]
            assert begins.issuperset(bounds) and len(set(bounds)) == batch_size + 1
        else:
            bounds = [b * total // batch_size for b in range(batch_size + 1)]
        assert found == plain_lanes(ordered, bounds, reset)
        # Nothing is lost, nothing comes twice.
        assert [one[1] for lane in found for one in lane] == list(chain.from_iterable(ordered))
    assert lanes.epoch == 1


@settings(deadline=None, max_examples=100)
@given(documents, orders, st.integers(0, 20), st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_resumed_anywhere(make_split, documents, order, stop, batch_size, length, vary):
    split = make_split(documents, KEYS[: len(documents)])
    settings_ = {"seed": 1, "order": order, "epochs": 3, "vary_length": vary}

    def make():
        return Lanes(split, min(batch_size, len(split)), length, **settings_)

    straight, first, second = list(make()), make(), make()
    assert vary or len(straight) == 3 * first.steps_per_epoch
    head = list(islice(first, stop))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    both = head + list(second)
    assert len(both) == len(straight)
    for one, other in zip(both, straight, strict=True):
        assert all(map(torch.equal, one, other))


def test_iterating_goes_on(make_split):
    split = make_split([list(range(10))])
    lanes = Lanes(split, 1, 3, epochs=2)
    first = [batch.targets.tolist()[0] for batch in islice(lanes, 2)]
    assert first == [[0, 1, 2], [3, 4, 5]]
    assert next(iter(lanes)).targets.tolist() == [[6, 7, 8]]
    assert next(iter(lanes)).targets.tolist() == [[9, IGNORED, IGNORED]]
    assert len(list(lanes)) == 4 and list(lanes) == []


@settings(deadline=None, max_examples=50)
@given(
    documents, orders, st.sampled_from([(2, 2), (6, 3), (4, 4)]), st.integers(1, 5), st.booleans()
)
def test_processes_share_the_rows(make_split, documents, order, sizes, length, vary):
    batch_size, world_size = sizes
    split = make_split([[1, 2, 3, 4, 5, 6], *documents])
    settings_ = {"batch_size": batch_size, "length": length, "order": order, "epochs": 2}
    settings_["vary_length"] = vary
    single = Lanes(split, **settings_)
    several = [Lanes(split, rank=r, world_size=world_size, **settings_) for r in range(world_size)]
    for batch, *shares in zip(single, *several, strict=True):
        for tensor, *parts in zip(batch, *shares, strict=True):
            assert torch.equal(tensor, torch.cat(parts))


def test_epochs_differ_and_seeds_differ(make_split):
    split = make_split([[i] * 3 for i in range(1, 30)])

    def targets(seed, epochs):
        lanes = Lanes(split, 1, len(split), seed=seed, epochs=epochs)
        return [batch.targets.tolist() for batch in lanes]

    one = targets(0, 2)
    assert one[0] != one[1] and one == targets(0, 2) and one[0] != targets(1, 1)[0]
    assert sorted(one[0][0]) == sorted(one[1][0])


def test_lengths_vary_as_in_the_paper(make_split):
    """Nineteen of twenty around T, one around T / 2, with a deviation of 5; anew in each epoch."""
    split = make_split([[1] * 200_000])
    lanes = Lanes(split, 2, 70, vary_length=True, epochs=2)
    lengths = [batch.inputs.shape[1] for batch in lanes]
    per_epoch = np.split(np.array(lengths), [len(lengths) - lanes.steps_per_epoch])
    for found in per_epoch:
        assert found.min() >= 5 and found.max() < 95
        short = found < 53
        assert short.mean() == pytest.approx(0.05, abs=0.02)
        assert found[short].mean() == pytest.approx(34.5, abs=2)  # rounded down
        assert found[~short].mean() == pytest.approx(69.5, abs=0.5)
        assert found[~short].std() == pytest.approx(5, abs=0.5)
    assert lengths[:5] != per_epoch[1].tolist()[:5]


def test_another_number_of_processes_may_go_on(make_split):
    split = make_split([list(range(40))])
    lanes = Lanes(split, 4, 2)
    next(iter(lanes))
    half = Lanes(split, 4, 2, rank=1, world_size=2)
    half.load_state_dict(lanes.state_dict())
    assert torch.equal(next(iter(lanes)).inputs[2:], next(iter(half)).inputs)


def test_bad_input(make_split):
    split = make_split([[1, 2, 3], [4]])
    for arguments, message in (
        ((0, 1, {}), "batch_size must be at least 1, got 0"),
        ((1, 0, {}), "length must be at least 1, got 0"),
        ((1, 1, {"epochs": 0}), "epochs must be at least 1, got 0"),
        ((1, 1, {"seed": -1}), "seed must be an integer of at least 0, got -1"),
        ((5, 1, {}), "batch_size must be at most 4, the tokens, got 5"),
        ((3, 1, {"whole_documents": True, "order": "time"}), "at most 2, the documents, got 3"),
        ((1, 1, {"whole_documents": True}), "whole_documents must be False where the order is shu"),
        ((1, 1, {"order": "random"}), "order must be one of .*'given'., got 'random'"),
        ((3, 1, {"world_size": 2}), "world_size must divide batch_size=3, .* got world_size=2"),
        ((2, 1, {"world_size": 2, "rank": 2}), "rank be below it, got world_size=2 and rank=2"),
    ):
        with pytest.raises(ValueError, match=message):
            Lanes(split, *arguments[:2], **arguments[2])
    for name, arguments in (("batch_size", (True, 1)), ("length", (1, 2.5))):
        with pytest.raises(TypeError, match=f"{name} must be an integer"):
            Lanes(split, *arguments)
    state = Lanes(split, 2, 1).state_dict()
    for other, message in (
        (Lanes(split, 1, 1), "batch_size must be 2, as when saved, got 1"),
        (Lanes(split, 2, 1, seed=4), "seed must be 0, as when saved, got 4"),
        (Lanes(make_split([[1, 2]]), 2, 1), "tokens must be 4, as when saved, got 2"),
    ):
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(state)
    lanes = Lanes(split, 2, 1)
    with pytest.raises(ValueError, match="step must be from 0 to the 2 of an epoch, got 3"):
        lanes.load_state_dict({**state, "step": 3})
    with pytest.raises(ValueError, match=r"state must be what .* it has no 'batch_size'"):
        lanes.load_state_dict({"epoch": 0, "step": 0})
