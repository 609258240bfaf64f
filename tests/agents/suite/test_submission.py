"""Submissions: written world by world, checked, compared, and hard to get wrong."""

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from stable_baselines3 import PPO

from driftwise.agents import (
    ModelPlayer,
    OraclePlayer,
    Player,
    PolicyPlayer,
    RandomPlayer,
    SB3VecEnv,
)
from driftwise.agents.suite import (
    NUM_EPISODES,
    WORLDS,
    check_submission,
    compare_submissions,
    load_submission,
    memory_entrant,
    named_entrant,
    random_entrant,
    run_suite,
    score_difference,
    suite_config,
    trained_entrant,
    training,
)
from driftwise.agents.suite.score import references
from driftwise.agents.suite.submission import (
    suite_identity,
    suite_score,
    world_entry,
    write_submission,
)

TWO = ["barcode-bandit", "two-step"]


def made_up(score: float, agent: str = "made up") -> dict:
    """A submission with these scores in all worlds, but for some noise."""
    rng = np.random.default_rng(0)
    worlds = {}
    for name, (random, oracle) in references().items():
        scores = score + rng.uniform(-0.35, 0.35, size=NUM_EPISODES)
        worlds[name] = world_entry(
            WORLDS[name], random + (oracle - random) * scores, 42, WORLDS[name].train_steps
        )
    about = {"settings": {}, "command": None, "date": "2026-11-20", "versions": {}, "machine": {}}
    return {
        **suite_identity(),
        "agent": agent,
        **about,
        "score": suite_score(worlds),
        "worlds": worlds,
    }


@pytest.fixture(scope="module")
def whole() -> dict:
    return made_up(0.5)


def test_a_file_says_what_was_written(whole: dict, tmp_path: Path) -> None:
    write_submission(tmp_path / "one.json", whole)
    assert load_submission(tmp_path / "one.json") == whole
    assert whole["score"]["value"] == pytest.approx(0.5, abs=0.01)
    for entry in whole["worlds"].values():
        assert entry["score"] == pytest.approx(0.5, abs=0.03)
        assert entry["score_low"] < entry["score"] < entry["score_high"]
        assert entry["within_budget"] is True


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["version"], 2, "version must be 1, got 2"),
        (["definition"], "0", "definition must be"),
        (["agent"], 3, "agent must be a name, got 3"),
        (["worlds"], {}, "a world or more"),
        (["worlds", "elephant"], {}, "worlds must be among"),
        (["score"], None, "score must be"),
        (["score", "value"], 0.9, "'value' of score must be"),
        (["score", "high"], 0.9, "'high' of score must be"),
        (["worlds", "two-step", "score"], 0.9, "'score' of two-step must be"),
        (["worlds", "two-step", "value"], "0.9", "'value' of two-step must be"),
        (["worlds", "two-step", "returns"], [1.0], "returns of two-step must be 1000 finite"),
        (["worlds", "two-step", "returns", 7], 99.0, "'score' of two-step must be"),
        (["worlds", "two-step", "returns", 7], 1e6, "returns of two-step must be from 0 to 100,"),
        (["worlds", "shifting-lake", "returns", 7], -0.5, "shifting-lake must be from 0 to 1,"),
        (["worlds", "two-step", "returns", 7], None, "returns of two-step must be"),
        (["worlds", "two-step", "num_timesteps"], -1, "num_timesteps of two-step must be a whole"),
        (["worlds", "two-step", "num_timesteps"], 10**9, "'within_budget' of two-step must be"),
        (["worlds", "two-step", "within_budget"], 1, "'within_budget' of two-step must be True"),
        (["worlds", "two-step", "medal"], "gold", "two-step must have nothing but .* got 'medal'"),
        (["worlds", "two-step"], 3, "two-step must be an object with returns, got 3"),
        (["version"], True, "version must be 1, got True"),
        (["score", "median"], 0.5, "score must have nothing but value, low, high, got 'median'"),
        (["medal"], "gold", "a submission must have nothing but .*, got 'medal'"),
        (["settings"], 3, "settings must be an object, got 3"),
        (["versions"], None, "versions must be an object, got None"),
        (["versions"], {"numpy": 2}, "versions must be texts, got 2 for numpy"),
        (["machine"], None, "machine must be an object, got None"),
        (["command"], 5, "command must be a command line or null, got 5"),
        (["date"], 5, "date must be a day as YYYY-MM-DD, got 5"),
        (["date"], "20261120", "date must be a day as YYYY-MM-DD, got '20261120'"),
    ],
)
def test_what_is_wrong_is_found(whole: dict, place: list, value: object, message: str) -> None:
    changed = copy.deepcopy(whole)
    part = changed
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(ValueError, match=message):
        check_submission(changed)


@pytest.mark.parametrize("key", ["num_parameters", "within_budget", "low"])
def test_what_is_missing_in_a_world_is_found(whole: dict, key: str) -> None:
    changed = copy.deepcopy(whole)
    del changed["worlds"]["two-step"][key]
    with pytest.raises(ValueError, match=f"two-step must have '{key}'"):
        check_submission(changed)


def test_nobody_earns_far_more_than_the_oracle() -> None:
    """Each of the returns could be: a goal of the maze pays ten."""
    whole = made_up(0.5)
    name, world = "shifting-maze", WORLDS["shifting-maze"]
    whole["worlds"][name] = world_entry(world, np.full(NUM_EPISODES, 1000.0), 42, 0)
    whole["score"] = suite_score(whole["worlds"])
    with pytest.raises(
        ValueError, match=r"'score' of shifting-maze must be at most 1.25, got 1.98"
    ):
        check_submission(whole)


def test_files_that_are_no_submissions(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text("[]")
    (tmp_path / "c.json").write_text('{"suite": "driftwise-8"}')
    for name, message in (
        ("a", "must be the JSON of a submission"),
        ("b", "b.json: a submission must be an object"),
        ("c", "c.json: a submission must have 'version'"),
    ):
        with pytest.raises(ValueError, match=message):
            load_submission(tmp_path / f"{name}.json")


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "random.json"
    asked = []

    def enter(world, make_env):
        asked.append(world)
        with pytest.raises(RuntimeError, match=r"random.json is already in use"):
            run_suite(random_entrant, path, agent="random", worlds=TWO, progress=False)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return RandomPlayer()

    with pytest.raises(KeyboardInterrupt):
        run_suite(enter, path, agent="random", worlds=TWO, progress=False)
    assert list(load_submission(path)["worlds"]) == TWO[:1]
    done = run_suite(enter, path, agent="random", worlds=TWO, progress=False)
    assert asked == [TWO[0], TWO[1], TWO[1]]
    assert done == load_submission(path)
    assert list(path.parent.iterdir()) == [path]  # no lock is left behind
    assert done["score"] is None
    straight = run_suite(
        random_entrant, tmp_path / "b.json", agent="random", worlds=TWO, progress=False
    )
    assert straight["worlds"] == done["worlds"]
    with pytest.raises(ValueError, match="holds another entry, choose another file: agent must be"):
        run_suite(random_entrant, path, agent="somebody", worlds=TWO, progress=False)
    with pytest.raises(ValueError, match="agent must be a name, got ''"):
        run_suite(random_entrant, path, agent="", worlds=TWO, progress=False)
    with pytest.raises(ValueError, match="settings must be"):
        run_suite(random_entrant, path, agent="random", deterministic=True, progress=False)


def test_all_commands_are_on_record(tmp_path: Path) -> None:
    """What has made a submission, and nothing of a run that has found nothing to do."""
    path = tmp_path / "random.json"
    for worlds, command, expected in (
        (["two-step"], None, None),
        (["standard-bandit"], "suite --worlds two", "suite --worlds two"),
        (["standard-bandit"], "suite nothing new", "suite --worlds two"),
        (["barcode-bandit"], "suite", "suite --worlds two && suite"),
        (["shifting-maze"], "suite", "suite --worlds two && suite"),
        (["island-transport"], None, "suite --worlds two && suite"),
    ):
        submission = run_suite(
            random_entrant, path, agent="random", worlds=worlds, command=command, progress=False
        )
        assert submission["command"] == load_submission(path)["command"] == expected


def test_anybody_enters(tmp_path: Path) -> None:
    """A model of stable-baselines3, a function, and a player of one's own."""

    class Stubborn(Player):
        num_parameters, num_timesteps = np.int64(0), 10**9

        def act(self, obs):
            return np.zeros(len(obs), dtype=int)

    def enter(world, make_env):
        if world == "two-step":
            env = SB3VecEnv(make_env(4))
            return PPO("MlpPolicy", env, n_steps=16, batch_size=32, n_epochs=1).learn(64)
        if world == "barcode-bandit":
            return lambda obs: obs[:, :10].argmax(axis=1)  # what was pulled before
        assert make_env().num_envs == 16
        return Stubborn()

    worlds = [*TWO, "standard-bandit"]
    path = tmp_path / "mixed.json"
    found = run_suite(enter, path, agent="mixed", worlds=worlds, progress=False)["worlds"]
    assert found["two-step"]["num_timesteps"] == 64
    assert found["two-step"]["num_parameters"] > 1000
    assert found["two-step"]["within_budget"] is True
    assert found["barcode-bandit"]["within_budget"] is None
    assert found["standard-bandit"]["within_budget"] is False
    for entry in found.values():  # one arm for ever is no better than any
        assert abs(entry["score"]) < 0.05
    table = compare_submissions([load_submission(path)])
    marks = {line.split()[0]: line[-1] for line in table.splitlines()}
    assert (marks["standard-bandit"], marks["barcode-bandit"], marks["two-step"]) == ("*", "?", "]")
    assert table.endswith(
        "* trained for more steps than the budget\n"
        "? trained for an unknown number of steps, if at all"
    )


def test_who_was_not_trained_can_say_so(tmp_path: Path) -> None:
    def last_arm(obs):
        return np.full(len(obs), 4)

    last_arm.num_timesteps = 0
    env = SB3VecEnv(WORLDS["standard-bandit"].make_env(1))
    untrained = PPO("MlpPolicy", env)  # may have been given the weights of one that was
    for number, (player, steps) in enumerate(
        (
            (RandomPlayer(), 0),
            (PolicyPlayer("discounted_ucb"), 0),
            (OraclePlayer(), 0),
            (last_arm, 0),
            (lambda obs: last_arm(obs), None),
            (untrained, None),
            (ModelPlayer(untrained), None),
        )
    ):
        path = tmp_path / f"{number}.json"
        submission = run_suite(
            lambda world, make_env, player=player: player,
            path,
            agent="x",
            worlds=["standard-bandit"],
            progress=False,
        )
        assert submission["worlds"]["standard-bandit"]["num_timesteps"] == steps
        assert ("?" in compare_submissions([submission])) is (steps is None)


@pytest.mark.parametrize("count", ["many", -1, 0.5, float("nan")])
def test_numbers_that_are_none(tmp_path: Path, count: object) -> None:
    def act(obs):
        raise AssertionError("nothing is played")

    act.num_timesteps = count
    with pytest.raises(ValueError, match="num_timesteps of a player must be a whole number or No"):
        run_suite(lambda world, make_env: act, tmp_path / "a.json", agent="a", progress=False)


def test_memories_are_trained_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(world, memory="sparse", seed=0):
        return dataclasses.replace(
            suite_config(world, memory, seed),
            **{"num_envs": 4, "n_steps": 10, "total_timesteps": 40, "width": 8},
        )

    monkeypatch.setattr(training, "suite_config", small)
    enter = memory_entrant("gru", 3, runs=tmp_path, progress=False)
    path = tmp_path / "gru.json"
    first = run_suite(enter, path, agent="gru", worlds=["two-step"], progress=False)
    assert first["worlds"]["two-step"]["num_timesteps"] == 40
    (folder,) = (tmp_path / "driftwise-8").iterdir()
    assert (folder / "gru-3" / "agent").is_dir()
    # The trained agent plays the same from its folder.
    again = run_suite(
        trained_entrant({"two-step": str(folder / "gru-3")}),
        tmp_path / "folder.json",
        agent="gru",
        worlds=["two-step"],
        progress=False,
    )
    assert again["worlds"] == first["worlds"]


def test_entrants_that_there_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_entrant_module.py").write_text("NUMBER = 1\n")
    for name, message in (
        ("elephant", "player must be random, oracle or module:function, got 'elephant'"),
        ("elephants:play", "player must be module:function.*No module named 'elephants'"),
        ("my_entrant_module:play", "player must be module:function.*no attribute 'play'"),
        ("my_entrant_module:NUMBER", "player must be module:function.* enter must be .*, got 1"),
        ("os:getcwd", "enter must be a function that is called with a world's name .*, got <built"),
    ):
        with pytest.raises(ValueError, match=message):
            named_entrant(name)
    model = PPO("MlpPolicy", SB3VecEnv(WORLDS["two-step"].make_env(1)))
    for enter in (model, RandomPlayer(), lambda obs: obs, None):
        with pytest.raises(TypeError, match="enter must be a function that is called with a world"):
            run_suite(enter, tmp_path / "c.json", agent="x")
    with pytest.raises(ValueError, match=r"player must be a Player, a model .* got None"):
        run_suite(lambda world, make_env: None, tmp_path / "c.json", agent="x", progress=False)
    for folder in (".", "/", tmp_path):
        with pytest.raises(ValueError, match="path of the submission must be that of a file, got"):
            run_suite(random_entrant, folder, agent="x")
    with pytest.raises(ValueError, match=r"worlds must be one or more of .*, got none"):
        run_suite(random_entrant, tmp_path / "c.json", agent="x", worlds=[])
    with pytest.raises(TypeError, match="worlds must be a list of names, got 'two-step'"):
        run_suite(random_entrant, tmp_path / "c.json", agent="random", worlds="two-step")
    with pytest.raises(ValueError, match="worlds must be among"):
        trained_entrant({"elephant": "standard-bandit-sparse"})
    with pytest.raises(ValueError, match="memory must be one of"):
        memory_entrant("elephant")
    with pytest.raises(ValueError, match="seed must be"):
        memory_entrant("gru", -1)


def test_a_score_has_the_worst_mark_of_its_worlds(whole: dict) -> None:
    marked = copy.deepcopy(whole)
    marks = []
    for name, steps in (("two-step", None), ("shifting-lake", 10**9)):
        marked["worlds"][name] = world_entry(
            WORLDS[name], marked["worlds"][name]["returns"], None, steps
        )
        check_submission(marked)
        lines = compare_submissions([whole, marked]).splitlines()
        (line,) = (line for line in lines if line.startswith("score"))
        marks.append(line[-1])
    assert marks == ["?", "*"]
    assert lines[-3][0] == "*" and lines[-2][0] == "?"


def test_two_submissions_side_by_side(whole: dict, tmp_path: Path) -> None:
    better = made_up(0.6, "better")
    # Of the same noise, so that it cancels.
    value, low, high, _ = score_difference(better, whole)
    assert value == pytest.approx(0.1) and high - low < 1e-9
    table = compare_submissions([whole, better]).splitlines()
    assert len(table) == 1 + 8 + 1 + 1
    assert not any(mark in "".join(table) for mark in "*?")
    assert table[0].split() == ["made", "up", "better"]
    assert table[-1].startswith("made up - better: -0.100 [-0.100, -0.100]")
    partial = copy.deepcopy(whole)
    del partial["worlds"]["two-step"]
    partial["score"] = None
    check_submission(json.loads(json.dumps(partial)))
    assert "\ntwo-step " in compare_submissions([partial])
    assert compare_submissions([partial]).splitlines()[-1].split() == ["score", "-"]
