"""Checks of what moves weights: Muon, Hebbian rows, and dynamic evaluation."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Muon

from driftwise.benchmarks.gpu.comparing import VOCABULARY, Size, Where, relative, shaken
from driftwise.lm.adapters import DynamicEvaluation, Reader, Segment
from driftwise.lm.adapters.commit import predict
from driftwise.lm.models import LanguageModel, ModelConfig, build_model
from driftwise.memory import HebbianSoftmax


def dynamic_evaluation(config: ModelConfig) -> Callable[[Where, Size], dict[str, float]]:
    """Scores of a text by a model that learns from it, in evaluation mode."""

    def run(where: Where, size: Size) -> dict[str, float]:
        model = shaken(build_model(config, VOCABULARY))
        ids = torch.randint(VOCABULARY, (1, 4 * 16 + 1))

        def scores(model: LanguageModel) -> Tensor:
            reader = Reader(model, rules=[DynamicEvaluation(0.5, 16)])
            given = ids.to(next(model.parameters()).device)
            parts = given[:, :-1].split(16, 1), given[:, 1:].split(16, 1)
            found = []
            reader.begin(1)
            for inputs, targets in zip(*parts, strict=True):
                segment = Segment(inputs, torch.zeros_like(inputs, dtype=torch.bool), inputs)
                found.append(predict(reader, segment).log_prob(targets).detach())
                reader.update(targets)
            return torch.cat(found, 1)

        expected = scores(copy.deepcopy(model).double())
        return relative(
            {"scores": scores(model.to(where.device, where.wide))}, {"scores": expected}
        )

    return run


def hebbian_softmax(where: Where, size: Size) -> dict[str, float]:
    """Rows and counts after three writes, of activations as the device would have them."""
    found, expected = (HebbianSoftmax(size.width, VOCABULARY, T=20.0) for _ in range(2))
    expected.double().load_state_dict(found.state_dict())
    found.to(where.device, where.wide)
    for _ in range(3):
        h = torch.randn(size.rows * size.length, size.width).to(where.dtype)
        labels = torch.randint(VOCABULARY, (len(h),)).square() % VOCABULARY
        found.write(h.to(where.device), labels.to(where.device))
        expected.write(h.double(), labels)
    return relative(dict(found.state_dict()), dict(expected.state_dict()))


def muon(where: Where, size: Size) -> dict[str, float]:
    """Two steps for a square, a tall and a wide matrix, against Newton and Schulz in float64."""
    shapes = [(size.width, size.width), (4 * size.width, size.width), (size.width, 4 * size.width)]
    weights = [torch.randn(shape).to(where.device).requires_grad_() for shape in shapes]
    optimizer = Muon(weights, lr=0.02, weight_decay=0.1, momentum=0.95)
    start = [weight.detach().clone() for weight in weights]
    exact = [weight.cpu().double() for weight in start]
    moments = [torch.zeros_like(weight) for weight in exact]
    for _ in range(2):
        for weight, w, m in zip(weights, exact, moments, strict=True):
            gradient = torch.randn(weight.shape)
            weight.grad = gradient.to(where.device)
            m.lerp_(gradient.double(), 1 - 0.95)
            update = orthogonalised(gradient.double().lerp(m, 0.95))
            stretch = max(1.0, w.shape[0] / w.shape[1]) ** 0.5
            w.copy_((1 - 0.02 * 0.1) * w - 0.02 * stretch * update)
        optimizer.step()
    names = [f"update of {tuple(shape)}" for shape in shapes]
    found = [weight.detach() - before for weight, before in zip(weights, start, strict=True)]
    wanted = [w - before.cpu() for w, before in zip(exact, start, strict=True)]
    return relative(
        dict(zip(names, found, strict=True)),
        dict(zip(names, wanted, strict=True)),
    )


def orthogonalised(matrix: Tensor) -> Tensor:
    """Five steps of the quintic iteration of Muon (Jordan et al. 2024) from matrix / |matrix|."""
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    x = x / x.norm()
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.mT
