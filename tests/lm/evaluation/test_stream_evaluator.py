"""One stream, read by several adapters: what is scored, in which order, and what is refused."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from driftwise.lm.adapters import AdapterMaker, Reader, Segment, check_adapter
from driftwise.lm.corpora import Documents, TokenSplit
from driftwise.lm.evaluation import StreamEvaluator
from driftwise.lm.losses import SoftmaxConfig
from driftwise.lm.models import LanguageModel, LSTMConfig, build_model

V = 9


def make_split(lengths: list[int], seed: int = 0) -> TokenSplit:
    ids = np.random.default_rng(seed).integers(V, size=sum(lengths)).astype(np.uint16)
    sizes = np.array(lengths)
    index = Documents(
        np.append(0, sizes.cumsum()),
        np.arange(len(sizes)),
        sizes,
        5 * sizes,
        np.array([f"document {i}" for i in range(len(sizes))]),
    )
    return TokenSplit(ids, index, eos=0)


@pytest.fixture
def model() -> LanguageModel:
    config = LSTMConfig(6, 6, softmax=SoftmaxConfig(cutoffs=(4,), div_value=2.0))
    return build_model(config, V).double().eval()


def make_maker(model: LanguageModel, **options: object) -> AdapterMaker:
    train = make_split([50, 70], seed=1)
    counts = torch.from_numpy(np.bincount(train.ids, minlength=V))
    return AdapterMaker(model, train, counts, **{"length": 5, **options})


def static_nats(model: LanguageModel, split: TokenSplit, reset: bool) -> np.ndarray:
    """Document by document, or in one piece."""
    offsets = split.documents.offsets
    state, found = None, []
    for begin, end in itertools.pairwise(offsets):
        ids = torch.from_numpy(split.ids[begin:end].astype(np.int64))
        inputs = torch.cat((torch.tensor([split.eos]), ids[:-1]))[None]
        hidden, after = model(inputs, None if reset else state)
        state = after
        found.append(model.head.loss(hidden, ids[None])[0])
    return torch.cat(found).detach().float().numpy()


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("length", [1, 7, 100])
def test_static_is_the_model(reset: bool, length: int, model: LanguageModel) -> None:
    split = make_split([13, 1, 40, 6])
    evaluator = StreamEvaluator(split, length=length, reset_documents=reset, progress=False)
    reading = evaluator.read(Reader(model))
    np.testing.assert_allclose(reading.nats, static_nats(model, split, reset), rtol=1e-6)
    assert reading.nats.dtype == np.float32 and reading.seconds > 0
    assert reading.flops_per_token == Reader(model).flops_per_token(length)


@pytest.mark.parametrize("name", ["static", "cache", "knn", "mbpa"])
def test_any_number_of_lanes_scores_the_same(name: str, model: LanguageModel) -> None:
    """Since lanes are cut between documents."""
    split, adapter = make_split([13, 1, 40, 6, 20, 3]), make_maker(model).make(name)
    expected = StreamEvaluator(split, length=5, progress=False).read(adapter).nats
    for lanes in (2, 3):
        found = StreamEvaluator(split, num_lanes=lanes, length=5, progress=False).read(adapter)
        np.testing.assert_allclose(found.nats, expected, rtol=1e-6)


def test_weights_that_move_begin_anew_with_each_document(model: LanguageModel) -> None:
    """The segment is cut where a document starts: its first word meets the trained weights."""
    split, adapter = make_split([13, 1, 40, 6]), make_maker(model).make("dynamic")
    found = StreamEvaluator(split, length=5, progress=False).read(adapter).nats
    offsets = split.documents.offsets
    for number, (begin, end) in enumerate(itertools.pairwise(offsets)):
        length = int(end - begin)
        alone = TokenSplit(split.ids[begin:end], make_split([length]).documents, split.eos)
        one = StreamEvaluator(alone, length=5, progress=False).read(adapter).nats
        # Segments are counted from the beginning of the stream, so that they may differ after the
        # first one; up to there it is the trained model.
        first = min(length, 5 - int(begin) % 5)
        np.testing.assert_allclose(found[begin : begin + first], one[:first], rtol=1e-6)
        static = StreamEvaluator(alone, length=5, progress=False).read(Reader(model)).nats
        assert number == 1 or not np.allclose(found[begin:end], static)


class LooksAtTarget(Reader):
    """Reads the input that comes next."""

    def predict(self, segment: Segment) -> Tensor:
        hidden, _ = self.model(segment.inputs)
        log_probs = self.model.head.log_probs(hidden.roll(-1, 1))
        return log_probs.detach()


class Unnormalised(Reader):
    def predict(self, segment: Segment) -> Tensor:
        return self.model.head.log_probs(self.model(segment.inputs)[0]).detach() + 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (LooksAtTarget, "Reader|LooksAtTarget must be causal"),
        (Unnormalised, "must be normalised: its probabilities sum to 1.01"),
    ],
)
def test_a_cheat_is_refused(
    make: Callable[[LanguageModel], Reader], message: str, model: LanguageModel
) -> None:
    evaluator = StreamEvaluator(make_split([40]), length=8, progress=False)
    with pytest.raises(ValueError, match=message):
        evaluator.read(make(model))


def test_bad_input(model: LanguageModel) -> None:
    split = make_split([40])
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        StreamEvaluator(split, length=0)
    with pytest.raises(TypeError, match=r"num_lanes must be an integer, got 1\.5"):
        StreamEvaluator(split, num_lanes=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_lanes must be at most 40, the tokens"):
        StreamEvaluator(split, num_lanes=41)
    with pytest.raises(ValueError, match="num_lanes must be at most 2, the documents"):
        StreamEvaluator(make_split([20, 20]), num_lanes=3)
    two = StreamEvaluator(split, num_lanes=2, length=5, progress=False)
    with pytest.raises(ValueError, match="num_lanes must be at most 1 for dynamic"):
        two.read(make_maker(model).make("dynamic"))
    small = build_model(LSTMConfig(6, 6), 3)
    with pytest.raises(ValueError, match="the vocabulary must be that of the model, 3 ids"):
        two.read(Reader(small))


def test_what_diverges_says_so(model: LanguageModel) -> None:
    adapter = make_maker(model).make("dynamic", {"dynamic": {"lr": 1e200}})
    with pytest.raises(FloatingPointError, match=r"dynamic .* diverged"):
        StreamEvaluator(make_split([40]), length=5, progress=False).read(adapter)
    with pytest.raises(FloatingPointError, match=r"dynamic .* diverged"):
        check_adapter(lambda _: adapter, model)


def test_the_protocol_says_how(model: LanguageModel) -> None:
    said = StreamEvaluator(make_split([13, 20]), num_lanes=2, length=5).protocol()
    assert said == (
        "33 tokens (33 words), 2 documents, everything forgotten where one starts; 2 lanes, "
        "segments of 5: scored, then learned, once each"
    )
    assert "never reset; 1 lane" in StreamEvaluator(make_split([13])).protocol()
