"""Streams of labelled images: what comes when, and what a learner has to be asked."""

from .class_curriculum import ClassCurriculum
from .class_incremental import ClassIncremental
from .class_stream import ClassStream, class_order
from .few_shot_episodes import FewShotEpisode, FewShotEpisodes
from .iid_stream import IIDStream
from .image_stream import Batch, ImageStream, to_float
from .levels import Levels
from .osaka import Osaka, OsakaBatch, OsakaEpisodes, OsakaTask
from .pixel_tasks import PixelTasks

__all__ = [
    "Batch",
    "ClassCurriculum",
    "ClassIncremental",
    "ClassStream",
    "FewShotEpisode",
    "FewShotEpisodes",
    "IIDStream",
    "ImageStream",
    "Levels",
    "Osaka",
    "OsakaBatch",
    "OsakaEpisodes",
    "OsakaTask",
    "PixelTasks",
    "class_order",
    "to_float",
]
