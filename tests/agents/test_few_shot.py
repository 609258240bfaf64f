"""Few-shot learners against plain autograd; their runs, killed and resumed; bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from driftwise.agents.few_shot import (
    METHODS,
    Conv4,
    FewShotConfig,
    FewShotLearner,
    load_few_shot_learner,
    save_few_shot_learner,
    train_few_shot,
)
from driftwise.envs import FewShotEpisodes, Glyphs, ImageSet
from driftwise.tracking import CheckpointError, read_metrics, save_checkpoint

SCRIPT = Path(__file__).with_name("resumable_few_shot.py")
SMALL: dict[str, Any] = {
    "images": "glyphs",
    "width": 4,
    "num_ways": 3,
    "num_queries": 4,
    "inner_steps": 2,
    "tasks_per_update": 2,
    "updates": 6,
    "validation_classes": 6,
    "evaluate_every": 3,
    "evaluate_episodes": 3,
    "test_episodes": 4,
    "checkpoint_every": 2,
    "mask_kwargs": {},
}


@pytest.fixture(scope="module")
def glyphs() -> ImageSet:
    return Glyphs(60)


@pytest.fixture(autouse=True)
def few_glyphs(monkeypatch: pytest.MonkeyPatch, glyphs: ImageSet) -> None:
    from driftwise.agents.few_shot import config

    monkeypatch.setitem(config.IMAGES, "glyphs", lambda: glyphs)


def small(**changes: Any) -> FewShotConfig:
    return FewShotConfig(**SMALL | changes)


def play(runs: Path, config: FewShotConfig, **options: Any) -> dict[str, Any]:
    options = {"progress": False, "tensorboard": False} | options
    return train_few_shot(config, runs=runs, **options)


def episodes(images: ImageSet, config: FewShotConfig, count: int) -> list[Any]:
    stream = config.training_stream(images.split("background"))
    return [stream.next_batch() for _ in range(count)]


class PlainConv4(nn.Module):
    """The layers in the order of the paper, by name as ours."""

    def __init__(self, net: Conv4) -> None:
        super().__init__()
        self.blocks = [net.block1, net.block2, net.block3, net.block4]
        self.head = net.head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = F.max_pool2d(F.relu(block.norm(block.conv(x))), 2)
        return self.head(x.flatten(1))


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_network(channels_last: bool) -> None:
    torch.manual_seed(0)
    net = Conv4(5, 6, 3, 33, channels_last).double()
    for norm in (net.block1.norm, net.block3.norm):  # negative gains turn the order around
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = torch.randn(7, 3, 33, 33, dtype=torch.float64)
    plain = PlainConv4(net)
    torch.testing.assert_close(net(x), plain(x), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(net(x, x), plain(x), rtol=1e-9, atol=1e-11)
    # By the statistics of a support set, an image is what it is, whatever is beside it.
    support = torch.randn(6, 3, 33, 33, dtype=torch.float64)
    alone = torch.cat([net(x[i : i + 1], support) for i in range(7)])
    torch.testing.assert_close(net(x, support), alone, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(net(support, support), plain(support), rtol=1e-9, atol=1e-11)
    assert (net(x, support) - plain(x)).abs().max() > 0.01
    assert sum(p.numel() for p in Conv4(5, 64, 3, 84).parameters()) == 121_093


def test_what_each_method_adapts(glyphs: ImageSet) -> None:
    for name, method in METHODS.items():
        learner = FewShotLearner(small(method=name, mask_kwargs={}))
        theta = dict(learner.net.named_parameters())
        fast = learner.adapt(torch.rand(6, 1, 28, 28), torch.arange(3).repeat(2))
        moved = {n.split(".")[0] for n, p in fast.items() if not torch.equal(p, theta[n])}
        blocks = {"block1", "block2", "block3", "block4"}
        assert moved == {"all": blocks | {"head"}, "head": {"head"}, "body": blocks}[method.part]
        assert any(p.requires_grad for p in learner.mask.parameters()) == method.learned
        metrics = learner.update(episodes(glyphs, small(), 2))
        assert 0 <= metrics["accuracy"] <= 1 and metrics["loss"] > 0
    assert learner.mask.noise_map.grad is not None


def doubled(learner: FewShotLearner) -> FewShotLearner:
    """In double precision, from the images on."""
    learner.net.double()
    learner.mask.double()
    single = learner._images
    learner._images = lambda images: single(images).double()  # type: ignore[method-assign]
    return learner


@pytest.mark.parametrize("method", ["sparse_maml", "meta_sgd", "anil"])
@pytest.mark.parametrize("first_order", [True, False])
def test_an_update_is_that_of_plain_autograd(
    method: str, first_order: bool, glyphs: ImageSet
) -> None:
    config = small(method=method, first_order=first_order, inner_steps=3)
    learner, other = (doubled(FewShotLearner(config)) for _ in range(2))
    batch = episodes(glyphs, config, 2)
    theta = dict(other.net.named_parameters())
    total = torch.zeros((), dtype=torch.float64)

    def loss(weights: dict[str, Any], images: Any, labels: Any) -> torch.Tensor:
        x = torch.from_numpy(images)[:, None].double()
        logits = torch.func.functional_call(other.net, weights, (x,))
        return F.cross_entropy(logits, torch.from_numpy(labels))

    for episode in batch:
        sizes, phi = other.mask(), dict(theta)
        for _ in range(3):
            moving = {n: phi[n] for n in sizes}
            found = torch.autograd.grad(
                loss(phi, episode.images, episode.labels),
                list(moving.values()),
                create_graph=not first_order,
            )
            for (n, p), g in zip(moving.items(), found, strict=True):
                phi[n] = p - sizes[n] * g
        total = total + loss(phi, episode.query_images, episode.query_labels)
    total.backward()
    for optimizer in other.optimizers.values():
        optimizer.step()

    metrics = learner.update(batch)
    assert metrics["loss"] == pytest.approx(total.item() / 2, rel=1e-12)
    for ours, theirs in ((learner.net, other.net), (learner.mask, other.mask)):
        for (n, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            if p.requires_grad:
                torch.testing.assert_close(p.grad, q.grad, rtol=1e-9, atol=1e-12, msg=n)
    torch.testing.assert_close(learner.net.state_dict(), other.net.state_dict())


@pytest.mark.parametrize("method", ["sparse_maml", "sparse_maml_plus", "boil"])
@pytest.mark.parametrize("batch_norm", ["transductive", "support"])
@pytest.mark.parametrize("first_order", [True, False])
def test_vmapped_equals_looped(
    method: str, batch_norm: Any, first_order: bool, glyphs: ImageSet
) -> None:
    config = small(method=method, batch_norm=batch_norm, first_order=first_order)
    looped = doubled(FewShotLearner(config))
    vmapped = doubled(FewShotLearner(replace(config, vmapped=True)))
    batch = episodes(glyphs, config, 3)
    assert looped.update(batch)["loss"] == pytest.approx(vmapped.update(batch)["loss"], rel=1e-11)
    for ours, theirs in ((looped.net, vmapped.net), (looped.mask, vmapped.mask)):
        for (n, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            if p.requires_grad:
                torch.testing.assert_close(p.grad, q.grad, rtol=1e-7, atol=1e-10, msg=n)
    np.testing.assert_allclose(looped.evaluate(batch), vmapped.evaluate(batch))


def test_evaluating_changes_nothing_and_repeats_itself(glyphs: ImageSet) -> None:
    learner = FewShotLearner(small(method="sparse_maml_plus"))
    batch = episodes(glyphs, small(), 4)
    learner.update(batch[:2])
    before = learner.state_dict()
    first = learner.evaluate(batch)
    assert np.array_equal(first, learner.evaluate(batch)) and first.shape == (4,)
    again = FewShotLearner(small(method="sparse_maml_plus", seed=5))
    again.load_state_dict(before)
    assert np.array_equal(again.evaluate(batch), first)
    assert learner.update(batch[2:]) == again.update(batch[2:])


def test_a_run(tmp_path: Path, glyphs: ImageSet) -> None:
    config = small(method="sparse_maml", test_on=("glyphs",))
    report = play(tmp_path, config, tensorboard=True)
    folder = tmp_path / "glyphs-3way-1shot" / "sparse_maml-0"
    assert report["folder"] == str(folder) and report["updates"] == 6
    assert [entry["update"] for entry in report["history"]] == [3, 6]
    layers = {"block1", "block2", "block3", "block4", "head", "total"}
    assert set(report["sparsity"]) == layers
    assert (folder / "figures" / "training.png").stat().st_size > 10_000
    assert read_metrics(folder / "metrics.jsonl")[-1]["step"] == 6

    # The same written out.
    train, validation = config.training_images()
    learner, stream = FewShotLearner(config), config.training_stream(train)
    for update in range(1, 7):
        learner.update([stream.next_batch() for _ in range(2)])
        if update % 3 == 0:
            held_out = config.test_stream(validation)
            found = learner.evaluate([held_out.next_batch() for _ in range(3)]).mean()
            assert report["history"][update // 3 - 1]["accuracy"] == pytest.approx(found)
    held_out = config.test_stream(glyphs.split("evaluation"))
    accuracies = learner.evaluate([held_out.next_batch() for _ in range(4)])
    test = report["tests"]["glyphs"]
    assert test["accuracy"] == pytest.approx(accuracies.mean()) and test["n"] == 4
    assert test["low"] <= test["accuracy"] <= test["high"]
    share = np.mean([s == 0 for t in learner.mask().values() for s in t.flatten().tolist()])
    assert report["sparsity"]["total"] == pytest.approx(share)

    loaded = load_few_shot_learner(folder / "learner")
    weights = learner.net.state_dict()
    assert all(torch.equal(p, weights[n]) for n, p in loaded.net.state_dict().items())
    more = play(tmp_path, replace(config, updates=8, test_on=()))
    assert more["updates"] == 8 and [e["update"] for e in more["history"]] == [3, 6, 8]
    with pytest.raises(ValueError, match="inner_lr"):
        play(tmp_path, replace(config, inner_lr=0.2))


def test_killed_and_resumed(tmp_path: Path) -> None:
    """Bitwise the same learner and measurements, also of a mask that is generated by noise."""
    config = SMALL | {"method": "sparse_maml_plus", "updates": 24, "checkpoint_every": 3}

    folders = [tmp_path / n / "glyphs-3way-1shot/sparse_maml_plus-0" for n in ("alone", "killed")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen(
        [sys.executable, SCRIPT, tmp_path / "killed", json.dumps(config)], env=environment
    )
    while not list(folders[1].glob("checkpoints/step_*12")):
        assert killed.poll() is None, "ended before it was killed"
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (folders[1] / "report.json").exists()
    for runs in ("killed", "alone"):
        play(tmp_path / runs, FewShotConfig(**config))

    metrics = [read_metrics(folder, drop_time=True) for folder in folders]
    assert metrics[0] == metrics[1] and len(metrics[0]) == 10
    reports = [json.loads((folder / "report.json").read_text()) for folder in folders]
    assert [report.pop("time")["resumed_at_steps"] != [] for report in reports] == [False, True]
    assert reports[0] == reports[1]
    sums = [(folder / "learner" / "SHA256SUMS").read_text() for folder in folders]
    assert sums[0] == sums[1]


def test_it_learns(glyphs: ImageSet) -> None:
    """Twice as good as chance, 0.2, after some updates, by episodes of other classes."""
    config = small(num_ways=5, width=8, num_queries=5, method="sparse_maml", learning_rate=5e-3)
    stream = config.training_stream(glyphs.split("background"))
    learner = FewShotLearner(config)
    for _ in range(40):
        learner.update([stream.next_batch() for _ in range(2)])
    held_out = config.test_stream(glyphs.split("evaluation"))
    assert learner.evaluate([held_out.next_batch() for _ in range(40)]).mean() > 0.4


def test_states_of_other_learners(tmp_path: Path) -> None:
    learner = FewShotLearner(small())
    for changes, message in (
        ({"method": "maml"}, "state must be of method='sparse_maml' as the learner, got 'maml'"),
        ({"width": 5}, "state must be of width=4 as the learner, got 5"),
        ({"num_ways": 4}, "state must be of num_ways=3"),
    ):
        with pytest.raises(ValueError, match=message):
            learner.load_state_dict(FewShotLearner(small(**changes)).state_dict())
    with pytest.raises(ValueError, match=r"'block1\.conv\.weight' is \(5, 1, 3, 3\) there"):
        learner.mask.load_state_dict(FewShotLearner(small(width=5)).mask.state_dict())
    save_checkpoint(tmp_path / "other", {"weights": torch.zeros(2)})
    with pytest.raises(CheckpointError, match="must hold a few-shot learner"):
        load_few_shot_learner(tmp_path / "other")
    save_few_shot_learner(tmp_path / "learner", learner)
    assert load_few_shot_learner(tmp_path / "learner").config == learner.config


def test_a_nan_stops_training_with_its_place(glyphs: ImageSet) -> None:
    learner = FewShotLearner(small(inner_lr=1e38))
    before = learner.state_dict()
    with pytest.raises(
        FloatingPointError, match=r"update 1: '.*' became \w+ in step \d of 2 of the inner"
    ):
        for _ in range(3):
            learner.update(episodes(glyphs, small(), 2))
    assert all(torch.equal(p, before["net"][n]) for n, p in learner.net.named_parameters())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"method": "elephant"}, ValueError, "method must be one of maml, anil, boil"),
        ({"images": "elephants"}, ValueError, "images must be one of omniglot, .* or a folder"),
        ({"images": "mnist"}, ValueError, "images must have classes to train on"),
        ({"inner_lr": 0.0}, ValueError, r"inner_lr must be above 0, got 0\.0"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate must be above 0, got nan"),
        ({"num_queries": 20}, ValueError, r"at most 20, all drawings of a class, got 1 \+ 20"),
        ({"num_ways": 60}, ValueError, "validation_classes must be at least 60"),
        ({"validation_classes": 60}, ValueError, "validation_classes must leave 3 of the"),
        ({"test_inner_steps": 0}, ValueError, "test_inner_steps must be at least 1, got 0"),
        ({"keep": "first"}, ValueError, "keep must be one of last, best, got 'first'"),
        (
            {"method": "maml", "mask_kwargs": {"sparsity": 0.9}},
            ValueError,
            "sparsity must be left open for masks of kind 'dense'",
        ),
        ({"num_ways": 1}, ValueError, "num_ways must be at least 2, got 1"),
        ({"inner_steps": 0}, ValueError, "inner_steps must be at least 1, got 0"),
        ({"width": 2.5}, TypeError, r"width must be an integer, got 2\.5"),
        ({"batch_norm": "query"}, ValueError, "batch_norm must be one of transductive, support"),
        ({"optimizer": "lion"}, ValueError, "optimizer must be one of adam, sgd"),
        ({"mask_kwargs": {"sparsity": 2}}, ValueError, "sparsity must be from 0 to 1"),
        ({"inner_lr": True}, TypeError, "inner_lr must be a number, got True"),
        ({"first_order": "no"}, TypeError, "first_order must be True or False, got 'no'"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"mask_kwargs": {"inner_lr": 1}}, ValueError, "mask_kwargs must be some of .* 'inner_lr'"),
        ({"test_on": "mnist"}, TypeError, "test_on must be a tuple of names, got 'mnist'"),
        ({"test_on": ("elephants",)}, ValueError, "images must be one of"),
        ({"test_on": ("colour",)}, ValueError, r"\(channels, pixels\) \(1, 28\) .* has \(3, 28\)"),
    ],
)
def test_bad_input_is_found_before_anything_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    from driftwise.agents.few_shot import config

    grey = Glyphs(5)
    colour = np.stack([grey.images] * 3, axis=-1)
    nothing = np.zeros(5, dtype=bool)
    for name, pixels in (("mnist", grey.images), ("colour", colour)):
        made = ImageSet(name, pixels, grey.class_names, nothing)
        monkeypatch.setitem(config.IMAGES, name, lambda made=made: made)
    with pytest.raises(error, match=message):
        play(tmp_path / "runs", small(**changes))
    assert not (tmp_path / "runs").exists()


def test_colour_images_are_normalised() -> None:
    learner = FewShotLearner(small(), in_channels=3, image_size=32)
    images = np.random.default_rng(0).random((2, 32, 32, 3), dtype=np.float32)
    x = learner._images(images)
    assert x.shape == (2, 3, 32, 32)
    assert x[1, 2, 3, 4].item() == pytest.approx((images[1, 3, 4, 2] - 0.406) / 0.225, rel=1e-5)


def write_folder(root: Path, *splits: str) -> None:
    """Three classes in each split; the first has four images, the others five."""
    from PIL import Image

    for number, split in enumerate(splits):
        for k in range(3):
            (root / split / f"c{k}").mkdir(parents=True)
            for i in range(4 + (k > 0)):
                pixels = np.full((32, 32, 3), 100 * number + 20 * k + i, np.uint8)
                Image.fromarray(pixels).save(root / split / f"c{k}" / f"{i}.png")


def test_a_folder(tmp_path: Path) -> None:
    """With classes to validate by of its own, and tested on one that has nothing to train on."""
    write_folder(tmp_path / "own", "train", "val", "test")
    write_folder(tmp_path / "birds", "test")
    config = small(images=str(tmp_path / "own"), image_size=32, test_on=(str(tmp_path / "birds"),))
    with pytest.raises(ValueError, match=r"class .*train/c0 has 4 images, but at least 5 are"):
        play(tmp_path / "runs", config)
    config = replace(config, num_queries=3, updates=1)
    train, validation = config.training_images()
    assert train.class_names == ("train/c0", "train/c1", "train/c2")
    assert validation.class_names == ("val/c0", "val/c1", "val/c2")
    report = play(tmp_path / "runs", config)
    assert Path(report["folder"]).parent.name == "own-3way-1shot"
    assert set(report["tests"]) == {str(tmp_path / "own"), str(tmp_path / "birds")}
    with pytest.raises(FileNotFoundError, match=r"no folder .*birds/train\. A folder must have"):
        play(tmp_path / "runs", replace(config, images=str(tmp_path / "birds")))


def test_classes_to_validate_by(glyphs: ImageSet) -> None:
    """The last of those to train on, by default where there is no val folder."""
    background = glyphs.split("background")
    train, validation = small().training_images()
    assert train.class_names + validation.class_names == background.class_names
    assert validation.num_classes == 6
    count = background.num_classes
    with pytest.raises(ValueError, match=f"must leave 3 of the {count} classes to train on, got"):
        small(validation_classes=count - 2).training_images()


def test_the_best_learner_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, glyphs: ImageSet
) -> None:
    """Over a run that goes on, too; its training goes on from the last one."""
    from driftwise.agents.few_shot import training

    found = iter([0.5, 0.7, 0.6, 0.2, 0.9, 0.3])
    measured = training.measure

    def measure(learner: FewShotLearner, stream: FewShotEpisodes, count: int) -> dict[str, Any]:
        if count == 3:
            return {"accuracy": next(found)}
        return measured(learner, stream, count)

    monkeypatch.setattr(training, "measure", measure)
    config = small(keep="best", evaluate_every=2)
    report = play(tmp_path, config)
    assert [entry["accuracy"] for entry in report["history"]] == [0.5, 0.7, 0.6]
    assert report["updates"] == 6 and report["kept"] == 4
    kept = load_few_shot_learner(Path(report["folder"]) / "learner")
    stream, learner = config.training_stream(config.training_images()[0]), FewShotLearner(config)
    for update in range(1, 13):
        learner.update([stream.next_batch() for _ in range(2)])
        if update in (4, 10):
            if update == 10:
                report = play(tmp_path, replace(config, updates=12))
                assert report["updates"] == 12 and report["kept"] == 10
                kept = load_few_shot_learner(Path(report["folder"]) / "learner")
            for name, weights in learner.net.state_dict().items():
                assert torch.equal(kept.net.state_dict()[name], weights)


def test_more_steps_in_tests(glyphs: ImageSet) -> None:
    batch = episodes(glyphs, small(), 3)
    two, five = (FewShotLearner(small(test_inner_steps=steps)) for steps in (None, 5))
    other = FewShotLearner(small(inner_steps=5))
    assert two.update(batch) == five.update(batch)
    for name, weights in five.net.state_dict().items():
        assert torch.equal(weights, two.net.state_dict()[name])
    other.load_state_dict(five.state_dict())
    assert np.array_equal(five.evaluate(batch), other.evaluate(batch))


def test_an_episode_that_diverges_counts_as_guessed(glyphs: ImageSet) -> None:
    from driftwise.agents.few_shot.training import measure

    learner = FewShotLearner(small(inner_lr=1e38))
    assert np.isnan(learner.evaluate(episodes(glyphs, small(), 2))).all()
    found = measure(learner, small().test_stream(glyphs), 5)
    assert found["accuracy"] == pytest.approx(1 / 3) and found["diverged"] == found["n"] == 5


def test_gradients_that_overflow_change_nothing(glyphs: ImageSet) -> None:
    """By second order they do where the loss does not."""
    config = small(method="maml", first_order=False, inner_lr=300.0, inner_steps=5, width=8)
    learner = FewShotLearner(config)
    before = learner.state_dict()
    with pytest.raises(
        FloatingPointError, match=r"'gradient of block1\.conv\.weight' became \w+ in update 1"
    ):
        learner.update(episodes(glyphs, config, 4))
    for name, weights in learner.net.state_dict().items():
        assert torch.equal(weights, before["net"][name])
    assert learner.updates == 0


def test_episodes_are_those_of_the_stream(glyphs: ImageSet) -> None:
    config, background = small(seed=3), glyphs.split("background")
    ours = config.training_stream(background).next_batch()
    theirs = FewShotEpisodes(
        background, seed=3, num_ways=3, num_shots=1, num_queries=4
    ).next_batch()
    assert np.array_equal(ours.images, theirs.images)
    held_out = config.test_stream(background).next_batch()
    assert not np.array_equal(held_out.images, theirs.images)


def test_an_update_needs_an_episode() -> None:
    with pytest.raises(ValueError, match="episodes must hold at least one, got none"):
        FewShotLearner(small()).update([])
