"""The rules: our adapters keep them, and four ways to cheat are told by name."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from driftwise.lm.adapters import (
    Adapter,
    AdapterMaker,
    Dense,
    Prediction,
    Reader,
    Segment,
    Softmax,
    StreamMemory,
    check_adapter,
)
from driftwise.lm.corpora import IGNORED
from driftwise.lm.models import LanguageModel

Models = Callable[[str], LanguageModel]

NAMES = [
    "static",
    "sliding",
    "cache",
    "hebbian",
    "dynamic",
    "dynamic_rms",
    "knn",
    "mbpa",
    "cache+dynamic",
    "mbpa+dynamic",
    "knn+cache+mbpa",
    "hebbian+cache+dynamic_rms",
]
CASES = [
    *(("lstm", name) for name in NAMES),
    ("adaptive", "hebbian+dynamic"),
    ("adaptive", "cache+mbpa"),
    ("transformer", "sliding"),
    ("transformer", "cache+dynamic"),
    ("block", "static"),
    ("block", "fwl"),
    ("block", "fwl+cache+dynamic"),
]
SETTINGS = {
    "sliding": {"context": 6},
    "cache": {"window": 9, "theta": 1.0, "weight": 0.3},
    "mbpa": {"window": 9, "k": 3},
    "knn": {"k": 5, "weight": 0.3},
    "dynamic": {"lr": 0.5},
    "dynamic_rms": {"lr": 0.01, "decay": 0.01},
    "hebbian": {"gamma": 0.2},
}


@pytest.mark.parametrize(("model", "name"), CASES)
def test_ours_keep_the_rules(
    model: str, name: str, make_maker: Callable[..., AdapterMaker]
) -> None:
    maker = make_maker(model)
    check_adapter(lambda _: maker.make(name, SETTINGS), maker.model, length=4, num_segments=3)


class Unigram(Adapter):
    """A user's own: counts of the words so far, in each lane, since the start."""

    def __init__(self, model: LanguageModel) -> None:
        self.vocab_size = model.vocab_size
        self.prior = torch.ones(model.vocab_size, dtype=torch.float64)

    def begin(self, batch_size: int) -> None:
        self.counts = self.prior.repeat(batch_size, 1)

    def predict(self, segment: Segment) -> Tensor:
        self.starts = segment.starts
        predictions = []
        for t in range(segment.inputs.shape[1]):
            self.counts[segment.starts[:, t]] = self.prior
            predictions.append((self.counts / self.counts.sum(1, keepdim=True)).log())
            if t + 1 < segment.inputs.shape[1]:
                self._count(segment.seen[:, t + 1])
        return torch.stack(predictions, 1)

    def update(self, targets: Tensor) -> None:
        self._count(targets[:, -1])

    def _count(self, words: Tensor) -> None:
        rows = (words != IGNORED).nonzero().squeeze(1)
        self.counts[rows, words[rows]] += 1


def test_a_users_own(make_model: Models) -> None:
    check_adapter(Unigram, make_model("lstm"))


class LooksAtTarget(Unigram):
    """Reads its target off the input that comes next."""

    def predict(self, segment: Segment) -> Tensor:
        following = torch.cat((segment.inputs[:, 1:], segment.inputs[:, -1:]), 1)
        peek = torch.nn.functional.one_hot(following, self.vocab_size).double()
        return (0.5 * super().predict(segment).exp() + 0.5 * peek).log()


class LooksAtOtherLanes(Unigram):
    """Counts the words of all lanes, of which some come later in the text."""

    def _count(self, words: Tensor) -> None:
        for word in words[words != IGNORED]:
            self.counts[:, word] += 1


class Unnormalised(StreamMemory):
    """Adds the share of a cache to the probability of the model, and takes nothing away."""

    def begin(self, batch_size: int) -> None:
        pass

    def revise(self, prediction: Prediction, hidden: Tensor, segment: Segment) -> Prediction:
        class Sum(Prediction):
            def log_prob(self, targets: Tensor) -> Tensor:
                return (prediction.log_prob(targets).exp() + 0.1).log()

            def log_probs(self, rows: Tensor, columns: Tensor) -> Tensor:
                return (prediction.log_probs(rows, columns).exp() + 0.1).log()

        return Sum()

    def write(self, targets: Tensor) -> None:
        pass

    def flops_per_token(self, length: int) -> float:
        return 0.0


class TargetOnly(Unnormalised):
    """The same, with a distribution for show."""

    def revise(self, prediction: Prediction, hidden: Tensor, segment: Segment) -> Prediction:
        class Sum(Softmax):
            def log_prob(self, targets: Tensor) -> Tensor:
                return (super().log_prob(targets).exp() + 0.1).log()

        return Sum(prediction.head, hidden)


class UpdatesFirst(Reader):
    """Takes a gradient step when it is asked for the score."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__(copy.deepcopy(model))
        self.weights = copy.deepcopy(self.model.state_dict())

    def begin(self, batch_size: int) -> None:
        super().begin(batch_size)
        self.model.load_state_dict(self.weights)

    def predict(self, segment: Segment) -> Prediction:
        prediction, model = super().predict(segment), self.model

        class Late(Softmax):
            def log_prob(self, targets: Tensor) -> Tensor:
                with torch.enable_grad():
                    self.head.loss(self.hidden, targets).sum().backward()
                with torch.no_grad():
                    for parameter in model.head.parameters():
                        parameter.sub_(0.1 * parameter.grad)
                        parameter.grad = None
                return super().log_prob(targets)

        return Late(model.head, prediction.hidden)


class SecondPass(Unigram):
    """Knows from the stream before what comes."""

    def _count(self, words: Tensor) -> None:
        super()._count(words)
        self.learn(words[words != IGNORED])

    def learn(self, words: Tensor) -> None:
        self.prior += torch.bincount(words, minlength=self.vocab_size)


class SharedBetweenAdapters(SecondPass):
    """The same, by way of what all adapters of the class share."""

    everything = torch.ones(11, dtype=torch.float64)

    def __init__(self, model: LanguageModel) -> None:
        super().__init__(model)
        self.prior = self.everything.clone()

    def learn(self, words: Tensor) -> None:
        self.everything += torch.bincount(words, minlength=self.vocab_size)


class MovesTheModel(Reader):
    """Leaves its traces in the user's model."""

    def update(self, targets: Tensor) -> None:
        with torch.no_grad():
            self.model.head.rows.bias += 1.0  # the same for all words: predictions stay


def unnormalised(model: LanguageModel) -> Reader:
    return Reader(model, memories=[Unnormalised()])


def target_only(model: LanguageModel) -> Reader:
    return Reader(model, memories=[TargetOnly()])


@pytest.mark.parametrize(
    ("cheat", "message"),
    [
        (LooksAtTarget, "must be causal.* from position 1 on"),
        (LooksAtOtherLanes, "must be causal.* another lane"),
        (unnormalised, "must be normalised: its probabilities sum to 2.1"),
        (target_only, "must score before it learns"),
        (UpdatesFirst, "must score before it learns"),
        (SecondPass, r"must forget at begin\(\) what it read: one pass"),
        (SharedBetweenAdapters, "must share nothing with another one"),
        (MovesTheModel, "must leave the model as it is, head.rows.bias changed"),
    ],
)
def test_a_cheat_is_told(
    cheat: Callable[[LanguageModel], Adapter], message: str, make_model: Models
) -> None:
    with pytest.raises(ValueError, match=message):
        check_adapter(cheat, make_model("lstm"))


def test_a_prediction_of_another_shape_is_told(make_model: Models) -> None:
    class Narrow(Unigram):
        def predict(self, segment: Segment) -> Tensor:
            return super().predict(segment)[..., :-1]

    class NarrowToo(Unigram):
        def predict(self, segment: Segment) -> Prediction:
            return Dense(super().predict(segment)[..., :-1])

    with pytest.raises(ValueError, match="log-probabilities of shape"):
        check_adapter(Narrow, make_model("lstm"))
    with pytest.raises(ValueError, match="whole vocabulary of 11 words"):
        check_adapter(NarrowToo, make_model("lstm"))


@pytest.mark.parametrize("sizes", [{"num_lanes": 0}, {"length": 1}, {"num_segments": 1}])
def test_sizes_are_checked(sizes: dict[str, int], make_model: Models) -> None:
    with pytest.raises(ValueError, match="num_lanes must be at least 1"):
        check_adapter(Unigram, make_model("lstm"), **sizes)
