"""Evaluation of language models on a stream, with every way of adapting."""

from .breakdown import FREQUENCIES, by_frequency, by_occurrence, by_position
from .evaluate import evaluate_model, fingerprint_of
from .intervals import ratio_interval
from .position_figure import plot_positions
from .report import build_report, format_report
from .stream_evaluator import Reading, StreamEvaluator
from .tuning import Tuned, tune_adapters

__all__ = [
    "FREQUENCIES",
    "Reading",
    "StreamEvaluator",
    "Tuned",
    "build_report",
    "by_frequency",
    "by_occurrence",
    "by_position",
    "evaluate_model",
    "fingerprint_of",
    "format_report",
    "plot_positions",
    "ratio_interval",
    "tune_adapters",
]
