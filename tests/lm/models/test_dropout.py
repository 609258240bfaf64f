"""Each kind of dropout: its scale and expectation, what it leaves out, and whole models by hand."""

import dataclasses

import pytest
import torch
from torch import Tensor

from driftwise.lm.losses import SoftmaxConfig
from driftwise.lm.models import (
    DropoutConfig,
    LSTMConfig,
    TransformerConfig,
    awd_lstm,
    build_model,
    count_parameters,
)
from driftwise.lm.models.attention import rotary_table
from driftwise.lm.models.drop_connect import DropConnectLSTM
from driftwise.lm.models.dropout import locked_dropout, word_dropout

V = 11
EVERYTHING = DropoutConfig(embedding=0.2, input=0.3, hidden=0.25, output=0.4, recurrent=0.5)
AWD = LSTMConfig(
    6, 4, 3, projection=False, softmax=SoftmaxConfig(bias=True), dropout=EVERYTHING
)  # 4 -> 6 -> 6 -> 4


def awd() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(AWD, V).double()


class Masks:
    """The masks of a pass in training, drawn as the model draws them."""

    def __init__(self, seed: int, rows: int) -> None:
        torch.manual_seed(seed)
        drop = AWD.dropout

        def features(share: float, width: int) -> Tensor:
            return (torch.rand(rows, 1, width) >= share).double() / (1 - share)

        def weights(width: int) -> Tensor:
            ones = torch.ones(4 * width, width, dtype=torch.float64)
            return torch.nn.functional.dropout(ones, drop.recurrent)

        self.words = (torch.rand(V) >= drop.embedding).double() / (1 - drop.embedding)
        self.input = features(drop.input, 4)
        self.recurrent, self.hidden = [weights(6)], []
        for width, below in ((6, 6), (4, 6)):
            self.hidden.append(features(drop.hidden, below))
            self.recurrent.append(weights(width))
        self.output = features(drop.output, 4)


def by_loops(model: torch.nn.Module, ids: Tensor, starts: Tensor, masks: Masks | None) -> Tensor:
    """Hidden vectors (B, T, 4), one row, step and gate after the other."""
    hidden = torch.zeros(*ids.shape, 4, dtype=torch.float64)
    for row in range(len(ids)):
        states = [[torch.zeros(n, dtype=torch.float64)] * 2 for n in (6, 6, 4)]
        for t, word in enumerate(ids[row].tolist()):
            x = model.head.rows.weight[word]
            if masks:
                x = x * masks.words[word] * masks.input[row, 0]
            if starts[row, t]:
                states = [[torch.zeros(n, dtype=torch.float64)] * 2 for n in (6, 6, 4)]
            for index, layer in enumerate(model.layers):
                inner, recurrent, bias, other = layer.rnn.parameters()
                if masks:
                    recurrent = recurrent * masks.recurrent[index]
                    x = x * masks.hidden[index - 1][row, 0] if index else x
                h, c = states[index]
                i, f, g, o = (inner @ x + recurrent @ h + bias + other).chunk(4)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                x = o.sigmoid() * c.tanh()
                states[index] = [x, c]
            hidden[row, t] = x * masks.output[row, 0] if masks else x
    return hidden


@pytest.mark.parametrize("training", [False, True])
def test_the_awd_lstm_is_that_of_a_loop(training: bool) -> None:
    """With resets, and in training with one mask of each kind for the whole call."""
    model = awd().train(training)
    ids, starts = torch.randint(V, (3, 9)), torch.rand(3, 9) < 0.2
    masks = Masks(5, 3) if training else None
    torch.manual_seed(5)
    found, _ = model(ids, None, starts)
    expected = by_loops(model, ids, starts, masks)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    targets = torch.randint(V, (3, 9))
    logits = expected @ model.head.rows.weight.T + model.head.rows.bias
    losses = -logits.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    ours = model.head.loss(found, targets)
    torch.testing.assert_close(ours, losses, rtol=1e-12, atol=1e-12)
    parameters = list(model.parameters())
    gradients = [torch.autograd.grad(loss.sum(), parameters) for loss in (ours, losses)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_the_awd_lstm_of_the_paper_has_its_33_million_parameters() -> None:
    with torch.device("meta"):
        model = build_model(awd_lstm(), 33_278)
    layers = sum(4 * n * (m + n + 2) for m, n in ((400, 1150), (1150, 1150), (1150, 400)))
    assert count_parameters(model) == 33_278 * 401 + layers == 33_556_078


def test_drop_connect_leaves_out_recurrent_weights_alone() -> None:
    """Anew in each call and step; kept weights are scaled, so that the mean is the weight."""
    layer = DropConnectLSTM(3, 40, 0.5)
    weight = layer.rnn.weight_hh_l0
    inner, dropped, *biases = layer._runner().args[0]
    assert torch.equal(dropped.ne(0), dropped == 2 * weight)
    assert (dropped == 0).double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert inner is layer.rnn.weight_ih_l0 and biases == [
        layer.rnn.bias_ih_l0,
        layer.rnn.bias_hh_l0,
    ]
    mean = sum(layer._runner().args[0][1].detach() for _ in range(400)) / 400
    assert (mean - weight).abs().max() < 0.3 * weight.abs().max()

    x, state = torch.randn(2, 4, 3), layer.initial_state(2)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    _, state = layer(x)
    assert not torch.equal(layer.step(x[:, 0], state)[0], layer.step(x[:, 0], state)[0])
    layer.eval()
    y, after = layer(x, state)
    plain = super(DropConnectLSTM, layer)
    expected, expected_after = plain._run(x, state)
    assert torch.equal(y, expected) and torch.equal(after.cell, expected_after.cell)
    y, _ = layer.step(x[:, 0], state)
    torch.testing.assert_close(y, expected[:, 0])


def test_locked_dropout_keeps_the_mean() -> None:
    x = torch.randn(1, 5, 6)
    found = torch.stack([locked_dropout(x, 0.65, True) for _ in range(4_000)])
    kept = found != 0
    assert torch.equal(kept, kept[:, :, :1].expand_as(kept))  # the same at all times
    torch.testing.assert_close(found[kept], (x / 0.35).expand_as(found)[kept])
    assert kept.double().mean().item() == pytest.approx(0.35, abs=0.02)
    torch.testing.assert_close(found.mean(0), x, atol=0.2, rtol=0)
    assert locked_dropout(x, 0.65, False) is x


def test_word_dropout_keeps_the_mean() -> None:
    ids = torch.arange(4).repeat(1, 2)
    x = torch.randn(1, 8, 3)
    found = torch.stack([word_dropout(x, ids, 4, 0.1, True) for _ in range(2_000)])
    kept = found != 0
    assert torch.equal(kept[:, :, :4], kept[:, :, 4:])  # all occurrences
    torch.testing.assert_close(found[kept], (x / 0.9).expand_as(found)[kept])
    torch.testing.assert_close(found.mean(0), x, atol=0.1, rtol=0)
    assert word_dropout(x, ids, 4, 0.1, False) is x


def transformer(**dropout: float) -> torch.nn.Module:
    torch.manual_seed(0)
    config = TransformerConfig(1, 8, 2, 6, 20, dropout=DropoutConfig(**dropout))
    model = build_model(config, V)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model


@pytest.mark.parametrize("masked", [False, True])
def test_attention_dropout_leaves_out_positions_head_by_head(masked: bool) -> None:
    """The first position sees itself alone: its value, scaled, or nothing; off in evaluation."""
    block = transformer(attention=0.4).blocks[0]
    plain = transformer().blocks[0]
    x, table = torch.randn(500, 3, 8), (torch.ones(3, 2), torch.zeros(3, 2))
    mask = torch.ones(3, 3, dtype=torch.bool).tril()[None, None] if masked else None
    attended = torch.eye(8)
    for part in (block, plain):
        part.attended.weight.data.copy_(attended)
    found, expected = block._attend(x, table, mask, None)[0], plain._attend(x, table, mask, None)[0]
    first, whole = found[:, 0].unflatten(-1, (2, 4)), expected[:, 0].unflatten(-1, (2, 4))
    gone = (first == 0).all(-1)
    torch.testing.assert_close(first[~gone], whole[~gone] / 0.6)
    assert gone.double().mean().item() == pytest.approx(0.4, abs=0.06)
    assert (gone[:, 0] != gone[:, 1]).any()
    same = x[:1].expand(4_000, -1, -1)
    mean = block._attend(same, table, mask, None)[0].mean(0)
    torch.testing.assert_close(
        mean, plain._attend(x[:1], table, mask, None)[0][0], atol=0.1, rtol=0
    )
    block.eval()
    assert torch.equal(block._attend(x, table, mask, None)[0], expected)


def test_residual_dropout_leaves_out_features_of_what_a_block_adds() -> None:
    """Both parts of a block, by hand with the masks as they are drawn."""
    share = 0.3
    model, ids = transformer(hidden=share), torch.randint(V, (4, 5))
    torch.manual_seed(3)
    found, _ = model(ids)
    torch.manual_seed(3)
    masks = [(torch.rand(4, 1, 8) >= share) / (1 - share) for _ in range(2)]
    block, norm = model.blocks[0], lambda x: torch.nn.functional.rms_norm(x, x.shape[-1:])
    x = norm(model.head.embed(ids))
    seen = {}
    block.attended.register_forward_hook(lambda *call: seen.update(y=call[2]))
    block.eval()(x, rotary_table(5, 4, x), None, None)
    x = x + masks[0] * seen["y"]
    x = x + masks[1] * block.outer(block.inner(norm(x)).relu().square())
    torch.testing.assert_close(found, norm(x))


def test_all_of_it_is_off_in_evaluation() -> None:
    for config in (
        AWD,
        TransformerConfig(2, 8, 2, 6, dropout=DropoutConfig(0.2, 0.2, 0.2, 0.2, attention=0.2)),
    ):
        model = build_model(config, V)
        plain = build_model(dataclasses.replace(config, dropout=DropoutConfig()), V)
        plain.load_state_dict(model.state_dict())
        ids, starts = torch.randint(V, (2, 6)), torch.rand(2, 6) < 0.3
        expected, _ = plain.eval()(ids, None, starts)
        assert not torch.equal(model(ids, None, starts)[0], expected)
        assert torch.equal(model.eval()(ids, None, starts)[0], expected)
