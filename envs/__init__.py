"""Worlds that change: Gymnasium environments in numpy, scalar and vectorised.

:class:`ShiftingBandit` is the environment and its own manual; ``schedules.py`` says when a world
changes, ``drifts.py`` and ``restless.py`` say how. The wrappers of ``drifting/`` make any
environment drift on the same schedules. :func:`check_vector_env` checks any vector environment.
"""

from .arms import Arms, Draws
from .checking import check_vector_env
from .drifting import (
    Delay,
    DriftArguments,
    DriftingParameters,
    DriftingParametersVector,
    DriftingVectorWrapper,
    DriftingWrapper,
    Drop,
    Effect,
    Flip,
    Permutation,
    Scale,
    ShiftingActions,
    ShiftingActionsVector,
    ShiftingObservations,
    ShiftingObservationsVector,
    ShiftingRewards,
    ShiftingRewardsVector,
)
from .drifts import Cycle, Drift, Mirror, Permute, Recur, Resample, Rotting, SwapBest
from .registration import ENVIRONMENTS, register_envs
from .restless import Interpolate, OrnsteinUhlenbeck, RandomWalk, Sinusoid
from .schedules import AtSteps, Bursts, Hazard, Never, Periodic, Reactive, Schedule
from .shifting_bandit import ShiftingBandit
from .shifting_bandit_vector import ShiftingBanditVector
from .trace import World

__all__ = [
    "ENVIRONMENTS",
    "Arms",
    "AtSteps",
    "Bursts",
    "Cycle",
    "Delay",
    "Draws",
    "Drift",
    "DriftArguments",
    "DriftingParameters",
    "DriftingParametersVector",
    "DriftingVectorWrapper",
    "DriftingWrapper",
    "Drop",
    "Effect",
    "Flip",
    "Hazard",
    "Interpolate",
    "Mirror",
    "Never",
    "OrnsteinUhlenbeck",
    "Periodic",
    "Permutation",
    "Permute",
    "RandomWalk",
    "Reactive",
    "Recur",
    "Resample",
    "Rotting",
    "Scale",
    "Schedule",
    "ShiftingActions",
    "ShiftingActionsVector",
    "ShiftingBandit",
    "ShiftingBanditVector",
    "ShiftingObservations",
    "ShiftingObservationsVector",
    "ShiftingRewards",
    "ShiftingRewardsVector",
    "Sinusoid",
    "SwapBest",
    "World",
    "check_vector_env",
    "register_envs",
]
