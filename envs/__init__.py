"""Worlds that change: Gymnasium environments in numpy, scalar and vectorised.

:class:`ShiftingBandit`, :class:`ShiftingMaze`, :class:`IslandTransport` and :class:`TwoStep` are
the environments and their own manuals;
``schedules.py`` says when a world changes; ``drifts.py``, ``restless.py`` and ``maze_drifts.py``
say how. The wrappers of ``drifting/`` make any environment drift on the same schedules.
:func:`check_vector_env` checks any vector environment.
"""

from .arms import Arms
from .checking import check_vector_env
from .drifting import (
    NOTIFY_LEVELS,
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
from .drifts import (
    Cycle,
    Drift,
    InformativeArm,
    Mirror,
    Permute,
    Recur,
    Resample,
    Rotting,
    SwapBest,
)
from .hidden_entries import HiddenEntries
from .island_transport import IslandTransport
from .island_transport_vector import IslandTransportVector
from .maze_drifts import BlockCorridor, MazeDrift, MoveGoal, PermuteActions, RedrawLayout
from .maze_grid import Grid
from .mazes import Mazes
from .previous_step import ObservePreviousStep, ObservePreviousStepVector
from .registration import ENVIRONMENTS, register_envs
from .restless import Interpolate, OrnsteinUhlenbeck, RandomWalk, Sinusoid
from .schedules import AtSteps, Bursts, Hazard, Never, Periodic, Reactive, Schedule
from .shifting_bandit import ShiftingBandit
from .shifting_bandit_vector import ShiftingBanditVector
from .shifting_maze import ShiftingMaze
from .shifting_maze_vector import ShiftingMazeVector
from .streams import Draws
from .trace import World
from .two_step import TwoStep
from .two_step_vector import TwoStepVector

__all__ = [
    "ENVIRONMENTS",
    "NOTIFY_LEVELS",
    "Arms",
    "AtSteps",
    "BlockCorridor",
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
    "Grid",
    "Hazard",
    "HiddenEntries",
    "InformativeArm",
    "Interpolate",
    "IslandTransport",
    "IslandTransportVector",
    "MazeDrift",
    "Mazes",
    "Mirror",
    "MoveGoal",
    "Never",
    "ObservePreviousStep",
    "ObservePreviousStepVector",
    "OrnsteinUhlenbeck",
    "Periodic",
    "Permutation",
    "Permute",
    "PermuteActions",
    "RandomWalk",
    "Reactive",
    "Recur",
    "RedrawLayout",
    "Resample",
    "Rotting",
    "Scale",
    "Schedule",
    "ShiftingActions",
    "ShiftingActionsVector",
    "ShiftingBandit",
    "ShiftingBanditVector",
    "ShiftingMaze",
    "ShiftingMazeVector",
    "ShiftingObservations",
    "ShiftingObservationsVector",
    "ShiftingRewards",
    "ShiftingRewardsVector",
    "Sinusoid",
    "SwapBest",
    "TwoStep",
    "TwoStepVector",
    "World",
    "check_vector_env",
    "register_envs",
]
