"""La-MAML and its relatives on streams of new classes: their settings, in plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from .conv_net import ConvNet
from .la_maml import LaMAML
from .learner_configs import LearnerConfig


@dataclass(frozen=True)
class LaMAMLConfig(LearnerConfig):
    """La-MAML with a convolutional network (:class:`~driftwise.agents.classifiers.LaMAML`)."""

    method: ClassVar[str] = "la_maml"

    width: int = 64
    """Filters of every block of the network, and width of the features."""
    norm: Literal["group", "none"] = "group"
    """Normalisation in the network; a batch norm would be no function of the parameters."""
    inner_lr: float = 0.1
    """Step size of the inner loop; of what is learned, the initial one."""
    learning_rate: float = 0.1
    """Step size of the weights, in methods where it is not that of the inner loop."""
    mask_learning_rate: float = 0.1
    """Of what the step sizes are learned by."""
    mask_optimizer: Literal["sgd", "adam"] = "sgd"
    """Their optimiser."""
    memory: int = 549
    """Past images that are kept; of Omniglot, as many as the learner ``replay`` keeps."""
    glances: int = 2
    """Times that each batch is looked at."""
    parts: int = 4
    """Parts of a batch that the inner loop goes through."""
    max_grad_norm: float = 2.0
    """Largest norm of a gradient."""
    mask_unseen: bool = True
    """Leave classes that had no label so far out of the softmax."""

    def make(self, name: str, order: Tensor, seed: int, device: torch.device | str) -> LaMAML:
        """The learner."""
        if self.norm not in ("group", "none"):
            raise ValueError(f"norm must be group or none, got {self.norm!r}")
        settings = {k: v for k, v in asdict(self).items() if k not in self.mask_kwargs()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            body = ConvNet(settings.pop("width"), settings.pop("norm"))
            net = nn.Sequential(body, nn.Linear(self.width, len(order))).to(device)
            return LaMAML(
                net,
                self.method,
                order,
                mask_kwargs=self.mask_kwargs(),
                seed=seed,
                kind={"learner": name, **asdict(self)},
                **settings,
            )

    def mask_kwargs(self) -> dict[str, float]:
        """More settings of the mask."""
        return {}


@dataclass(frozen=True)
class CMAMLConfig(LaMAMLConfig):
    """The same without learned step sizes."""

    method: ClassVar[str] = "c_maml"


@dataclass(frozen=True)
class SyncConfig(LaMAMLConfig):
    """Learned step sizes for the inner loop alone."""

    method: ClassVar[str] = "sync"


@dataclass(frozen=True)
class SparseLaMAMLConfig(LaMAMLConfig):
    """A learned mask in place of the step sizes, over both loops."""

    method: ClassVar[str] = "sparse_la_maml"

    mask_learning_rate: float = 5e-5
    """Adam's step size for the logits of the mask."""
    mask_optimizer: Literal["sgd", "adam"] = "adam"
    """Their optimiser."""
    sparsity: float = 0.1
    """Share of the weights that are closed at first."""
    logit_scale: float = 0.1
    """Half of the range in which logits begin."""

    def mask_kwargs(self) -> dict[str, float]:
        """More settings of the mask."""
        return {"sparsity": self.sparsity, "logit_scale": self.logit_scale}


@dataclass(frozen=True)
class SparseInnerLaMAMLConfig(SparseLaMAMLConfig):
    """A learned mask over the inner loop alone."""

    method: ClassVar[str] = "sparse_la_maml_inner"


@dataclass(frozen=True)
class SparseReLULaMAMLConfig(LaMAMLConfig):
    """Learned step sizes that can open again once they are closed."""

    method: ClassVar[str] = "sparse_relu_la_maml"
