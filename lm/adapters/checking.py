"""Does an adapter keep the rules of :class:`Adapter`? Public checks, by playing a stream again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..corpora import IGNORED, Batch
from ..models import LanguageModel
from .commit import LEAST, TOLERANCE, Positions, commit, predict, segment_of
from .contract import Adapter


def check_adapter(
    make_adapter: Callable[[LanguageModel], Adapter],
    model: LanguageModel,
    *,
    num_lanes: int = 3,
    length: int = 8,
    num_segments: int = 4,
    seed: int = 0,
) -> None:
    """Check every rule on a stream of random words that come again, with starts in it.

    Every distribution must sum to 1 and agree with the score; predictions must not depend on later
    positions, on other lanes, on what was read before :meth:`Adapter.begin`, or on what another
    adapter has read; the model must stay as it is.

    Args:
        make_adapter: Makes a new adapter of a model.
        model: A model, best a small one; in float64 the smallest leak shows.
        num_lanes: Lanes of the stream, or those that the adapter can read, if fewer.
        length: Positions of a segment, at least 2.
        num_segments: Segments of the stream, at least 2.
        seed: Of the stream.

    Raises:
        ValueError: A rule is broken, or an argument out of range; the message says which.
    """
    if num_lanes < 1 or length < 2 or num_segments < 2:
        raise ValueError(
            "num_lanes must be at least 1, length and num_segments at least 2, got "
            f"{num_lanes}, {length} and {num_segments}"
        )
    random = torch.Generator().manual_seed(seed)
    trained = {name: value.clone() for name, value in model.state_dict().items()}
    adapter = make_adapter(model)
    num_lanes = min(num_lanes, adapter.max_lanes or num_lanes)
    device = next(model.parameters()).device
    batches = [
        Batch(*(part.to(device) for part in batch))
        for batch in _random_stream(num_lanes, length, num_segments, adapter, random)
    ]
    scores = _play(adapter, batches)
    _require_same(
        _play(adapter, batches), scores, adapter, "forget at begin() what it read: one pass"
    )
    _require_same(
        _play(make_adapter(model), batches), scores, adapter, "share nothing with another one"
    )
    for cut in range(1, length):
        check_causality(adapter, batches, cut, random)
    for name, value in model.state_dict().items():
        if not torch.equal(value, trained[name]):
            raise ValueError(f"{adapter.describe()} must leave the model as it is, {name} changed")


@torch.no_grad()
def check_causality(
    adapter: Adapter, batches: Sequence[Batch], cut: int, random: torch.Generator
) -> None:
    """Play a stream twice more, with other words, and compare what must not change.

    The last segment is played with other words from position ``cut`` on, and the whole stream with
    other words in all lanes but the first.

    Args:
        adapter: The adapter. Its stream is over after this.
        batches: Segments of the stream, from its beginning on.
        cut: From 1 to T - 1; T is the length of the last segment.
        random: Where other words are drawn from.

    Raises:
        ValueError: A prediction changed.
        FloatingPointError: A prediction is not a number.
    """
    *before, last = batches
    lanes = len(last.inputs)
    device = last.inputs.device
    rows = torch.arange(lanes, device=device).repeat(2)
    columns = torch.tensor([0, cut - 1], device=device).repeat_interleave(lanes)
    expected = _predictions(adapter, before, last, (rows, columns))

    later = torch.arange(last.inputs.shape[1], device=device).expand_as(last.inputs)
    # The target of position cut - 1 is what that position is not to see.
    changed = _other_words(last, later >= cut, later >= cut - 1, adapter, random)
    found = _predictions(adapter, before, changed, (rows, columns))
    _require_same(
        found,
        expected,
        adapter,
        f"be causal: a prediction changed with the words from position {cut} on, which come "
        "after it",
    )
    if lanes > 1:
        other = torch.arange(lanes, device=device).unsqueeze(1) > 0
        others = [_other_words(batch, other, other, adapter, random) for batch in batches]
        first = rows == 0
        found = _predictions(adapter, others[:-1], others[-1], (rows, columns))
        _require_same(
            found[first],
            expected[first],
            adapter,
            "be causal: a prediction changed with the words of another lane, which come later in "
            "the text",
        )


def _play(adapter: Adapter, batches: Sequence[Batch]) -> Tensor:
    """Scores of all positions, every distribution checked."""
    lanes = len(batches[0].inputs)
    adapter.begin(lanes)
    last = torch.full_like(batches[0].targets[:, :1], IGNORED)
    scores = []
    for batch in batches:
        positions = torch.cartesian_prod(
            *(torch.arange(size, device=batch.inputs.device) for size in batch.inputs.shape)
        )
        checked = positions[:, 0], positions[:, 1]
        scores.append(commit(adapter, segment_of(batch, last), batch.targets, checked))
        last = batch.targets[:, -1:]
    return torch.cat(scores, 1)


def _predictions(
    adapter: Adapter,
    before: Sequence[Batch],
    batch: Batch,
    positions: Positions,
) -> Tensor:
    """Distributions (n, V) at some positions of a segment, after those before it."""
    nowhere = positions[0][:0], positions[1][:0]
    adapter.begin(len(batch.inputs))
    last = torch.full_like(batch.targets[:, :1], IGNORED)
    for earlier in before:
        commit(adapter, segment_of(earlier, last), earlier.targets, nowhere)
        last = earlier.targets[:, -1:]
    return predict(adapter, segment_of(batch, last)).log_probs(*positions)


def _other_words(
    batch: Batch,
    where_read: Tensor,
    where_target: Tensor,
    adapter: Adapter,
    random: torch.Generator,
) -> Batch:
    """Other inputs and other targets at some positions."""
    inputs, targets, starts = batch
    moves = torch.randint(1, adapter.vocab_size, inputs.shape, generator=random).to(inputs.device)
    moved = torch.where(targets != IGNORED, (targets + moves) % adapter.vocab_size, targets)
    return Batch(
        torch.where(where_read, (inputs + moves) % adapter.vocab_size, inputs),
        torch.where(where_target, moved, targets),
        starts,
    )


def _require_same(found: Tensor, expected: Tensor, adapter: Adapter, must: str) -> None:
    if expected.isnan().any():
        raise FloatingPointError(f"{adapter.describe()} diverged: its predictions are NaN")
    difference = (found.clamp(min=LEAST) - expected.clamp(min=LEAST)).abs().max()
    if not float(difference) <= TOLERANCE:
        raise ValueError(f"{adapter.describe()} must {must} (by {float(difference):.3g} nats)")


def _random_stream(
    num_lanes: int, length: int, num_segments: int, adapter: Adapter, random: torch.Generator
) -> Iterator[Batch]:
    """Words of which each lane uses few, starts here and there, and one lane that ends early."""
    total = length * num_segments
    some = torch.randint(adapter.vocab_size, (num_lanes, 4), generator=random)
    words = some.gather(1, torch.randint(4, (num_lanes, total + 1), generator=random))
    inputs, targets = words[:, :-1], words[:, 1:].clone()
    starts = torch.rand(num_lanes, total, generator=random) < 0.5 / length
    if adapter.max_lanes == 1:  # its segments are cut where documents start
        starts &= torch.arange(total) % length == 0
    starts[:, 0] = True
    targets[-1, -1] = IGNORED
    for parts in zip(*(part.split(length, 1) for part in (inputs, targets, starts)), strict=True):
        yield Batch(*parts)
