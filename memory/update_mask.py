"""Learned step sizes: which weights an inner loop, or any optimiser, may change, and how far.

Letters used for shapes: n entries of all tensors together, T tasks, s the shape of a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .contract import check_rates, check_sizes
from .functional import Parameters
from .initial_masks import (
    check_settings_of,
    chosen_parameters,
    logit_bound,
    shares_by_name,
    shifted_logits,
)
from .parameter_rule import ParameterRule

KINDS = ("sparse", "relu", "dense", "per_tensor", "per_parameter", "generated")
STRAIGHT_THROUGH = 0.5
"""What the gradient of a step function is replaced by.

The release writes the step as (sign(m) + 1) / 2 and replaces the gradient of the sign by 1. The
paper has 1 in all: the same under Adam, twice the rate under plain gradient descent.
"""


class Sparsity(NamedTuple):
    """The share of entries that a mask keeps from changing.

    Attributes:
        tensors: by the name of the tensor.
        layers: by the name of the module that they are in.
        total: of all of them.
    """

    tensors: dict[str, float]
    layers: dict[str, float]
    total: float


class UpdateMask(ParameterRule):
    """A step size for every weight of a network, learned as meta-parameters.

    Learning where to learn (von Oswald, Zhao et al. 2021, arXiv:2110.14402). Called, it returns the
    step sizes by which an inner loop descends (see :func:`~driftwise.memory.inner_loop`)::

        phi_{k+1} = phi_k - step_size(m) * grad L(phi_k)        elementwise, m in R^n learned

    ==================  ============================================================================
    ``kind``            step size
    ==================  ============================================================================
    ``sparse``          inner_lr where m >= 0, else 0; gradient straight through (sparse-MAML)
    ``relu``            ReLU(m), m begins at inner_lr; gradient of ReLU replaced by 1, so that what
                        has closed can open again (sparse-ReLU-MAML)
    ``dense``           one number for all, which begins at inner_lr (MAML, where it is not trained)
    ``per_tensor``      one number for each tensor (C-MAML, Caccia et al. 2020, as released)
    ``per_parameter``   m itself, begins at inner_lr (Meta-SGD, Li et al. 2017)
    ``generated``       as ``sparse``, but the logits m of the convolutions' weights (of the
                        matrices, in a network without convolutions) are a linear map of noise that
                        is drawn once for every task (sparse-MAML+)
    ==================  ============================================================================

    What is learned are ordinary parameters, to be given to an optimiser of their own. The module
    itself is neither kept nor changed; a mask fits every module with the same tensors.

    Beside any torch optimiser, a mask restricts what it changes, bit for bit, whatever momentum or
    weight decay want: see :meth:`attach`.

    Args:
        module: the network whose parameters the step sizes are for.
        kind: see above.
        inner_lr: alpha, above 0.
        tensors: names of the parameters that may change, by default all. The others have no step
            size. (The head's are ANIL, all but the head's BOIL.)
        sparsity: share of entries that are closed at first, from 0 to 1, by default 0.5; of
            ``sparse`` and ``generated`` masks. By name for each tensor, or one number for all,
            which each of them then has, to the nearest entry: logits are drawn from U(-b, b) and
            shifted, tensor by tensor, as b differs between them. (Of ``generated`` tensors, without
            the noise, which brings the share nearer to 0.5.)
        logit_scale: b, of the same. By default as released, sqrt(6 / fan-in), and 0.5 for vectors.
            Logits of Adam's rate r need up to b / r steps to open or close.
        noise_size: entries of the noise of ``generated`` masks, by default 128. The release has
            1600 for networks with 112,320 such weights.

    Attributes:
        shapes: shapes of the tensors that may change, by name.
        fixed: numbers of entries of the module's other parameters, by name.

    Raises:
        TypeError: ``module`` is no module, or an argument is of another type.
        ValueError: an argument is out of range, is of masks of another kind, or names a tensor that
            is not there.
    """

    def __init__(
        self,
        module: nn.Module,
        kind: str = "sparse",
        *,
        inner_lr: float = 0.1,
        tensors: Collection[str] | None = None,
        sparsity: float | Mapping[str, float] | None = None,
        logit_scale: float | None = None,
        noise_size: int | None = None,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        check_rates(inner_lr=inner_lr)
        check_settings_of(kind, sparsity=sparsity, logit_scale=logit_scale, noise_size=noise_size)
        if logit_scale is not None:
            check_rates(logit_scale=logit_scale)
        noise_size = 128 if noise_size is None else noise_size
        check_sizes(noise_size=noise_size)
        chosen = chosen_parameters(module, tensors)
        shares = shares_by_name(0.5 if sparsity is None else sparsity, chosen)
        self.kind, self.inner_lr = kind, float(inner_lr)
        self.shapes = {name: tuple(p.shape) for name, p in chosen.items()}
        self.fixed = {
            name: p.numel() for name, p in module.named_parameters() if name not in chosen
        }
        self.noise_size = noise_size if kind == "generated" else 0

        self.logits = nn.ParameterDict()  # of step functions
        self.rates = nn.ParameterDict()  # step sizes themselves
        self._generated: list[str] = []
        like = next(iter(chosen.values()))
        if kind == "dense":
            self.rates["all"] = nn.Parameter(like.new_tensor(inner_lr))
        for name, p in chosen.items():
            if kind == "per_tensor":
                self.rates[_key(name)] = nn.Parameter(p.new_tensor(inner_lr))
            elif kind in ("relu", "per_parameter"):
                self.rates[_key(name)] = nn.Parameter(torch.full_like(p, inner_lr))
            elif kind in ("sparse", "generated"):
                bound = logit_bound(p, logit_scale)
                self.logits[_key(name)] = nn.Parameter(shifted_logits(p, bound, shares[name]))
        if kind == "generated":
            most = min(max(p.ndim for p in chosen.values()), 3)
            self._generated = [name for name, p in chosen.items() if p.ndim >= most]
            rows = [
                # As spread, over the noise, as the logits are over the entries.
                torch.empty(p.numel(), noise_size, dtype=p.dtype, device=p.device).uniform_(-1, 1)
                * (logit_bound(p, logit_scale) * noise_size**-0.5)
                for p in map(chosen.__getitem__, self._generated)
            ]
            self.noise_map = nn.Parameter(torch.cat(rows))  # (entries, noise_size)
            self.noise_scale = nn.Parameter(like.new_ones(noise_size))
            self.noise_shift = nn.Parameter(like.new_zeros(noise_size))

    def draw_noise(self, *size: int, generator: torch.Generator | None = None) -> Tensor | None:
        """Noise (..., noise_size) of tasks; None unless the mask is a ``generated`` one."""
        if self.kind != "generated":
            return None
        like = self.noise_scale
        drawn = torch.randn(*size, self.noise_size, generator=generator, dtype=like.dtype)
        return drawn.to(like.device)

    def forward(self, noise: Tensor | None = None) -> Parameters:
        """Step sizes by name, each of its tensor's shape; gradients flow to what is learned.

        Args:
            noise: of ``generated`` masks: (noise_size,) of a task, or (T, noise_size), which makes
                step sizes (T, *s) of the generated tensors; new noise if it is None.

        Raises:
            ValueError: ``noise`` has another shape, or is for a mask of another kind.
        """
        if noise is not None and noise.shape[-1:] != (self.noise_size,):
            raise ValueError(
                f"noise must have shape (..., {self.noise_size}) for kind={self.kind!r}, "
                f"got {tuple(noise.shape)}"
            )
        if self.kind == "dense":
            return {name: self.rates["all"].expand(s) for name, s in self.shapes.items()}
        if self.kind in ("per_tensor", "per_parameter"):
            return {name: self.rates[_key(name)].expand(s) for name, s in self.shapes.items()}
        if self.kind == "relu":
            rates = {name: self.rates[_key(name)] for name in self.shapes}
            return {name: _straight_through(r.relu(), r) for name, r in rates.items()}
        logits = {name: self.logits[_key(name)] for name in self.shapes}
        if self.kind == "generated":
            logits |= self._with_noise(logits, self.draw_noise() if noise is None else noise)
        return {
            name: self.inner_lr * _straight_through((m >= 0).to(m.dtype), STRAIGHT_THROUGH * m)
            for name, m in logits.items()
        }

    def _with_noise(self, logits: Parameters, noise: Tensor | None) -> Parameters:
        assert noise is not None
        z = self.noise_shift + self.noise_scale * noise
        sizes = [logits[name].numel() for name in self._generated]
        drawn = (z @ self.noise_map.T).split(sizes, dim=-1)
        return {
            name: part.unflatten(-1, self.shapes[name]) + logits[name]
            for name, part in zip(self._generated, drawn, strict=True)
        }

    @torch.no_grad()
    def support(self, noise: Tensor | None = None) -> dict[str, Tensor]:
        """Where each tensor may change: bool tensors by name, of the shapes of the step sizes."""
        return {name: size != 0 for name, size in self(noise).items()}

    def sparsity(self, noise: Tensor | None = None, *, depth: int | None = None) -> Sparsity:
        """The share of closed entries, by tensor, by layer and in all; 0 is a dense mask.

        All parameters of the module are counted. Those without a step size are closed.

        Args:
            noise: as in :meth:`forward`; of several tasks, the mean over them is taken.
            depth: take modules of so many levels together, such as 1 for the blocks of a network;
                by default, a layer is what has the tensors itself.
        """
        closed = {name: 1 - s.double().mean().item() for name, s in self.support(noise).items()}
        closed |= dict.fromkeys(self.fixed, 1.0)
        counts = {name: math.prod(shape) for name, shape in self.shapes.items()} | self.fixed
        layers: dict[str, list[str]] = {}
        for name in closed:
            layers.setdefault(".".join(name.split(".")[:-1][:depth]), []).append(name)

        def share(names: Collection[str]) -> float:
            # A layer of empty tensors alone has nothing that could change.
            entries = sum(counts[n] for n in names)
            return sum(closed[n] * counts[n] for n in names) / entries if entries else 1.0

        return Sparsity(closed, {k: share(v) for k, v in layers.items()}, share(list(closed)))

    @torch.no_grad()
    def write(
        self, module: nn.Module, before: Mapping[str, Tensor], noise: Tensor | None = None
    ) -> None:
        """Put all that the mask does not let change back to what it was, bit for bit.

        To be called after an optimiser's step (by ``apply``); :meth:`attach` does it by itself.

        Args:
            module: the network.
            before: copies of its parameters from before the step, by name.
            noise: as in :meth:`forward`, of one task.

        Raises:
            ValueError: the module has other tensors than the mask was made for.
        """
        parameters = dict(module.named_parameters())
        self.check_fits(parameters)
        if missing := parameters.keys() - before.keys():
            raise ValueError(f"before must have a copy of {min(missing)!r}, which is missing")
        _put_back(parameters, before, self.support(noise))

    def attach(
        self, optimizer: torch.optim.Optimizer, module: nn.Module, noise: Tensor | None = None
    ) -> Handle:
        """Let every step of an optimiser change only what the mask lets change.

        All else stays the same to the bit, whatever momentum, weight decay or adaptive moments
        want; those themselves are left alone. The mask may be learned meanwhile, by the same
        optimiser even: each step takes it as it was before. Costs a copy of the parameters, and one
        more pass over them a step.

        Args:
            optimizer: any torch optimiser over parameters of ``module``, perhaps with others.
            module: the network.
            noise: as in :meth:`forward`, of one task; drawn now if it is None.

        Returns:
            A handle, whose ``remove()`` ends it.

        Raises:
            ValueError: the module has other tensors than the mask was made for, or the optimiser
                none of its.
        """
        self.check_fits(dict(module.named_parameters()))
        own = {id(p) for p in module.parameters()}
        if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
            raise ValueError("optimizer must be over parameters of module, but has none of them")
        drawn = self.draw_noise() if noise is None else noise
        before: dict[str, Tensor] = {}
        support: dict[str, Tensor] = {}

        def save(*_: Any) -> None:
            before.update({name: p.detach().clone() for name, p in module.named_parameters()})
            support.update(self.support(drawn))  # the optimiser may have the mask, too

        @torch.no_grad()
        def restore(*_: Any) -> None:
            _put_back(dict(module.named_parameters()), before, support)

        pre = optimizer.register_step_pre_hook(save)
        return Handle(pre, optimizer.register_step_post_hook(restore))

    def check_fits(self, parameters: Mapping[str, Tensor]) -> None:
        """Raise a ``ValueError`` that names the first tensor that the parameters have otherwise."""
        for name, shape in self.shapes.items():
            if name not in parameters:
                raise ValueError(f"module must have the mask's tensor {name!r}, which is missing")
            if parameters[name].shape != shape:
                raise ValueError(
                    f"module must have {name!r} of shape {shape} like the mask, "
                    f"got {tuple(parameters[name].shape)}"
                )

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """As of any module, but errors are one line.

        Raises:
            ValueError: the state is of another kind of mask, or of one for another architecture;
                names the first tensor that differs. This mask stays as it is.
        """
        own = self.state_dict()
        self._check_kind(state_dict.get("_extra_state"))
        for key in [*own, *(key for key in state_dict if key not in own)]:
            here = "missing" if key not in own else tuple(own[key].shape)
            there = "missing" if key not in state_dict else tuple(state_dict[key].shape)
            if here != there:
                raise ValueError(
                    "state_dict must be of a mask of the same kind for the same architecture: "
                    f"{_name(key)!r} is {there} there, {here} here"
                )
        return super().load_state_dict(state_dict, strict, assign)

    def get_extra_state(self) -> Tensor:
        """The number of the kind, as those of two kinds have the same tensors, and inner_lr."""
        return torch.tensor([KINDS.index(self.kind), self.inner_lr], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Take over inner_lr; called by torch, also for a mask inside another module.

        Raises:
            ValueError: the state is of another kind of mask.
        """
        self._check_kind(state)
        self.inner_lr = float(state[1])

    def _check_kind(self, extra: Any) -> None:
        if isinstance(extra, Tensor) and len(extra) and extra[0] != KINDS.index(self.kind):
            raise ValueError(
                f"state_dict must be of a mask of the same kind, {self.kind!r}, "
                f"got {KINDS[int(extra[0])]!r}"
            )

    def extra_repr(self) -> str:
        """The arguments, for ``print``."""
        return f"kind={self.kind!r}, inner_lr={self.inner_lr}, {len(self.shapes)} tensors"


class Handle(NamedTuple):
    """Two hooks of an optimiser."""

    before: torch.utils.hooks.RemovableHandle
    after: torch.utils.hooks.RemovableHandle

    def remove(self) -> None:
        """Take the hooks off."""
        self.before.remove()
        self.after.remove()


def _straight_through(value: Tensor, instead: Tensor) -> Tensor:
    """``value``, exactly, with the gradient of ``instead``."""
    return value.detach() + (instead - instead.detach())


def _put_back(
    parameters: Mapping[str, Tensor], before: Mapping[str, Tensor], support: Mapping[str, Tensor]
) -> None:
    """Undo what was done to entries outside the support; a tensor without one has none."""
    for name, p in parameters.items():
        p.copy_(torch.where(support[name], p, before[name]) if name in support else before[name])


def _key(name: str) -> str:
    """The name of a tensor as torch allows it for a parameter, ``keys`` and ``values`` included."""
    key = name.replace(".", "/")
    return f"/{key}" if hasattr(nn.ParameterDict, key) else key


def _name(key: str) -> str:
    """The name of a tensor from its key in a state: ``logits.body/0/weight``."""
    return key.rpartition(".")[2].removeprefix("/").replace("/", ".")
