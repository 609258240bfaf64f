"""La-MAML and its relatives: meta-learned step sizes that look after what is already known.

Letters used for shapes: n images of a batch, m classes, P parts that the batch is split into.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...envs.arguments import check_flag
from ...memory import Parameters, UpdateMask, check_finite, functional, inner_step
from ...memory.contract import check_rates, check_sizes
from ...memory.initial_masks import check_mask_kwargs
from ..agent_files import load_weights
from ..copied_state import copied
from ..optimizer_state import load_optimizer
from .learner import Images, Labels, as_images, as_labels
from .learner_state import as_class_order, load_or_stay
from .online_classifier import PREDICT_BATCH
from .replay import ReplayBuffer


class LaMAMLMethod(NamedTuple):
    """How a learner descends.

    Attributes:
        kind: of the :class:`~driftwise.memory.UpdateMask` that has the step sizes of the inner
            loop; None for plain replay, which has no inner loop.
        learned: whether they are learned.
        outer: whether the weights themselves move by these step sizes, too (as they are after
            their own update); otherwise by ``learning_rate``.
    """

    kind: str | None
    learned: bool = True
    outer: bool = True

    @property
    def settings(self) -> tuple[str, ...]:
        """The arguments of :class:`LaMAML` that such a learner reads."""
        return (
            *("memory", "glances", "max_grad_norm"),
            *(("inner_lr", "parts") if self.kind is not None else ()),
            *(() if self.outer else ("learning_rate",)),
            *(("mask_learning_rate", "mask_optimizer") if self.learned else ()),
            *(("mask_kwargs",) if self.kind == "sparse" else ()),
        )


LA_MAML_METHODS = {
    # Experience replay, with all else as in the others.
    "er": LaMAMLMethod(None, learned=False, outer=False),
    # Gupta et al. 2020, the three of them.
    "c_maml": LaMAMLMethod("dense", learned=False, outer=False),
    "sync": LaMAMLMethod("per_parameter", outer=False),
    "la_maml": LaMAMLMethod("per_parameter"),
    # Ours, after von Oswald, Zhao et al. 2021, who leave open which loops are masked.
    "sparse_la_maml": LaMAMLMethod("sparse"),
    "sparse_la_maml_inner": LaMAMLMethod("sparse", outer=False),
    "sparse_relu_la_maml": LaMAMLMethod("relu"),
}


class LaMAML:
    """A :class:`Learner` that takes small steps through each batch, and learns by what they do.

    Look-ahead MAML (Gupta et al. 2020, NeurIPS, arXiv:2007.13904). A batch of n images is looked at
    ``glances`` times. Each time its P parts are gone through in a random order, with B the batch
    and as many images of the past, drawn from a reservoir::

        phi_0 = theta;  phi_{i+1} = phi_i - s * grad L(phi_i; part i)      i = 0 .. P - 1
        meta  = mean over i of L(phi_i; B)                                 i = 1 .. P
        s     <- s - grad_s meta,   by an optimiser of its own
        theta <- theta - s * grad_theta meta,   s as it is by now   (or by learning_rate)

    with first-order gradients, each of the two clipped by its norm. The step sizes s are ReLU(a),
    of an a for each weight, as in La-MAML, whose gradient is that of the ReLU, so that what has
    closed remains so; or those of any :class:`~driftwise.memory.UpdateMask`.

    As in the authors' program, the replay is from the whole stream so far. (Its option to replay
    earlier tasks only has no effect after the first change of task, as two names there mean one
    list.) Its clipping of inner gradients, whose result it throws away, is left out.

    Args:
        net: from images (n, 1, 28, 28) to logits (n, m); a function of its parameters.
        method: a key of :data:`LA_MAML_METHODS`.
        class_order: as of :class:`OnlineClassifier`.
        inner_lr: step size of the inner loop; of what is learned, the initial one.
        learning_rate: of the weights, where they do not move by the step sizes.
        mask_learning_rate: of what the step sizes are learned by.
        mask_optimizer: ``"sgd"`` or ``"adam"``; their optimiser.
        mask_kwargs: more settings of the mask.
        memory: images of the reservoir.
        glances: see above.
        parts: P; the batch has at least one image in each, or else there are fewer.
        max_grad_norm: of the gradient of all weights, and of all step sizes.
        mask_unseen: leave classes without a label so far out of the softmax.
        seed: of the order of the parts and of the reservoir.
        kind: plain data that says what learner this is; states are of the same kind only.

    Raises:
        TypeError, ValueError: an argument is not what it must be, or the network is no function.
    """

    def __init__(
        self,
        net: nn.Module,
        method: str,
        class_order: int | Sequence[int] | Tensor,
        *,
        inner_lr: float = 0.1,
        learning_rate: float = 0.1,
        mask_learning_rate: float = 0.3,
        mask_optimizer: str = "sgd",
        mask_kwargs: Mapping[str, Any] | None = None,
        memory: int = 200,
        glances: int = 5,
        parts: int = 10,
        max_grad_norm: float = 2.0,
        mask_unseen: bool = False,
        seed: int = 0,
        kind: Mapping[str, Any] | None = None,
    ) -> None:
        if method not in LA_MAML_METHODS:
            raise ValueError(f"method must be one of {', '.join(LA_MAML_METHODS)}, got {method!r}")
        if mask_optimizer not in ("sgd", "adam"):
            raise ValueError(f"mask_optimizer must be sgd or adam, got {mask_optimizer!r}")
        check_sizes(memory=memory, glances=glances, parts=parts)
        check_rates(
            inner_lr=inner_lr,
            learning_rate=learning_rate,
            mask_learning_rate=mask_learning_rate,
            max_grad_norm=max_grad_norm,
        )
        check_flag("mask_unseen", mask_unseen)
        check_mask_kwargs({} if mask_kwargs is None else mask_kwargs)
        self.net, self.method = net, LA_MAML_METHODS[method]
        self.class_order = as_class_order(class_order)
        self.num_classes = len(self.class_order)
        self.learning_rate, self.max_grad_norm = learning_rate, max_grad_norm
        self.glances, self.parts = glances, parts
        self.mask_unseen, self.kind = mask_unseen, dict(kind or {})
        self.theta: Parameters = dict(net.named_parameters())
        self.device = next(iter(self.theta.values())).device
        self.seen = torch.zeros(self.num_classes, dtype=torch.bool, device=self.device)
        self.replay = ReplayBuffer(memory, seed)
        self.generator = torch.Generator().manual_seed(seed)
        self._forward = functional(net)
        self.mask: UpdateMask | None = None
        self.mask_optimizer: torch.optim.Optimizer | None = None
        if self.method.kind is not None:
            self.mask = UpdateMask(
                net, self.method.kind, inner_lr=inner_lr, **dict(mask_kwargs or {})
            ).requires_grad_(self.method.learned)
        if self.mask is not None and self.method.learned:
            make = torch.optim.SGD if mask_optimizer == "sgd" else torch.optim.Adam
            self.mask_optimizer = make(self.mask.parameters(), mask_learning_rate)

    def step_sizes(self) -> Parameters:
        """Those of the inner loop, by the name of their weights; gradients flow to the mask."""
        assert self.mask is not None
        sizes = self.mask()
        if self.method.kind == "per_parameter":
            return {name: size.relu() for name, size in sizes.items()}
        return sizes

    def loss(self, parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
        """The cross entropy of images on a device, by other weights than the learner's own."""
        return F.cross_entropy(self._masked(self._forward(parameters, x)), y)

    def predict(self, x: Images) -> Tensor:
        """See :class:`Learner`."""
        parts = as_images(x).to(self.device).split(PREDICT_BATCH)
        with torch.no_grad():
            return self._masked(torch.cat([self.net(part) for part in parts])).log_softmax(1)

    def update(self, x: Images, y: Labels) -> dict[str, float]:
        """See :class:`Learner`; returns the ``loss`` of the last glance, by which it learned.

        Raises:
            FloatingPointError: a weight is no longer finite; names its tensor.
        """
        images = as_images(x)
        labels = as_labels(y, len(images), self.num_classes)
        if not len(images):
            raise ValueError("x must hold at least 1 image, got 0")
        new_images, new_labels = images.to(self.device), labels.to(self.device)
        self.seen[new_labels] = True
        for glance in range(self.glances):
            order = torch.randperm(len(images), generator=self.generator)
            old_images, old_labels = self.replay.sample(len(images))
            if glance == 0:
                self.replay.add(images, labels)
            batch = (
                torch.cat((old_images.to(self.device), new_images)),
                torch.cat((old_labels.to(self.device), new_labels)),
            )
            meta = self._meta_loss(new_images, new_labels, order.to(self.device), batch)
            self._descend(meta)
        check_finite(self.theta, "in an update")
        return {"loss": meta.item()}

    def _meta_loss(
        self, x: Tensor, y: Tensor, order: Tensor, batch: tuple[Tensor, Tensor]
    ) -> Tensor:
        """What the weights and the step sizes are to make small."""
        if self.mask is None:
            return self.loss(self.theta, *batch)
        sizes, fast = self.step_sizes(), self.theta
        losses = []
        for part in order.tensor_split(min(self.parts, len(order))):
            fast = inner_step(self.loss, fast, sizes, x[part], y[part])
            losses.append(self.loss(fast, *batch))
        return torch.stack(losses).mean()

    def _descend(self, meta: Tensor) -> None:
        """One step of the step sizes, then one of the weights."""
        for p in self.theta.values():
            p.grad = None
        if self.mask_optimizer is not None:
            self.mask_optimizer.zero_grad()
        meta.backward()
        nn.utils.clip_grad_norm_(self.theta.values(), self.max_grad_norm)
        if self.mask is not None and self.mask_optimizer is not None:
            nn.utils.clip_grad_norm_(self.mask.parameters(), self.max_grad_norm)
            self.mask_optimizer.step()
        with torch.no_grad():
            sizes = self.step_sizes() if self.method.outer else {}
            for name, p in self.theta.items():
                assert p.grad is not None
                p.sub_(sizes.get(name, self.learning_rate) * p.grad)

    def _masked(self, logits: Tensor) -> Tensor:
        if self.mask_unseen and self.seen.any():
            return logits.masked_fill(~self.seen, float("-inf"))
        return logits

    def sparsity(self) -> dict[str, float]:
        """The share of weights that the step sizes keep from changing, by layer and ``total``."""
        if self.mask is None:
            return {}
        with torch.no_grad():
            closed = {name: (size == 0).double() for name, size in self.step_sizes().items()}
        layers: dict[str, list[Tensor]] = {}
        for name, share in closed.items():
            layers.setdefault(name.rpartition(".")[0], []).append(share.flatten())
        layers["total"] = [share.flatten() for share in closed.values()]
        return {layer: torch.cat(shares).mean().item() for layer, shares in layers.items()}

    def state_dict(self) -> dict[str, Any]:
        """See :class:`Learner`."""
        mask, optimizer = self.mask, self.mask_optimizer
        state = {
            "kind": self.kind,
            "class_order": self.class_order,
            "seen": self.seen,
            "network": dict(self.net.state_dict()),
            "mask": None if mask is None else dict(mask.state_dict()),
            "optimizer": None if optimizer is None else optimizer.state_dict(),
            "replay": self.replay.state_dict(),
            "generator": self.generator.get_state(),
        }
        return copied(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`Learner`.

        Raises:
            ValueError: the state is that of another kind of learner, or of another class order.
        """
        load_or_stay(self._load, state, self.state_dict())

    def _load(self, state: dict[str, Any]) -> None:
        if self.mask is not None:
            self.mask.load_state_dict(state["mask"])
        load_weights(self.net, state["network"])
        if self.mask_optimizer is not None:
            load_optimizer(self.mask_optimizer, state["optimizer"])
        self.seen.copy_(state["seen"])
        self.replay.load_state_dict(state["replay"], self.num_classes)
        self.generator.set_state(state["generator"])
