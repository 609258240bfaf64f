"""What is measured between two lines of metrics."""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch
from torch import Tensor

from .processes import Processes
from .step import Taken


class Recent:
    """Sums since they were last taken, on the device, so that no step waits for a number.

    Args:
        processes: Whose losses are summed up.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._sums = torch.zeros(2, dtype=torch.float64, device=processes.device)
        self._norm = torch.zeros((), dtype=torch.float64, device=processes.device)
        self._steps = 0
        self.restart_clock()

    def add(self, taken: Taken) -> None:
        """One step."""
        self._sums[0] += taken.nats
        self._sums[1] += taken.tokens
        self._norm += taken.norm
        self._steps += 1

    def take(self, step: int, weight_norm: Tensor, folder: Path) -> dict[str, float]:
        """Metrics of the steps up to ``step``, to begin anew.

        Raises:
            FloatingPointError: One is not finite.
        """
        nats, tokens = self._processes.sum(self._sums).tolist()
        found = {
            "train/loss": nats / tokens,
            "train/grad_norm": self._norm.item() / self._steps,
            "train/weight_norm": weight_norm.item(),
            "train/tokens": tokens,
        }
        for name, value in found.items():
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"{name} must be finite, it is {value} in the steps up to {step}. The last "
                    f"good checkpoint is kept in {folder}; lower learning rates (optimizer) or a "
                    "lower clip_norm may help"
                )
        found["time/tokens_per_s"] = tokens / (time.perf_counter() - self._since)
        self._sums.zero_()
        self._norm.zero_()
        self._steps = 0
        self.restart_clock()
        return found

    def restart_clock(self) -> None:
        """Leave out of the tokens per second what came before."""
        self._since = time.perf_counter()
