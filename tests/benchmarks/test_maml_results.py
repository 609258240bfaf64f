"""What cells of the results about meta-learning measure, at sizes that take no time."""

import dataclasses
import math

import pytest

from driftwise.agents.few_shot import config as few_shot_config
from driftwise.benchmarks import maml_speed, sparse_maml_signatures
from driftwise.envs import Glyphs


@pytest.fixture
def small(monkeypatch, tmp_path):
    glyphs = Glyphs(60)
    monkeypatch.setitem(few_shot_config.IMAGES, "glyphs", lambda: glyphs)
    monkeypatch.setattr(sparse_maml_signatures, "RUNS", str(tmp_path))
    base = dataclasses.replace(
        sparse_maml_signatures.BASE,
        **{"images": "glyphs", "test_on": (), "updates": 2, "width": 4, "tasks_per_update": 1},
        **{"num_queries": 2, "evaluate_episodes": 2, "test_episodes": 3, "validation_classes": 6},
    )
    monkeypatch.setattr(sparse_maml_signatures, "BASE", base)
    return base


def test_a_signature(small):
    found = sparse_maml_signatures.run("sparse_maml", "default", 3)
    assert 0 <= found["accuracy"] <= 1 and found["diverged"] == 0
    assert 0 < found["sparsity_total"] < 1 and {"sparsity_block1", "sparsity_head"} <= set(found)


def test_a_learner_that_diverges_counts_as_guessing(small, monkeypatch):
    monkeypatch.setitem(
        sparse_maml_signatures.SETTINGS, "inner_lr_0.5", {"inner_lr": 1e38, "test_on": ("glyphs",)}
    )
    found = sparse_maml_signatures.run("maml", "inner_lr_0.5", 0)
    assert found["accuracy"] == found["accuracy_glyphs"] == 1 / 5 and found["diverged"] == 1
    assert "of the inner loop" in found["error"]


def test_settings_change_one_thing_of_the_default():
    for setting, changes in sparse_maml_signatures.SETTINGS.items():
        given = sparse_maml_signatures._config("maml", setting)
        for name, value in changes.items():
            assert getattr(given, name) == value != getattr(sparse_maml_signatures.BASE, name)
    assert sparse_maml_signatures.config("boil", "width_16") is None


@pytest.mark.parametrize("setting", ["default", "la_maml"])
@pytest.mark.parametrize("row", ["looped", "vmapped"])
def test_speeds(row, setting, monkeypatch):
    monkeypatch.setattr(maml_speed, "SECONDS", 0.01)
    monkeypatch.setattr(maml_speed, "WIDTH", 4)
    speed = maml_speed.run(row, setting, 0)["updates_per_s"]
    assert math.isfinite(speed) and speed > 0
