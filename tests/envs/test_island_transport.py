"""The island transport as it is played: plain Python, exact expectations, bad input, pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from driftwise.envs import IslandTransport, IslandTransportVector, check_vector_env
from driftwise.envs.island_graphs import draw_graphs

KINDS: list[dict[str, Any]] = [
    {},
    {"schedule": "Hazard(0.2)", "observe_reward": True, "restart_timer": True},
    {"schedule": "Periodic(7, jitter=3)", "num_islands": 4, "num_transports": 3, "patience": 1},
    {"schedule": "Reactive(2)", "time_scale": None, "penalty": 0, "reward": 1},
]


@pytest.mark.parametrize("arguments", KINDS, ids=str)
def test_steps(arguments: dict[str, Any]) -> None:
    env, rng = IslandTransport(max_episode_steps=None, **arguments), np.random.default_rng(3)
    settings = env.settings
    islands, transports = settings.num_islands, settings.num_transports
    observation, info = env.reset(seed=8)
    timer, seen = 0, {"reached": 0, "expired": 0, "refused": 0, "changes": 0, "in a row": 0}
    assert observation[2 * islands :][: transports + 2].tolist() == [0.0] * transports + [1, 0]
    for step in range(600):
        optimal = env.optimal_action()
        action = optimal if rng.random() < 0.5 else int(rng.integers(transports))
        destination = int(observation[:islands].argmax())
        place = int(observation[islands : 2 * islands].argmax())
        assert observation[: 2 * islands].sum() == 2.0 and place != destination
        state, before = env.get_state(), info["context"]
        row = int(state["clock"]) % 31
        observation, reward, _, _, info = env.step(action)
        graph = info["context"]
        assert graph == state["trace_context"][row, 0]
        assert info["changed"] == state["trace_changed"][row, 0]
        assert graph == before or info["changed"]
        links, steps, _ = (part[graph].tolist() for part in settings.graphs)

        to = links[place][action]
        refused = to < 0
        to = place if refused else to
        reached = to == destination
        expected = settings.reward if reached else -settings.penalty if refused else 0.0
        assert reward == expected and info["optimal_action"] == optimal
        assert info["regret"] == 1 + steps[to][destination] - steps[place][destination]
        assert info["regret"] == 0 or action != optimal

        timer = (0 if settings.restart_timer else timer) if reached else timer + 1
        assert settings.patience is not None
        expired = timer > settings.patience
        timer = 0 if expired else timer
        after = observation[: 2 * islands]
        if reached or expired:
            assert after[destination] == 0.0
        else:
            assert after[destination] == after[islands + to] == 1.0
        last = observation[2 * islands :]
        told = np.zeros(transports) if expired else np.eye(transports)[action]
        assert last[:transports].tolist() == told.tolist() and last[transports] == 1.0
        shown = reward if settings.observe_reward else 0.0
        assert last[transports + 1] == np.float32(shown)
        if settings.time_scale:
            assert last[transports + 2] == np.float32(min((step + 1) / 30, 1.0))
        seen["reached"] += reached
        seen["refused"] += refused
        seen["expired"] += expired
        seen["changes"] += info["changed"]
    assert min(seen["reached"], seen["expired"], seen["refused"]) > 10
    assert bool(seen["changes"]) == ("schedule" in arguments)


def landing(destination: int) -> np.ndarray:
    """Law of (destination, place) after a success or a time-out."""
    law = np.zeros((5, 5))
    for new in {*range(5)} - {destination}:
        law[new] = (np.arange(5) != new) / 16
    return law


def exact_reward(graph: int, restart_timer: bool, oracle: bool) -> float:
    """Expected reward of an episode on a train graph, by following the law of its states."""
    links, steps, _ = (part[graph].tolist() for part in draw_graphs("train", 5, 3, 600))
    law, total = np.zeros((5, 5, 6)), 0.0
    law[..., 0] = (1 - np.eye(5)) / 20
    for _ in range(30):
        after = np.zeros_like(law)
        for destination, place, timer in np.argwhere(law > 0).tolist():
            probability = law[destination, place, timer]
            ways = [(to if to >= 0 else place, to < 0) for to in links[place]]
            if oracle:
                ways = [min(ways, key=lambda way: steps[way[0]][destination])]
            for to, refused in ways:
                weight = probability / len(ways)
                total -= 0.05 * refused * weight
                if to == destination:
                    total += 10.0 * weight
                    after[..., 0 if restart_timer else timer] += weight * landing(destination)
                elif timer == 5:
                    after[..., 0] += weight * landing(destination)
                else:
                    after[destination, to, timer + 1] += weight
        law = after
    return total


@pytest.mark.parametrize("restart_timer", [False, True])
def test_expected_rewards(restart_timer: bool) -> None:
    envs = IslandTransportVector(4000, restart_timer=restart_timer)
    rng, graphs = np.random.default_rng(0), np.arange(4000) % 8
    for oracle in (False, True):
        envs.reset(seed=0, options={"graph": graphs})
        rewards = np.zeros(4000)
        for _ in range(30):
            actions = envs.optimal_actions() if oracle else rng.integers(3, size=4000)
            rewards += envs.step(actions)[1]
        for graph in range(8):
            own = rewards[graphs == graph]
            error = own.std(ddof=1) / np.sqrt(len(own))
            expected = exact_reward(graph, restart_timer, oracle)
            assert own.mean() == pytest.approx(expected, abs=4 * error)


def test_the_random_policy_earns_what_untrained_agents_do_in_the_published_logs() -> None:
    """Those are at 44.1 to 45.9 on train and on test graphs."""
    for split in ("train", "test"):
        envs = IslandTransportVector(6000, split=split)
        rng, rewards = np.random.default_rng(1), np.zeros(6000)
        envs.reset(seed=0, options={"graph": np.arange(6000) % 600})
        for _ in range(30):
            rewards += envs.step(rng.integers(3, size=6000))[1]
        assert 44.0 < rewards.mean() < 46.0


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("arguments", KINDS, ids=str)
def test_parity(arguments: dict[str, Any], mode: str) -> None:
    arguments = {"max_episode_steps": 47, **arguments}
    envs = IslandTransportVector(3, autoreset_mode=mode, **arguments)
    check_vector_env(envs, lambda: IslandTransport(**arguments), num_steps=150)


def test_equal_seeds_give_equal_worlds() -> None:
    """Graphs do not depend on what the agents do."""
    envs = [IslandTransport(schedule="Hazard(0.3)") for _ in range(2)]
    for env in envs:
        env.reset(seed=4)
    for step in range(30):
        infos = [env.step(action)[4] for env, action in zip(envs, (step % 3, 0), strict=True)]
        assert infos[0]["context"] == infos[1]["context"]


def test_graphs_and_changes_are_uniform() -> None:
    envs = IslandTransportVector(6000, num_graphs=3, max_episode_steps=None)
    before = envs.reset(seed=0, options={"schedule": "AtSteps((5, 40))"})[1]["context"]
    assert (np.abs(np.bincount(before) - 2000) < 4 * np.sqrt(6000 * 2 / 9)).all()
    for step in range(45):
        infos = envs.step(np.zeros(6000, dtype=int))[4]
        context = infos["context"]
        assert infos["changed"].all() == infos["changed"].any() == (step in (5, 40))
        if step in (5, 40):
            ahead = np.bincount((context - before) % 3, minlength=3)
            assert ahead[0] == 0 and abs(ahead[1] - 3000) < 4 * np.sqrt(1500)
        else:
            assert np.array_equal(context, before)
        before = context


def test_options() -> None:
    envs = IslandTransportVector(3)
    options = {"graph": [7, 8, 9], "destination": 2, "position": [0, 1, 4], "change_times": [3]}
    observations, infos = envs.reset(seed=0, options=options)
    assert infos["context"].tolist() == [7, 8, 9]
    assert observations[:, :5].argmax(axis=1).tolist() == [2, 2, 2]
    assert observations[:, 5:10].argmax(axis=1).tolist() == [0, 1, 4]
    changed = [envs.step(np.zeros(3, int))[4]["changed"].tolist() for _ in range(5)]
    assert changed == [[step == 3] * 3 for step in range(5)]
    for key in ("destination", "position"):  # the other is drawn, and another
        places = IslandTransportVector(300).reset(seed=1, options={key: 3})[0]
        both = places[:, :5].argmax(axis=1), places[:, 5:10].argmax(axis=1)
        assert (both[0] != both[1]).all() and len({*both[key == "destination"].tolist()}) == 4


BAD = [
    ({"split": "validation"}, ValueError, "split"),
    ({"num_graphs": 0}, ValueError, "num_graphs"),
    ({"num_graphs": 1, "schedule": "Hazard"}, ValueError, "num_graphs"),
    ({"num_islands": 2}, ValueError, "num_islands"),
    ({"num_transports": 1}, ValueError, "num_transports"),
    ({"num_transports": 2.5}, TypeError, "num_transports"),
    ({"reward": 0}, ValueError, "reward"),
    ({"penalty": -1}, ValueError, "penalty"),
    ({"patience": -1}, ValueError, "patience"),
    ({"restart_timer": 1}, TypeError, "restart_timer"),
    ({"observe_reward": None}, TypeError, "observe_reward"),
    ({"time_scale": 0}, ValueError, "time_scale"),
    ({"schedule": "AtSteps((30,))"}, ValueError, "schedule"),
    ({"schedule": "Sometimes"}, ValueError, "schedule"),
    ({"max_episode_steps": None, "terminate_on_horizon": True}, ValueError, "max_episode_steps"),
    ({"render_mode": "human"}, ValueError, "render_mode"),
    ({"islands": 4}, TypeError, "islands"),
]


@pytest.mark.parametrize(("arguments", "error", "name"), BAD, ids=str)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], name: str) -> None:
    for make in (IslandTransport, IslandTransportVector):
        with pytest.raises(error, match=name) as caught:
            make(**arguments)
        assert "\n" not in str(caught.value)


BAD_OPTIONS = [
    ({"graph": 600}, ValueError, "graph"),
    ({"graph": [1, 2, 3]}, ValueError, "graph"),
    ({"graph": 0.5}, TypeError, "graph"),
    ({"destination": 5}, ValueError, "destination"),
    ({"position": -1}, ValueError, "position"),
    ({"position": 1, "destination": 1}, ValueError, "position"),
    ({"change_times": [30]}, ValueError, "change_times"),
    ({"schedule": "AtSteps((31,))"}, ValueError, "schedule"),
    ({"drift": "MoveGoal"}, ValueError, "drift"),
]


@pytest.mark.parametrize(("options", "error", "name"), BAD_OPTIONS, ids=str)
def test_bad_options(options: dict[str, Any], error: type[Exception], name: str) -> None:
    env = IslandTransport()
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(error, match=name):
        env.reset(options=options)
    assert all(np.array_equal(before[key], value) for key, value in env.get_state().items())
    with pytest.raises(error, match=name):
        IslandTransportVector(2).reset(options=options)


def test_a_single_graph_cannot_change() -> None:
    env = IslandTransport(num_graphs=1)
    for options in ({"change_times": [3]}, {"schedule": "Hazard(0.5)"}):
        with pytest.raises(ValueError, match="num_graphs"):
            env.reset(options=options)


@pytest.mark.parametrize("key", ["graph", "destination", "position", "timer", "trace_context"])
def test_bad_states(key: str) -> None:
    envs = IslandTransportVector(2)
    envs.reset(seed=0)
    state = envs.get_state()
    state[key] = state[key] + 1000
    with pytest.raises(ValueError, match=key):
        envs.set_state(state)
    state = envs.get_state()
    state["position"] = state["destination"]
    with pytest.raises(ValueError, match="position"):
        envs.set_state(state)


@pytest.mark.parametrize("schedule", ["Hazard(0.2)", "Reactive(1)"])
def test_pictures(schedule: str) -> None:
    for mode in ("ansi", "rgb_array"):
        env = IslandTransport(render_mode=mode, schedule=schedule)
        envs = IslandTransportVector(1, render_mode=mode, schedule=schedule)
        env.reset(seed=3)
        envs.reset(seed=3)
        for action in (0, 1, 2, 1, 0, 2, 1):
            pictures: Any = envs.render()
            assert np.array_equal(env.render(), pictures[0])  # type: ignore[arg-type]
            env.step(action)
            envs.step(np.array([action]))


def test_text() -> None:
    env = IslandTransport(render_mode="ansi")
    env.reset(seed=0, options={"graph": 0, "destination": 2, "position": 0})
    text: Any = env.render()
    lines = text.splitlines()
    assert lines[0] == "step 0: no trip yet; graph 0, 0 steps old" and len(lines) == 6
    assert lines[1].startswith("@ ") and lines[3].startswith(" *")
    env.step(env.optimal_action())
    assert "paid" in str(env.render()) and "regret 0" in str(env.render())
