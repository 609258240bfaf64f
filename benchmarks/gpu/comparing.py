"""One thing computed in two ways: on a device in some precision, and on the CPU in float64."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

VOCABULARY = 50  # words of what has any
Tensors = dict[str, Tensor]
Module = TypeVar("Module", bound=nn.Module)
Run = Callable[..., Tensors]
"""``run(module, *inputs)`` gives what comes out, by name."""


class Size(NamedTuple):
    """How large what is compared is."""

    rows: int = 4
    length: int = 150
    width: int = 64


class Where(NamedTuple):
    """A device and a precision.

    Attributes:
        device: The device.
        dtype: Of matrix products: float64, float32, or bfloat16, which is autocast over weights in
            float32, as in training.
    """

    device: torch.device
    dtype: torch.dtype

    @property
    def wide(self) -> torch.dtype:
        """Of weights and inputs."""
        return torch.promote_types(self.dtype, torch.float32)

    def autocast(self) -> torch.autocast:
        """The context in which a model runs."""
        half = self.dtype == torch.bfloat16
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)


@contextlib.contextmanager
def plain_precision() -> Iterator[None]:
    """float32 is float32, not TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def errors(
    where: Where, module: nn.Module, reference: Run, run: Run, inputs: Sequence[Tensor]
) -> dict[str, float]:
    """Relative errors of ``run`` against ``reference``: of values, and of their gradients.

    Args:
        where: Where ``run`` computes, and in what precision.
        module: Whose parameters both use.
        reference: Computes in float64 on the CPU.
        run: The same in another way.
        inputs: Its other arguments, on the CPU. Both get the same ones, rounded to ``where``.
    """
    rounded = [x.to(where.dtype) if x.is_floating_point() else x for x in inputs]
    exact = [x.double() if x.is_floating_point() else x for x in rounded]
    moved = [x.to(where.device, where.wide if x.is_floating_point() else None) for x in rounded]
    with plain_precision():
        cpu = Where(torch.device("cpu"), torch.float64)
        expected = _outcome(cpu, reference, copy.deepcopy(module).double(), exact)
        found = _outcome(where, run, module.to(where.device, where.wide), moved)
    return relative(found, expected)


def relative(found: Tensors, expected: Tensors) -> dict[str, float]:
    """Norms of differences over norms of what is expected, by name.

    A part a thousand times smaller than all values (or all gradients) together is measured against
    a thousandth of those: the rounding of zero is no error.
    """
    result = {}
    for kind in (True, False):
        names = [name for name in expected if name.startswith("gradient") is kind]
        norms = {name: expected[name].double().norm().item() for name in names}
        floor = 1e-3 * sum(norm**2 for norm in norms.values()) ** 0.5 + 1e-30
        for name in names:
            difference = found[name].detach().cpu().double() - expected[name].double()
            result[name] = difference.norm().item() / max(norms[name], floor)
    return result


def shaken(module: Module) -> Module:
    """A module without parameters of zeros, behind which nothing could be seen to be wrong."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(std=parameter.shape[-1] ** -0.5)
    return module


def _outcome(where: Where, run: Run, module: nn.Module, inputs: Sequence[Tensor]) -> Tensors:
    """Values, and the gradients of one random combination of them."""
    leaves = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    with where.autocast():
        values = run(module, *leaves)
    random = torch.Generator().manual_seed(0)  # the same combination for what is compared
    loss: Any = 0.0
    for value in values.values():
        weight = torch.randn(value.shape, generator=random, dtype=torch.float64)
        loss = loss + (weight.to(value.device, where.wide) * value.to(where.wide)).sum()
    sources = {f"input {i}": x for i, x in enumerate(leaves) if x.requires_grad}
    sources |= dict(module.named_parameters())
    gradients = torch.autograd.grad(loss, list(sources.values()), allow_unused=True)
    for (name, source), gradient in zip(sources.items(), gradients, strict=True):
        found = torch.zeros_like(source) if gradient is None else gradient
        values[f"gradient of {name}"] = found
    return values
