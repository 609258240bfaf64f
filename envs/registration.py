"""The environments' names in Gymnasium's registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gymnasium.envs.registration import register, registry
from typing_extensions import Unpack

from .bandit_settings import BanditArguments
from .drifting_control import ControlArguments
from .image_curriculum import ImageCurriculum
from .image_curriculum_settings import ImageCurriculumArguments
from .island_settings import IslandArguments
from .island_transport import IslandTransport
from .maze_settings import MazeArguments
from .shifting_bandit import ShiftingBandit
from .shifting_maze import ShiftingMaze
from .time_limit import coming_time_limit
from .two_step import TwoStep
from .two_step_settings import TwoStepArguments

# Environment id -> (max_episode_steps, arguments). Arguments are text so that specs stay JSON.
BANDITS: dict[str, tuple[int, BanditArguments]] = {
    # The standard bandit: every step, with probability 0.02, all arms are redrawn.
    "driftwise/ShiftingBandit-v0": (200, {}),
    "driftwise/GaussianBandit-v0": (200, {"arms": "gaussian"}),
    # Stationary worlds, for which exact ceilings are known.
    "driftwise/StationaryBandit-v0": (100, {"schedule": "Never()"}),
    "driftwise/DependentBandit-v0": (
        100,
        {"num_arms": 2, "dependent": True, "schedule": "Never()"},
    ),
    # Contexts that come back, announced by a cue that means something else in each episode.
    "driftwise/RecurringBandit-v0": (
        200,
        {"num_contexts": 8, "cue": "barcode", "schedule": "Hazard(probability=0.1)"},
    ),
    # Episodic recall (Ritter et al., 2018): ten pulls per visit, each code has its good arm.
    "driftwise/BarcodeBandit-v0": (
        200,
        {
            "num_arms": 10,
            "num_contexts": 8,
            "cue": "barcode",
            "cue_size": 10,
            "mean_values": [0.9, *[0.1] * 9],
            "schedule": "Periodic(period=10)",
        },
    ),
    # One arm pays little, but tells which arm is the good one (Wang et al., 2016).
    "driftwise/InformativeArmBandit-v0": (
        5,
        {
            "num_arms": 11,
            "arms": "gaussian",
            "noise_std": 0.0,
            "schedule": "Never()",
            "drift": "InformativeArm()",
        },
    ),
    # Other times of change.
    "driftwise/PeriodicBandit-v0": (200, {"schedule": "Periodic(period=50, phase=-1)"}),
    "driftwise/BurstyBandit-v0": (200, {"schedule": "Bursts()"}),
    "driftwise/ReactiveBandit-v0": (
        200,
        {"schedule": "Reactive(patience=10)", "drift": "SwapBest()"},
    ),
    # Other kinds of change.
    "driftwise/PermutingBandit-v0": (200, {"drift": "Permute()"}),
    "driftwise/GradualBandit-v0": (200, {"drift": "Interpolate(duration=20)"}),
    "driftwise/RestlessBandit-v0": (
        200,
        {"schedule": "Never()", "drift": "RandomWalk(std=0.05)"},
    ),
    "driftwise/WanderingBandit-v0": (
        200,
        {"schedule": "Never()", "drift": "OrnsteinUhlenbeck(reversion=0.05, std=1.5)"},
    ),
    "driftwise/SeasonalBandit-v0": (
        200,
        {"schedule": "Never()", "drift": "Sinusoid(period=100, amplitude=0.4)"},
    ),
    "driftwise/RottingBandit-v0": (200, {"schedule": "Never()", "drift": "Rotting(decay=0.95)"}),
}

MAZES: dict[str, tuple[int, MazeArguments]] = {
    # The goal moves every 50 to 100 steps.
    "driftwise/ShiftingMaze-v0": (250, {}),
    # The published mazes, 2018 and 2019.
    "driftwise/StationaryMaze-v0": (250, {"schedule": "Never()"}),
    "driftwise/StationaryMaze13-v0": (
        200,
        {"size": 13, "schedule": "Never()", "time_scale": 200},
    ),
    # Other kinds of change.
    "driftwise/RedrawnMaze-v0": (250, {"layout": "corridors", "drift": "RedrawLayout()"}),
    "driftwise/PermutedMaze-v0": (250, {"drift": "PermuteActions()"}),
    "driftwise/BlockedMaze-v0": (250, {"drift": "BlockCorridor()"}),
}

ISLANDS: dict[str, tuple[int, IslandArguments]] = {
    # The published task, to train on and to test on.
    "driftwise/IslandTransport-v0": (30, {}),
    "driftwise/IslandTransportTest-v0": (30, {"split": "test"}),
    # Another graph every 30 steps.
    "driftwise/ShiftingIslands-v0": (120, {"schedule": "Periodic(period=30)", "time_scale": 120}),
}

TWO_STEPS: dict[str, tuple[int, TwoStepArguments]] = {
    # Two states that exchange their probabilities (2016), and four arms that drift (2011).
    "driftwise/TwoStep-v0": (200, {}),
    "driftwise/DriftingTwoStep-v0": (
        200,
        {
            "arms_per_state": 2,
            "common": 0.7,
            "schedule": "Never()",
            "drift": "RandomWalk(std=0.025)",
        },
    ),
}

CURRICULA: dict[str, tuple[int, ImageCurriculumArguments]] = {
    # All 1,623 characters, whose data is needed, and 300 made-up ones, for which nothing is.
    "driftwise/OmniglotCurriculum-v0": (10_000, {"images": "omniglot"}),
    "driftwise/GlyphCurriculum-v0": (10_000, {"images": "glyphs", "num_classes": 300}),
}

# Gymnasium's control tasks; another world every 20 episodes.
CONTROL: dict[str, tuple[int, ControlArguments]] = {
    # How strong the motor is, which way it pushes, and what it has to balance.
    "driftwise/DriftingCartPole-v0": (
        200,
        {
            "base": "CartPole-v1",
            "ranges": {"force_mag": [-20.0, 20.0], "length": [0.25, 1.0], "gravity": [5.0, 15.0]},
        },
    ),
    # What has to be swung up.
    "driftwise/DriftingPendulum-v0": (
        200,
        {
            "base": "Pendulum-v1",
            "ranges": {"g": [3.0, 15.0], "m": [0.5, 1.5], "l": [0.5, 1.5]},
        },
    ),
}

ENVIRONMENTS: dict[str, tuple[int, Any]] = {
    **BANDITS,
    **MAZES,
    **ISLANDS,
    **TWO_STEPS,
    **CURRICULA,
    **CONTROL,
}


def register_envs() -> None:
    """Registers the environments of :data:`ENVIRONMENTS`; doing it again changes nothing."""
    here, control = "registration:make_", "drifting_control:make_drifting_control"
    for environments, maker, vector in (
        (BANDITS, here + "shifting_bandit", "shifting_bandit_vector:ShiftingBanditVector"),
        (MAZES, here + "shifting_maze", "shifting_maze_vector:ShiftingMazeVector"),
        (ISLANDS, here + "island_transport", "island_transport_vector:IslandTransportVector"),
        (TWO_STEPS, here + "two_step", "two_step_vector:TwoStepVector"),
        (CURRICULA, here + "image_curriculum", "image_curriculum_vector:ImageCurriculumVector"),
        (CONTROL, control, control + "_vector"),
    ):
        for env_id, (max_episode_steps, arguments) in environments.items():
            if env_id not in registry:
                register(
                    env_id,
                    entry_point=f"driftwise.envs.{maker}",
                    vector_entry_point=f"driftwise.envs.{vector}",
                    max_episode_steps=max_episode_steps,
                    kwargs=dict(arguments),
                )


def make_shifting_bandit(
    *, render_mode: str | None = None, **arguments: Unpack[BanditArguments]
) -> ShiftingBandit:
    """What ``gymnasium.make`` calls: a :class:`ShiftingBandit` with the time limit asked for there.

    ``gymnasium.make`` keeps ``max_episode_steps`` to itself and ends episodes from outside, with
    its ``TimeLimit`` wrapper; the environment ends them at the same step. (``gymnasium.make_vec``
    passes it on.)

    Raises:
        ValueError: ``terminate_on_horizon=True``, which the wrapper would contradict.
    """
    return ShiftingBandit(render_mode=render_mode, **_limited(ShiftingBandit, arguments))


def make_shifting_maze(
    *, render_mode: str | None = None, **arguments: Unpack[MazeArguments]
) -> ShiftingMaze:
    """As :func:`make_shifting_bandit`: a :class:`ShiftingMaze`."""
    return ShiftingMaze(render_mode=render_mode, **_limited(ShiftingMaze, arguments))


def make_island_transport(
    *, render_mode: str | None = None, **arguments: Unpack[IslandArguments]
) -> IslandTransport:
    """As :func:`make_shifting_bandit`: an :class:`IslandTransport`."""
    return IslandTransport(render_mode=render_mode, **_limited(IslandTransport, arguments))


def make_two_step(
    *, render_mode: str | None = None, **arguments: Unpack[TwoStepArguments]
) -> TwoStep:
    """As :func:`make_shifting_bandit`: a :class:`TwoStep`."""
    return TwoStep(render_mode=render_mode, **_limited(TwoStep, arguments))


def make_image_curriculum(
    *, render_mode: str | None = None, **arguments: Unpack[ImageCurriculumArguments]
) -> ImageCurriculum:
    """As :func:`make_shifting_bandit`: an :class:`ImageCurriculum`."""
    return ImageCurriculum(render_mode=render_mode, **_limited(ImageCurriculum, arguments))


def _limited(kind: type[Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an environment whose episodes ``gymnasium.make`` is going to limit."""
    if arguments.get("terminate_on_horizon"):
        raise ValueError(
            "terminate_on_horizon=True cannot go with gymnasium.make, which truncates: use "
            f"{kind.__name__}(max_episode_steps=...) or gymnasium.make_vec"
        )
    return {**arguments, "max_episode_steps": coming_time_limit()}
