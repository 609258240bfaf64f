"""A read-out that binds classes in fast weights, beside a cosine softmax."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...memory import FastWeightState, HebbianSoftmax, ParameterRule, SparseFastWeights
from ...memory.contract import check_sizes


class FastWeightReadout(ParameterRule):
    """Writes (activation, label) pairs to sparse fast weights, and reads them back.

    A label is written as a code, a fixed random direction, and what is read is compared with the
    codes of all classes: nothing has to be learned about a class before it can be bound. ::

        write   (h_j, code of y_j, 1)  for every labelled example, one after the other
        read    (h, 0, 0)              for a new image, from what was written so far
        logits  = cosine softmax of h + sharpness * (code . what was read)

    The slow weights of the memory begin as those of a lookup table (:func:`start_as_lookup`) and
    learn from the cross entropy of these predictions what to use as the key of h and how strongly
    to write. Gradients flow through the last ``window`` writes, which are run again at each step
    from the state before them; older ones are final. The features of written examples are those of
    their time, so that the body learns from the reads alone.

    Args:
        in_features: d, width of the activations.
        num_classes: m.
        window: writes through which gradients flow.
        num_slots, top_k, key_size, value_size: of the
            :class:`~driftwise.memory.SparseFastWeights`.
        code_size: width of the codes.

    Raises:
        ValueError: for sizes below 1.
    """

    slow = ("memory", "log_sharpness", "softmax.scale", "softmax.mean", "softmax.num_writes")

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
        check_sizes(window=window, code_size=code_size)
        self.window = window
        # With T = 1 no row is written to, and the mean of the activations is followed.
        self.softmax = HebbianSoftmax(in_features, num_classes, T=1, centring=True, cosine=True)
        self.memory = SparseFastWeights(
            in_features + code_size + 1,
            code_size,
            num_slots=num_slots,
            top_k=top_k,
            key_size=key_size,
            value_size=value_size,
        )
        start_as_lookup(self.memory, in_features)
        # Of its logarithm, a step is a share: where look-ups only disturb, they fade soon.
        self.log_sharpness = nn.Parameter(torch.tensor(3.0).log())
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
        asked = F.pad(h, (0, self.codes.shape[1] + 1))
        state = FastWeightState(weights.expand(len(h), *weights.shape[1:]))
        read, _ = self.memory.step(asked, state)
        logits: Tensor = self.softmax(h)
        return logits + self.log_sharpness.exp() * (read @ self.codes.T)

    @torch.no_grad()
    def write(self, h: Tensor, labels: Tensor) -> None:
        """Put a batch behind the pending writes, and make the oldest of them final."""
        self.softmax.apply(h, labels)
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
        labelled = features.new_ones(len(labels), 1)
        pairs = torch.cat((features, self.codes[labels], labelled), 1).unsqueeze(0)
        _, state = self.memory(pairs, FastWeightState(weights))
        return state.weights


@torch.no_grad()
def start_as_lookup(memory: SparseFastWeights, in_features: int) -> None:
    """Let the slow weights begin as those of a table from activations to codes.

    Of its input (activation, code, whether labelled), keys and addresses come from the activation
    alone, alike for writing and reading; values from the code; the output is the code that these
    values stand for. What is labelled is written at a rate near 0.7, and else hardly anything.

    Args:
        memory: takes inputs of ``in_features + output_size + 1``.
        in_features: width of the activations.
    """
    heads, values, slots = memory.num_heads, memory.value_size, memory.num_slots
    sizes = [memory.key_size] * 2 + [values] + [slots] * 2 + [1]
    memory.generate.weight.zero_()
    weight = memory.generate.weight.unflatten(0, (heads, -1)).split(sizes, 1)
    for writing, reading in ((weight[0], weight[1]), (weight[3], weight[4])):  # keys, addresses
        from_activation = writing[..., :in_features]
        nn.init.normal_(from_activation, std=in_features**-0.5)
        # Blind to what all activations share, such as being positive.
        from_activation -= from_activation.mean(-1, keepdim=True)
        reading.copy_(writing)
    # Directions that keep the lengths of codes, as far as there is room for them.
    directions = nn.init.orthogonal_(torch.empty(heads * values, memory.output_size))
    weight[2][..., in_features:-1] = directions.view(heads, values, -1)
    weight[5][..., -1] = 5.0
    memory.generate.bias.zero_()
    memory.generate.bias.view(heads, -1)[:, -1] = -4.0

    for parameter in (memory.slow.weight, memory.slow.bias, memory.fast.weight):
        parameter.zero_()
    reads, _ = memory.fast.weight.unflatten(1, (heads, 2, values)).unbind(2)
    reads.copy_(directions.T.view(-1, heads, values))
