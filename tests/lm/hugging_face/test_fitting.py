"""The block learns on a body that stays as it is; its scale; text in the model's own tokens."""

import copy

import pytest
import torch

from driftwise.lm.adapters import Reader
from driftwise.lm.corpora import Lanes
from driftwise.lm.evaluation import StreamEvaluator
from driftwise.lm.hugging_face import adapt, fit_fast_block
from driftwise.lm.hugging_face.fitting import match_scale
from driftwise.lm.models import FastBlockConfig
from driftwise.memory import FastWeightLayer

pytest.importorskip("transformers", reason="models of Hugging Face need the extra hf")

POSITIONS = 12


def test_only_the_block_learns_and_it_adapts(make_pretrained, split):
    """On documents of three words each, of which the block learns which they are."""
    model = make_pretrained("gpt2")
    before = copy.deepcopy(model.state_dict())
    # In a body as narrow as this, products of hidden vectors are small: larger steps.
    adapted = adapt(model, fast_block=FastBlockConfig(size=16, initial_step_size=0.01))
    first = next(iter(Lanes(split, 8, 32)))
    with torch.no_grad():
        logits = model(first.inputs[:1, :POSITIONS]).logits
        hidden = adapted(first.inputs[:1, :POSITIONS])[0]
        assert torch.equal(adapted.head.logits(hidden), logits)
    losses = fit_fast_block(
        adapted, split, num_steps=40, length=24, lr=0.02, step_size_lr=0.1, progress=False
    )
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in adapted.parameters())
    assert sum(losses[-5:]) < sum(losses[:5]) - 1
    evaluator = StreamEvaluator(split.first(300), length=8, progress=False)
    slow, fast = (
        evaluator.read(Reader(adapted, fast_block=on)).nats.mean() for on in (False, True)
    )
    assert fast < slow - 0.2


def test_bad_input_is_named(make_pretrained, split):
    with pytest.raises(TypeError, match=r"got a HuggingFaceLanguageModel: adapt\(model, fast_bl"):
        fit_fast_block(adapt(make_pretrained("gpt2")), split)
    adapted = adapt(make_pretrained("gpt2"), fast_block=True)
    with pytest.raises(ValueError, match="num_steps must be at least 1"):
        fit_fast_block(adapted, split, num_steps=0)
    with pytest.raises(ValueError, match="batch_size must be at most"):
        fit_fast_block(adapted, split, batch_size=10_000)
    with torch.no_grad():
        adapted.layer.gain.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="the loss of step 0 is nan: lower lr"):
        fit_fast_block(adapted, split, length=8, num_steps=1, progress=False)
    assert all(parameter.requires_grad for parameter in adapted.parameters())


def test_a_block_at_scale_is_one_of_inputs_scaled_back():
    """Values and adaptation, with the path around the block taken off."""
    torch.manual_seed(0)
    rows = torch.randn(9, 4, dtype=torch.float64)

    def make(scale: float) -> FastWeightLayer:
        """The same block, put to inputs of this scale."""
        torch.manual_seed(1)
        layer = FastWeightLayer(
            4, 6, head=lambda y, t: -(y @ rows.mT).log_softmax(-1).gather(1, t[:, None])[:, 0],
            initial_step_size=0.05, residual=True,
        ).double()  # fmt: skip
        match_scale(layer, scale)
        with torch.no_grad():
            layer.residual.copy_(torch.randn(6, 4, dtype=torch.float64))
            match_scale(layer, 7.0)  # nothing happens once it is trained
        return layer

    x = torch.randn(2, 5, 4, dtype=torch.float64)
    one, other = make(1.0), make(50.0)
    torch.testing.assert_close(other.slow(50 * x) - 50 * x, one.slow(x) - x)
    state, targets = one.initial_state(2), torch.randint(9, (2,))
    # The same gradients of activations, from inputs that differ by the scale.
    g = one._gradients(x[:, 0], one._hidden(x[:, 0]), targets, None)
    sums = state._replace(hidden_weight=torch.einsum("bd,bh->bdh", g.input, g.of_hidden))
    scaled = state._replace(hidden_weight=50 * sums.hidden_weight)
    torch.testing.assert_close(
        other.read(50 * x[:, 1], scaled) - 50 * x[:, 1], one.read(x[:, 1], sums) - x[:, 1]
    )
