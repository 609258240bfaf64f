"""Devices by name."""

import torch


def check_device(device: torch.device | str) -> None:
    """Raise an error for a device that is not there; stable-baselines3 would take the CPU.

    Raises:
        ValueError: if torch does not find it, unless it is ``"auto"``.
    """
    if device == "auto":
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device must be one that torch finds, got {device!r}: {reason}") from None
