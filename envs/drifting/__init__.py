"""Wrappers that make any environment drift, on the schedules and drifts of the bandits.

``effect.py`` and ``effects.py`` say what may change;
:class:`DriftArguments` has the arguments that all share.
"""

from .actions import ShiftingActions
from .effect import Effect
from .effects import Delay, Drop, Flip, Permutation, Scale
from .observations import ShiftingObservations
from .parameters import DriftingParameters
from .rewards import ShiftingRewards
from .settings import NOTIFY_LEVELS, DriftArguments
from .vector import ShiftingActionsVector, ShiftingObservationsVector, ShiftingRewardsVector
from .vector_parameters import DriftingParametersVector
from .vector_wrapper import DriftingVectorWrapper
from .wrapper import DriftingWrapper

__all__ = [
    "NOTIFY_LEVELS",
    "Delay",
    "DriftArguments",
    "DriftingParameters",
    "DriftingParametersVector",
    "DriftingVectorWrapper",
    "DriftingWrapper",
    "Drop",
    "Effect",
    "Flip",
    "Permutation",
    "Scale",
    "ShiftingActions",
    "ShiftingActionsVector",
    "ShiftingObservations",
    "ShiftingObservationsVector",
    "ShiftingRewards",
    "ShiftingRewardsVector",
]
