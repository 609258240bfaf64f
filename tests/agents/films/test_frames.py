"""Frames: how many, how large, and what is to be seen in them when."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from driftwise.agents import OraclePlayer, RandomPlayer
from driftwise.agents.films import Frames, Game, Moment, make_filmed_env, record_game
from driftwise.agents.films.bandit_scene import BanditScene
from driftwise.agents.films.curve import CurvePanel, regret_curve, return_curve
from driftwise.agents.films.frames import SCENES, WIDTH, drifting_values, lay_out, shortened
from driftwise.agents.films.maze_scene import MazeScene, path_starts
from driftwise.agents.films.scenes import NOTICE

GREY = np.zeros((6, 8, 3), dtype=np.uint8)


def record(env_id, player=None, name="x", **kwargs):
    return record_game(
        name, player or RandomPlayer(), make_filmed_env(env_id, kwargs), steps=20, seed=3
    )


def played(rewards, *, done=(), changed=(), regrets=None):
    """A game by hand; steps are counted from 1, as moments are."""
    moments = [Moment(GREY, 0.0, False, {}, None)]
    for t, reward in enumerate(rewards, 1):
        info = {"changed": t in changed} | ({} if regrets is None else {"regret": regrets[t - 1]})
        moments.append(Moment(GREY, reward, t in done, info, None))
    return Game("x", moments)


def pixels(frame, color):
    return int((np.abs(frame - 255 * np.array(to_rgb(color))) < 2).all(axis=-1).sum())


@pytest.mark.parametrize(
    ("env_id", "scene"),
    [
        ("driftwise/ShiftingMaze-v0", MazeScene),
        ("driftwise/ShiftingBandit-v0", BanditScene),
        ("driftwise/IslandTransport-v0", None),
        ("driftwise/TwoStep-v0", None),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_frames_as_moments_all_of_one_size(env_id, scene, count):
    games = [record(env_id)] * count
    assert SCENES.get(type(games[0].moments[0].picture)) is scene
    frames = Frames(games, env_id, size=402)
    assert len(frames) == 21
    shapes = {frames[t].shape for t in (0, 7, 20)}
    ((height, width, depth),) = shapes
    assert (width, depth, height % 2) == (402, 3, 0)
    assert 0.4 < height / width < 1.2
    with pytest.raises(IndexError):
        frames[21]


def test_a_frame_depends_on_its_moment_alone():
    frames = Frames([record("driftwise/ShiftingMaze-v0")], "x", size=400)
    frame = frames[5]
    assert not np.array_equal(frames[17], frame)
    np.testing.assert_array_equal(frames[5], frame)


@pytest.mark.parametrize("env_id", ["driftwise/ShiftingBandit-v0", "driftwise/ShiftingMaze-v0"])
def test_changes_are_pointed_out_and_marked_when_they_happen(env_id):
    games = [
        record(env_id, player, schedule="AtSteps([6, 14])")
        for player in (RandomPlayer(), OraclePlayer())
    ]
    frames = Frames(games, "x", size=400, notice=3)
    # Step 6, counted from 0, is that of moment 7: the frame that shows what it has led to.
    seen = [t for t in range(21) if pixels(frames[t], NOTICE) > 500]
    assert seen == [7, 8, 9, 15, 16, 17]
    assert [step for step, _ in frames._curve.marks] == [6, 14]
    for t, marked in ((6, []), (7, [6]), (14, [6]), (15, [6, 14])):
        frames[t]
        (line,) = frames._curve.mark_lines.values()
        assert sorted(set(line.get_xdata())) == marked


def test_marks_have_the_colors_of_the_players_whose_worlds_differ():
    from matplotlib.figure import Figure

    games = [played([1] * 9, changed={3}), played([1] * 9, changed={3, 5})]
    marks = CurvePanel(Figure().subplots(), games, ["red", "blue"]).marks
    assert marks == [(2, "blue"), (2, "red"), (4, "blue")]
    marks = CurvePanel(Figure().subplots(), games[:1] * 2, ["red", "blue"]).marks
    assert marks == [(2, "#999999")]


def test_regret_so_far():
    curve = regret_curve(played([0] * 4, regrets=[0.5, 0.0, 2.0, 0.25]))
    assert curve.y.tolist() == [0.0, 0.5, 0.5, 2.5, 2.75]
    assert curve.x.tolist() == [0, 1, 2, 3, 4]
    assert curve.upto.tolist() == [1, 2, 3, 4, 5]


def test_returns_begin_again_with_an_episode():
    curve = return_curve(played([1, 2, 3, 4], done={2}))
    np.testing.assert_array_equal(curve.x, [0, 1, 2, 2, 2, 3, 4])
    np.testing.assert_array_equal(curve.y, [0, 1, 3, np.nan, 0, 3, 7])
    # At the end of an episode its whole return is shown, and not yet the next one's start.
    assert curve.y[curve.upto - 1].tolist() == [0, 1, 3, 3, 7]


def test_without_any_regret_the_return_is_shown():
    for regrets, title in (([1, 0], "Regret so far"), ([0, 0], "Return of the episode")):
        frames = Frames([played([1, 1], regrets=regrets)], "x", size=400)
        assert frames._curve.axes.get_title(loc="left") == title
    assert Frames([played([1, 1])], "x", size=400)._curve.axes.get_title(loc="left") == title


def test_a_game_that_is_over_stays_as_it_ended():
    frames = Frames([played([1] * 9), played([1] * 4, changed={4})], "x", size=400, notice=2)
    assert len(frames) == 10
    assert pixels(frames[5], NOTICE) > 500
    assert pixels(frames[6], NOTICE) == 0
    assert frames._curve.lines[1].get_xdata().max() == 4


def test_paths_begin_with_episodes_rewards_and_changes():
    game = played([0, 0, 10, 0, 0, 0, 0, 0], done={5}, changed={7})
    assert path_starts(game) == [1, 1, 1, 1, 4, 4, 6, 7, 7]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.5, 4.0])
@pytest.mark.parametrize("has_axis", [True, False])
def test_nothing_overlaps_and_nothing_is_cut_off(count, aspect, has_axis):
    layout = lay_out(count, aspect, has_axis)
    boxes = [*layout.scenes, layout.curve]
    assert len(boxes) == count + 1
    for i, box in enumerate(boxes):
        assert min(box.left, box.bottom) > 0.1
        assert box.left + box.width < WIDTH - 0.1
        assert box.bottom + box.height < layout.height - 0.6  # a heading, and the top line
        for other in boxes[:i]:
            beside = max(box.left, other.left) - min(box.left + box.width, other.left + other.width)
            above = max(box.bottom, other.bottom) - min(
                box.bottom + box.height, other.bottom + other.height
            )
            assert beside >= 0.25 or above >= 0.55
    for box in layout.scenes:
        assert box.width / box.height == pytest.approx(aspect)


def test_captions():
    values = {"length": 0.5, "gravity": 9.81234}
    shifts = {"parameters": {"values": values}, "actions": {"values": np.array([1.0, 0.0])}}
    assert drifting_values({"shifts": shifts}) == ["length 0.5", "gravity 9.81", "actions 1 0"]
    assert drifting_values({"shifts": {"observations": {"values": np.ones(9)}}}) == []
    assert drifting_values({}) == []
    assert shortened("oracle", 1.0) == "oracle"
    assert shortened("standard-bandit-sparse", 1.0) == "standard-ba…"
