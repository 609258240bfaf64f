"""Small models and streams that several tests use, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from driftwise.lm.adapters import AdapterMaker
from driftwise.lm.corpora import IGNORED, Batch, Documents, TokenSplit
from driftwise.lm.losses import SoftmaxConfig
from driftwise.lm.models import (
    FastBlockConfig,
    LanguageModel,
    LSTMConfig,
    TransformerConfig,
    build_model,
)

V = 11
CONFIGS = {
    "lstm": LSTMConfig(6, 5, softmax=SoftmaxConfig(bias=True)),
    "adaptive": LSTMConfig(6, 6, softmax=SoftmaxConfig(cutoffs=(4,), div_value=2.0)),
    "transformer": TransformerConfig(1, 8, 2, 3, 16),
    "block": LSTMConfig(6, 6, fast_block=FastBlockConfig(chunk_size=3, initial_step_size=0.1)),
}


@pytest.fixture(scope="session")
def make_model() -> Callable[[str], LanguageModel]:
    def make(name: str) -> LanguageModel:
        torch.manual_seed(0)
        model = build_model(CONFIGS[name], V).double().eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "log_step_size" not in name:
                    parameter.add_(torch.randn_like(parameter), alpha=0.5)
        return model

    return make


@pytest.fixture(scope="session")
def train() -> TokenSplit:
    ids = np.random.default_rng(0).integers(V, size=300).astype(np.uint16)
    index = Documents(
        np.array([0, 120, 300]),
        np.arange(2),
        np.array([120, 180]),
        np.array([600, 900]),
        np.array(["a", "b"]),
    )
    return TokenSplit(ids, index, eos=0)


@pytest.fixture(scope="session")
def make_maker(
    make_model: Callable[[str], LanguageModel], train: TokenSplit
) -> Callable[..., AdapterMaker]:
    def make(name: str, length: int = 4) -> AdapterMaker:
        counts = torch.from_numpy(np.bincount(train.ids, minlength=V))
        return AdapterMaker(make_model(name), train, counts, length=length)

    return make


@pytest.fixture(scope="session")
def stream() -> Callable[..., list[Batch]]:
    """A function that makes a stream of few words in segments, with starts inside of them."""

    def make(lanes: int, total: int, length: int, *, starts: bool = True) -> list[Batch]:
        random = torch.Generator().manual_seed(1)
        words = torch.randint(4, (lanes, total + 1), generator=random) * 3 % V
        first = torch.zeros(lanes, total, dtype=torch.bool)
        first[:, 0] = True
        if starts:
            first |= torch.rand(lanes, total, generator=random) < 0.1
        targets = words[:, 1:].clone()
        targets[-1, -2:] = IGNORED
        parts = (part.split(length, 1) for part in (words[:, :-1], targets, first))
        return [Batch(*piece) for piece in zip(*parts, strict=True)]

    return make
