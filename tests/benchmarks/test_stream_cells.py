"""What the results about classifiers measure in a run, by hand."""

import dataclasses

import numpy as np
import pytest

from driftwise.agents.classifiers import LEARNERS, make_learner
from driftwise.benchmarks import hebbian_ablation, omniglot_curriculum
from driftwise.benchmarks.figures import FIGURES
from driftwise.benchmarks.omniglot_binding import measure_binding
from driftwise.benchmarks.stream_cells import curriculum, measure_levels
from driftwise.evaluation import build_result


def report(levels):
    """A run in which level k took 10 (k + 1) steps, and some level was cut off."""
    classes = 30 * np.arange(1, levels + 1)
    sightings = np.full(900, -1)
    sightings[: 30 * levels] = np.repeat(np.arange(levels), 30)
    return {
        "config": dataclasses.asdict(curriculum("hebbian")),
        "steps_per_level": (10 * np.arange(1, levels + 1)).tolist(),
        "sightings_to_criterion": sightings.tolist(),
        "stages": [
            {"classes": int(n), "complete": True, "new": n / 1000, "old": None if n == 30 else 0.5}
            for n in classes
        ],
        "binding": [
            {"classes": int(n), "sightings": k, "new": n / 1000 + k / 100, "old": 0.25}
            for n in classes
            for k in (1, 5, 20)
            if k < 20 or n <= 150
        ],
    }


def test_levels_that_were_not_completed_count_with_the_cap():
    found = measure_levels(report(12))
    assert found["classes"] == 360
    assert found["steps_to_300"] == sum(range(10, 101, 10))
    assert found["steps_to_all"] == sum(range(10, 121, 10)) + 18 * 500
    assert found["steps_per_level_150"] == 30 and found["steps_per_level_300"] == 80
    assert found["steps_per_level_450"] == (110 + 120 + 3 * 500) / 5
    assert found["steps_per_level_900"] == 500
    assert found["sightings_to_criterion_300"] == 7
    seen = [10, 11, *(500 * 32 / n for n in (390, 420, 450))]
    assert found["sightings_to_criterion_450"] == pytest.approx(np.mean(seen))


def test_binding_is_a_mean_over_whole_groups_of_blocks():
    found = measure_binding(report(12))
    assert found["new_after_5_150"] == pytest.approx(0.09 + 0.05)
    assert found["new_after_1_300"] == pytest.approx(0.24 + 0.01)
    assert found["old_after_20_150"] == 0.25 and "old_after_20_300" not in found
    assert found["new_300"] == pytest.approx(0.24) and found["old_150"] == 0.5
    assert not any(name.endswith("_450") for name in found), "only two of five levels"


def test_every_row_can_be_built():
    for row in omniglot_curriculum.RESULT.rows:
        assert curriculum(row).learner in LEARNERS
        make_learner(row, 30, **curriculum(row).learner_kwargs)
    for row in hebbian_ablation.ROWS:
        config = hebbian_ablation._config(row)
        learner = make_learner(config.learner, 30, **config.learner_kwargs)
        assert (
            learner.optimizer.param_groups[0]["lr"]
            == curriculum("hebbian").learner_kwargs["learning_rate"]
        )


@pytest.mark.parametrize("name", ["omniglot_curriculum", "omniglot_binding"])
def test_figures(name):
    measure = {"omniglot_curriculum": measure_levels, "omniglot_binding": measure_binding}[name]
    about = {"date": "", "machine": {}, "versions": {}, "setting": "default"}
    numbers = {k: v for k, v in measure(report(12)).items() if isinstance(v, float)}
    cells = [
        {"row": row, "seed": seed, "metrics": numbers, **about}
        for row in ("hebbian", "softmax")
        for seed in (0, 1)
    ]
    result = build_result(cells, name=name, command="none", protocol="none")
    axes = FIGURES[name][1](result).axes[0]
    assert axes.get_xlabel() == "classes" and len(axes.get_lines()) == 2
    assert axes.get_lines()[0].get_xdata()[0] == 150
