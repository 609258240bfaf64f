"""The network of the streams of moved pixels."""

from __future__ import annotations

from torch import Tensor, nn

from ...memory.contract import check_sizes


class MLP(nn.Sequential):
    """784-100-100-10 with ReLUs (Riemer et al. 2019, Gupta et al. 2020).

    Weights begin as Kaiming's normal ones, biases at 0.

    Args:
        num_classes: m, logits.
        hidden_size: of both hidden layers.
        in_features: pixels of an image.
    """

    def __init__(self, num_classes: int = 10, hidden_size: int = 100, in_features: int = 784):
        check_sizes(num_classes=num_classes, hidden_size=hidden_size, in_features=in_features)
        super().__init__(
            nn.Flatten(),
            nn.Linear(in_features, hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, num_classes),
        )
        for layer in self:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, m) of images (n, 1, H, H)."""
        logits: Tensor = super().forward(x)
        return logits
