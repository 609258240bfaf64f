"""``driftwise suite`` end to end, on the quick worlds."""

import json

import pytest

from driftwise.scripts.main import main

PLAYER = """
import numpy as np

def enter(world, make_env):
    num_actions = make_env(1).single_action_space.n
    return lambda obs: np.full(len(obs), num_actions - 1)
"""


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """A function that runs ``driftwise suite``; returns its exit (None, message or 2) and output.

    With exit status 2, what it says of its usage.
    """
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            main(["suite", *arguments])
            leaving = None
        except SystemExit as exit:
            leaving = exit.code
        text = capsys.readouterr()
        return leaving, text.err if leaving == 2 else text.out

    return call


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_the_worlds_are_listed(run, arguments):
    leaving, text = run(*arguments)
    assert leaving is None
    assert text.startswith("driftwise-8, version 1; 1,000 held-out episodes")
    assert "drifting-cartpole" in text and "500.00" in text


def test_play_check_and_compare(run, tmp_path):
    two = ("--worlds", "two-step", "barcode-bandit", "--no-progress")
    leaving, text = run("--player", "oracle", *two)
    assert leaving is None
    assert "2 of 8 worlds, no score until all are played" in text
    oracle = tmp_path / "runs" / "driftwise-8" / "oracle.json"
    submission = json.loads(oracle.read_text())
    assert submission["command"].startswith("driftwise suite --player oracle --worlds two-step")
    assert submission["worlds"]["two-step"]["score"] == pytest.approx(1.0, abs=0.02)

    (tmp_path / "my_player.py").write_text(PLAYER)
    leaving, _ = run("--player", "my_player:enter", *two, "--name", "last", "--output", "last.json")
    assert leaving is None
    assert "last.json: last, 2 of 8 worlds" in run("--check", "last.json", str(oracle))[1]
    table = run("--compare", "last.json", str(oracle))[1].splitlines()
    assert table[0].split() == ["last", "oracle"]
    (tmp_path / "last.json").write_text((tmp_path / "last.json").read_text().replace("1.0", "2.0"))
    leaving, _ = run("--check", "last.json")
    assert leaving.startswith("driftwise suite: last.json: ") and "by its returns" in leaving


def test_a_shipped_agent_plays_its_world(run, tmp_path):
    leaving, _ = run("--agents", "standard-bandit=standard-bandit-sparse", "--no-progress")
    assert leaving is None
    (path,) = (tmp_path / "runs" / "driftwise-8").glob("*.json")
    entry = json.loads(path.read_text())["worlds"]["standard-bandit"]
    assert entry["num_timesteps"] == 7_680_000 and entry["within_budget"]
    assert 0.6 < entry["score"] < 0.8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--player", "random", "--worlds", "elephant"], "worlds must be among"),
        (["--player", "elephant"], "player must be random, oracle or module:function"),
        (["--memory", "elephant"], "memory must be one of"),
        (["--memory", "gru", "--seed", "-1"], "seed must be from 0"),
        (["--agents", "elephant"], "agents must be WORLD=AGENT each, got 'elephant'"),
        (["--agents", "elephant=x"], "worlds must be among"),
        (["--agents", "two-step=x", "two-step=y"], "one for each world, got two for 'two-step'"),
        (["--player", "os:getcwd"], "enter must be a function that is called with a world's name"),
        (["--player", "random", "--output", "."], "path of the submission must be that of a file"),
        (["--check", "elephant.json"], "No such file"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(run, tmp_path, arguments, message):
    leaving, _ = run(*arguments)
    assert message in leaving
    assert "\n" not in leaving
    assert not list(tmp_path.iterdir())


PLAYS = "needs somebody to play: --memory, --agents or --player"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--worlds", "two-step"], f"--worlds {PLAYS}"),
        (["--worlds=elephant"], f"--worlds {PLAYS}"),
        (["--output", "a.json"], f"--output {PLAYS}"),
        (["--seed", "0"], f"--seed {PLAYS}"),
        (["--no-progress"], f"--no-progress {PLAYS}"),
        (["--check", "a.json", "--name", "a"], f"--name {PLAYS}"),
        (["--compare"], "--compare needs a value, or more of them, got none"),
        (["--check"], "--check needs a value, or more of them, got none"),
        (["--agents"], "--agents needs a value, or more of them, got none"),
        (["--player", "random", "--worlds"], "--worlds needs a value, or more of them, got none"),
        (["--player", "random", "--memory", "gru"], "--player and --memory cannot go together"),
        (["list", "--player", "random"], "--player and list cannot go together"),
        (["--player", "random", "--check", "a"], "--player and --check cannot go together"),
        (["list", "--compare", "a.json"], "list goes alone, got --compare with it"),
        (["--player", "random", "--seed", "1"], "--seed is that of the training with --memory"),
    ],
)
def test_options_that_would_be_ignored(run, tmp_path, arguments, message):
    leaving, text = run(*arguments)
    assert leaving == 2
    assert f"driftwise suite: error: {message}" in text
    assert not list(tmp_path.iterdir())
