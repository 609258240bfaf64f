"""What a policy with a memory answers."""

from typing import NamedTuple

from torch import Tensor

from ..memory.state import State


class Decision(NamedTuple):
    """What the policy decides for one step of every environment.

    Attributes:
        actions: (N, ...) sampled or most likely actions.
        values: (N,) estimates of the return.
        log_probs: (N,) log-probabilities of the actions.
        state: memory state after the step.
    """

    actions: Tensor
    values: Tensor
    log_probs: Tensor
    state: State


class Evaluation(NamedTuple):
    """What the policy makes of whole sequences.

    Attributes:
        values: (B, T) estimates of the return.
        log_probs: (B, T) log-probabilities of the actions taken.
        entropy: (B, T), or None where it has no closed form.
        rewards: (B, T, n) rewards that it expects at each step, with the action taken, and at the
            n - 1 steps after it, where asked for.
    """

    values: Tensor
    log_probs: Tensor
    entropy: Tensor | None
    rewards: Tensor | None
