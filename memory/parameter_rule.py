"""The contract of rules that write to weights which an optimiser trains too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import nn


class ParameterRule(nn.Module, ABC):
    """A module that changes weights by a rule of its own, beside the optimiser.

    The other memories of this folder hand their state from call to call; a rule keeps its own in
    buffers, as a network keeps its statistics, so that ``state_dict`` has all. A training step::

        loss.backward()
        optimizer.step()  # any torch optimiser; it knows nothing of the rule
        rule.apply(h, labels)  # what the rule takes is the subclass's matter

    A subclass writes :meth:`write`; it runs without gradients.

    Attributes:
        slow: names of the parameters, buffers and modules that belong to no class, and are worth
            keeping where other classes take the place of the present ones.
    """

    slow: tuple[str, ...] = ()

    @abstractmethod
    def write(self, *args: Any, **kwargs: Any) -> None:
        """Change the weights and the buffers, once, after the optimiser's step."""

    def apply(self, *args: Any, **kwargs: Any) -> Any:
        """Call :meth:`write` with the same arguments.

        With a function as its only argument this is :meth:`torch.nn.Module.apply`, which any module
        around the rule calls on it (to initialise all weights, say), and which returns the module.
        """
        if len(args) == 1 and not kwargs and callable(args[0]):
            return super().apply(args[0])
        return self.write(*args, **kwargs)
