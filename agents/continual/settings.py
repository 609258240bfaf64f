"""The settings of every learner on every stream: those of the authors' programs where known."""

from __future__ import annotations

from typing import Any

_RELEASED: dict[str, dict[str, dict[str, Any]]] = {
    "rotations": {
        "er": {"learning_rate": 0.1},
        "c_maml": {"inner_lr": 0.1, "learning_rate": 0.1},
        "sync": {"inner_lr": 0.15, "mask_learning_rate": 0.1, "learning_rate": 0.3},
        "la_maml": {"inner_lr": 0.15, "mask_learning_rate": 0.3},
    },
    "permutations": {
        "er": {"learning_rate": 0.1},
        "c_maml": {"inner_lr": 0.03, "learning_rate": 0.1},
        "sync": {"inner_lr": 0.15, "mask_learning_rate": 0.1, "learning_rate": 0.1},
        "la_maml": {"inner_lr": 0.15, "mask_learning_rate": 0.3},
    },
    "many-permutations": {
        "er": {"learning_rate": 0.1, "memory": 500},
        "c_maml": {"inner_lr": 0.03, "learning_rate": 0.15, "memory": 500},
        "sync": {
            "inner_lr": 0.03,
            "mask_learning_rate": 0.1,
            "learning_rate": 0.03,
            "memory": 500,
            "glances": 10,
        },
        "la_maml": {"inner_lr": 0.1, "mask_learning_rate": 0.1, "memory": 500, "glances": 10},
    },
}
# As in the La-MAML release; ER has the rate of Riemer et al. (2019).
_STEP_UNDER_MASK = {"rotations": 0.15, "permutations": 0.05, "many-permutations": 0.05}


def _masked(stream: str) -> dict[str, dict[str, Any]]:
    """The masked forms of La-MAML's settings; of these none were published.

    A mask cannot lower a step size as La-MAML does, so that its own has to fit the stream. Nine in
    ten weights are open at first, and logits move slowly: Adam, whose steps do not get smaller with
    the gradient, would else close most of the last layers within the stream's 10,000 updates, and
    what is closed in both loops learns no more.
    """
    learners = _RELEASED[stream]
    base = {k: v for k, v in learners["la_maml"].items() if k != "mask_learning_rate"}
    base |= {
        "inner_lr": _STEP_UNDER_MASK[stream],
        "mask_learning_rate": 5e-5,
        "mask_optimizer": "adam",
        "mask_kwargs": {"logit_scale": 0.1, "sparsity": 0.1},
    }
    return {
        "sparse_la_maml": base,
        "sparse_la_maml_inner": {**base, "learning_rate": learners["c_maml"]["learning_rate"]},
        "sparse_relu_la_maml": dict(learners["la_maml"]),
    }


LA_MAML = {stream: learners | _masked(stream) for stream, learners in _RELEASED.items()}
"""By stream and learner."""

_UPDATE_MODULATION = {
    # C-MAML + UM, without pre-training.
    0.98: {"learning_rate": 5e-4, "inner_lr": 0.05, "inner_steps": 4, "boundary": 1.25},
    0.90: {
        "learning_rate": 5e-4,
        "inner_lr": 0.1,
        "inner_steps": 2,
        "modulation": 2.0,
        "boundary": 2.0,
    },
}
# Much less than in the release, which adapts by 16 steps, at 0.98 by second order, and pre-trains
# for up to 100,000 updates of 4 or 8 episodes, stopped early by validation classes.
_PRETRAINED = {
    "learning_rate": 1e-3,
    "inner_lr": 0.1,
    "inner_steps": 4,
    "first_order": True,
    "pretrain_updates": 500,
}
_MASKED = {"mask_learning_rate": 7.5e-3}
# As of La-MAML's masks: nine in ten weights open, and as far for a logit to go in a stream of 2,000
# steps as there in 10,000 updates.
_MASKED_ONLINE = {"mask_learning_rate": 2.5e-4, "sparsity": 0.1, "logit_scale": 0.1}

OSAKA: dict[float, dict[str, dict[str, Any]]] = {
    stay: {
        "online_adam": {"learning_rate": 5e-3 if stay == 0.98 else 1e-3},
        "maml": _PRETRAINED,
        "sparse_maml": {**_PRETRAINED, **_MASKED},
        "sparse_relu_maml": {**_PRETRAINED, "mask_learning_rate": 1e-3},
        "c_maml": settings,
        "sparse_c_maml": {**settings, **_MASKED_ONLINE},
        "sparse_relu_c_maml": settings,
    }
    for stay, settings in _UPDATE_MODULATION.items()
}
"""By the probability to stay; Online Adam and C-MAML as in the OSAKA release."""

SPARSE_RELU_RELEASE: dict[float, dict[str, Any]] = {
    0.98: {
        "learning_rate": 5e-4,
        "inner_lr": 0.005,
        "inner_steps": 16,
        "first_order": True,
        "modulation": None,
        "boundary": 2.0,
        "prolonged": True,
    },
    0.90: {
        "learning_rate": 1e-3,
        "inner_lr": 0.1,
        "inner_steps": 8,
        "first_order": True,
        "modulation": None,
        "boundary": 1.5,
        "prolonged": True,
    },
}
"""The final runs of a sparse C-MAML, all with ReLU, in the OSAKA release (branch ``sparse_maml``).

Its configuration file overrides what is listed there for the update modulation: there is none. Its
step sizes are one number for each tensor; ours, as in the paper, one for each weight.
"""

PROLONGED_RELEASE: dict[float, dict[str, Any]] = {
    0.98: {
        "learning_rate": 5e-3,
        "inner_lr": 0.01,
        "inner_steps": 16,
        "first_order": True,
        "modulation": None,
        "boundary": 3.0,
        "prolonged": True,
    },
    0.90: {
        "learning_rate": 1e-3,
        "inner_lr": 5e-4,
        "inner_steps": 16,
        "first_order": True,
        "modulation": 1.0,
        "boundary": 1.5,
        "prolonged": True,
    },
}
"""C-MAML with prolonged adaptation and update modulation, without pre-training, as released."""


def osaka_settings(learner: str, stay_probability: float) -> dict[str, Any]:
    """The settings of a learner: those of 0.98 or 0.90, whichever is nearer."""
    nearest = min(OSAKA, key=lambda known: abs(known - stay_probability))
    return dict(OSAKA[nearest][learner])
