"""Steps of a recipe as its training takes them, on words drawn at random."""

from __future__ import annotations

import torch
from torch import Tensor

from driftwise.lm.corpora import Batch
from driftwise.lm.losses import SoftmaxConfig
from driftwise.lm.models import build_model
from driftwise.lm.optimizers import make_optimizers
from driftwise.lm.precision import autocast
from driftwise.lm.training import Objective, TrainConfig
from driftwise.lm.training.objective import Read
from driftwise.lm.training.processes import Processes
from driftwise.lm.training.step import Step, compile_parts
from driftwise.memory import State


class TrainingStep:
    """A call is a step on always the same batch, with the state carried as the recipe says.

    Args:
        config: The recipe.
        vocab_size: Of its vocabulary.
        device: Where to train.
    """

    def __init__(self, config: TrainConfig, vocab_size: int, device: torch.device) -> None:
        torch.manual_seed(0)
        model = build_model(config.model, vocab_size).to(device).train()
        objective = Objective(model, config.activation_coef, config.change_coef)
        if config.compile:
            compile_parts(model)

        def read(*given: object) -> Read:
            with autocast(device, config.precision):
                found: Read = objective(*given)
            return found

        optimizers = make_optimizers(model, config.optimizer)
        self.step = Step(config, model, objective, read, optimizers, Processes(0, 1, device))
        words = random_words(
            (config.batch_size, config.length + 1), config.model.softmax, vocab_size
        )
        starts = torch.zeros(config.batch_size, config.length, dtype=torch.bool)
        self.batch = Batch(words[:, :-1].contiguous(), words[:, 1:].contiguous(), starts)
        self.states: list[State] = [None] * config.micro_batches

    def __call__(self) -> None:
        """Take a step."""
        self.step.take(self.batch, self.states)


def random_words(shape: tuple[int, ...], softmax: SoftmaxConfig, vocab_size: int) -> Tensor:
    """Words, in the clusters of an adaptive softmax as often as half of their room, on the CPU."""
    cutoffs = [cutoff for cutoff in softmax.cutoffs if cutoff < vocab_size]
    shares = (softmax.capacities or (0.25,) * len(cutoffs))[: len(cutoffs)]
    edges = torch.tensor([0, *cutoffs, vocab_size])
    weights = torch.tensor([1 - sum(shares) / 2, *(share / 2 for share in shares)])
    cluster = torch.multinomial(weights, torch.Size(shape).numel(), replacement=True)
    low, high = edges[cluster], edges[cluster + 1]
    return (low + (torch.rand(len(cluster)) * (high - low)).long()).view(shape)
