"""Worlds that change: Gymnasium environments in numpy, scalar and vectorised.

:class:`ShiftingBandit` is the environment and its own manual; ``schedules.py`` says when a world
changes, ``drifts.py`` and ``restless.py`` say how. :func:`check_vector_env` checks any vector
environment.
"""

from .arms import Arms
from .checking import check_vector_env
from .drifts import Drift, Permute, Recur, Resample, Rotting, SwapBest
from .registration import ENVIRONMENTS, register_envs
from .restless import Interpolate, OrnsteinUhlenbeck, RandomWalk, Sinusoid
from .schedules import AtSteps, Bursts, Hazard, Never, Periodic, Reactive, Schedule
from .shifting_bandit import ShiftingBandit
from .shifting_bandit_vector import ShiftingBanditVector
from .streams import Draws
from .trace import World

__all__ = [
    "ENVIRONMENTS",
    "Arms",
    "AtSteps",
    "Bursts",
    "Draws",
    "Drift",
    "Hazard",
    "Interpolate",
    "Never",
    "OrnsteinUhlenbeck",
    "Periodic",
    "Permute",
    "RandomWalk",
    "Reactive",
    "Recur",
    "Resample",
    "Rotting",
    "Schedule",
    "ShiftingBandit",
    "ShiftingBanditVector",
    "Sinusoid",
    "SwapBest",
    "World",
    "check_vector_env",
    "register_envs",
]
