"""Adapters: every way in which a language model can learn while it reads, with one interface."""

from .checking import check_adapter
from .config import PARTS, split_name
from .contract import Adapter, Segment
from .dynamic_evaluation import DynamicEvaluation, gradient_statistics
from .hebbian import HebbianRows
from .local_adaptation import LocalAdaptation
from .make import AdapterMaker
from .memory import StreamMemory, WeightRule
from .nearest_neighbours import Datastore, NearestNeighbours, build_datastore
from .neural_cache import NeuralCache
from .prediction import Dense, Mixture, Prediction, Softmax, StoredWords
from .reader import Reader

__all__ = [
    "PARTS",
    "Adapter",
    "AdapterMaker",
    "Datastore",
    "Dense",
    "DynamicEvaluation",
    "HebbianRows",
    "LocalAdaptation",
    "Mixture",
    "NearestNeighbours",
    "NeuralCache",
    "Prediction",
    "Reader",
    "Segment",
    "Softmax",
    "StoredWords",
    "StreamMemory",
    "WeightRule",
    "build_datastore",
    "check_adapter",
    "gradient_statistics",
    "split_name",
]
