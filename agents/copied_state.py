"""States of learners and optimisers, copied."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_map_only


def copied(state: Any) -> Any:
    """A state whose containers and tensors are its own; anything else in it is shared.

    ``copy.deepcopy`` takes five times as long where tensors are small.
    """
    return tree_map_only(Tensor, lambda part: part.detach().clone(), state)
