"""Memories: networks with a state that they read and write at every step. Needs torch only."""

from .augment import AugmentedNetwork, augment
from .checking import check_memory
from .contract import SequenceMemory
from .hebbian_softmax import HebbianSoftmax
from .kernels import without_kernels
from .parameter_rule import ParameterRule
from .recurrent import GRU, LSTM, GRUState, LSTMState, NoMemory, NoState
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
from .weight_imprinting import WeightImprinting

__all__ = [
    "GRU",
    "LSTM",
    "AugmentedNetwork",
    "FastWeightState",
    "GRUState",
    "HebbianSoftmax",
    "LSTMState",
    "NoMemory",
    "NoState",
    "ParameterRule",
    "RowGatedFastWeights",
    "RowGatedState",
    "SequenceMemory",
    "SparseFastWeights",
    "Stack",
    "State",
    "WeightImprinting",
    "augment",
    "check_memory",
    "clone",
    "detach",
    "flatten_state",
    "map_state",
    "select_rows",
    "unflatten_state",
    "where_rows",
    "without_kernels",
    "write_rows",
]
