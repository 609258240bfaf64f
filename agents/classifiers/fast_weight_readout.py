"""A read-out that binds classes in fast weights, beside a plain softmax."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...memory import FastWeightState, HebbianSoftmax, ParameterRule, SparseFastWeights


class FastWeightReadout(ParameterRule):
    """Writes (activation, label) pairs to sparse fast weights, and reads them back.

    A label is written as a code, a fixed random direction, and what is read is compared with the
    codes of all classes: nothing has to be learned about a class before it can be bound. ::

        write   (h_j, code of y_j)  for every labelled example, one after the other
        read    (h, 0)              for a new image, from what was written so far
        logits  = softmax row . h + b + sharpness * (code . what was read)

    The slow weights of the memory (what is the key of h, how strongly to write) learn from the
    cross entropy of these predictions. Gradients flow through the last ``window`` writes, which are
    run again at each step from the state before them; older ones are final. The features of
    written examples are those of their time, so that the body learns from the reads alone.

    Args:
        in_features: d, width of the activations.
        num_classes: m.
        window: writes through which gradients flow.
        num_slots, top_k, key_size, value_size: of the
            :class:`~driftwise.memory.SparseFastWeights`.
        code_size: width of the codes.
    """

    codes: Tensor
    start: Tensor
    features: Tensor
    labels: Tensor
    num_pending: Tensor

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        window: int,
        num_slots: int,
        top_k: int,
        key_size: int,
        value_size: int,
        code_size: int,
    ) -> None:
        super().__init__()
        self.window = window
        self.softmax = HebbianSoftmax(in_features, num_classes, T=0)
        self.memory = SparseFastWeights(
            in_features + code_size,
            code_size,
            num_slots=num_slots,
            top_k=top_k,
            key_size=key_size,
            value_size=value_size,
        )
        self.sharpness = nn.Parameter(torch.tensor(10.0))
        self.register_buffer("codes", F.normalize(torch.randn(num_classes, code_size), dim=1))
        # Fast weights before the pending writes, and those writes; the newest come last.
        self.register_buffer("start", self.memory.initial_state(1).weights.detach())
        self.register_buffer("features", torch.zeros(window, in_features))
        self.register_buffer("labels", torch.zeros(window, dtype=torch.int64))
        self.register_buffer("num_pending", torch.zeros((), dtype=torch.int64))

    def forward(self, h: Tensor) -> Tensor:
        """Logits (n, m) of activations h (n, d)."""
        begin = self.window - int(self.num_pending)
        weights = self._written(self.start, self.features[begin:], self.labels[begin:])
        asked = torch.cat((h, h.new_zeros(len(h), self.codes.shape[1])), 1)
        state = FastWeightState(weights.expand(len(h), *weights.shape[1:]))
        read, _ = self.memory.step(asked, state)
        logits: Tensor = self.softmax(h)
        return logits + self.sharpness * (read @ self.codes.T)

    @torch.no_grad()
    def write(self, h: Tensor, labels: Tensor) -> None:
        """Put a batch behind the pending writes, and make the oldest of them final."""
        begin = self.window - int(self.num_pending)
        features = torch.cat((self.features[begin:], h.detach()))
        labels = torch.cat((self.labels[begin:], labels))
        final = max(len(labels) - self.window, 0)
        self.start.copy_(self._written(self.start, features[:final], labels[:final]))
        pending = len(labels) - final
        self.features[self.window - pending :] = features[final:]
        self.labels[self.window - pending :] = labels[final:]
        self.num_pending.fill_(pending)

    def _written(self, weights: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Fast weights (1, heads, slots, key, value) after some writes, in their order."""
        if not len(labels):
            return weights
        pairs = torch.cat((features, self.codes[labels]), 1).unsqueeze(0)
        _, state = self.memory(pairs, FastWeightState(weights))
        return state.weights
