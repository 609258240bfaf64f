"""What a bandit does over a block of steps, as rows of arrays.

Letters: n worlds, A arms, B steps of a block, L = B + 1 rows (see ``blocks.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arms import Arms
from .blocks import BlockTrace, BoolArray, IntArray, Segments
from .drifts import Drift
from .streams import DrawArrays

FloatArray = NDArray[np.float64]

# Part of the definition of the bandits: another length makes other worlds of the same seed.
STEPS_PER_BLOCK = 200
ROWS = STEPS_PER_BLOCK + 1


class World(NamedTuple):
    """What a world does over T steps, for analysis: (T, ...) for one, (T, N, ...) for N worlds.

    Attributes:
        means: Means of the arms, (T, A) or (T, N, A).
        optimal_action: The best arm.
        context: Number of the context, or of changes so far where contexts do not recur.
        changed: Whether a change happened at this step.
        steps_since_change: Steps since the last change, or since the start of the episode.
    """

    means: FloatArray
    optimal_action: IntArray
    context: IntArray
    changed: BoolArray
    steps_since_change: IntArray

    def only(self) -> World:
        """The first of N worlds, without the axis N."""
        return World(
            means=self.means[:, 0],
            optimal_action=self.optimal_action[:, 0],
            context=self.context[:, 0],
            changed=self.changed[:, 0],
            steps_since_change=self.steps_since_change[:, 0],
        )


@dataclass
class Trace(BlockTrace):
    """Rows of n worlds: ``means`` (L, n, A), the others (L, n).

    Attributes:
        means: Means of the arms.
        best: The highest of them.
        optimal: The arm that has it (the first of equals).
        noise: What turns a mean into a reward (:meth:`~.arms.Arms.noise`); row B has none.
    """

    means: FloatArray
    best: FloatArray
    optimal: IntArray
    noise: FloatArray

    @classmethod
    def zeros(cls, num_worlds: int, num_arms: int) -> Trace:
        """A trace yet to be filled."""
        shape = (ROWS, num_worlds)
        return cls(
            means=np.zeros((*shape, num_arms)),
            best=np.zeros(shape),
            optimal=np.zeros(shape, dtype=np.int64),
            context=np.zeros(shape, dtype=np.int64),
            changed=np.zeros(shape, dtype=bool),
            since=np.zeros(shape, dtype=np.int64),
            noise=np.zeros(shape),
        )


def segment_states(
    segments: Segments, arms: Arms, drift: Drift, state: FloatArray, jumps: DrawArrays
) -> FloatArray:
    """States (S, W) in each segment of a drift that moves at changes only.

    ``state`` (n, W) is that of row 0; ``jumps`` has a row per change, world by world.
    """
    counts, origin = segments.counts, segments.origin
    table = np.empty((len(segments.begins), state.shape[1]))
    table[origin] = state
    if type(drift).jump is Drift.jump:  # fresh starts, whatever came before: all at once
        fresh = np.ones(len(table), dtype=bool)
        fresh[origin] = False
        table[fresh] = drift.start(arms, *jumps)
        return table
    for ordinal in range(counts.max()):
        world = (counts > ordinal).nonzero()[0]
        segment = origin[world] + ordinal
        change = segment - world
        table[segment + 1] = drift.jump(arms, table[segment], jumps[0][change], jumps[1][change])
    return table


def restless_path(
    arms: Arms,
    drift: Drift,
    state: FloatArray,
    flags: BoolArray,
    jumps: DrawArrays,
    steps: DrawArrays,
) -> FloatArray:
    """States (L, n, W) of a continuous drift: a jump where a change is flagged, else a step.

    Args:
        arms: The arms that drift.
        drift: How they drift.
        state: State at row 0, (n, W).
        flags: Change flags of rows 1 ... B, (B, n).
        jumps: Random numbers of the jumps, a row per change, world by world.
        steps: Random numbers of the steps to rows 1 ... B, (B, n, k).
    """
    states = np.empty((len(flags) + 1, *state.shape))
    states[0] = state
    counts = flags.sum(axis=0)
    next_jump = np.cumsum(counts) - counts
    uniforms, normals = (np.ascontiguousarray(part) for part in steps)
    any_flag = np.logical_or.reduce(flags, axis=1)
    for row in range(len(flags)):
        after = drift.step(arms, state, uniforms[row], normals[row])
        if any_flag[row]:
            world = np.flatnonzero(flags[row])
            change = next_jump[world]
            after[world] = drift.jump(arms, state[world], jumps[0][change], jumps[1][change])
            next_jump[world] += 1
        states[row + 1] = state = after
    return states


def best_arm(means: FloatArray) -> tuple[FloatArray, IntArray]:
    """Highest mean and its arm along the last axis (the first of equals).

    One pass per arm is several times as fast as numpy's max and argmax over a short last axis.
    """
    best = means[..., 0].copy()
    optimal = np.zeros(best.shape, dtype=np.int64)
    for arm in range(1, means.shape[-1]):
        better = means[..., arm] > best
        np.copyto(best, means[..., arm], where=better)
        np.copyto(optimal, arm, where=better)
    return best, optimal
