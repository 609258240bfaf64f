"""MAML on a stream of tasks: adapt to each batch, and learn from the next where to adapt from.

Letters used for shapes: n images of a batch, m classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...envs.image_streams import FewShotEpisode
from ...memory import Parameters, UpdateMask, functional, inner_loop
from ..agent_files import load_weights
from ..classifiers.learner import Images, Labels, as_images, as_labels
from ..classifiers.learner_state import load_or_stay
from ..copied_state import copied
from ..optimizer_state import load_optimizer
from .online_methods import ONLINE_METHODS, OnlineConfig

BUFFER = 100
"""Batches after which a prolonged adaptation learns although no change was seen."""


RAW = 255.0
"""The largest pixel: OSAKA has sets of images that are not divided by 255."""


class Batch(NamedTuple):
    """Images (n, 1, H, H) and labels (n,) on the learner's device."""

    x: Tensor
    y: Tensor


class Origin(NamedTuple):
    """What the adapted weights were made from, as it was then: copies that nobody writes to.

    Attributes:
        theta: the weights before adaptation.
        learned: the parameters of the mask.
        batch: what was adapted to.
    """

    theta: Parameters
    learned: Parameters
    batch: Batch


class OnlineMAML:
    """A :class:`~driftwise.agents.classifiers.Learner` for streams of few-shot tasks.

    Continual MAML (Caccia et al. 2020, NeurIPS, arXiv:2003.05856) and its parts. It predicts a
    batch t by the weights that were adapted to batch t - 1, whose loss l is what is to become
    smaller, by way of where they were adapted from, phi, and of the step sizes s::

        l       = L(theta_{t-1}; batch t)                  theta_{t-1} = U(phi, s; batch t - 1)
        theta_t = U(phi, s; batch t)                       U: ``inner_steps`` of descent
        flag    = L(theta_t; batch t) + boundary <= l      another task has begun: no lesson
        phi, s <- Adam(phi, s; w grad l)   unless flagged, w = 1 - exp(-modulation l)

    The gradient of l is taken at the phi and s from which theta_{t-1} was made, of which copies are
    kept, although both have moved by then: their last step was made after that adaptation. (In the
    authors' program Adam writes over what the graph of theta_{t-1} still needs. With second-order
    gradients torch has refused that since 1.5; before, the gradient was of no function.)

    With ``prolonged`` adaptation, theta goes on from theta_{t-1} until a change is flagged. Then,
    or when the buffer is full, the batches since make pairs, each of one of the first half to adapt
    to and one of the second to be tested on, and their mean loss is what phi and s learn from.

    In MAML, phi and s stay as they were at the beginning of the stream. Online Adam is a network
    without adaptation that learns from each batch once it is scored.

    Args:
        net: from images (n, 1, H, H) to logits (n, m); a function of its parameters, such as
            :class:`~driftwise.agents.few_shot.Conv4`.
        method: a key of :data:`ONLINE_METHODS`.
        config: its settings.
        num_classes: m.
        tensors: names of the parameters that adapt, by default all but those of norms, whose
            name has ``norm`` in it, as in the release.
        kind: plain data that says what learner this is; states are of the same kind only.

    Attributes:
        flagged: whether the latest batch was taken for the first one of another task.

    Raises:
        TypeError, ValueError: a setting is not what it must be.
    """

    def __init__(
        self,
        net: nn.Module,
        method: str,
        config: OnlineConfig,
        num_classes: int,
        *,
        tensors: Sequence[str] | None = None,
        kind: Mapping[str, Any] | None = None,
    ) -> None:
        if method not in ONLINE_METHODS:
            raise ValueError(f"learner must be one of {', '.join(ONLINE_METHODS)}, got {method!r}")
        config.check()
        if config.pretrain_updates and ONLINE_METHODS[method].kind is None:
            raise ValueError("pretrain_updates must be 0 for a learner that does not adapt")
        self.net, self.config, self.num_classes = net, config, num_classes
        self.method, self.kind = ONLINE_METHODS[method], dict(kind or {})
        self.theta: Parameters = dict(net.named_parameters())
        self.device = next(iter(self.theta.values())).device
        self._forward = functional(net)
        if tensors is None:
            tensors = [name for name in self.theta if "norm" not in name.split(".")]
        kept = {"sparsity": config.sparsity, "logit_scale": config.logit_scale}
        self.mask = UpdateMask(
            net,
            self.method.kind or "dense",
            inner_lr=config.inner_lr,
            tensors=tensors,
            **(kept if self.method.kind == "sparse" else {}),  # type: ignore[arg-type]
        ).requires_grad_(self.method.learned)
        rate = config.learning_rate
        groups = [{"params": list(net.parameters()), "lr": rate}]
        if self.method.learned:
            mask_rate = config.mask_learning_rate or rate
            groups.append({"params": list(self.mask.parameters()), "lr": mask_rate})
        self.optimizer = torch.optim.Adam(groups)
        self.fast: Parameters | None = None  # adapted weights, their graph behind them
        self.origin: Origin | None = None
        self.buffer: list[Batch] = []
        self.flagged = False

    # ------------------------------------------------------------------ functions

    def loss(self, parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
        """The cross entropy of a batch by given weights."""
        return F.cross_entropy(self._forward(parameters, x), y)

    def adapt(
        self, theta: Parameters, learned: Parameters, batch: Batch, *, differentiable: bool
    ) -> Parameters:
        """U: the weights after the inner loop.

        Args:
            theta: where it begins.
            learned: parameters of the mask to take in place of its own.
            batch: what to adapt to.
            differentiable: whether gradients are to flow to ``theta`` and ``learned``.

        Raises:
            FloatingPointError: a weight is no longer finite.
        """
        with torch.set_grad_enabled(differentiable):
            return inner_loop(
                self.loss,
                theta,
                torch.func.functional_call(self.mask, learned, ()),
                *batch,
                steps=self.config.inner_steps,
                first_order=self.config.first_order or not differentiable,
            )

    # ------------------------------------------------------------------ the learner

    def predict(self, x: Images) -> Tensor:
        """See :class:`~driftwise.agents.classifiers.Learner`; the batch is one to the norms."""
        images = as_images(x, RAW).to(self.device)
        with torch.no_grad():
            return self._forward(self.fast or self.theta, images).log_softmax(1)

    def update(self, x: Images, y: Labels) -> dict[str, float]:
        """See :class:`~driftwise.agents.classifiers.Learner`.

        Returns:
            The ``loss`` and ``accuracy`` of the batch before it was learned.

        Raises:
            FloatingPointError: the weights are no longer finite.
        """
        images = as_images(x, RAW)
        labels = as_labels(y, len(images), self.num_classes)
        if not len(images):
            raise ValueError("x must hold at least 1 image, got 0")
        batch = Batch(images.to(self.device), labels.to(self.device))
        if self.method.kind is None:
            return self._learn_plainly(batch)
        learns = self.method.meta and not self.config.prolonged
        with torch.set_grad_enabled(learns):
            logits = self._forward(self.fast or self.theta, batch.x)
            loss = F.cross_entropy(logits, batch.y)
        metrics = _metrics(logits, loss, batch)
        first = self.fast is None
        lesson = None if first or not learns else self._gradient(loss)
        self._adapt_to(batch, differentiable=learns)
        self.flagged = not first and self._has_changed(batch, metrics["loss"])
        if self.config.prolonged and self.method.meta:
            self._learn_from_buffer(batch)
        elif lesson is not None and not self.flagged:
            self._step(lesson, metrics["loss"])
        return metrics

    def _learn_plainly(self, batch: Batch) -> dict[str, float]:
        logits = self._forward(self.theta, batch.x)
        loss = F.cross_entropy(logits, batch.y)
        metrics = _metrics(logits, loss, batch)
        self._step(torch.autograd.grad(loss, list(self.theta.values())), None)
        return metrics

    def _adapt_to(self, batch: Batch, *, differentiable: bool) -> None:
        """Make the weights to predict the next batch by."""
        go_on = self.config.prolonged and self.fast is not None and not self.flagged
        theta = self.fast if go_on and self.fast is not None else self.theta
        self.origin = Origin(_copy(theta), _copy(dict(self.mask.named_parameters())), batch)
        if not self.method.learned:
            for p in self.origin.learned.values():
                p.requires_grad_(False)
        self.fast = self.adapt(
            self.origin.theta, self.origin.learned, batch, differentiable=differentiable
        )

    def _has_changed(self, batch: Batch, loss: float) -> bool:
        if self.config.boundary is None or self.fast is None:
            return False
        with torch.no_grad():
            return self.loss(self.fast, *batch).item() + self.config.boundary <= loss

    def _gradient(self, loss: Tensor) -> Sequence[Tensor]:
        """The gradient of a loss of the adapted weights, at what they were made from."""
        assert self.origin is not None
        leaves = list(self.origin.theta.values())
        if self.method.learned:
            leaves += self.origin.learned.values()
        return torch.autograd.grad(loss, leaves, materialize_grads=True)

    def _step(self, gradient: Sequence[Tensor], loss: float | None) -> None:
        """One of the optimiser; a loss weighs it, if there is a modulation."""
        weight = 1.0
        if loss is not None and self.config.modulation is not None:
            weight = 1 - math.exp(-self.config.modulation * loss)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for p, g in zip(parameters, gradient, strict=True):
            p.grad = weight * g
        self.optimizer.step()

    # ------------------------------------------------------------------ pairs of batches

    def _learn_from_buffer(self, batch: Batch) -> None:
        """Learn from the batches since the last lesson, if it is time; else keep this one."""
        if not (self.flagged and self.buffer) and len(self.buffer) <= BUFFER:
            self.buffer.append(batch)
            return
        half = math.ceil(len(self.buffer) / 2)
        shown, asked = self.buffer[:half], self.buffer[half:] or self.buffer  # a single one is both
        # Of an odd number, the one in the middle is left over.
        self._learn_from(list(zip(shown, asked, strict=False)), modulated=True)
        self.buffer = []

    def _learn_from(self, pairs: Sequence[tuple[Batch, Batch]], *, modulated: bool) -> float:
        """A step by the mean loss over pairs: what to adapt to, what to be tested on."""
        theta = self.theta
        learned: Parameters = dict(self.mask.named_parameters())
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        total, gradient = 0.0, [torch.zeros_like(p) for p in parameters]
        for shown, asked in pairs:
            loss = self.loss(self.adapt(theta, learned, shown, differentiable=True), *asked)
            found = torch.autograd.grad(loss, parameters, materialize_grads=True)
            gradient = [a + b / len(pairs) for a, b in zip(gradient, found, strict=True)]
            total += loss.item() / len(pairs)
        self._step(gradient, total if modulated else None)
        return total

    def pretrain(self, episodes: Sequence[FewShotEpisode]) -> dict[str, float]:
        """One update on few-shot episodes, before the stream; returns its mean ``loss``."""
        pairs = [
            (
                Batch(*self._tensors(episode.images, episode.labels)),
                Batch(*self._tensors(episode.query_images, episode.query_labels)),
            )
            for episode in episodes
        ]
        return {"loss": self._learn_from(pairs, modulated=False)}

    def _tensors(self, images: Any, labels: Any) -> tuple[Tensor, Tensor]:
        x = torch.from_numpy(images)[:, None].to(self.device)
        return x, torch.from_numpy(labels).to(self.device)

    def sparsity(self) -> dict[str, float]:
        """The share of the adapting weights that stay, by block and ``total``."""
        if self.method.kind is None:
            return {}
        report = self.mask.sparsity(depth=1)
        return {**report.layers, "total": report.total}

    # ------------------------------------------------------------------ saving

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~driftwise.agents.classifiers.Learner`."""
        origin = self.origin
        state: dict[str, Any] = {
            "kind": self.kind,
            "network": dict(self.net.state_dict()),
            "mask": dict(self.mask.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "flagged": self.flagged,
            "buffer": [tuple(batch) for batch in self.buffer],
            "origin": None,
        }
        if origin is not None:
            parts = (origin.theta, origin.learned)
            state["origin"] = [
                *({name: p.detach() for name, p in part.items()} for part in parts),
                tuple(origin.batch),
            ]
        return copied(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`~driftwise.agents.classifiers.Learner`.

        Raises:
            ValueError: the state is that of another kind of learner.
        """
        load_or_stay(self._load, state, self.state_dict())

    def _load(self, state: dict[str, Any]) -> None:
        state = copied(state)
        self.mask.load_state_dict(state["mask"])
        load_weights(self.net, state["network"])
        load_optimizer(self.optimizer, state["optimizer"])
        self.flagged = state["flagged"]
        self.buffer = [self._batch(batch) for batch in state["buffer"]]
        self.origin = self.fast = None
        if state["origin"] is not None:
            theta, learned, batch = state["origin"]
            self.origin = Origin(
                _like(theta, self.theta),
                _like(learned, dict(self.mask.named_parameters())),
                self._batch(batch),
            )
            learns = self.method.meta and not self.config.prolonged
            # The graph behind the adapted weights cannot be saved, but be made again.
            self.fast = self.adapt(
                self.origin.theta, self.origin.learned, self.origin.batch, differentiable=learns
            )

    def _batch(self, saved: Sequence[Tensor]) -> Batch:
        return Batch(*(part.to(self.device) for part in saved))


def _metrics(logits: Tensor, loss: Tensor, batch: Batch) -> dict[str, float]:
    accuracy = (logits.argmax(1) == batch.y).float().mean().item()
    value = loss.item()
    if not math.isfinite(value):
        raise FloatingPointError(
            f"the loss became {value}: a smaller learning_rate or inner_lr may help"
        )
    return {"loss": value, "accuracy": accuracy}


def _copy(parameters: Mapping[str, Tensor]) -> Parameters:
    """Leaves of their own with the same values."""
    return {name: p.detach().clone().requires_grad_() for name, p in parameters.items()}


def _like(saved: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Parameters:
    """Leaves from a file, in the memory order of a learner's own."""
    return {
        name: torch.empty_like(p).copy_(saved[name]).detach().requires_grad_(p.requires_grad)
        for name, p in own.items()
    }
