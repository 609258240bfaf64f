"""check_learner passes what keeps the contract and names what breaks it."""

import itertools

import numpy as np
import pytest
import torch

from driftwise.agents.classifiers import check_learner
from driftwise.agents.classifiers.learner import as_images, as_labels


class Counting:
    """Predicts the classes by how often they came."""

    num_classes = 4

    def __init__(self):
        self.counts = torch.ones(4)

    def predict(self, x):
        return (self.counts / self.counts.sum()).log().repeat(len(as_images(x)), 1)

    def update(self, x, y):
        y = as_labels(y, len(as_images(x)), 4)
        self.counts += y.bincount(minlength=4)
        return {"seen": self.counts.sum().item()}

    def state_dict(self):
        return {"counts": self.counts.clone()}

    def load_state_dict(self, state):
        if not isinstance(state, dict) or len(state.get("counts", ())) != 4:
            raise ValueError("state must be that of a learner of 4 classes")
        self.counts = torch.as_tensor(state["counts"]).clone()


class LearnsFromPredicting(Counting):
    def predict(self, x):
        found = super().predict(x)
        self.counts += 1e-3
        return found


class DrawsWhenPredicting(Counting):
    def predict(self, x):
        torch.rand(1)
        return super().predict(x)


class PredictsClasses(Counting):
    def predict(self, x):
        return super().predict(x).argmax(1)


class PredictsLogits(Counting):
    def predict(self, x):
        return super().predict(x) + 1


class NeverLearns(Counting):
    def update(self, x, y):
        before = self.counts.clone()
        metrics = super().update(x, y)
        self.counts = before
        return metrics


class TellsNothing(Counting):
    def update(self, x, y):
        super().update(x, y)
        return {}


class NotTheSameTwice(Counting):
    made = itertools.count()

    def __init__(self):
        super().__init__()
        self.counts += 0.1 * next(self.made)


class ForgetsOnSaving(Counting):
    def __init__(self):
        super().__init__()
        self.momentum = torch.zeros(4)

    def update(self, x, y):
        before = self.counts.clone()
        metrics = super().update(x, y)
        self.momentum = 0.5 * self.momentum + self.counts - before
        self.counts += self.momentum
        return metrics


class InArrays(Counting):
    def __init__(self):
        super().__init__()
        self.counts = self.counts.double()

    def state_dict(self):
        return {"counts": self.counts.numpy().copy()}


class DarkensImages(Counting):
    def update(self, x, y):
        metrics = super().update(x, y)
        x *= 0.5
        return metrics


class SharesItsState(Counting):
    def state_dict(self):
        return {"counts": self.counts}


class TakesAnyLabel(Counting):
    def update(self, x, y):
        return super().update(x, y.clip(0, 3))


class CountsBeforeItChecks(Counting):
    def update(self, x, y):
        self.counts[0] += 1
        return super().update(x, y)


class TakesNaN(Counting):
    def update(self, x, y):
        return super().update(x.nan_to_num() if isinstance(x, torch.Tensor) else x, y)


class LoadsAnything(Counting):
    def load_state_dict(self, state):
        if "counts" not in state:
            raise ValueError("state must have counts")
        self.counts = torch.as_tensor(state["counts"]).clone()


class LoadsBeforeItChecks(Counting):
    def load_state_dict(self, state):
        self.counts = torch.ones(4)
        super().load_state_dict(state)


class TakesImagesOfOneShape(Counting):
    def predict(self, x):
        if x.ndim != 4:
            raise ValueError("x must have shape (n, 1, 28, 28)")
        return super().predict(x)


class TakesLongLabelsOnly(Counting):
    def update(self, x, y):
        if str(y.dtype) not in ("int64", "torch.int64"):
            raise TypeError("y must be int64")
        return super().update(x, y)


class DrawsFromNumPyWhenPredicting(Counting):
    def predict(self, x):
        np.random.random()  # noqa: NPY002
        return super().predict(x)


class KeepsWhatItLoads(Counting):
    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.counts = torch.as_tensor(state["counts"])


class Nested(Counting):
    """Its counts are one level deeper, and it has a class order."""

    def state_dict(self):
        return {"inner": {"counts": self.counts.clone()}, "class_order": torch.arange(4)}

    def load_state_dict(self, state):
        if not isinstance(state, dict) or "inner" not in state:
            raise ValueError("state must have the keys inner and class_order")
        if not torch.equal(torch.as_tensor(state["class_order"]), torch.arange(4)):
            raise ValueError("state must be of the same class order")
        super().load_state_dict(state["inner"])


class LoadsInPart(Nested):
    def load_state_dict(self, state):
        if isinstance(state, dict) and "inner" in state:
            self.counts = torch.as_tensor(state["inner"]["counts"]).clone()
        super().load_state_dict(state)


class TakesAnyOrder(Nested):
    def load_state_dict(self, state):
        if not isinstance(state, dict) or len(state.get("class_order", ())) != 4:
            raise ValueError("state must be of 4 classes")
        super().load_state_dict({**state, "class_order": torch.arange(4)})


def test_passes_what_keeps_the_contract():
    check_learner(Counting)
    check_learner(InArrays)
    check_learner(Nested)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (LearnsFromPredicting, "before and after predict must be the same.*counts"),
        (DrawsWhenPredicting, "predict must draw no random numbers"),
        (PredictsClasses, r"must return log-probabilities of shape \(8, 4\), got \(8,\)"),
        (PredictsLogits, "probabilities must add up to 1"),
        (NeverLearns, "update must change predictions"),
        (TellsNothing, "update must return numbers by name"),
        (NotTheSameTwice, "two learners made and taught alike"),
        (ForgetsOnSaving, "with a loaded state must predict the same|learning on from a loaded"),
        (SharesItsState, "must be the same"),
        (DarkensImages, "the images and labels before and after update must be the same"),
        (TakesAnyLabel, "must raise a TypeError or ValueError for the label 4 of 4"),
        (TakesNaN, "must raise a TypeError or ValueError for a pixel that is NaN"),
        (LoadsAnything, "must raise a ValueError for a state .*|a state that is a list"),
        (LoadsBeforeItChecks, "before and after an empty state must be the same"),
        (TakesImagesOfOneShape, r"predict must take images \(n, 28, 28\) .*got ValueError: x must"),
        (TakesLongLabelsOnly, "update must take .* labels of int32 .*got TypeError: y must be"),
        (DrawsFromNumPyWhenPredicting, "predict must draw no random numbers"),
        (KeepsWhatItLoads, "a state and what was loaded from it, which went on must be the same"),
        (LoadsInPart, "before and after a state whose 'inner'/'counts' is a row longer must be"),
        (TakesAnyOrder, "must raise a ValueError for a state of another class order"),
        (CountsBeforeItChecks, "before and after the label 4 of 4 classes must be the same"),
    ],
)
def test_names_what_breaks_it(broken, message):
    with pytest.raises(AssertionError, match=message):
        check_learner(broken)
