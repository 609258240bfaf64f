"""The learners of the OSAKA stream by name, and their settings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

from ...envs.arguments import check_count, check_flag, check_probability
from ...memory.contract import check_rates, check_sizes


class OnlineMethod(NamedTuple):
    """How a learner adapts, and what goes on learning in the stream.

    Attributes:
        kind: of the :class:`~driftwise.memory.UpdateMask` that has its step sizes; None for one
            that never adapts, but learns like any network.
        meta: whether where it adapts from, and the step sizes, go on learning in the stream.
    """

    kind: str | None
    meta: bool

    @property
    def learned(self) -> bool:
        """Whether step sizes are learned."""
        return self.kind not in (None, "dense")


ONLINE_METHODS = {
    "online_adam": OnlineMethod(None, meta=True),
    # What was learned before the stream stays as it is.
    "maml": OnlineMethod("dense", meta=False),
    "sparse_maml": OnlineMethod("sparse", meta=False),
    "sparse_relu_maml": OnlineMethod("relu", meta=False),
    # Caccia et al. 2020.
    "c_maml": OnlineMethod("per_tensor", meta=True),
    # Von Oswald, Zhao et al. 2021.
    "sparse_c_maml": OnlineMethod("sparse", meta=True),
    "sparse_relu_c_maml": OnlineMethod("relu", meta=True),
}


@dataclass(frozen=True)
class OnlineConfig:
    """Settings of a learner of the OSAKA stream, in plain data."""

    width: int = 64
    """Channels of each of the four blocks of the network."""
    learning_rate: float = 5e-4
    """Adam's step size of the weights from which it adapts."""
    mask_learning_rate: float | None = None
    """Adam's step size of what the step sizes are learned by; by default the same."""
    inner_lr: float = 0.1
    """Step size of adaptation; of what is learned, the initial one."""
    inner_steps: int = 2
    """Steps of adaptation to each batch."""
    first_order: bool = False
    """Take the inner gradients for constants."""
    sparsity: float = 0.5
    """Share of weights that a sparse mask closes at first."""
    logit_scale: float | None = None
    """The logits of a sparse mask begin between minus this and this; by default as released."""
    modulation: float | None = None
    """lambda of the update modulation: a loss l counts 1 - exp(-lambda l) times; None for once."""
    boundary: float | None = None
    """gamma: the task has changed if adapting lowers the loss by as much; None to never say so."""
    prolonged: bool = False
    """Prolonged adaptation: adapt on from what is adapted until the task changes, and learn only
    then, from pairs of the batches since."""
    pretrain_updates: int = 0
    """Updates on episodes of the first classes before the stream."""
    pretrain_tasks: int = 4
    """Episodes of each of these."""

    def check(self) -> None:
        """Raise an error that names a field that is not what it must be."""
        sizes = ("width", "inner_steps", "pretrain_tasks")
        check_sizes(**{name: getattr(self, name) for name in sizes})
        check_count("pretrain_updates", self.pretrain_updates, least=0)
        for name in ("learning_rate", "mask_learning_rate", "inner_lr", "modulation", "boundary"):
            value = getattr(self, name)
            if value is not None or name in ("learning_rate", "inner_lr"):
                check_rates(**{name: value})
        check_probability("sparsity", self.sparsity)
        if self.logit_scale is not None:
            check_rates(logit_scale=self.logit_scale)
        check_flag("first_order", self.first_order)
        check_flag("prolonged", self.prolonged)
        if self.prolonged and self.boundary is None:
            raise ValueError("boundary must be given with prolonged=True, which needs it")


def online_settings(learner: str) -> tuple[str, ...]:
    """The fields of :class:`OnlineConfig` that a learner reads."""
    method = ONLINE_METHODS[learner]
    adapting = ("inner_lr", "inner_steps", "first_order", "pretrain_updates", "pretrain_tasks")
    meta = ("modulation", "boundary", "prolonged")
    unread = {
        *(() if method.kind is not None else (*adapting, *meta)),
        *(() if method.meta else meta),
        *(() if method.learned else ("mask_learning_rate",)),
        *(() if method.kind == "sparse" else ("sparsity", "logit_scale")),
    }
    return tuple(entry.name for entry in fields(OnlineConfig) if entry.name not in unread)
