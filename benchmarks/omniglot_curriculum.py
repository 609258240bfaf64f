"""How many steps does each level of the curriculum of Omniglot take, and which learner fewest?

    driftwise results run omniglot_curriculum --seeds 0 1 2

The figure of the Hebbian softmax (Rae et al. 2018), by our protocol (docs/streams.md): 30 classes,
and 30 more whenever the learner tells enough held-out drawings of the present ones.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from driftwise.agents.classifiers import StreamConfig
from driftwise.benchmarks.stream_cells import (
    EARLIER_STREAMS,
    ROWS,
    curriculum,
    described,
    earlier,
    measure_levels,
    played,
    trained_before,
)
from driftwise.tracking import Result

THRESHOLDS = {"default": 0.7, "threshold_60": 0.6, "threshold_80": 0.8, "after_glyphs": 0.7}


def _config(row: str, setting: str) -> StreamConfig:
    return curriculum(row, threshold=THRESHOLDS[setting])


def report(row: str, setting: str, seed: int) -> dict[str, Any]:
    """That of a cell's run, which is shared with omniglot_binding."""
    config, name = _config(row, setting), f"{row}-{setting}"
    if setting == "after_glyphs":
        config = trained_before(config, seed, name)
    return played(config, seed, name)


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    return measure_levels(report(row, setting, seed))


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    run = {**described(_config(row, setting)), "version": 1}
    if setting == "after_glyphs":
        before = earlier(_config(row, setting))
        return {**run, "before": dataclasses.asdict(before), "streams": EARLIER_STREAMS}
    return run


RESULT = Result(
    name="omniglot_curriculum",
    command="driftwise results run omniglot_curriculum",
    protocol="Omniglot, 28 x 28, classes in a random order; 30 classes, and 30 more once 70 % (60 "
    "%, 80 %) of the held-out drawings of all present ones are told right, asked every 10 steps; "
    "up to 900 classes; batches of 32, Adam, its step size tuned for each learner on another class "
    "order. Means over the five levels that end at so many classes; a level is cut off at 500 "
    "steps, and counts, as do those never reached, with these. after_glyphs: slow weights were "
    "trained over four streams of 250 steps on made-up characters before (--streams).",
    rows=list(ROWS),
    settings=list(THRESHOLDS),
    seeds=list(range(10)),
    run=run,
    config=config,
)
