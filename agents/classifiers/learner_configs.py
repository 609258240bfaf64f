"""The learners: the settings of each, in plain data, and what is built from them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...envs.arguments import check_flag
from ...memory import HebbianSoftmax, ParameterRule, WeightImprinting
from ...memory.contract import check_rates, check_sizes
from .conv_net import ConvNet
from .fast_weight_readout import FastWeightReadout
from .learner import Learner
from .nearest_class_mean import NearestClassMean
from .online_classifier import OnlineClassifier
from .replay import ITEM_BYTES, ReplayBuffer


class LearnerConfig(ABC):
    """Settings of a learner; a frozen dataclass of plain data, with a default for each."""

    @abstractmethod
    def make(self, name: str, order: Tensor, seed: int, device: torch.device | str) -> Learner:
        """The learner, which knows nothing yet.

        Args:
            name: that it is registered by; part of the ``kind`` in its state, with the settings.
            order: (m,) its class order, part of its state, too.
            seed: of all that is random.
            device: torch device.
        """


@dataclass(frozen=True)
class SoftmaxConfig(LearnerConfig):
    """A plain softmax, and what all learners have: the network and its optimiser."""

    width: int = 64
    """Filters of every block of the network, and width of the features."""
    norm: str = "batch"
    """Normalisation in the network: batch, group or none."""
    learning_rate: float = 5e-3
    """Adam's step size. By default, here and in all that derive from it, tuned on the curriculum
    of Omniglot, on a class order of its own (LOG.md)."""
    mask_unseen: bool = True
    """Leave classes that had no label so far out of the softmax."""

    def __post_init__(self) -> None:
        check_rates(learning_rate=self.learning_rate)
        check_flag("mask_unseen", self.mask_unseen)

    def make(
        self, name: str, order: Tensor, seed: int, device: torch.device | str
    ) -> OnlineClassifier:
        """The learner: a body, the head, and Adam."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            body = ConvNet(self.width, self.norm)
            head = self.make_head(len(order))
        replay = self.make_replay(head, seed)
        body.to(device)
        head.to(device)
        return OnlineClassifier(
            body,
            head,
            torch.optim.Adam(self.parameter_groups(body, head), fused=True),
            order,
            mask_unseen=self.mask_unseen,
            replay=replay,
            kind={"learner": name, **asdict(self)},
        )

    def make_head(self, num_classes: int) -> ParameterRule:
        """From features to logits; a Hebbian softmax that never writes is a plain one."""
        return HebbianSoftmax(self.width, num_classes, T=0)

    def make_replay(self, head: ParameterRule, seed: int) -> ReplayBuffer | None:
        """A memory of past images, for learners that have one."""
        return None

    def parameter_groups(self, body: nn.Module, head: ParameterRule) -> list[dict[str, Any]]:
        """Groups of parameters for the optimiser."""
        parameters = [p for p in (*body.parameters(), *head.parameters()) if p.requires_grad]
        return [{"params": parameters, "lr": self.learning_rate}]


@dataclass(frozen=True)
class FastRowsConfig(SoftmaxConfig):
    """A plain softmax whose rows have a learning rate of their own, ten times the network's."""

    learning_rate: float = 1e-3
    """Adam's step size."""
    row_learning_rate: float = 1e-2
    """Adam's step size for the rows of the softmax."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rates(row_learning_rate=self.row_learning_rate)

    def parameter_groups(self, body: nn.Module, head: ParameterRule) -> list[dict[str, Any]]:
        """The rows are a group of their own."""
        (group,) = super().parameter_groups(body, head)
        rows = head.get_parameter("weight")
        group["params"] = [p for p in group["params"] if p is not rows]
        return [group, {"params": [rows], "lr": self.row_learning_rate}]


@dataclass(frozen=True)
class HebbianConfig(SoftmaxConfig):
    """A Hebbian softmax; see :class:`~driftwise.memory.HebbianSoftmax` for its arguments.

    Centred and with cosines: features behind a ReLU have a large part in common, which all rows
    would memorise, and a row just written is shorter than those that have been trained for long.
    ``benchmarks/hebbian_ablation.py`` measures what either is worth.
    """

    learning_rate: float = 4e-3
    """Adam's step size."""
    gamma: float = 0.01
    """Least mixing rate."""
    T: float = 500.0
    """Sightings of a class from which on its row is left to the gradient."""
    batch_rate: str = "n/c"
    """n/c or 1/c."""
    norm_matching: str | None = "row"
    """row, activation or None."""
    centring: bool = True
    """Subtract the running mean of the activations."""
    cosine: bool = True
    """Logits are cosines, times a learned scale."""

    def make_head(self, num_classes: int) -> ParameterRule:
        """From features to logits."""
        return HebbianSoftmax(
            self.width,
            num_classes,
            gamma=self.gamma,
            T=self.T,
            batch_rate=self.batch_rate,
            norm_matching=self.norm_matching,
            centring=self.centring,
            cosine=self.cosine,
        )


@dataclass(frozen=True)
class LambdaOnlyConfig(HebbianConfig):
    """A Hebbian softmax whose rows are written by the rule alone, and have no gradient."""

    learning_rate: float = 2e-3
    """Adam's step size."""
    T: float = math.inf
    """As above; the rule never stops here, since nothing else would move the rows."""

    def make_head(self, num_classes: int) -> ParameterRule:
        """From features to logits."""
        head = super().make_head(num_classes)
        head.get_parameter("weight").requires_grad_(False)
        return head


@dataclass(frozen=True)
class CosineConfig(SoftmaxConfig):
    """A cosine softmax, trained by gradients alone: what writing to its rows is compared with."""

    learning_rate: float = 6e-3
    """Adam's step size."""
    centring: bool = True
    """Subtract the running mean of the activations."""

    def make_head(self, num_classes: int) -> ParameterRule:
        """From features to logits; with T = 1 no class is rare, and the mean is followed."""
        return HebbianSoftmax(self.width, num_classes, T=1, centring=self.centring, cosine=True)


@dataclass(frozen=True)
class ImprintingConfig(CosineConfig):
    """A cosine softmax with weight imprinting (:class:`~driftwise.memory.WeightImprinting`)."""

    bias: bool = False
    """Logits have a bias, as those of the other learners have; in the paper they have none."""

    def make_head(self, num_classes: int) -> ParameterRule:
        """From features to logits."""
        return WeightImprinting(self.width, num_classes, bias=self.bias, centring=self.centring)


@dataclass(frozen=True)
class ClassMeanConfig(SoftmaxConfig):
    """The nearest class mean."""

    learning_rate: float = 8e-3
    """Adam's step size."""
    gamma: float = 0.01
    """Least rate at which the means follow the activations."""

    def make_head(self, num_classes: int) -> ParameterRule:
        """From features to logits."""
        return NearestClassMean(self.width, num_classes, gamma=self.gamma)


@dataclass(frozen=True)
class ReplayConfig(SoftmaxConfig):
    """A plain softmax that trains on past images, too: as many a step as are new."""

    learning_rate: float = 8e-3
    """Adam's step size."""
    memory_bytes: int | None = None
    """Size of the memory of images. By default that of a Hebbian softmax's whole state: its rows,
    bias, counts and mean, although this learner has the rows and the bias besides."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory_bytes is None:
            return
        check_sizes(memory_bytes=self.memory_bytes)
        if self.memory_bytes < ITEM_BYTES:
            raise ValueError(
                f"memory_bytes must be at least {ITEM_BYTES}, one image, got {self.memory_bytes}"
            )

    def make_replay(self, head: ParameterRule, seed: int) -> ReplayBuffer:
        """The memory of images."""
        size = self.memory_bytes
        if size is None:
            size = sum(tensor.nbytes for tensor in head.state_dict().values())
        return ReplayBuffer(max(size // ITEM_BYTES, 1), seed)


@dataclass(frozen=True)
class FastWeightsConfig(SoftmaxConfig):
    """A read-out from fast weights (:class:`~driftwise.agents.classifiers.FastWeightReadout`)."""

    learning_rate: float = 8e-3
    """Adam's step size."""
    window: int = 256
    """Writes through which gradients flow."""
    num_slots: int = 32
    """Slots of each head."""
    top_k: int = 2
    """Slots that a write and a read touch."""
    key_size: int = 16
    """Width of keys."""
    value_size: int = 16
    """Width of values."""
    code_size: int = 64
    """Width of the random codes of the classes."""

    def make_head(self, num_classes: int) -> ParameterRule:
        """From features to logits."""
        return FastWeightReadout(
            self.width,
            num_classes,
            window=self.window,
            num_slots=self.num_slots,
            top_k=self.top_k,
            key_size=self.key_size,
            value_size=self.value_size,
            code_size=self.code_size,
        )
