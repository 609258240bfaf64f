"""``driftwise watch``."""

import pytest
from PIL import Image

from driftwise.agents.films import recording
from driftwise.scripts.main import main

MAZE = ("--env", "driftwise/ShiftingMaze-v0", "--steps", "5", "--size", "400", "--no-progress")


@pytest.fixture
def watch(capsys, tmp_path):
    """A function that runs the command and returns (exit message or None, output)."""

    def call(*arguments, out="film.gif"):
        try:
            main(["watch", *arguments, "--out", str(tmp_path / out)])
            leaving = None
        except SystemExit as exit:
            leaving = exit.code
        captured = capsys.readouterr()
        return leaving, captured.out + captured.err

    return call


def test_two_players_side_by_side(watch, tmp_path):
    leaving, text = watch("random", "oracle", *MAZE)
    assert leaving is None
    assert "film.gif: 6 frames, 0.0 MB" in text
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.n_frames, film.width, film.info["duration"]) == (6, 400, 100)


def test_agents_and_policies(watch, tmp_path):
    bandit = ("--steps", "5", "--size", "400", "--no-progress", "--fps", "20")
    leaving, _ = watch("standard-bandit-sparse", "discounted_ucb", *bandit, out="new/film.gif")
    assert leaving is None
    with Image.open(tmp_path / "new" / "film.gif") as film:
        assert (film.n_frames, film.info["duration"]) == (6, 50)


def test_any_environment_made_to_drift(watch, tmp_path):
    pytest.importorskip("pygame")
    drift = '{"ranges": {"length": [0.25, 1.0]}, "schedule": "Periodic(period=3)"}'
    leaving, text = watch("random", "--env", "CartPole-v1", *MAZE[2:], "--drift", drift)
    assert leaving is None
    assert "6 frames" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["elephant"], "agents must be folders of runs or agents, random, oracle, a bandit"),
        (["random", "random"], "agents must have different names, got 'random' twice"),
        (["random", "--env", "Elephant-v0"], "env: Environment `Elephant` doesn't exist"),
        (["random", "--env-kwargs", '{"num_arms": 0}'], "num_arms must be at least"),
        (["random", "--drift", '{"ranges": {"length": [0, 1]}}'], "has no attribute 'length'"),
        (["random", "standard-bandit-sparse", *MAZE], "env must have the agent's observation_spa"),
        (["random", "--seed", "-1"], "seed must not be negative, got -1"),
        (["random", "--steps", "-1"], "steps must be from 1 to 5,000, got -1"),
        (["gittins"], "policy 'gittins' needs the argument horizon"),
    ],
)
def test_errors_are_one_line_before_anybody_plays(watch, tmp_path, monkeypatch, arguments, message):
    monkeypatch.setattr(recording, "play_steps", pytest.fail)
    leaving, _ = watch(*arguments)
    assert message in leaving
    assert leaving.startswith("driftwise watch: ")
    assert "\n" not in leaving
    assert not (tmp_path / "film.gif").exists()


def test_places_that_cannot_be_written_to(watch, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "play_steps", pytest.fail)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.gif").mkdir()
    for out, message in (
        ("file/film.gif", f"cannot write {tmp_path / 'file'}"),
        ("folder.gif", "out must be a file"),
        ("film.avi", "out must end in .gif or .mp4"),
    ):
        leaving, _ = watch("random", out=out)
        assert message in leaving
        assert "\n" not in leaving


def test_an_oracle_where_there_is_none(watch):
    pytest.importorskip("pygame")
    leaving, _ = watch("oracle", "--env", "CartPole-v1")
    assert "env must have optimal_actions() for an oracle" in leaving
