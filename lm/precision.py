"""In what precision a model computes."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def autocast(device: torch.device, precision: Precision = "auto") -> torch.autocast:
    """A context in which matrix products are in ``precision``; weights stay as they are.

    ``"auto"`` is bfloat16 on a GPU, and float32, that is no autocast, on a CPU.
    """
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"precision must be auto, float32 or bfloat16, got {precision!r}")
    half = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=half)
