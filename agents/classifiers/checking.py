"""Does a learner keep the contract of :class:`Learner`? One public check for all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...tracking import load_checkpoint, rng_state, save_checkpoint
from .learner import Learner


def check_learner(make: Callable[[], Learner], *, batch_size: int = 8, seed: int = 0) -> None:
    """Check every promise of the contract.

    Checked are, in this order: the shape and the sum of predictions; that predicting changes
    nothing; that two learners made alike stay alike, to the bit; that updates change predictions,
    return numbers, and leave images and labels as they are; that a state put into a new learner, by
    way of a checkpoint on disk, gives the same predictions and the same learning from there on, to
    the bit; that a state is a copy; that labels and images are checked, and a bad batch leaves no
    trace; that a state which does not fit is refused, and leaves none either. NumPy arrays and
    tensors, images with and without the axis of one channel, and integers of any width must be
    taken alike.

    Args:
        make: makes a new learner, the same at each call; for at least 2 classes.
        batch_size: images in a batch.
        seed: of the random images.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    random = torch.Generator().manual_seed(seed)
    learner, twin = make(), make()
    classes = learner.num_classes
    _require(classes >= 2, f"num_classes must be at least 2 for this check, got {classes}")

    def batch() -> tuple[Tensor, Tensor]:
        images = torch.rand(batch_size, 1, 28, 28, generator=random)
        return images, torch.randint(classes, (batch_size,), generator=random)

    question, _ = batch()
    _check_prediction(learner, question)
    for what, images in (
        ("NumPy arrays and tensors", question.numpy()),
        ("images (n, 28, 28) and (n, 1, 28, 28)", question[:, 0]),
    ):
        found = _taken(f"predict must take {what}", learner.predict, images)
        same = torch.equal(learner.predict(question), found)
        _require(same, f"predict must take {what} alike")
    for _ in range(3):
        x, y = batch()
        before, given = learner.predict(question), (x.clone(), y.clone())
        metrics = learner.update(x, y)
        # The twin predicts nothing, and gets the same in another form: neither may matter.
        other_form = x[:, 0].numpy(), y.numpy().astype(np.int32)
        what = "update must take images (n, 28, 28) and labels of int32 in NumPy arrays"
        _taken(what, twin.update, *other_form)
        _same((x, y), given, "the images and labels before and after update")
        numbers = all(isinstance(value, float) for value in metrics.values())
        _require(bool(metrics) and numbers, f"update must return numbers by name, got {metrics}")
        _check_prediction(learner, question)
        _require(
            not torch.equal(learner.predict(question), before), "update must change predictions"
        )
    _same(learner.state_dict(), twin.state_dict(), "two learners made and taught alike")

    saved = learner.state_dict()
    other = make()
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "state", saved)
        other.load_state_dict(load_checkpoint(Path(folder) / "state"))
    _same(other.state_dict(), saved, "a state before and after loading")
    for _ in range(2):
        x, y = batch()
        same = torch.equal(learner.predict(x), other.predict(x))
        _require(same, "a learner with a loaded state must predict the same, to the bit")
        learner.update(x, y)
        other.update(x, y)
    _same(other.state_dict(), learner.state_dict(), "learning on from a loaded state")
    _same(saved, twin.state_dict(), "a state and the learner it was taken from, which went on")
    lent, other = learner.state_dict(), make()
    other.load_state_dict(lent)
    other.update(*batch())
    _same(lent, learner.state_dict(), "a state and what was loaded from it, which went on")

    _check_bad_batches(learner, *batch())
    _check_bad_states(learner)


def _check_prediction(learner: Learner, x: Tensor) -> None:
    before, drawn = learner.state_dict(), rng_state()
    found = learner.predict(x)
    _same(learner.state_dict(), before, "the states before and after predict")
    try:
        _same(rng_state(), drawn, "random states")
    except AssertionError:
        raise AssertionError("predict must draw no random numbers") from None
    shape = (len(x), learner.num_classes)
    _require(
        isinstance(found, Tensor) and found.shape == shape,
        f"predict must return log-probabilities of shape {shape}, got "
        f"{tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__}",
    )
    total = found.double().exp().sum(1)
    _require(
        torch.allclose(total, torch.ones_like(total), atol=1e-5),
        f"probabilities must add up to 1, got {total.min().item()} to {total.max().item()}",
    )


def _check_bad_batches(learner: Learner, x: Tensor, y: Tensor) -> None:
    classes = learner.num_classes
    bad: dict[str, tuple[Any, Any]] = {
        f"the label {classes} of {classes} classes": (x, y.clone().fill_(classes)),
        "a label of -1": (x, torch.cat((y[:-1], y.new_tensor([-1])))),
        "a label too few": (x, y[1:]),
        "labels that are no integers": (x, y.float()),
        "images in eight bits": ((x * 255).to(torch.uint8), y),
        "images of another shape": (x[:, :, 1:], y),
        "a pixel that is NaN": (torch.where(x == x.max(), torch.nan, x), y),
        "a pixel that is infinite": (torch.where(x == x.max(), torch.inf, x), y),
    }
    for what, (images, labels) in bad.items():
        before = learner.state_dict()
        try:
            learner.update(images, labels)
        except (TypeError, ValueError):
            _same(learner.state_dict(), before, f"the states before and after {what}")
        else:
            raise AssertionError(f"update must raise a TypeError or ValueError for {what}")


def _check_bad_states(learner: Learner) -> None:
    before = learner.state_dict()
    bad: dict[str, Any] = {"an empty state": {}, "a state that is a list": [before]}
    bad |= {f"a state whose {place} is a row longer": state for place, state in _longer(before)}
    order = before.get("class_order")
    if isinstance(order, (Tensor, np.ndarray)) and len(order):
        turned = order[[*range(1, len(order)), 0]]
        bad["a state of another class order"] = {**before, "class_order": turned}
    for what, state in bad.items():
        try:
            learner.load_state_dict(state)
        except ValueError:
            _same(learner.state_dict(), before, f"the states before and after {what}")
        else:
            raise AssertionError(f"load_state_dict must raise a ValueError for {what}")


def _longer(state: dict[Any, Any]) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Where each array of a state is, however deep, and the state with a row more in that array."""
    for name, part in state.items():
        if isinstance(part, (Tensor, np.ndarray)) and part.ndim and len(part):
            yield repr(name), {**state, name: part[[0, *range(len(part))]]}
        elif isinstance(part, dict):
            for place, longer in _longer(part):
                yield f"{name!r}/{place}", {**state, name: longer}


def _taken(what: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a call that must not be refused."""
    try:
        return call(*arguments)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{what}, got {type(error).__name__}: {error}") from error


def _same(found: Any, expected: Any, what: str, place: str = "") -> None:
    """Compare two trees of tensors, arrays and plain values, to the bit."""
    found, expected = (
        torch.from_numpy(part) if isinstance(part, np.ndarray) else part
        for part in (found, expected)
    )
    if isinstance(expected, Tensor):
        same = isinstance(found, Tensor) and torch.equal(found, expected)
    elif isinstance(expected, dict):
        same = isinstance(found, dict) and found.keys() == expected.keys()
        for key in expected if same else ():
            _same(found[key], expected[key], what, f"{place}/{key}")
    elif isinstance(expected, (list, tuple)):
        same = type(found) is type(expected) and len(found) == len(expected)
        for i in range(len(expected)) if same else ():
            _same(found[i], expected[i], what, f"{place}/{i}")
    else:
        same = found == expected
    _require(same, f"{what} must be the same, but they differ in {place.lstrip('/') or 'kind'}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
