"""Classifiers that learn online, from streams whose classes grow in number."""

from .checking import check_learner
from .conv_net import ConvNet
from .fast_weight_readout import FastWeightReadout
from .learner import Images, Labels, Learner
from .learner_configs import (
    ClassMeanConfig,
    FastRowsConfig,
    FastWeightsConfig,
    HebbianConfig,
    ImprintingConfig,
    LambdaOnlyConfig,
    ReplayConfig,
    SoftmaxConfig,
)
from .nearest_class_mean import NearestClassMean
from .online_classifier import OnlineClassifier
from .registry import LEARNERS, load_learner, make_learner, save_learner
from .replay import ReplayBuffer
from .stream_config import StreamConfig
from .stream_record import StreamRecord
from .streaming import run_stream

__all__ = [
    "LEARNERS",
    "ClassMeanConfig",
    "ConvNet",
    "FastRowsConfig",
    "FastWeightReadout",
    "FastWeightsConfig",
    "HebbianConfig",
    "Images",
    "ImprintingConfig",
    "Labels",
    "LambdaOnlyConfig",
    "Learner",
    "NearestClassMean",
    "OnlineClassifier",
    "ReplayBuffer",
    "ReplayConfig",
    "SoftmaxConfig",
    "StreamConfig",
    "StreamRecord",
    "check_learner",
    "load_learner",
    "make_learner",
    "run_stream",
    "save_learner",
]
