"""The learners by name, new and from disk."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...envs.arguments import check_count
from ...memory.devices import find_device
from ...tracking import CheckpointError, load_checkpoint, save_checkpoint
from .la_maml_configs import (
    CMAMLConfig,
    LaMAMLConfig,
    SparseInnerLaMAMLConfig,
    SparseLaMAMLConfig,
    SparseReLULaMAMLConfig,
    SyncConfig,
)
from .learner import Learner
from .learner_configs import (
    ClassMeanConfig,
    CosineConfig,
    FastRowsConfig,
    FastWeightsConfig,
    HebbianConfig,
    ImprintingConfig,
    LambdaOnlyConfig,
    LearnerConfig,
    ReplayConfig,
    SoftmaxConfig,
)
from .learner_state import as_class_order, check_class_order

LEARNERS: dict[str, type[LearnerConfig]] = {
    "softmax": SoftmaxConfig,
    "softmax_fast_rows": FastRowsConfig,
    "hebbian": HebbianConfig,
    "cosine": CosineConfig,
    "cosine_imprinting": ImprintingConfig,
    "lambda_only": LambdaOnlyConfig,
    "nearest_class_mean": ClassMeanConfig,
    "replay": ReplayConfig,
    "fast_weights": FastWeightsConfig,
    "c_maml": CMAMLConfig,
    "sync": SyncConfig,
    "la_maml": LaMAMLConfig,
    "sparse_la_maml": SparseLaMAMLConfig,
    "sparse_la_maml_inner": SparseInnerLaMAMLConfig,
    "sparse_relu_la_maml": SparseReLULaMAMLConfig,
}
"""The config of every learner by name. Add your own: ``LEARNERS["mine"] = MyConfig``."""


def make_learner(
    name: str,
    class_order: int | Sequence[int] | Tensor,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    **settings: Any,
) -> Learner:
    """Make a learner that knows nothing yet.

    Args:
        name: a key of :data:`LEARNERS`.
        class_order: the class at each position of the stream's order, or how many classes there
            are, for the order 0, 1, 2, ...
        seed: of the initial weights, and of all that is random later on.
        device: torch device; ``"auto"`` is the GPU where there is one.
        **settings: fields of the learner's config.

    Raises:
        ValueError: for an unknown name, a setting that the learner does not have or that is out of
            range, a class order with a class twice, or a device that there is not.
        TypeError: for a setting of another kind.
    """
    if name not in LEARNERS:
        raise ValueError(f"name must be one of {', '.join(LEARNERS)}, got {name!r}")
    own = [field.name for field in dataclasses.fields(LEARNERS[name])]  # type: ignore[arg-type]
    if unknown := [key for key in settings if key not in own]:
        raise ValueError(f"learner {name!r} has no setting {unknown[0]!r}; it has {', '.join(own)}")
    config = LEARNERS[name](**settings)
    order = as_class_order(class_order)
    return config.make(name, order, check_count("seed", seed, least=0), find_device(device))


def save_learner(
    folder: str | os.PathLike[str], learner: Learner, notes: dict[str, Any] | None = None
) -> None:
    """Write a learner of :func:`make_learner` to a folder, as safetensors and JSON.

    Args:
        folder: where; replaced atomically if it exists.
        learner: all of it is kept, so that it learns on as if it had never been saved.
        notes: plain data to keep beside it, such as the command that trained it.
    """
    save_checkpoint(folder, learner.state_dict(), notes)


def load_learner(
    folder: str | os.PathLike[str],
    class_order: int | Sequence[int] | Tensor | None = None,
    device: torch.device | str = "cpu",
) -> Learner:
    """Load a learner that :func:`save_learner` wrote; runs no code from the files.

    Args:
        folder: where it is.
        class_order: that of the stream on which it is to go on, as in :func:`make_learner`; the
            learner must have been trained on the same. None takes the learner's own.
        device: torch device.

    Raises:
        CheckpointError: if the folder is damaged, or holds something else.
        ValueError: if the learner was trained on another class order; names the first difference.
    """
    state = load_checkpoint(folder)
    kind, own = (
        state.get(key) if isinstance(state, dict) else None for key in ("kind", "class_order")
    )
    if not isinstance(kind, dict) or "learner" not in kind or not isinstance(own, Tensor):
        raise CheckpointError(f"{folder} must hold a learner, but it holds another checkpoint")
    if class_order is not None:
        check_class_order(own, as_class_order(class_order), f"the learner in {folder}")
    settings = {key: value for key, value in kind.items() if key != "learner"}
    device = find_device(device)
    try:
        learner = make_learner(kind["learner"], own, device=device, **settings)
        learner.load_state_dict(state)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{folder} must hold a learner that can be made: {error}") from error
    return learner
