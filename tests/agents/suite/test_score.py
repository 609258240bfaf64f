"""The score, and the references that it is measured by."""

import json

import numpy as np
import pytest

from driftwise.agents import OraclePlayer, RandomPlayer, episode_returns
from driftwise.agents.suite import FIRST_SEED, SUITE, VERSION, WORLDS
from driftwise.agents.suite.score import (
    REFERENCES,
    normalised,
    references,
    return_interval,
    suite_interval,
    suite_scores,
)

# Expected returns that can be worked out: arms of mean 1/2, the best of five uniform ones 5/6; one
# arm of 0.9 and nine of 0.1; a state of 0.9 and one of 0.1, the better reached with chance 0.8.
EXPECTED = {
    ("standard-bandit", "random"): 200 / 2,
    ("standard-bandit", "oracle"): 200 * 5 / 6,
    ("barcode-bandit", "random"): 200 * (0.9 + 9 * 0.1) / 10,
    ("barcode-bandit", "oracle"): 200 * 0.9,
    ("two-step", "random"): 100 / 2,
    ("two-step", "oracle"): 100 * (0.8 * 0.9 + 0.2 * 0.1),
    ("drifting-cartpole", "oracle"): 500,
    ("shifting-lake", "oracle"): 1,
}


@pytest.fixture(scope="module")
def record() -> dict:
    return json.loads(REFERENCES.read_text())


def test_references_are_those_of_this_version(record: dict) -> None:
    assert (record["suite"], record["version"]) == (SUITE, VERSION)
    assert list(record["worlds"]) == list(WORLDS)


@pytest.mark.parametrize(("world", "player"), EXPECTED)
def test_references_are_what_they_should_be(record: dict, world: str, player: str) -> None:
    entry, expected = record["worlds"][world][player], EXPECTED[world, player]
    error = 0.0 if entry.get("exact") else (entry["high"] - entry["low"]) / 3.92
    assert entry["value"] == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize("name", WORLDS)
def test_references_can_be_measured_again(record: dict, name: str) -> None:
    entry = record["worlds"][name]
    players = {"random": RandomPlayer()}
    if not entry["oracle"].get("exact"):  # else played in test_control
        players["oracle"] = OraclePlayer()
    env = WORLDS[name].make_held_out_env(80)
    for key, player in players.items():
        returns = episode_returns(player, env, seed=FIRST_SEED + 123)
        error = max(returns.std(), 0.05) / np.sqrt(len(returns))
        assert returns.mean() == pytest.approx(entry[key]["value"], abs=4.5 * error)


def test_scores_go_from_random_to_oracle_and_are_not_clipped() -> None:
    for name, world in WORLDS.items():
        random, oracle = references()[name]
        ends = [random, oracle, 2 * oracle - random, 2 * random - oracle]
        assert normalised(world, ends) == pytest.approx([0, 1, 2, -1])


def test_the_score_is_the_mean_over_worlds() -> None:
    rng = np.random.default_rng(0)
    returns = {
        name: random + (oracle - random) * (0.1 * i + rng.normal(size=400))
        for i, (name, (random, oracle)) in enumerate(references().items())
    }
    scores = suite_scores(returns)
    assert scores.shape == (400, 8)
    value, low, high, n = suite_interval(scores)
    assert (value, n) == (pytest.approx(scores.mean()), 400)
    # Standard error of a mean over 8 x 400 independent episodes with a deviation of 1 each.
    assert (high - low) / 2 == pytest.approx(1.96 / np.sqrt(8 * 400), rel=0.1)
    one = return_interval(scores[:, 3])
    assert one.value == scores[:, 3].mean()
    assert one.low < one.value < one.high
