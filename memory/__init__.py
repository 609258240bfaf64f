"""Memories: networks with a state that they read and write at every step. Needs torch only."""

from .augment import AugmentedNetwork, augment
from .checking import check_memory
from .contract import Memory, SequenceMemory
from .dynamic_evaluation import autograd_dynamic_evaluation
from .fast_weight_flops import FastWeightFlops, fast_weight_flops
from .fast_weight_layer import BlockParameters, FastWeightLayer
from .functional import Parameters, functional
from .hebbian_softmax import HebbianSoftmax
from .inner_loop import check_finite, inner_loop, inner_step, repeat
from .kernels import without_kernels
from .memoryless import FeedForward, NoMemory, NoState
from .parameter_rule import ParameterRule
from .recurrent import GRU, LSTM, GRUState, LSTMState
from .row_gated import RowGatedFastWeights, RowGatedState
from .sparse_fast_weights import FastWeightState, SparseFastWeights
from .stack import Stack
from .state import (
    State,
    clone,
    detach,
    flatten_state,
    map_state,
    select_rows,
    unflatten_state,
    where_rows,
    write_rows,
)
from .step_sizes import parameter_groups
from .target_checking import check_target_memory
from .target_memory import LossHead, TargetMemory
from .update_mask import Sparsity, UpdateMask
from .weight_imprinting import WeightImprinting

__all__ = [
    "GRU",
    "LSTM",
    "AugmentedNetwork",
    "BlockParameters",
    "FastWeightFlops",
    "FastWeightLayer",
    "FastWeightState",
    "FeedForward",
    "GRUState",
    "HebbianSoftmax",
    "LSTMState",
    "LossHead",
    "Memory",
    "NoMemory",
    "NoState",
    "ParameterRule",
    "Parameters",
    "RowGatedFastWeights",
    "RowGatedState",
    "SequenceMemory",
    "SparseFastWeights",
    "Sparsity",
    "Stack",
    "State",
    "TargetMemory",
    "UpdateMask",
    "WeightImprinting",
    "augment",
    "autograd_dynamic_evaluation",
    "check_finite",
    "check_memory",
    "check_target_memory",
    "clone",
    "detach",
    "fast_weight_flops",
    "flatten_state",
    "functional",
    "inner_loop",
    "inner_step",
    "map_state",
    "parameter_groups",
    "repeat",
    "select_rows",
    "unflatten_state",
    "where_rows",
    "without_kernels",
    "write_rows",
]
