"""Worlds in which the agent has a say: reactive schedules and rested drifts."""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import override

from .bandit_world import BanditWorld
from .blocks import BoolArray, IntArray
from .streams import DrawArrays
from .trace import ROWS, STEPS_PER_BLOCK, Trace, World, best_arm


class StepwiseWorld(BanditWorld):
    """As :class:`BanditWorld`, but each row is worked out when the step before it has been taken.

    Only the random numbers are drawn ahead: those that a change at each step would take, too.
    """

    stepwise = True
    saved: tuple[str, ...] = (
        *BanditWorld.saved,
        "step_uniforms",
        "step_normals",
        "jump_uniforms",
        "jump_normals",
    )

    def __init__(self, num_worlds: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(num_worlds, *args, **kwargs)
        step, jump = self.drift.step_draws(self.arms), self.drift.jump_draws(self.arms)
        self.step_uniforms = np.zeros((ROWS, num_worlds, step.uniforms))
        self.step_normals = np.zeros((ROWS, num_worlds, step.normals))
        self.jump_uniforms = np.zeros((ROWS, num_worlds, jump.uniforms))
        self.jump_normals = np.zeros((ROWS, num_worlds, jump.normals))

    @override
    def tick(self, actions: IntArray) -> None:
        self._advance(actions)
        super().tick(actions)

    @override
    def foresee(self, num_steps: int) -> World:
        raise ValueError("foresee() needs a world that does not depend on the actions")

    @override
    def _fill_rows(
        self,
        trace: Trace,
        worlds: IntArray,
        context: IntArray,
        since: IntArray,
        flags: BoolArray,
        steps: DrawArrays,
    ) -> None:
        """Works out row 0 only, and keeps the random numbers for :meth:`_advance`."""
        n = len(worlds)
        state = self.drift_state[worlds]
        trace.means[0] = self._means(state, worlds)
        trace.best[0], trace.optimal[0] = best_arm(trace.means[0])
        trace.context[0] = state[:, 0] if self.num_contexts else context
        trace.since[0] = since

        counts = np.full(n, STEPS_PER_BLOCK)
        jumps = self.streams.draw_ragged(worlds, counts, self.drift.jump_draws(self.arms))
        rows = (self.clock + np.arange(STEPS_PER_BLOCK))[:, None] % ROWS
        self.step_uniforms[rows, worlds], self.step_normals[rows, worlds] = steps
        for kept, part in zip((self.jump_uniforms, self.jump_normals), jumps, strict=True):
            kept[rows, worlds] = part.reshape(n, STEPS_PER_BLOCK, -1).transpose(1, 0, 2)

    def _advance(self, actions: IntArray) -> None:
        """Works out the next row of worlds in which the agent has a say."""
        arms, drift, trace, row = self.arms, self.drift, self.trace, self.row
        following = (row + 1) % ROWS
        changed = self._react(actions, trace.optimal[row])
        state = drift.pull(arms, self.drift_state, actions) if drift.rested else self.drift_state
        after = state.copy()
        if drift.continuous:
            after = drift.step(arms, state, self.step_uniforms[row], self.step_normals[row])
        world = np.flatnonzero(changed)
        if len(world):
            uniforms, normals = self.jump_uniforms[row, world], self.jump_normals[row, world]
            after[world] = drift.jump(arms, state[world], uniforms, normals)
        self.drift_state = after
        trace.means[following] = self._means(after, self.everyone)
        trace.best[following], trace.optimal[following] = best_arm(trace.means[following])
        if self.num_contexts:
            trace.context[following] = after[:, 0]
