"""The few-shot learners by name: MAML and its relatives differ in their step sizes alone."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

HEAD = "head."


class Method(NamedTuple):
    """How a learner adapts.

    Attributes:
        kind: of its :class:`~driftwise.memory.UpdateMask`.
        part: what the inner loop changes: ``"all"``, the ``"head"`` or the ``"body"``.
        learned: whether the step sizes are.
    """

    kind: str
    part: str = "all"
    learned: bool = True

    def tensors(self, net: nn.Module) -> list[str]:
        """Names of the parameters that the inner loop changes."""
        names = [name for name, _ in net.named_parameters()]
        if self.part == "all":
            return names
        return [name for name in names if name.startswith(HEAD) == (self.part == "head")]


METHODS = {
    # Finn et al. 2017.
    "maml": Method("dense", learned=False),
    # Raghu et al. 2020: almost no inner loop.
    "anil": Method("dense", "head", learned=False),
    # Oh et al. 2021: body only in the inner loop.
    "boil": Method("dense", "body", learned=False),
    # Li et al. 2017.
    "meta_sgd": Method("per_parameter"),
    # Von Oswald, Zhao et al. 2021, also the two below.
    "sparse_maml": Method("sparse"),
    "sparse_relu_maml": Method("relu"),
    "sparse_maml_plus": Method("generated"),
}
