"""States of the online classifiers that do not fit: named, and without a trace."""

import copy

import pytest
import torch
from torch import nn

from driftwise.agents.classifiers import load_learner, make_learner, save_learner
from driftwise.agents.classifiers.checking import _same
from driftwise.tracking import CheckpointError, save_checkpoint


def test_a_state_of_another_class_order_is_refused(tmp_path):
    learner = make_learner("hebbian", [2, 0, 1], width=4)
    save_learner(tmp_path / "it", learner)
    before = copy.deepcopy(learner.state_dict()["network"])
    message = "of the same class order: at position 1 it has class 0, class_order has 1"
    with pytest.raises(ValueError, match=message):
        load_learner(tmp_path / "it", [2, 1, 0])
    with pytest.raises(ValueError, match="for the 4 classes of class_order, got 3"):
        load_learner(tmp_path / "it", 4)
    with pytest.raises(ValueError, match="state must be of the same class order"):
        learner.load_state_dict(make_learner("hebbian", [0, 2, 1], width=4, seed=1).state_dict())
    after = learner.state_dict()["network"]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_state_of_another_learner_is_refused(tmp_path):
    learner = make_learner("softmax", 3, width=4)
    for other in (make_learner("hebbian", 3, width=4), make_learner("softmax", 3, width=8)):
        with pytest.raises(
            ValueError, match=r"state must be that of \{'learner': 'softmax', 'width': 4"
        ):
            learner.load_state_dict(other.state_dict())
    for name in ("softmax", "la_maml"):
        for state in (None, {}, {"class_order": torch.arange(3)}):
            with pytest.raises(
                ValueError, match=r"state must be what state_dict\(\) returned, got"
            ):
                make_learner(name, 3, width=4).load_state_dict(state)
    for name in ("softmax", "replay", "sparse_la_maml"):
        learner = make_learner(name, 3, width=4)
        learner.update(torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 1, 0]))
        before, other = learner.state_dict(), make_learner(name, 3, width=4, seed=1).state_dict()
        for part, value in (
            ("seen", torch.zeros(1, dtype=torch.bool)),
            ("seen", None),
            ("class_order", None),
            ("optimizer", {}),
            ("optimizer", torch.optim.SGD([nn.Parameter(torch.ones(3))], 0.1).state_dict()),
            ("replay", {}),
        ):
            if before[part] is not None:
                with pytest.raises(ValueError, match="state"):
                    learner.load_state_dict({**other, part: value})
                _same(learner.state_dict(), before, "the states before and after")
    save_checkpoint(tmp_path / "else", {"step": 3})
    with pytest.raises(CheckpointError, match="must hold a learner"):
        load_learner(tmp_path / "else")


@pytest.mark.parametrize(
    ("name", "break_it", "message"),
    [
        (
            "softmax",
            lambda state: state["optimizer"]["state"][0].update(exp_avg=torch.zeros(3)),
            r"exp_avg of a parameter of shape \(4, 1, 3, 3\) cannot be \(3,\)",
        ),
        (
            "softmax",
            lambda state: state["optimizer"]["state"][0].pop("exp_avg"),
            r"moments must be \['exp_avg', 'exp_avg_sq', 'step'\], got \['exp_avg_sq', 'step'\]",
        ),
        (
            "softmax",
            lambda state: state["optimizer"]["state"][1].update(step=torch.zeros(2)),
            r"step of a parameter of shape \(4,\) cannot be \(2,\)",
        ),
        (
            "softmax",
            lambda state: state["optimizer"]["state"].update({99: {}}),
            "it has 14 parameters, got moments of 99",
        ),
        (
            "softmax",
            lambda state: state["optimizer"]["param_groups"][0].update(lr="x"),
            "lr must be like 0.005, got 'x'",
        ),
        (
            "softmax",
            lambda state: state["optimizer"]["param_groups"][0].pop("betas"),
            "a group of parameters must have betas",
        ),
        ("softmax", lambda state: state.update(replay={}), r"state\['replay'\] must be None, got"),
        (
            "softmax",
            lambda state: state.update(seen=state["seen"].long()),
            r"state\['seen'\] must be of torch.bool, got torch.int64",
        ),
        (
            "replay",
            lambda state: state["replay"].update(num_seen=-3),
            "num_seen of a replay buffer must be at least 0, got -3",
        ),
        (
            "replay",
            lambda state: state["replay"].update(labels=state["replay"]["labels"] + 500),
            "labels of a replay buffer must be those of 3 classes, got 500 to 50",
        ),
        ("la_maml", lambda state: state.update(mask=None), r"state\['mask'\] must be a state, got"),
    ],
)
def test_a_state_that_no_learner_can_be_in_is_refused(name, break_it, message, tmp_path):
    """Before a step with it, which would end in an error, or in the memory of others."""
    learner, other = (make_learner(name, 3, width=4, seed=seed) for seed in (0, 1))
    x, y = torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 1, 0])
    learner.update(x, y)
    other.update(x, y)
    before, state = learner.state_dict(), other.state_dict()
    break_it(state)
    with pytest.raises(ValueError, match=message):
        learner.load_state_dict(state)
    _same(learner.state_dict(), before, "the states before and after")
    save_checkpoint(tmp_path / "it", state)
    with pytest.raises(
        CheckpointError, match=f"it must hold a learner that can be made: .*{message}"
    ):
        load_learner(tmp_path / "it")


def test_checkpoints_that_are_no_learners(tmp_path):
    for number, state in enumerate(
        (
            {"kind": {"learner": "hebbian"}},
            {"kind": {"learner": "elephant"}, "class_order": torch.arange(3)},
            {"kind": {"learner": "softmax", "tusks": 2}, "class_order": torch.arange(3)},
            {"kind": {"learner": "softmax"}, "class_order": [0, 1, 2]},
        )
    ):
        save_checkpoint(tmp_path / str(number), state)
        with pytest.raises(CheckpointError, match=f"{number} must hold a learner"):
            load_learner(tmp_path / str(number))


def test_slow_weights_that_do_not_fit():
    learner = make_learner("hebbian", 5, width=8)
    before = learner.state_dict()
    for settings, message in (
        ({"width": 16}, r"body\..* must have shape"),
        ({"width": 8, "cosine": False}, r"head.scale must have shape \(\), got nothing"),
    ):
        with pytest.raises(ValueError, match=message):
            learner.take_slow_weights(make_learner("hebbian", 5, **settings).state_dict())
    plain = make_learner("softmax", 5, width=8)
    with pytest.raises(ValueError, match="a learner 'hebbian', got that of 'softmax'"):
        learner.take_slow_weights(plain.state_dict())
    for garbage in (None, {}, {"kind": before["kind"]}, {**before, "network": [1]}):
        with pytest.raises(ValueError, match="state must be what state_dict"):
            learner.take_slow_weights(garbage)
    for network in ({}, {**before["network"], "body.0.weight": None}):
        with pytest.raises(ValueError, match=r"must have shape .*, got nothing"):
            learner.take_slow_weights({**before, "network": network})
    _same(learner.state_dict(), before, "the states before and after")
