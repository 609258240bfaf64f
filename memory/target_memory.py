"""The contract of memories that learn from targets: predict, see the target, write."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from .contract import Memory, kind_of
from .state import State

LossHead = Callable[[Tensor, Tensor], Tensor]
"""``head(y, targets)`` gives the loss of each of N predictions: (N, O) and (N, ...) to (N,).

The loss of a prediction depends on no other one. A head that is a module becomes a submodule of the
memory, with parameters and state dict; any other callable stays outside.
"""


class TargetMemory(Memory):
    """A network whose state holds what it learned from the targets of its own predictions.

    It reads x_t, which gives the prediction y_t, and only then sees the target of y_t and writes
    what it can learn from it. In a language model x_t is what the body made of the tokens up to t
    and the target is token t+1.

    A subclass writes :meth:`initial_state`, :meth:`read` and :meth:`write`; :meth:`forward` then
    works as a loop over both, until the subclass replaces it by a faster form. The contract, all of
    which :func:`driftwise.memory.check_target_memory` tests:

    - ``forward`` equals repeated ``read`` and ``write``, in values and in gradients, however a
      sequence is cut into pieces with the state carried from one to the next.
    - y_t depends on x_t and on inputs, targets and weights of earlier positions alone.
    - A position of weight zero writes nothing.
    - A start resets a row *before* x_t is read. Nothing earlier reaches what follows.
    - Rows of a batch do not see one another: a loss is never divided by what the batch has in it.
    - Everything the memory remembers is in the state. The state passed in is left as it is.

    Args:
        input_size: D, the width of x_t.
        output_size: O, the width of y_t.
        head: The loss of predictions, see :data:`LossHead`.

    Attributes:
        head: As given.

    Raises:
        TypeError: ``head`` is not callable.
    """

    def __init__(self, input_size: int, output_size: int, head: LossHead) -> None:
        super().__init__(input_size, output_size)
        if not callable(head):
            raise TypeError(f"head must be a callable (y, targets) -> loss, got {kind_of(head)}")
        self.head = head

    @abstractmethod
    def read(self, x: Tensor, state: State) -> Tensor:
        """Predict from x_t and what is in the state.

        Args:
            x: (B, D) input.
            state: State of batch size B; None means the initial state.

        Returns:
            The (B, O) prediction y_t.

        Raises:
            TypeError: An argument has the wrong type or dtype.
            ValueError: An argument has the wrong shape.
        """

    @abstractmethod
    def write(self, x: Tensor, targets: Tensor, weights: Tensor | None, state: State) -> State:
        """Learn from the target of the prediction that was made from x_t.

        Args:
            x: (B, D) input, the one that was read.
            targets: (B, ...) targets, as the loss head takes them.
            weights: (B,) factors of the loss, 0 where nothing is to be learned (padding, say; the
                head still gets its target); None means 1 everywhere.
            state: The state that was read; None means the initial state.

        Returns:
            The new state.

        Raises:
            TypeError: An argument has the wrong type or dtype.
            ValueError: An argument has the wrong shape.
        """

    def forward(
        self,
        x: Tensor,
        targets: Tensor,
        weights: Tensor | None = None,
        state: State = None,
        starts: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Run over a sequence; equals repeated :meth:`reset_rows`, :meth:`read`, :meth:`write`.

        Args:
            x: (B, T, D) inputs, T at least 1.
            targets: (B, T, ...) targets of the predictions.
            weights: (B, T) factors of their losses; None means 1 everywhere.
            state: State of batch size B before the first input; None means the initial state.
            starts: (B, T) bool, where a row is reset before x[:, t] is read. None resets nowhere.

        Returns:
            The (B, T, O) predictions and the state after the last write.

        Raises:
            TypeError: An argument has the wrong type or dtype.
            ValueError: An argument has the wrong shape.
        """
        self._check_sequence(x, targets, weights, state, starts)
        outputs = []
        state = self.initial_state(x.shape[0]) if state is None else state
        for t in range(x.shape[1]):
            state = self.reset_rows(state, None if starts is None else starts[:, t])
            outputs.append(self.read(x[:, t], state))
            weight = None if weights is None else weights[:, t]
            state = self.write(x[:, t], targets[:, t], weight, state)
        return torch.stack(outputs, dim=1), state

    def _check_read(self, x: Tensor, state: State) -> None:
        """Check the arguments of :meth:`read`: types and sizes, no values."""
        self._check(1, x, state, None)

    def _check_write(
        self, x: Tensor, targets: Tensor, weights: Tensor | None, state: State
    ) -> None:
        """Check the arguments of :meth:`write`, like :meth:`_check_read`."""
        self._check(1, x, state, None)
        _check_targets(x.shape[:1], targets, weights)

    def _check_sequence(
        self,
        x: Tensor,
        targets: Tensor,
        weights: Tensor | None,
        state: State,
        starts: Tensor | None,
    ) -> None:
        """Check the arguments of :meth:`forward`, like :meth:`_check_read`."""
        self._check(2, x, state, starts)
        _check_targets(x.shape[:2], targets, weights)


def _check_targets(leading: torch.Size, targets: Tensor, weights: Tensor | None) -> None:
    if not isinstance(targets, Tensor):
        raise TypeError(f"targets must be a tensor, got {kind_of(targets)}")
    if targets.shape[: len(leading)] != leading:
        sizes = ", ".join(map(str, leading))
        raise ValueError(
            f"targets must have shape ({sizes}, ...) like x, got {tuple(targets.shape)}"
        )
    if weights is None:
        return
    if not isinstance(weights, Tensor) or not weights.is_floating_point():
        raise TypeError(f"weights must be a floating point tensor, got {kind_of(weights)}")
    if weights.shape != leading:
        raise ValueError(
            f"weights must have shape {tuple(leading)} like x, got {tuple(weights.shape)}"
        )


def loss_gradients(head: LossHead, y: Tensor, targets: Tensor) -> Tensor:
    """Gradient of the loss of every prediction with respect to it, by autograd through the head.

    Works with gradients switched off too. Where they are on, the result is differentiable itself.

    Args:
        head: The loss of N predictions.
        y: (..., O) predictions.
        targets: (..., *) targets.

    Returns:
        (..., O) gradients.

    Raises:
        ValueError: The head does not return one loss for each prediction.
    """
    if torch.is_inference_mode_enabled():  # in which autograd records nothing
        with torch.inference_mode(False), torch.no_grad():
            return loss_gradients(head, y.clone(), targets.clone())
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad():
        y = y if differentiable and y.requires_grad else y.detach().requires_grad_()
        predictions = y.flatten(0, -2)
        losses = head(predictions, targets.flatten(0, y.ndim - 2))
        if losses.shape != predictions.shape[:1]:
            raise ValueError(
                f"head must return the loss of each of {len(predictions)} predictions, "
                f"got shape {tuple(losses.shape)}"
            )
        (gradients,) = torch.autograd.grad(losses.sum(), y, create_graph=differentiable)
    return gradients
