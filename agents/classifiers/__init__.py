"""Classifiers that learn online, from streams whose classes grow in number."""

from .checking import check_learner
from .conv_net import ConvNet
from .fast_weight_readout import FastWeightReadout
from .la_maml import LA_MAML_METHODS, LaMAML, LaMAMLMethod
from .la_maml_configs import (
    CMAMLConfig,
    LaMAMLConfig,
    SparseInnerLaMAMLConfig,
    SparseLaMAMLConfig,
    SparseReLULaMAMLConfig,
    SyncConfig,
)
from .learner import Images, Labels, Learner
from .learner_configs import (
    ClassMeanConfig,
    CosineConfig,
    FastRowsConfig,
    FastWeightsConfig,
    HebbianConfig,
    ImprintingConfig,
    LambdaOnlyConfig,
    LearnerConfig,
    ReplayConfig,
    SoftmaxConfig,
)
from .nearest_class_mean import NearestClassMean
from .online_classifier import OnlineClassifier
from .registry import LEARNERS, load_learner, make_learner, save_learner
from .replay import ReplayBuffer
from .stream_config import StreamConfig
from .stream_record import StreamRecord
from .stream_series import run_streams
from .streaming import run_stream

__all__ = [
    "LA_MAML_METHODS",
    "LEARNERS",
    "CMAMLConfig",
    "ClassMeanConfig",
    "ConvNet",
    "CosineConfig",
    "FastRowsConfig",
    "FastWeightReadout",
    "FastWeightsConfig",
    "HebbianConfig",
    "Images",
    "ImprintingConfig",
    "LaMAML",
    "LaMAMLConfig",
    "LaMAMLMethod",
    "Labels",
    "LambdaOnlyConfig",
    "Learner",
    "LearnerConfig",
    "NearestClassMean",
    "OnlineClassifier",
    "ReplayBuffer",
    "ReplayConfig",
    "SoftmaxConfig",
    "SparseInnerLaMAMLConfig",
    "SparseLaMAMLConfig",
    "SparseReLULaMAMLConfig",
    "StreamConfig",
    "StreamRecord",
    "SyncConfig",
    "check_learner",
    "load_learner",
    "make_learner",
    "run_stream",
    "run_streams",
    "save_learner",
]
