"""The environments' names in Gymnasium's registry."""

from __future__ import annotations

from typing import Any

from gymnasium.envs.registration import register, registry
from typing_extensions import Unpack

from .bandit_settings import BanditArguments
from .shifting_bandit import ShiftingBandit

# Environment id -> (max_episode_steps, arguments). Arguments are text so that specs stay JSON.
ENVIRONMENTS: dict[str, tuple[int, BanditArguments]] = {
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


def register_envs() -> None:
    """Registers the environments of :data:`ENVIRONMENTS`; doing it again changes nothing."""
    for env_id, (max_episode_steps, arguments) in ENVIRONMENTS.items():
        if env_id not in registry:
            register(
                env_id,
                entry_point="driftwise.envs.registration:make_shifting_bandit",
                vector_entry_point="driftwise.envs.shifting_bandit_vector:ShiftingBanditVector",
                max_episode_steps=max_episode_steps,
                kwargs=dict(arguments),
            )


def make_shifting_bandit(
    *, render_mode: str | None = None, **arguments: Unpack[BanditArguments]
) -> ShiftingBandit:
    """What ``gymnasium.make`` calls: a :class:`ShiftingBandit` without an end of its own.

    ``gymnasium.make`` keeps ``max_episode_steps`` to itself and ends episodes from outside, with
    its ``TimeLimit`` wrapper. (``gymnasium.make_vec`` does pass it on.)

    Raises:
        ValueError: An argument needs the horizon, which is not known here.
    """
    settings: dict[str, Any] = dict(arguments)
    for name in ("observe_time", "terminate_on_horizon"):
        if settings.get(name):
            raise ValueError(
                f"{name}=True needs max_episode_steps, which gymnasium.make does not pass on: use "
                "ShiftingBandit(max_episode_steps=...) or gymnasium.make_vec"
            )
    settings["max_episode_steps"] = None
    return ShiftingBandit(render_mode=render_mode, **settings)
