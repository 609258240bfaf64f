"""All that a training run needs to go on exactly where it stopped, as a plain tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ...memory import State, flatten_state, map_state, select_rows, unflatten_state
from ..corpora import Lanes
from .processes import Processes, shared_out, whole
from .weight_average import WeightAverage


class TrainingState:
    """The parts of a run that change, saved as if there were one process, whatever their number.

    Nothing of random generators is among them: the loop draws those of a step from its number.

    Args:
        model: The model, which may be shared out over processes.
        optimizers: Its optimisers.
        average: The average of its weights.
        lanes: Where the text is read.
        like: A state of the model with one row, for its structure.
        micro_batches: Parts that the rows of this process are read in.

    Attributes:
        states: The state that each part goes on from; None at the beginning.
        step: Steps done.
        tokens: Targets seen.
        valid: ``step``, ``loss`` and ``perplexity`` of the last validation; empty before it.
        best: Those of the best one.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: list[Optimizer],
        average: WeightAverage,
        lanes: Lanes,
        like: State,
        micro_batches: int,
    ) -> None:
        self.model, self.optimizers, self.average = model, optimizers, average
        self.lanes, self._like = lanes, like
        self.states: list[State] = [None] * micro_batches
        self.step, self.tokens = 0, 0
        self.valid: dict[str, float] = {}
        self.best: dict[str, float] = {}

    def to_tree(self, processes: Processes) -> dict[str, Any]:
        """The tree, to be asked for by all processes together."""
        state = None
        if self.states[0] is not None:
            rows = map_state(lambda *parts: torch.cat(parts), *self.states)
            state = flatten_state(processes.all_rows(rows))
        average = None
        if self.average.begun:
            with self.average.swapped_in():
                weights = whole(self.model.state_dict())
                average = {name: part.clone() for name, part in weights.items()}
        return {
            "model": whole(self.model.state_dict()),
            "optimizers": [whole(optimizer.state_dict()) for optimizer in self.optimizers],
            "average": average,
            "average_updates": self.average.num_updates,
            "average_losses": self.average.losses,
            "lanes": self.lanes.state_dict(),
            "state": state,
            "tokens": self.tokens,
            "valid": self.valid,
            "best": self.best,
        }

    def load_tree(self, step: int, tree: Mapping[str, Any], processes: Processes) -> None:
        """Inverse of :meth:`to_tree`."""
        if tree["average"] is not None:
            _load(self.model, tree["average"])
            self.average.restart(tree["average_updates"])
        self.average.losses = tree["average_losses"]
        _load(self.model, tree["model"])
        for optimizer, saved in zip(self.optimizers, tree["optimizers"], strict=True):
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for number, state in saved["state"].items():
                like = parameters[number]
                for name, value in state.items():
                    if value.shape == like.shape:
                        state[name] = shared_out(value, like)
            optimizer.load_state_dict(saved)
        self.lanes.load_state_dict(tree["lanes"])
        if tree["state"] is not None:
            state = unflatten_state(self._like, tree["state"])
            share = self.lanes.batch_size // processes.world_size
            piece = share // len(self.states)
            for number in range(len(self.states)):
                first = processes.rank * share + number * piece
                rows = select_rows(state, slice(first, first + piece))
                self.states[number] = map_state(lambda part: part.to(processes.device), rows)
        self.step, self.tokens = step, tree["tokens"]
        self.valid, self.best = tree["valid"], tree["best"]


def _load(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    own = model.state_dict()
    model.load_state_dict({name: shared_out(part, own[name]) for name, part in weights.items()})
