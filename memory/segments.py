"""Resets inside a sequence: as masks, and for memories whose fast form knows no resets.

Between two resets a row is a sequence of its own, a *segment*. Attention masks what belongs to
another segment. For a form that knows no resets, a batch with resets is a larger batch of segments
of different lengths. Padding them to one length can cost B T^2 steps; a Python loop over
time costs T calls. Here every segment is cut into pieces whose lengths are powers of two (13 =
8 + 4 + 1). All pieces of one length, of all segments, run together as one batch, the longest first,
and each hands its state to the next piece of its segment. That is log2(T) calls, B T steps in all,
no padding, and exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .state import State, select_rows, where_rows, write_rows

Run = Callable[[Tensor, State], tuple[Tensor, State]]


def segment_masks(starts: Tensor) -> tuple[Tensor, Tensor]:
    """What the positions of a chunk may see, where a start cuts off all before it.

    Args:
        starts: (B, T) bool, where a segment starts.

    Returns:
        (B, t, s) bool, whether s is at most t and in the segment of t; (B, t) bool, whether t
        belongs to the segment that was running before the chunk.
    """
    segment = starts.cumsum(1)
    return (segment[:, :, None] == segment[:, None, :]).tril(), segment == 0


def split_time(x: Tensor | None, size: int, count: int) -> Sequence[Tensor | None]:
    """Cut time, the second dimension, into ``count`` chunks of ``size``; None gives as many None.

    Split, not sliced: the gradient of a slice is a tensor of zeros as long as the whole sequence.
    """
    return [None] * count if x is None else x.split(size, 1)


def run_segments(
    run: Run, x: Tensor, state: State, starts: Tensor, initial: Callable[[int], State]
) -> tuple[Tensor, State]:
    """Run over a sequence with resets, by a function that runs over sequences without.

    Args:
        run: ``run(x, state) -> (y, state)`` over (N, L, D) inputs, for any N and L of at least 1.
        x: (B, T, D) inputs.
        state: State before the first input, batch size B.
        starts: (B, T) bool, where a row is reset before it sees its input.
        initial: ``initial(batch_size)`` gives the state after a reset.

    Returns:
        The (B, T, O) outputs and the state after the last input.
    """
    batch_size, length = starts.shape
    # The plan is made of small integers: on the CPU, at the price of one wait for the device.
    cuts = starts.cpu().clone()
    if not cuts[:, 1:].any():
        if cuts.any():
            state = where_rows(starts[:, 0], initial(batch_size), state)
        return run(x, state)

    continues = ~cuts[:, 0]  # rows whose first segment goes on from the state passed in
    cuts[:, 0] = True
    begins = cuts.flatten().nonzero().squeeze(1)  # positions in the flattened (B T)
    lengths = torch.diff(begins, append=torch.tensor([batch_size * length]))
    last_segments = cuts.sum(1).cumsum(0) - 1  # of each row
    first_segments = torch.cat((last_segments.new_zeros(1), last_segments[:-1] + 1))

    inputs = x.flatten(0, 1)
    device = x.device
    segment_state = write_rows(
        initial(len(begins)),
        first_segments[continues].to(device),
        select_rows(state, continues.to(device)),
    )
    outputs, places = [], []
    for bit in reversed(range(int(lengths.max()).bit_length())):
        size = 1 << bit
        segments = (lengths & size).nonzero().squeeze(1)
        if len(segments) == 0:
            continue
        done = lengths[segments] >> (bit + 1) << (bit + 1)  # steps in longer pieces, before this
        place = (begins[segments] + done).unsqueeze(1) + torch.arange(size)
        segments = segments.to(device)
        y, piece_state = run(inputs[place.to(device)], select_rows(segment_state, segments))
        segment_state = write_rows(segment_state, segments, piece_state)
        outputs.append(y.flatten(0, 1))
        places.append(place.flatten())
    order = torch.cat(places).argsort().to(device)
    y = torch.cat(outputs)[order].unflatten(0, (batch_size, length))
    return y, select_rows(segment_state, last_segments.to(device))
