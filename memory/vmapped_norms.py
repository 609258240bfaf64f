"""A way around wrong second derivatives of norms under ``torch.func.vmap``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


class PlainNorms(TorchFunctionMode):
    """Batch, instance and layer norms without their gain and bias, which are applied afterwards.

    Where gain and bias have a dimension that ``vmap`` runs over, the derivative of the gradient of
    ``F.batch_norm``, ``F.instance_norm`` and ``F.layer_norm`` is silently wrong (seen in torch
    2.15; not that of ``F.group_norm``, and not the gradient itself). Taken apart, they are right.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call ``func``, a norm in two parts."""
        if func not in (F.batch_norm, F.instance_norm, F.layer_norm):
            return func(*args, **(kwargs or {}))
        given = inspect.signature(func).bind(*args, **(kwargs or {})).arguments
        gain, bias = given.pop("weight", None), given.pop("bias", None)
        y = func(**given)
        if func is not F.layer_norm:  # they are of channels, the second dimension
            shape = (-1,) + (1,) * (y.ndim - 2)
            gain, bias = (None if p is None else p.reshape(shape) for p in (gain, bias))
        y = y if gain is None else y * gain
        return y if bias is None else y + bias
