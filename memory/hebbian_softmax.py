"""A softmax whose rows memorise the activations of rare classes.

Letters used for shapes: n examples of a batch, k different classes among them, d features,
m classes.
"""

from __future__ import annotations

import math
from numbers import Real

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .contract import check_sizes, kind_of
from .data_parallel import sum_over_processes
from .parameter_rule import ParameterRule

NORM_MATCHING = (None, "activation", "row")
BATCH_RATES = ("n/c", "1/c")


class HebbianSoftmax(ParameterRule):
    """A linear output layer, trained by gradients and, while a class is rare, by activations.

    Fast Parametric Learning with Activation Memorization (Rae, Dyer, Dayan & Lillicrap 2018,
    arXiv:1803.10049). The optimiser first makes its step on everything. Then, for each class i of
    which the batch had n_i examples, with their activations' mean hbar_i, the row of the class is
    pulled towards that mean::

        c_i     <- c_i + n_i                                  count of class i so far
        lam_i   =  max(n_i / c_i, gamma)  if c_i < T, else 0
        Theta_i <- (1 - lam_i) Theta_i + lam_i hbar_i

    The row of a class that was never seen is replaced by its activation; the row of a rare class is
    nearly the mean of its activations; that of a frequent class, from T sightings on, is left to
    the gradient alone. ``T=0`` is the plain softmax, to the bit. ``gamma=0, T=inf`` without norm
    matching is the running class mean.

    The activations must be those of the forward pass (before the optimiser's step). Optimiser
    moments and the bias are left alone. In a ``torch.distributed`` job every process passes its own
    part of the batch, in any sizes, and all of them make the same write, that of the whole batch;
    for this, every process must call :meth:`write` at every step. (A label out of range is an error
    of the process that has it; the others then wait for it until the job's own time limit.)

    Args:
        in_features: d, width of the activations.
        num_classes: m.
        weight: (m, d) parameter to share, such as the input embedding of a language model; a new
            one, drawn from N(0, 1/d), where None.
        bias: whether the logits have a bias, which begins at zero.
        gamma: least mixing rate, from 0 to 1. Above 0, the row follows activations that drift.
        T: sightings of a class from which on its row is not written to; may be infinite.
        batch_rate: ``"n/c"`` as above, by which n examples in one batch weigh as much as one by one
            (at gamma = 0), or ``"1/c"``, ``lam_i = max(1 / c_i, gamma)``, as in the public
            implementations of the paper.
        norm_matching: against activations and rows of different lengths (raw activations after a
            LayerNorm would make logits of hundreds). ``"activation"`` scales each activation to the
            length of its class's row before the mean is taken; an average of directions is shorter
            than they are, so that every write then shortens the row a little. ``"row"`` also scales
            the row that was written to back to its length: a write turns the row and leaves its
            length to the gradient. An activation of length zero, which has no direction, then
            counts as the row itself, and a row of length zero, which gives no length, is written
            to as with None. None writes activations as they are.
        centring: subtract the running mean of all earlier activations from them, in the logits and
            in what is written. Activations behind a ReLU share a large part, which rows would
            memorise. The mean moves at each write by the rate max(1 / number of writes, gamma).
        cosine: logits are the cosine of activation and row, times a learned ``scale``.

    Attributes:
        weight: (m, d) rows Theta.
        bias: (m,) or None.
        scale: the learned factor of the cosine, or None. It begins at 10.
        counts: (m,) int64, c.
        mean: (d,) running mean of the activations, at least in single precision; zeros without
            centring, and at ``T=0``.

    Raises:
        TypeError: for sizes that are no integers, rates that are no numbers, switches that are not
            True or False, or a ``weight`` that is no parameter and would not be trained.
        ValueError: for an argument out of range, or a ``weight`` of another shape.
    """

    slow = ("scale", "mean", "num_writes")

    weight: nn.Parameter
    bias: nn.Parameter | None
    scale: nn.Parameter | None
    counts: Tensor
    mean: Tensor
    num_writes: Tensor

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        weight: nn.Parameter | None = None,
        bias: bool = True,
        gamma: float = 0.01,
        T: float = math.inf,
        batch_rate: str = "n/c",
        norm_matching: str | None = "row",
        centring: bool = False,
        cosine: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(in_features=in_features, num_classes=num_classes)
        for name, number in (("gamma", gamma), ("T", T)):
            if not isinstance(number, Real):
                raise TypeError(f"{name} must be a number, got {number!r}")
        for name, switch in (("bias", bias), ("centring", centring), ("cosine", cosine)):
            if not isinstance(switch, bool):
                raise TypeError(f"{name} must be True or False, got {switch!r}")
        if not 0 <= gamma <= 1:
            raise ValueError(f"gamma must be from 0 to 1, got {gamma}")
        if not T >= 0:
            raise ValueError(f"T must be at least 0, got {T}")
        if batch_rate not in BATCH_RATES:
            raise ValueError(f"batch_rate must be one of {BATCH_RATES}, got {batch_rate!r}")
        if norm_matching not in NORM_MATCHING:
            raise ValueError(f"norm_matching must be one of {NORM_MATCHING}, got {norm_matching!r}")
        if weight is None:
            weight = nn.Parameter(torch.randn(num_classes, in_features) * in_features**-0.5)
        elif not isinstance(weight, nn.Parameter):
            raise TypeError(f"weight must be an nn.Parameter, got {kind_of(weight)}")
        elif weight.shape != (num_classes, in_features):
            raise ValueError(
                f"weight must have shape ({num_classes}, {in_features}), got {tuple(weight.shape)}"
            )
        self.in_features, self.num_classes = in_features, num_classes
        self.gamma, self.T, self.batch_rate = gamma, T, batch_rate
        self.norm_matching, self.centring, self.cosine = norm_matching, centring, cosine

        self.weight = weight
        self.bias = nn.Parameter(weight.new_zeros(num_classes)) if bias else None
        self.scale = nn.Parameter(weight.new_tensor(10.0)) if cosine else None
        self.register_buffer("counts", weight.new_zeros(num_classes, dtype=torch.int64))
        wide = torch.promote_types(weight.dtype, torch.float32)  # a mean moves by small steps
        self.register_buffer("mean", weight.new_zeros(in_features, dtype=wide))
        self.register_buffer("num_writes", weight.new_zeros((), dtype=torch.int64))

    def forward(self, h: Tensor) -> Tensor:
        """Logits (..., m) of activations h (..., d).

        Raises:
            ValueError: ``h`` has another last dimension.
        """
        self._check_width(h)
        if self.centring:
            h = h - self.mean.to(h.dtype)
        if self.scale is None:
            return F.linear(h, self.weight, self.bias)
        directions = self.scale * F.normalize(h, dim=-1)
        return F.linear(directions, F.normalize(self.weight, dim=-1), self.bias)

    @torch.no_grad()
    def write(self, h: Tensor, labels: Tensor) -> None:
        """Memorise the activations of a batch: to be called after the optimiser's step.

        Args:
            h: (..., d) activations of the forward pass.
            labels: (...,) int64 their classes. Examples without one, such as cross entropy's -100,
                are to be left out of both.

        Raises:
            TypeError: ``h`` is no tensor of floating-point numbers, or ``labels`` not one of int64.
            ValueError: a shape does not fit, a label is out of range, or an activation is NaN or
                infinite, or so large that a row would be. Nothing was written.
        """
        h, labels = self._checked(h, labels)
        finite = h.isfinite().all()
        seen = sum_over_processes(torch.bincount(labels, minlength=self.num_classes))
        if self.T == 0 or not seen.any():
            _require_finite(finite)
            self.counts += seen
            return
        mean, num_writes = self.mean, self.num_writes
        if self.centring:
            num_writes = num_writes + 1
            mean = self._moved_mean(h, num_writes)
            h = h - self.mean
        # (k,) classes of the batch, the same on every process, and where each example's is in it.
        classes = seen.nonzero().squeeze(1)
        places = torch.searchsorted(classes, labels)
        rows = self.weight[classes].to(h.dtype)
        lengths = rows.norm(dim=1, keepdim=True)
        if self.norm_matching is not None:
            own, row = h.norm(dim=1, keepdim=True), lengths[places]
            matched = torch.where(own > 0, h * (row / own), rows[places])
            h = torch.where(row > 0, matched, h)
        sums = sum_over_processes(h.new_zeros(rows.shape).index_add_(0, places, h))

        counts = self.counts + seen
        n, c = (count[classes].unsqueeze(1).to(h.dtype) for count in (seen, counts))
        rates = self._rates(n, c).to(h.dtype)
        written = (1 - rates) * rows + rates * (sums / n)
        if self.norm_matching == "row":
            own = written.norm(dim=1, keepdim=True)
            turned = torch.where(own > 0, written * (lengths / own), rows)
            written = torch.where(lengths > 0, turned, written)
        # Rows that are not to be written to stay the same to the bit.
        written = torch.where(rates > 0, written, rows).to(self.weight.dtype)
        _require_finite(finite & written.isfinite().all() & mean.isfinite().all())
        self.counts.copy_(counts)
        self.mean.copy_(mean)
        self.num_writes.copy_(num_writes)
        self.weight[classes] = written

    def _rates(self, n: Tensor, c: Tensor) -> Tensor:
        """Mixing rates of classes that were seen c times so far, of which n in this batch."""
        share = n / c if self.batch_rate == "n/c" else 1 / c
        return share.clamp(min=self.gamma) * (c < self.T)

    def _moved_mean(self, h: Tensor, num_writes: Tensor) -> Tensor:
        """The running mean of all activations, with those of a batch taken into it."""
        total = sum_over_processes(torch.cat((h.sum(0), h.new_tensor([len(h)]))))
        rate = (1 / num_writes.to(h.dtype)).clamp(min=self.gamma)
        return self.mean + rate * (total[:-1] / total[-1] - self.mean)

    def _checked(self, h: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The arguments as (n, d) and (n,), activations at least in single precision."""
        if not isinstance(h, Tensor) or not h.is_floating_point():
            raise TypeError(f"h must be a tensor of floating-point numbers, got {kind_of(h)}")
        if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
            raise TypeError(f"labels must be an int64 tensor, got {kind_of(labels)}")
        self._check_width(h)
        if labels.shape != h.shape[:-1]:
            raise ValueError(
                f"labels must have shape {tuple(h.shape[:-1])} like h, got {tuple(labels.shape)}"
            )
        labels = labels.reshape(-1)
        if len(labels) and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise ValueError(
                f"labels must be from 0 to {self.num_classes - 1}, "
                f"got {labels.min().item()} to {labels.max().item()}"
            )
        wide = torch.promote_types(self.weight.dtype, torch.float32)
        return h.detach().reshape(-1, self.in_features).to(wide), labels

    def _check_width(self, h: Tensor) -> None:
        if h.shape[-1:] != (self.in_features,):
            raise ValueError(f"h must have shape (..., {self.in_features}), got {tuple(h.shape)}")

    def extra_repr(self) -> str:
        """The arguments, for ``print``."""
        return (
            f"{self.in_features}, {self.num_classes}, gamma={self.gamma}, T={self.T}, "
            f"batch_rate={self.batch_rate!r}, norm_matching={self.norm_matching!r}, "
            f"centring={self.centring}, cosine={self.cosine}"
        )


def _require_finite(finite: Tensor) -> None:
    if not finite:
        raise ValueError(
            "h must be finite, and its rows as well: got NaN, infinite or too large activations"
        )
