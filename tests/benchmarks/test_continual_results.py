"""What cells of the results about continual learners measure, at sizes that take no time."""

import dataclasses

import pytest

from driftwise.agents.continual import config as continual_config
from driftwise.benchmarks import continual_cells, curriculum_masks, la_maml, osaka, stream_cells
from driftwise.envs import Glyphs


@pytest.fixture(scope="module")
def drawn():
    """Few images in place of each set, drawn once."""
    return {name: Glyphs(40 if name == "omniglot" else 10) for name in continual_config.GLYPHS}


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path, drawn):
    for name, images in drawn.items():
        monkeypatch.setitem(continual_config.GLYPHS, name, lambda images=images: images)
    monkeypatch.setattr(continual_cells, "RUNS", str(tmp_path))
    monkeypatch.setattr(osaka, "WIDTH", 4)
    tiny = {"images": "glyphs", "num_ways": 3, "num_shots": 1, "pieces": 2, "steps": 4}
    monkeypatch.setattr(osaka, "BASE", dataclasses.replace(osaka.BASE, **tiny))
    tiny = {"images": "glyphs", "num_tasks": 2, "samples_per_task": 10, "test_samples": 20}
    monkeypatch.setattr(la_maml, "BASE", dataclasses.replace(la_maml.BASE, **tiny))


@pytest.mark.parametrize("row", ["er", "sparse_la_maml"])
def test_la_maml(row):
    found = la_maml.run(row, "permutations", 3)
    assert 0 <= found["retained_accuracy"] <= 1
    assert {"backward_transfer_and_interference", "forgetting", "forward_transfer"} <= set(found)
    assert ("sparsity_total" in found) == (row != "er")
    assert len(found["accuracy"]) == 2


@pytest.mark.parametrize(("row", "setting"), [("replay", "default"), ("la_maml", "incremental")])
def test_curriculum_masks(row, setting, monkeypatch, tmp_path):
    monkeypatch.setattr(stream_cells, "RUNS", str(tmp_path))
    sizes = {"images": "glyphs", "max_classes": 6, "block_size": 3, "batch_size": 6}
    sizes |= {"steps_per_task": 2, "threshold": 0.01, "max_level_steps": 20}
    small = dataclasses.replace(curriculum_masks.STREAMS[setting], **sizes)
    monkeypatch.setitem(curriculum_masks.STREAMS, setting, small)
    found = curriculum_masks.run(row, setting, 3)
    assert found["classes"] == 6 and len(found["stages"]) == 2
    assert {"retained_accuracy", "forgetting", "old"} <= set(found)
    assert ("sparsity_total" in found) == (row == "la_maml")


@pytest.mark.parametrize("row", ["sparse_c_maml", *osaka.RELEASED])
def test_osaka(row):
    found = osaka.run(row, "stay_90", 3)
    assert 0 <= found["online_accuracy"] <= 1 and "forgetting" in found


def test_cells_name_what_decides_them():
    assert osaka.config("maml", "steps_10000") is None
    for setting, changes in osaka.SETTINGS.items():
        found = osaka.config("c_maml", setting)["run"]
        assert all(found[name] == value for name, value in changes.items())
    for row, learner, steps, modulation in (
        ("sparse_relu_c_maml_prolonged", "sparse_relu_c_maml", 8, None),
        ("c_maml_prolonged", "c_maml", 16, 1.0),
    ):
        released = osaka.config(row, "stay_90")["learner"]
        assert released["prolonged"] and released["learner"] == learner and released["width"] == 4
        assert (released["inner_steps"], released["modulation"]) == (steps, modulation)
    assert la_maml.config("la_maml", "default")["learner"]["mask_learning_rate"] == 0.3
    same, masked = (
        la_maml.config(row, "permutations")["learner"]
        for row in (la_maml.SAME_STEPS, "sparse_la_maml")
    )
    assert same["inner_lr"] == same["learning_rate"] == masked["inner_lr"]
