"""Worlds that change: Gymnasium environments in numpy, scalar and vectorised.

:class:`ShiftingBandit`, :class:`ShiftingMaze`, :class:`IslandTransport`, :class:`TwoStep` and
:class:`ImageCurriculum` are the environments and their own manuals; ``schedules.py`` says when a
world changes; ``drifts.py``, ``restless.py`` and ``maze_drifts.py`` say how. The wrappers of
``drifting/`` make any environment drift on the same schedules. ``images/`` has images by class,
``image_streams/`` streams of them for classifiers; these are there without gymnasium, too.
:func:`check_vector_env` checks any vector environment.
"""

from importlib.util import find_spec

from .image_streams import (
    Batch,
    ClassCurriculum,
    ClassIncremental,
    FewShotEpisode,
    FewShotEpisodes,
    IIDStream,
    ImageStream,
    Osaka,
    OsakaEpisodes,
    PixelTasks,
)
from .images import (
    MNIST,
    FashionMNIST,
    Glyphs,
    ImageFolder,
    ImageSet,
    Omniglot,
    contact_sheet,
)

if find_spec("gymnasium") is not None:
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
    from .image_curriculum import ImageCurriculum
    from .image_curriculum_vector import ImageCurriculumVector
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
    "MNIST",
    "NOTIFY_LEVELS",
    "Arms",
    "AtSteps",
    "Batch",
    "BlockCorridor",
    "Bursts",
    "ClassCurriculum",
    "ClassIncremental",
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
    "FashionMNIST",
    "FewShotEpisode",
    "FewShotEpisodes",
    "Flip",
    "Glyphs",
    "Grid",
    "Hazard",
    "HiddenEntries",
    "IIDStream",
    "ImageCurriculum",
    "ImageCurriculumVector",
    "ImageFolder",
    "ImageSet",
    "ImageStream",
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
    "Omniglot",
    "OrnsteinUhlenbeck",
    "Osaka",
    "OsakaEpisodes",
    "Periodic",
    "Permutation",
    "Permute",
    "PermuteActions",
    "PixelTasks",
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
    "contact_sheet",
    "register_envs",
]
