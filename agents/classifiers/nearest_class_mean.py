"""Prediction by the nearest class mean."""

import math

from torch import Tensor

from ...memory import HebbianSoftmax, ParameterRule


class NearestClassMean(ParameterRule):
    """Trains features with a plain softmax; predicts the class whose mean activation is nearest.

    After iCaRL (Rebuffi et al. 2017), but by Euclidean distances to running means of the features
    as they are, where iCaRL normalises them and takes the means of examples that it keeps. The
    means follow the drifting features by the rate max(n/c, gamma) of
    :class:`~driftwise.memory.HebbianSoftmax`, with rows that no gradient moves.

    Args:
        in_features: d, width of the activations.
        num_classes: m.
        gamma: least mixing rate of the means.
    """

    def __init__(self, in_features: int, num_classes: int, *, gamma: float) -> None:
        super().__init__()
        self.softmax = HebbianSoftmax(in_features, num_classes, T=0)
        self.means = HebbianSoftmax(
            in_features, num_classes, bias=False, gamma=gamma, T=math.inf, norm_matching=None
        )
        self.means.requires_grad_(False)

    def forward(self, h: Tensor) -> Tensor:
        """Logits (n, m): of the softmax in training, minus squared distances in evaluation.

        Of the distances, ``|h|²`` is left out, which is the same for all classes.
        """
        if self.training:
            logits: Tensor = self.softmax(h)
            return logits
        return 2 * self.means(h) - self.means.weight.square().sum(1)

    def write(self, h: Tensor, labels: Tensor) -> None:
        """Take a batch into the class means."""
        self.means.write(h, labels)
