"""Tracking: run folders, atomic files, exact checkpoints, and the runner of result cells."""

from .atomic import atomic_folder, make_writable_folder, write_bytes, write_json, write_text
from .cell_runner import CellsReport, run_cells
from .cells import Cell, Result, SkipCell, compute_cell, import_result, load_cell, load_cells
from .checkpoint import CheckpointError, load_checkpoint, load_metadata, save_checkpoint
from .environment import machine, versions
from .metrics import read_metrics
from .rng import rng_state, set_rng_state
from .run import RunFolder, latest_checkpoint, list_checkpoints

__all__ = [
    "Cell",
    "CellsReport",
    "CheckpointError",
    "Result",
    "RunFolder",
    "SkipCell",
    "atomic_folder",
    "compute_cell",
    "import_result",
    "latest_checkpoint",
    "list_checkpoints",
    "load_cell",
    "load_cells",
    "load_checkpoint",
    "load_metadata",
    "machine",
    "make_writable_folder",
    "read_metrics",
    "rng_state",
    "run_cells",
    "save_checkpoint",
    "set_rng_state",
    "versions",
    "write_bytes",
    "write_json",
    "write_text",
]
