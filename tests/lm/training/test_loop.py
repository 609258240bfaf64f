"""The loop against a plain one, and the parts that change the course of a run."""

import copy
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from driftwise.lm.checkpoint import load_language_model
from driftwise.lm.corpora import Corpus, Lanes
from driftwise.lm.generate import generate
from driftwise.lm.models import build_model
from driftwise.lm.optimizers import make_optimizers, trapezoid
from driftwise.lm.training import TrainConfig, WeightAverage, train_language_model
from driftwise.lm.training.objective import carried
from driftwise.memory import detach
from driftwise.tracking import latest_checkpoint, read_metrics

Train = Callable[..., dict[str, Any]]


def plain_loop(config: TrainConfig, corpus: Corpus) -> tuple[dict[str, Tensor], list[float]]:
    """What the loop is to do, written out: weights after the last step, loss of every step."""
    torch.manual_seed(config.seed)
    model = build_model(config.model, len(corpus.tokenizer))
    optimizers = make_optimizers(model, config.optimizer)
    lanes = Lanes(corpus.train, config.batch_size, config.length, seed=config.seed)
    state, losses = None, []
    for step, batch in zip(range(config.num_steps), lanes, strict=False):
        hidden, state = model(batch.inputs, state, batch.starts)
        state, real = detach(state), batch.targets >= 0
        log_probs = model.head.log_probs(hidden[real])
        loss = F.nll_loss(log_probs, batch.targets[real])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * trapezoid(step, config.num_steps, warmup=2)
            optimizer.step()
            optimizer.zero_grad()
        model.head.memorise(hidden[real].detach(), batch.targets[real])
        losses.append(loss.item())
    return model.state_dict(), losses


def test_learning_rates_rise_in_half_of_a_short_run_at_most(
    configs: dict[str, TrainConfig],
) -> None:
    config = replace(configs["lstm"], num_steps=4, warmup=100, cooldown=0.0)
    factors = [config.learning_rate_factor(step) for step in range(4)]
    assert factors == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0, 1.0]


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_it_is_the_plain_loop(
    name: str, train: Train, configs: dict[str, TrainConfig], corpus: Corpus
) -> None:
    report = train(name, average_decay=None, log_every=1)
    weights, losses = plain_loop(configs[name], corpus)
    lines = read_metrics(report["folder"])
    found = [line["train/loss"] for line in lines if "train/loss" in line]
    torch.testing.assert_close(torch.tensor(found), torch.tensor(losses), rtol=2e-5, atol=0)
    loaded = load_language_model(Path(report["folder"]) / "last")
    for key, tensor in weights.items():
        # Muon orthogonalises in half precision, where rounding is magnified.
        torch.testing.assert_close(loaded.model.state_dict()[key], tensor, rtol=0, atol=2e-3)
    assert report["tokens"] == sum(
        int((batch.targets >= 0).sum())
        for _, batch in zip(range(20), Lanes(corpus.train, 8, 16, seed=0), strict=False)
    )
    assert report["tokens"] == len(corpus.train) + 6 * 8 * 16


def test_validation_is_that_of_the_saved_model(train: Train, corpus: Corpus) -> None:
    report = train("lstm", valid_batch_size=1)
    folder = Path(report["folder"])
    loaded = load_language_model(folder)
    (batch,) = Lanes(corpus.valid, 1, len(corpus.valid), order="given", epochs=1)
    hidden, _ = loaded.model(batch.inputs, None, batch.starts)
    loss = loaded.model.head.loss(hidden, batch.targets).mean().item()
    assert loss == pytest.approx(report["best"]["loss"], rel=1e-5)
    assert loaded.info["valid_loss"] == report["best"]["loss"]
    assert report["best"]["perplexity"] == pytest.approx(math.exp(loss), rel=1e-4)
    validated = [line for line in read_metrics(folder) if "valid/loss" in line]
    assert [line["step"] for line in validated] == [10, 20]
    assert report["best"]["loss"] == min(line["valid/loss"] for line in validated)
    assert json.loads((folder / "report.json").read_text())["best"] == report["best"]
    last = load_language_model(folder / "last")
    (sampled,) = generate(last.model, last.tokenizer, num_tokens=5, seed=0)
    assert (folder / "samples/step_000000020.txt").read_text() == sampled + "\n"


def test_some_tokens_of_validation_only(train: Train, corpus: Corpus) -> None:
    some = train("lstm", valid_batch_size=2, valid_tokens=32, num_steps=1, warmup=0)
    loaded = load_language_model(Path(some["folder"]) / "last")
    batch = next(iter(Lanes(corpus.valid, 2, 16, order="given")))
    loss = loaded.model.head.loss(loaded.model(batch.inputs)[0], batch.targets).mean()
    assert some["valid"]["loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_micro_batches_change_nothing_but_rounding(train: Train, tmp_path: Path) -> None:
    losses = []
    for parts in (1, 2, 4):
        report = train("lstm", tmp_path / str(parts), micro_batches=parts)
        lines = read_metrics(report["folder"], drop_time=True)
        losses.append([line["train/loss"] for line in lines if "train/loss" in line])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] == pytest.approx(losses[2], rel=1e-5)


@pytest.mark.parametrize("carry", ["body", "none"])
def test_what_is_carried(carry: Any, configs: dict[str, TrainConfig]) -> None:
    model = build_model(configs["transformer"].model, 22)
    _, state = model(torch.randint(22, (3, 5)))
    found = carried(state, model, carry)
    if carry == "none":
        assert found is None
    else:
        assert all((part == 0).all() for part in found.block)
        assert torch.equal(found.latest, state.latest) and not found.latest.requires_grad
        assert (state.block.output_weight != 0).any()


@pytest.mark.parametrize("carry", ["body", "none"])
def test_training_without_all_of_the_state(train: Train, carry: Any) -> None:
    report = train("transformer", carry=carry, num_steps=8)
    assert report["valid"]["loss"] < math.log(22)


def test_the_average_of_weights() -> None:
    model = torch.nn.Linear(2, 1)
    average, expected = WeightAverage(model, 0.5), copy.deepcopy(model.state_dict())
    for step in range(12):
        with torch.no_grad():
            model.weight.copy_(torch.randn(1, 2))
        decay = min(0.5, (1 + step) / (10 + step))
        expected = {k: decay * v + (1 - decay) * model.state_dict()[k] for k, v in expected.items()}
        average.update()
    own = copy.deepcopy(model.state_dict())
    with average.swapped_in():
        torch.testing.assert_close(dict(model.state_dict()), expected)
    torch.testing.assert_close(model.state_dict(), own, rtol=0, atol=0)


def test_a_loss_that_is_no_number(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(self: Any, step: int) -> float:
        return float("nan") if step == 13 else 1.0

    monkeypatch.setattr(TrainConfig, "learning_rate_factor", spoilt)
    with pytest.raises(
        FloatingPointError, match=r"must be finite, it is nan .* up to 15\. .* kept"
    ):
        train("lstm", log_every=5)
    step, tree = latest_checkpoint(tmp_path / "drifting/lstm-0") or (0, {})
    assert step == 10 and all(part.isfinite().all() for part in tree["model"].values())
    loaded = load_language_model(tmp_path / "drifting/lstm-0")
    assert loaded.info["step"] == 10


def test_a_full_disk_leaves_checkpoint_and_model(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full from step 11 on: the checkpoint of step 10 lives, and the run goes on."""
    folder, write = tmp_path / "drifting/lstm-0", Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if (folder / "checkpoints/step_000000000010").exists():
            write(self, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write .*step_0+15.*: No space left on device"):
        train("lstm")
    monkeypatch.undo()
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step_000000000005"] or (
        latest_checkpoint(folder) or (0,)
    )[0] == 10
    assert load_language_model(folder).info["step"] == 10
    resumed = train("lstm")
    alone = train("lstm", tmp_path / "alone")
    assert resumed["valid"] == alone["valid"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_steps": 0}, "num_steps must be at least 1, got 0"),
        ({"length": 17}, "length must be at most model.max_length=16, got 17"),
        ({"length": 16, "vary_length": True}, r"max_length=16, got 16 \+ 25, as lengths vary"),
        ({"change_coef": 1.0}, "change_coef must be 0 but for an LSTM without an adaptive block"),
        ({"batch_size": 7, "micro_batches": 2}, "batch_size must be a multiple of 2, 1 processes"),
        ({"batch_size": 4_000}, "batch_size must be at most 1705, the tokens, got 4000"),
        ({"valid_batch_size": 400}, "batch_size must be at most 310, the tokens, got 400"),
        ({"carry": "some"}, "carry must be one of .*, got 'some'"),
        ({"schedule": "step"}, "schedule must be one of .*, got 'step'"),
        ({"parallel": "tp"}, "parallel must be one of .*, got 'tp'"),
        ({"precision": "fp8"}, "precision must be one of .*, got 'fp8'"),
        ({"clip_norm": 0.0}, "clip_norm must be above 0, got 0.0"),
        ({"average_decay": 1.0}, "average_decay must be between 0 and 1, got 1.0"),
        ({"warmup": -1}, "warmup must be from 0 to below num_steps=20, got -1"),
        ({"device": "gpu"}, "device must be one that torch finds, got 'gpu'"),
        ({"seed": -1}, "seed and sample_tokens must be at least 0, got -1 and 5"),
    ],
)
def test_bad_input_is_told_before_the_first_step(
    changes: dict[str, Any], message: str, train: Train, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        train("transformer", **changes)
    assert not list(tmp_path.iterdir())


def test_settings_that_do_not_go_together(train: Train, configs: dict[str, TrainConfig]) -> None:
    with pytest.raises(ValueError, match="parallel must be ddp with Hebbian rows"):
        train("lstm", parallel="fsdp")
    with pytest.raises(ValueError, match="carry must be all or none without an adaptive block"):
        train("lstm", carry="body")


def test_a_corpus_of_ones_own_with_tensorboard_and_a_bar(
    tmp_path: Path, configs: dict[str, TrainConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "my book.txt"
    text.write_text("The end of the beginning .\n" * 150, "utf-8")
    config = replace(
        configs["transformer"],
        corpus=str(text),
        tokenizer="bpe",
        vocab_size=270,
        num_steps=4,
        sample_prompt="The end",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTWISE_CACHE", str(tmp_path / "cache"))
        report = train_language_model(config, runs=tmp_path / "runs")
    assert Path(report["folder"]).parts[-2:] == ("my-book.txt", "transformer-0")
    # Per word, though tokens are byte pairs.
    assert report["valid"]["perplexity"] > math.exp(report["valid"]["loss"])
    captured = capsys.readouterr()
    assert "The end" in captured.out and "tokens/s" in captured.err
    events = b"".join(p.read_bytes() for p in Path(report["folder"]).glob("events.out.tfevents.*"))
    assert b"train/loss" in events and b"sample" in events
