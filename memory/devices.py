"""Devices by name."""

import torch


def find_device(name: torch.device | str) -> torch.device:
    """The device of a name, ``"auto"`` being the GPU where there is one.

    Raises:
        ValueError: torch finds no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device must be one that torch finds, got {name!r}: {reason}") from None
