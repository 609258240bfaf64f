"""What is measured while a learner is on a stream of tasks; plain data, part of checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...evaluation import summarize_continual


class TaskRecord:
    """The measurements of a run over K tasks.

    Attributes:
        accuracy: (K, K) that on task j after learning task i; NaN as long as it is not measured.
        untrained: (K,) that on each task before the stream.
        online: that on each batch before it was learned.
        modes: which set of images each batch was of, where there are several.
    """

    def __init__(self, num_tasks: int) -> None:
        self.accuracy = np.full((num_tasks, num_tasks), np.nan)
        self.untrained = np.full(num_tasks, np.nan)
        self.online: list[float] = []
        self.modes: list[int] = []

    def report(self, mode_names: Sequence[str] = ()) -> dict[str, Any]:
        """The metrics (see :func:`~driftwise.evaluation.summarize_continual`) and the rest."""
        online, modes = np.array(self.online), np.array(self.modes)
        by_mode = {
            f"online_accuracy_{name}": online[modes == mode].mean().item()
            for mode, name in enumerate(mode_names)
            if (modes == mode).any()
        }
        summary = summarize_continual(self.accuracy, self.untrained)
        return {
            "online_accuracy": online.mean().item(),
            **by_mode,
            **{name: _number(value.item()) for name, value in summary.items()},
            "accuracy": self.accuracy.tolist(),
            "untrained": self.untrained.tolist(),
        }

    def state_dict(self) -> dict[str, Any]:
        """All of it, a copy."""
        return {
            "accuracy": self.accuracy.copy(),
            "untrained": self.untrained.copy(),
            "online": list(self.online),
            "modes": list(self.modes),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        self.accuracy, self.untrained = (np.array(state[k]) for k in ("accuracy", "untrained"))
        self.online, self.modes = list(state["online"]), list(state["modes"])


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
