"""The definitions of the results: whole, comparable, and true to what they say."""

import importlib

import pytest

from driftwise.agents.bandits import POLICIES
from driftwise.agents.training import make_agent
from driftwise.benchmarks import recurring_bandit, smn_ablation, standard_bandit
from driftwise.evaluation import build_result, write_result
from driftwise.scripts.results import RESULTS, draw_figures
from driftwise.tracking import Result


@pytest.mark.parametrize("name", RESULTS)
def test_every_cell_has_a_configuration(name):
    result = importlib.import_module(f"driftwise.benchmarks.{name}").RESULT
    assert isinstance(result, Result)
    assert result.name == name
    cells = result.cells(seeds=[0])
    assert cells
    assert len({result.config_hash(cell.row, cell.setting) for cell in cells}) == len(cells)


def test_agents_of_the_standard_bandit_are_of_equal_size():
    for row in standard_bandit.AGENTS:
        model = make_agent(standard_bandit.agent(row))
        size = sum(p.numel() for p in model.policy.parameters())
        assert size == pytest.approx(44_000, rel=0.01), row


def test_classic_policies_exist():
    assert set(standard_bandit.POLICIES) <= POLICIES.keys()


def test_dense_touches_as_many_fast_weights_as_sparse():
    policies = {
        row: make_agent(recurring_bandit._agent(row, "default")).policy
        for row in ("sparse", "dense", "dense_wide", "dense_large", "gru", "lstm", "none")
    }
    sparse, dense, large = (
        policies[row].memory.layers[0] for row in ("sparse", "dense", "dense_large")
    )
    assert sparse.top_k * sparse.key_size == dense.key_size
    assert sparse.initial.numel() == large.initial.numel()
    assert not (sparse.decay or dense.decay or large.decay)
    sizes = {row: sum(p.numel() for p in policy.parameters()) for row, policy in policies.items()}
    for row in ("dense_wide", "gru", "lstm", "none"):
        assert sizes[row] == pytest.approx(sizes["sparse"], rel=0.01), row


def test_every_ablation_can_be_built():
    for row in smn_ablation.ROWS:
        make_agent(smn_ablation._agent(row))


def test_figures_are_drawn_from_results(tmp_path):
    """Of those results that are there, in the middle of the work."""
    (tmp_path / "docs" / "images").mkdir(parents=True)
    measured = {"metrics": {"dynamic_regret": 0.1}, "date": "", "machine": {}, "versions": {}}
    cells = [
        {"row": row, "setting": setting, "seed": 0, **measured}
        for row in ("sparse", "gru", "recall_bayes")
        for setting in ("default", "contexts_4", "arms_20")
    ]
    about = {"name": "recurring_bandit", "command": "none", "protocol": "none"}
    (tmp_path / "results").mkdir()
    write_result(build_result(cells, **about), tmp_path / "results")
    draw_figures(tmp_path)
    (drawn,) = (tmp_path / "docs" / "images").iterdir()
    assert drawn.name == "recurring_bandit.png" and drawn.stat().st_size > 10_000
