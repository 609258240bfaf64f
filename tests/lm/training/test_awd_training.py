"""The training of Merity et al.: penalties, lengths that vary, and averages that begin in time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from driftwise.lm.checkpoint import load_language_model
from driftwise.lm.corpora import IGNORED, Corpus, Lanes
from driftwise.lm.models import DropoutConfig, build_model
from driftwise.lm.optimizers import OptimizerConfig
from driftwise.lm.training import Objective, TrainConfig, WeightAverage
from driftwise.lm.training.recent import Recent
from driftwise.tracking import load_checkpoint, read_metrics

Train = Callable[..., dict[str, Any]]


def penalties(outputs: Tensor, hidden: Tensor) -> Tensor:
    """AR and TAR as in the authors' code, of (B, T, D)."""
    activation = 2.0 * hidden.pow(2).mean()
    return activation + 1.0 * (outputs[:, 1:] - outputs[:, :-1]).pow(2).mean()


def test_penalties_are_those_of_the_paper(configs: dict[str, TrainConfig]) -> None:
    """Outputs before dropout for the change, after it for the size; in training alone."""
    torch.manual_seed(0)
    model = build_model(configs["awd"].model, 20).double()
    objective = Objective(model, activation_coef=2.0, change_coef=1.0)
    inputs, targets = torch.randint(20, (2, 3, 7))
    torch.manual_seed(1)
    read = objective(inputs, targets, None, None)
    torch.manual_seed(1)
    outputs, _ = model.outputs(inputs, None, None)
    hidden = model.to_hidden(outputs)
    assert torch.equal(read.hidden, hidden) and not torch.equal(hidden, outputs)
    torch.testing.assert_close(read.penalty.double() / 21, penalties(outputs, hidden))
    torch.testing.assert_close(read.loss, model.head.loss(hidden, targets).sum())
    assert read.penalty.requires_grad
    model.eval()  # as validation does
    assert objective(inputs, targets, None, None).penalty == 0
    assert Objective(model)(inputs, targets, None, None).penalty == 0


def test_penalties_of_pieces_add_up(configs: dict[str, TrainConfig]) -> None:
    """Padding counts for nothing, and no change is counted across a start."""
    torch.manual_seed(0)
    model = build_model(replace(configs["awd"].model, dropout=DropoutConfig()), 20)
    objective = Objective(model, 2.0, 1.0)
    inputs, targets = torch.randint(20, (2, 2, 6))
    starts = torch.zeros(2, 6, dtype=torch.bool)
    starts[1, 2] = True
    targets[0, 4:] = IGNORED
    outputs, _ = model.outputs(inputs, None, starts)
    squares = outputs.square().mean(-1)
    changes = outputs.diff(dim=1).square().mean(-1)
    expected = 2 * (squares[0, :4].sum() + squares[1].sum())
    expected += 6 / 5 * (changes[0, :3].sum() + changes[1, [0, 2, 3, 4]].sum())
    found = objective(inputs, targets, starts, None).penalty
    torch.testing.assert_close(found, expected)
    rows = [
        objective(inputs[r : r + 1], targets[r : r + 1], starts[r : r + 1], None) for r in (0, 1)
    ]
    torch.testing.assert_close(rows[0].penalty + rows[1].penalty, expected)
    assert objective(inputs[:, :1], targets[:, :1], None, None).penalty.isfinite()


def plain_loop(config: TrainConfig, corpus: Corpus) -> tuple[dict[str, Tensor], list[int]]:
    """SGD at rates in proportion to lengths, in batches cut anew; weights after the last step."""
    torch.manual_seed(config.seed)
    model = build_model(config.model, len(corpus.tokenizer))
    lanes = Lanes(
        corpus.train, config.batch_size, config.length, vary_length=True, seed=config.seed
    )
    state, lengths = None, []
    for _, batch in zip(range(config.num_steps), lanes, strict=False):
        outputs, state = model.outputs(batch.inputs, state, batch.starts)
        hidden = model.to_hidden(outputs)
        state = type(state)(
            tuple(type(part)(*(x.detach() for x in part)) for part in state.layers), ()
        )
        real = batch.targets != IGNORED
        loss = model.head.loss(hidden[real], batch.targets[real]).mean()
        length = batch.inputs.shape[1]
        changes = outputs.diff(dim=1).square().mean(-1)[real[:, 1:] & ~batch.starts[:, 1:]]
        penalty = 2 * hidden[real].square().mean()
        penalty = penalty + changes.sum() * length / (length - 1) / real.sum()
        (loss + penalty).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        with torch.no_grad():
            for parameter in model.parameters():
                rate = 3.0 * length / config.length
                parameter -= rate * (parameter.grad + 1e-3 * parameter)
                parameter.grad = None
        lengths.append(length)
    return model.state_dict(), lengths


def test_it_is_the_plain_loop(
    train: Train, configs: dict[str, TrainConfig], corpus: Corpus
) -> None:
    plain = replace(configs["awd"].model, dropout=DropoutConfig())
    changes = {"model": plain, "average_patience": None}
    report = train("awd", **changes)
    weights, lengths = plain_loop(replace(configs["awd"], **changes), corpus)
    assert len(set(lengths)) > 5 and report["tokens"] > 0
    loaded = load_language_model(Path(report["folder"]) / "last").model.state_dict()
    for key, tensor in weights.items():
        torch.testing.assert_close(loaded[key], tensor, rtol=1e-4, atol=1e-5)
    assert all(
        line["train/loss"] > 0 for line in read_metrics(report["folder"]) if "train/loss" in line
    )


def test_the_mean_is_that_of_asgd_and_begins_in_time() -> None:
    """torch's ASGD leaves out the first weights after its trigger, and nothing else."""
    torch.manual_seed(0)
    models = [torch.nn.Linear(3, 2) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    average = WeightAverage(models[0], patience=2)
    sgd = torch.optim.SGD(models[0].parameters(), lr=0.1, weight_decay=0.01)
    asgd = torch.optim.ASGD(models[1].parameters(), lr=0.1, lambd=0.0, t0=0, weight_decay=0.01)
    losses = [5.0, 4.0, 4.5, 3.0, 4.2, 4.1, 2.0, 2.5, 2.6, 3.1]
    begun, weights = [], []
    for loss in losses:
        x = torch.randn(4, 3)
        for model, optimizer in zip(models, (sgd, asgd), strict=True):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
        average.update()
        average.validated(loss)
        begun.append(average.begun)
        weights.append(models[0].weight.detach().clone())
    # 4.2 at step 4 is above the best of those before steps 2 and 3, which is 4.0.
    assert begun == [False] * 4 + [True] * 6 and average.losses == losses[:5]
    with average.swapped_in():
        torch.testing.assert_close(models[0].weight, sum(weights[4:]) / 6)
    torch.testing.assert_close(models[0].weight, weights[-1])
    ax = asgd.state[models[1].weight]["ax"]
    torch.testing.assert_close(ax, sum(weights[1:]) / 9)


def test_nothing_is_averaged_before() -> None:
    model = torch.nn.Linear(2, 1)
    average = WeightAverage(model, patience=1)
    for loss in (3.0, 2.0, 1.0):
        model.weight.data += 1
        average.update()
        average.validated(loss)
        own = model.weight.detach().clone()
        with average.swapped_in():
            assert torch.equal(model.weight, own)


def stop_after(steps: int) -> Callable[..., None]:
    """A method of :class:`Recent` that is interrupted at such a step."""
    add, done = Recent.add, []

    def call(self: Recent, *args: Any) -> None:
        done.append(1)
        if len(done) > steps:
            raise KeyboardInterrupt
        add(self, *args)

    return call


def test_ten_steps_and_ten_more_are_twenty(train: Train, tmp_path: Path) -> None:
    """The average has begun before the run is stopped, or still waits: it goes on as if not."""
    # Steps too large: validation gets worse soon.
    options = {"evaluate_every": 2, "optimizer": OptimizerConfig("sgd", 30.0, 30.0, 30.0)}
    for patience in (1, 4):
        options["average_patience"] = patience
        whole = Path(train("awd", tmp_path / f"whole-{patience}", **options)["folder"])
        parts = tmp_path / f"parts-{patience}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Recent, "add", stop_after(13))
            with pytest.raises(KeyboardInterrupt):
                train("awd", parts, **options)
        folder = parts / "drifting/awd-0"
        stopped = load_checkpoint(folder / "checkpoints/step_000000000010")
        assert (stopped["average"] is not None) == (patience == 1)
        train("awd", parts, **options)
        for place in ("last/weights", "best/weights"):  # of averages, where they have begun
            assert files(folder / place) == files(whole / place)
        ended = [load_checkpoint(f / "checkpoints/step_000000000020") for f in (folder, whole)]
        for key in ("average_updates", "average_losses", "valid", "best", "lanes"):
            assert ended[0][key] == ended[1][key]
        assert ended[0]["average"] is not None and len(ended[0]["average_losses"]) > patience


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"average_patience": 0}, "average_patience must be at least 1, got 0"),
        ({"average_decay": 0.9}, "average_patience must be None with average_decay"),
        ({"activation_coef": -1.0}, "activation_coef must be at least 0 and finite, got -1.0"),
        ({"change_coef": float("nan")}, "change_coef must be at least 0 and finite, got nan"),
    ],
)
def test_bad_input_is_told(changes: dict[str, Any], message: str, train: Train) -> None:
    with pytest.raises(ValueError, match=message):
        train("awd", **changes)
