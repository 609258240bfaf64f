"""A learner that adapts to an episode by gradient descent, and is trained to be good at it.

Letters used for shapes: T episodes, N ways, K shots, Q queries of each way, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...envs.image_streams import FewShotEpisode
from ...memory import Parameters, UpdateMask, check_finite, functional, inner_loop, repeat
from ..agent_files import load_weights
from ..copied_state import copied
from ..optimizer_state import load_optimizer
from .config import FewShotConfig
from .conv4 import Conv4
from .methods import METHODS

# Of the photographs that colour networks are usually given, ImageNet's.
COLOUR_MEAN, COLOUR_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Episode(NamedTuple):
    """An episode, or T of them stacked, as tensors.

    Attributes:
        images: (N * K, C, H, H) to adapt to.
        labels: (N * K,).
        query_images: (N * Q, C, H, H) to be tested on.
        query_labels: (N * Q,).
    """

    images: Tensor
    labels: Tensor
    query_images: Tensor
    query_labels: Tensor


class FewShotLearner:
    """MAML and its relatives: a network, step sizes, and an optimiser for each.

    The loss of an update is the sum over its episodes of the cross entropy of the queries, after
    ``inner_steps`` steps on the support set.

    Args:
        config: what learner; its fields about data and length are not read.
        in_channels: C, 1 for grey images and 3 for colour.
        image_size: H.

    Attributes:
        net: the network; its weights are where every adaptation begins.
        mask: the step sizes.
        updates: steps of the optimisers so far.

    Raises:
        TypeError, ValueError: a field of the configuration is not what it must be.
    """

    def __init__(self, config: FewShotConfig, in_channels: int = 1, image_size: int = 28) -> None:
        config.check()
        self.config, self.method = config, METHODS[config.method]
        self.device = torch.device(config.device)
        self.vmapped = self.device.type != "cpu" if config.vmapped is None else config.vmapped
        self.kind = {
            "method": config.method,
            "num_ways": config.num_ways,
            "width": config.width,
            "in_channels": in_channels,
            "image_size": image_size,
        }
        fast_layout = self.device.type == "cpu" and not self.vmapped
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.net = Conv4(config.num_ways, config.width, in_channels, image_size, fast_layout)
            self.mask = UpdateMask(
                self.net,
                self.method.kind,
                inner_lr=config.inner_lr,
                tensors=self.method.tensors(self.net),
                **config.mask_kwargs,
            )
        self.mask.requires_grad_(self.method.learned).to(self.device)
        self.net.to(self.device)
        self.optimizers = {"net": self._optimizer(self.net, config.learning_rate)}
        if self.method.learned:
            self.optimizers["mask"] = self._optimizer(self.mask, config.mask_learning_rate)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.updates = 0
        self._forward = functional(self.net)

    def _optimizer(self, module: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
        if self.config.optimizer == "adam":
            return torch.optim.Adam(module.parameters(), rate)
        return torch.optim.SGD(module.parameters(), rate, momentum=0.9, nesterov=True)

    def update(self, episodes: Sequence[FewShotEpisode]) -> dict[str, float]:
        """One step of the optimisers.

        Returns:
            The mean ``loss`` and ``accuracy`` of the queries, after adaptation.

        Raises:
            ValueError: there are no episodes.
            FloatingPointError: an inner loop, or the loss after it, is no longer finite; nothing
                was learned from these episodes.
        """
        if not episodes:
            raise ValueError("episodes must hold at least one, got none")
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss, accuracy = 0.0, 0.0
        for part in self._parts(episodes):
            noise = self._noise(len(part), self.generator)
            try:
                logits, labels = self._predict(part, noise)
            except FloatingPointError as error:
                raise FloatingPointError(f"update {self.updates + 1}: {error}") from None
            losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten()) * len(part)
            losses.backward()
            loss += losses.item()
            accuracy += (logits.argmax(2) == labels).float().mean().item() * len(part)
        self._check_update(loss)
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.updates += 1
        return {"loss": loss / len(episodes), "accuracy": accuracy / len(episodes)}

    def _check_update(self, loss: float) -> None:
        """Raise a ``FloatingPointError`` unless the loss and its gradients are finite.

        By second order, gradients can overflow where the loss does not.
        """
        when = f"update {self.updates + 1}"
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"{when}: the loss became {loss}: a smaller learning_rate or inner_lr may help"
            )
        parameters = {**dict(self.net.named_parameters()), **dict(self.mask.named_parameters())}
        gradients = {
            f"gradient of {n}": p.grad for n, p in parameters.items() if p.grad is not None
        }
        check_finite(gradients, f"in {when}")

    @torch.no_grad()
    def evaluate(
        self, episodes: Iterable[FewShotEpisode], generator: torch.Generator | None = None
    ) -> NDArray[np.float64]:
        """The accuracy on the queries of each episode, after adaptation; changes nothing.

        Takes ``test_inner_steps``. An episode in which the inner loop diverges has NaN.

        Args:
            episodes: as many as wanted.
            generator: where a ``generated`` mask has its noise from; seeded alike every time by
                default.
        """
        generator = generator or torch.Generator().manual_seed(0)
        found = []
        for episode in episodes:
            noise = self._noise(1, generator)
            try:
                logits, labels = self._predict([episode], noise, self.config.test_inner_steps)
            except FloatingPointError:
                found.append(np.nan)
            else:
                found.append((logits.argmax(2) == labels).double().mean().item())
        return np.array(found)

    def adapt(
        self,
        images: Tensor,
        labels: Tensor,
        noise: Tensor | None = None,
        steps: int | None = None,
    ) -> Parameters:
        """The weights after the inner loop on a support set, or on T of them if ``vmapped``.

        Takes ``inner_steps`` of the configuration unless ``steps`` is given.
        """
        theta = dict(self.net.named_parameters())
        return inner_loop(
            lambda p, x, y: F.cross_entropy(self._forward(p, x), y),
            repeat(theta, len(images)) if self.vmapped else theta,
            self.mask(noise),
            images,
            labels,
            steps=self.config.inner_steps if steps is None else steps,
            first_order=self.config.first_order,
            vmapped=self.vmapped,
        )

    def _parts(self, episodes: Sequence[FewShotEpisode]) -> list[Sequence[FewShotEpisode]]:
        """Episodes to adapt to at once: all of them, or one by one."""
        return [episodes] if self.vmapped else [[episode] for episode in episodes]

    def _predict(
        self, episodes: Sequence[FewShotEpisode], noise: Tensor | None, steps: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (T, N * Q, N) and labels (T, N * Q) of the queries after adaptation."""
        batch = Episode(*map(torch.stack, zip(*map(self._tensors, episodes), strict=True)))
        by_support = self.config.batch_norm == "support"
        if not self.vmapped:
            one = Episode(*(part[0] for part in batch))
            fast = self.adapt(one.images, one.labels, None if noise is None else noise[0], steps)
            reference = one.images if by_support else None
            return self._forward(fast, one.query_images, reference)[None], batch.query_labels
        fast = self.adapt(batch.images, batch.labels, noise, steps)
        forward = torch.func.vmap(self._forward)
        inputs = (batch.query_images, batch.images) if by_support else (batch.query_images,)
        return forward(fast, *inputs), batch.query_labels

    def _noise(self, tasks: int, generator: torch.Generator) -> Tensor | None:
        return self.mask.draw_noise(tasks, generator=generator)

    def _tensors(self, episode: FewShotEpisode) -> Episode:
        images, queries = (self._images(part) for part in (episode.images, episode.query_images))
        labels, asked = (torch.from_numpy(p) for p in (episode.labels, episode.query_labels))
        return Episode(*(part.to(self.device) for part in (images, labels, queries, asked)))

    def _images(self, images: NDArray[np.float32]) -> Tensor:
        """Images (n, C, H, H) from (n, H, H) or, in colour, (n, H, H, 3), those normalised."""
        x = torch.from_numpy(images)
        if x.ndim == 3:
            return x[:, None]
        mean, std = (torch.tensor(part) for part in (COLOUR_MEAN, COLOUR_STD))
        return ((x - mean) / std).permute(0, 3, 1, 2).contiguous()

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the learner has become, for ``driftwise.tracking.save_checkpoint``."""
        state = {
            "kind": self.kind,
            "net": dict(self.net.state_dict()),
            "mask": dict(self.mask.state_dict()),
            "optimizers": {name: opt.state_dict() for name, opt in self.optimizers.items()},
            "generator": self.generator.get_state(),
            "updates": self.updates,
        }
        return copied(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state_dict` was taken from, to the bit.

        Raises:
            ValueError: the state is that of another method or architecture; names the difference.
        """
        for name, value in self.kind.items():
            if state["kind"][name] != value:
                raise ValueError(
                    f"state must be of {name}={value!r} as the learner, got {state['kind'][name]!r}"
                )
        self.mask.load_state_dict(state["mask"])
        load_weights(self.net, state["net"])
        for name, optimizer in self.optimizers.items():
            load_optimizer(optimizer, state["optimizers"][name])
        self.generator.set_state(state["generator"])
        self.updates = state["updates"]
