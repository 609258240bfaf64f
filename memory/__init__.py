"""Memories: networks with a state that they read and write at every step. Needs torch only."""

from .augment import AugmentedNetwork, augment
from .checking import check_memory
from .contract import SequenceMemory
from .kernels import without_kernels
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

__all__ = [
    "GRU",
    "LSTM",
    "AugmentedNetwork",
    "FastWeightState",
    "GRUState",
    "LSTMState",
    "NoMemory",
    "NoState",
    "RowGatedFastWeights",
    "RowGatedState",
    "SequenceMemory",
    "SparseFastWeights",
    "Stack",
    "State",
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
