"""Several streams, one after another: what belongs to no class is learned over all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ...envs.arguments import check_count
from .online_classifier import OnlineClassifier
from .stream_config import StreamConfig
from .streaming import run_stream


def run_streams(config: StreamConfig, count: int, **options: Any) -> list[dict[str, Any]]:
    """Run a learner on several streams, each with the slow weights of the one before.

    Every stream has a class order of its own, and what belongs to a class begins anew with it:
    rows, counts, the codes of ``fast_weights`` and all that was written to its memory. Slow weights
    cannot keep a class for the next stream, and learn to bind classes, whichever they are.

    Every stream is a run of its own; a series that was stopped goes on in the stream it had come
    to, if it is started again with the same arguments.

    Args:
        config: of the first stream; the others have ``seed + 1``, ``seed + 2``, ...
        count: how many streams.
        **options: those of :func:`run_stream`. ``resume=True`` requires a run of the first stream.

    Returns:
        The report of each.

    Raises:
        TypeError, ValueError: as :func:`run_stream`, or ``count`` is no number of streams, or there
            are several, and this learner has no slow weights to take along. Nothing is written.
        FileNotFoundError: as :func:`run_stream`.
    """
    if check_count("count", count, least=1) > 1:
        learner = config.make_learner(config.make_stream())
        if not isinstance(learner, OnlineClassifier):
            raise ValueError(
                f"count must be 1 for the learner {config.learner!r}, which has no slow weights "
                f"to take from one stream to the next, got {count}"
            )
    reports: list[dict[str, Any]] = []
    for _ in range(count):
        if reports:
            slow = str(Path(reports[-1]["folder"]) / "learner")
            config = dataclasses.replace(
                config, seed=config.seed + 1, start_from=None, slow_weights_from=slow
            )
            if options.get("resume") is True:
                options["resume"] = "auto"
        reports.append(run_stream(config, **options))
    return reports
