"""Weight imprinting: the activation becomes the row at first sight, and never again."""

from torch import Tensor

from .hebbian_softmax import HebbianSoftmax


class WeightImprinting(HebbianSoftmax):
    """A cosine softmax whose rows begin as the mean direction of their class's first activations.

    Low-Shot Learning with Imprinted Weights (Qi, Brown & Lowe 2018, arXiv:1712.07136): the control
    that shows what writing again, after the first sight, is worth.

    Args:
        in_features: d, width of the activations.
        num_classes: m.
        bias: whether the logits have a bias; those of the paper have none.
        centring: see :class:`HebbianSoftmax`.
    """

    def __init__(
        self, in_features: int, num_classes: int, *, bias: bool = False, centring: bool = False
    ) -> None:
        super().__init__(
            in_features,
            num_classes,
            bias=bias,
            norm_matching="row",
            centring=centring,
            cosine=True,
        )

    def _rates(self, n: Tensor, c: Tensor) -> Tensor:
        return n == c

    def extra_repr(self) -> str:
        """The arguments, for ``print``."""
        return (
            f"{self.in_features}, {self.num_classes}, bias={self.bias is not None}, "
            f"centring={self.centring}"
        )
