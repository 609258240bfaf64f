"""What the results about islands, mazes and barcodes count, and that their rows are comparable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.agents import OraclePlayer, make_vector_env, play_agent
from driftwise.agents.bandits import PlayRecord
from driftwise.agents.training import make_agent
from driftwise.benchmarks import barcode_recall, island_transport, maze
from driftwise.benchmarks.agent_cells import num_parameters
from driftwise.benchmarks.maze_belief import BeliefPlayer
from driftwise.benchmarks.maze_search import SearchPlayer
from driftwise.evaluation import build_result, write_result
from driftwise.scripts.results import draw_figures


@pytest.mark.parametrize("benchmark", [island_transport, maze, barcode_recall])
def test_agents_are_of_equal_size(benchmark):
    agents = ("sparse", "dense", "gru", "lstm", "none")
    sizes = {
        row: num_parameters(make_agent(benchmark.agent(row, "default")))["parameters"]
        for row in agents
    }
    assert list(sizes.values()) == pytest.approx([sizes["sparse"]] * 5, rel=0.03), sizes
    assert {*agents, "random", "oracle"} <= set(benchmark.RESULT.rows)


def test_islands_are_tested_on_every_graph_of_the_other_split():
    oracle = island_transport.run("oracle", "default", 0)
    assert oracle["test_reward"] == pytest.approx(165.8, abs=1.0)
    assert oracle["train_reward"] == pytest.approx(166.5, abs=1.0)
    assert oracle["dynamic_regret"] == 0
    assert "parameters" not in oracle


def test_search_earns_the_published_anchor():
    env = make_vector_env("driftwise/StationaryMaze-v0", 400)
    reward = play_agent(SearchPlayer(), env, seed=7).reward.sum(axis=1)
    error = reward.std() / 20
    assert abs(reward.mean() - 479) < 4 * error < 20


def test_search_finds_a_goal_that_has_moved():
    env = make_vector_env("driftwise/ShiftingMaze-v0", 100)
    search, oracle = (play_agent(p, env, seed=7) for p in (SearchPlayer(), OraclePlayer()))
    assert 20 < maze.recovery_steps(search) < 32
    assert 3 < maze.recovery_steps(oracle) < 7
    assert (search.reward.sum(axis=1) > 0).all()


class Audited(BeliefPlayer):
    """Notes how much it believes of the truth, and how much it would expect to."""

    def begin(self, env, seed):
        super().begin(env, seed)
        self.env = env.unwrapped
        self.number = np.cumsum(~self.env.settings.grid.pillars(1)[0]) - 1  # of a free cell
        self.gaps = []

    def act(self, obs):
        actions = super().act(obs)
        rows, belief = np.arange(len(actions)), self.belief.sum(axis=1)
        world = self.env._world
        goal, cell = self.number[world.now().goal], self.number[world.position]
        assert (belief[rows, goal, cell] > 0).all()
        for part, truth in ((belief.sum(axis=2), goal), (belief.sum(axis=1), cell)):
            self.gaps.append(part[rows, truth] - np.square(part).sum(axis=1))
        return actions


@pytest.mark.parametrize(
    ("env", "kwargs"),
    [
        ("driftwise/StationaryMaze-v0", {}),
        ("driftwise/ShiftingMaze-v0", {}),
        ("driftwise/ShiftingMaze-v0", {"random_start": True, "size": 7}),
        ("driftwise/ShiftingMaze-v0", {"schedule": "Periodic(period=30, jitter=29, phase=10)"}),
    ],
)
def test_beliefs_are_calibrated(env, kwargs):
    # What is drawn from an exact posterior is believed with probability sum p^2, on average.
    player = Audited()
    play_agent(player, make_vector_env(env, 400, **kwargs), seed=7)
    for gaps in (np.mean(player.gaps[::2], axis=0), np.mean(player.gaps[1::2], axis=0)):
        error = gaps.std() / 20
        assert error < 0.005
        # Where nothing changes, all that is possible is equally likely, and the gap is none.
        assert abs(gaps.mean()) < 4 * error + 1e-12


def test_belief_wants_to_know_when_the_goal_may_move():
    env = make_vector_env("driftwise/ShiftingMaze-v0", 2, schedule="Hazard(0.1)")
    with pytest.raises(ValueError, match="schedule must be Never or Periodic"):
        play_agent(BeliefPlayer(), env)


@pytest.mark.parametrize("player", [SearchPlayer, BeliefPlayer])
@pytest.mark.parametrize(
    ("env", "kwargs"),
    [
        ("driftwise/TwoStep-v0", {}),
        ("driftwise/ShiftingMaze-v0", {"layout": "corridors"}),
        ("driftwise/ShiftingMaze-v0", {"drift": "PermuteActions()"}),
    ],
)
def test_players_with_the_plan_refuse_other_worlds(player, env, kwargs):
    with pytest.raises(ValueError, match="env must be a maze of pillars"):
        play_agent(player(), make_vector_env(env, 2, **kwargs))


def test_recovery_steps_of_a_small_record():
    reward, changed = np.zeros((2, 120)), np.zeros((2, 120), dtype=bool)
    changed[0, [10, 60, 100]] = True  # the last is followed by fewer than 50 steps
    reward[0, [9, 10, 75, 80, 101]] = 10  # after 1 and 16 steps
    changed[1, 30] = True
    reward[1, [29, 80]] = 10  # not within 50
    record = PlayRecord(np.zeros_like(reward), reward, changed, np.zeros((2, 120), dtype=int))
    assert maze.recovery_steps(record) == pytest.approx((1 + 16 + 50) / 3)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_visits_are_those_of_a_dictionary(data):
    num_visits = data.draw(st.integers(1, 12))
    pulls, size = barcode_recall.PULLS, (2, num_visits)
    codes = np.array(data.draw(st.lists(st.integers(0, 4), min_size=2 * num_visits, max_size=24)))
    context = np.repeat(codes[: 2 * num_visits].reshape(size), pulls, axis=1)
    good = np.random.default_rng(data.draw(st.integers(0, 99))).random(context.shape) < 0.5
    played = barcode_recall.visits(context, good)
    for row in range(2):
        latest: dict[int, int] = {}
        for visit in range(num_visits):
            start = visit * pulls
            before = latest.get(int(context[row, start]))
            latest[int(context[row, start])] = visit
            assert played.first[row, visit] == good[row, start]
            assert played.lag[row, visit] == (0 if before is None else visit - before)
            left = before is not None and good[row, before * pulls + pulls - 1]
            assert played.left[row, visit] == left


def test_recall_counts_returns_only():
    lag = np.array([[0, 0, 2, 9, 20]])
    first = np.array([[True, True, True, False, True]])
    left = np.array([[False, False, True, False, True]])
    assert barcode_recall.measure(barcode_recall.Visits(lag, first, left)) == pytest.approx(
        {
            "recall": 2 / 3,
            "recall_long": 1 / 2,
            "retention_long": 1.0,
            "recall_2_3": 1.0,
            "recall_8_15": 0.0,
            "recall_16_39": 1.0,
        }
    )


def test_barcodes_are_played_in_visits():
    played, regret = barcode_recall.play_visits(
        OraclePlayer(), barcode_recall.agent("sparse", "contexts_4"), num_worlds=1000
    )
    assert played.first.all() and regret == 0
    assert played.lag.shape == (1000, 40)
    assert set(np.unique(played.lag)) >= {0, 2, 3} and not (played.lag == 1).any()


def test_figures_of_recall(tmp_path):
    (tmp_path / "docs" / "images").mkdir(parents=True)
    metrics = {"recall_long": 0.5, **{f"recall_{name}": 0.4 for name in barcode_recall.LAGS}}
    cells = [
        {"row": row, "setting": setting, "seed": 0, "metrics": metrics}
        | {"date": "", "machine": {}, "versions": {}}
        for row in ("sparse", "gru", "random")
        for setting in barcode_recall.SETTINGS
    ]
    (tmp_path / "results").mkdir()
    about = {"name": "barcode_recall", "command": "none", "protocol": "none"}
    write_result(build_result(cells, **about), tmp_path / "results")
    draw_figures(tmp_path)
    drawn = sorted(path.name for path in (tmp_path / "docs" / "images").iterdir())
    assert drawn == ["barcode_recall.png", "barcode_recall_by_lag.png"]
