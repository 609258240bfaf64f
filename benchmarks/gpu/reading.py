"""The stage that reads a text with one adapter after the other."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from driftwise.benchmarks.gpu.context import Context, Found
from driftwise.benchmarks.gpu.record import entry
from driftwise.benchmarks.lm_cells import measure_in
from driftwise.lm.adapters import PARTS
from driftwise.tracking import make_writable_folder


class Reading(NamedTuple):
    """How a text is read.

    Attributes:
        record: Name of the record that rows go to.
        setting: Their setting.
        length: Positions of a segment.
        max_tokens: Tokens of the test split; None for all.
        tune_tokens: Tokens of the validation split for settings.
        reset_documents: Whether all is forgotten where a document begins.
        raw: Whether the raw test split of WikiText-103 is read, and not that of the corpus.
    """

    record: str
    setting: str = "default"
    length: int = 64
    max_tokens: int | None = None
    tune_tokens: int = 5_000
    reset_documents: bool = True
    raw: bool = False


# Settings that are not tuned. The search of knn is exact.
GIVEN: dict[str, dict[str, Any]] = {"knn": {"max_keys": 1_000_000}}
DRY: dict[str, dict[str, Any]] = {
    "knn": {"max_keys": 100, "k": 4},
    "dynamic_rms": {"statistics_batches": 1},
}
# About how often the time of reading alone a part takes.
COSTS = {"sliding": 3.0, "dynamic": 4.0, "dynamic_rms": 6.0, "knn": 5.0, "mbpa": 12.0, "fwl": 2.0}


def read(context: Context, stage: str, reading: Reading, rows: Mapping[str, str]) -> Found:
    """Read the test text with one adapter after the other, as long as there is time.

    Args:
        context: Of the block.
        stage: Which has left the model.
        reading: How.
        rows: Adapters by the name of their row. Parts are tuned by the first one that has them.
    """
    folder = Path(context.outcome(stage)["folder"])
    if folder.is_relative_to(context.folder):
        # It will not be trained again, and the disks of such machines are small.
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    if context.settings.dry_run:
        reading = reading._replace(length=8, max_tokens=120, tune_tokens=16)
    loaded, given = context.load(stage), dict(DRY if context.settings.dry_run else GIVEN)
    longest = loaded.model.max_length
    if longest is not None:
        given["sliding"] = {"context": min(512, longest)}
    corpus = context.raw_corpus if reading.raw else context.corpus
    name = f"{stage}-{reading.record}-{reading.setting}"
    place = make_writable_folder(context.folder / "readings" / name)
    skipped, seconds_per_token = [], 0.0
    for row, adapter in rows.items():
        parts = adapter.split("+")
        tuned = sum(_candidates(part, given) for part in parts) * reading.tune_tokens
        tokens = min(len(corpus.test), reading.max_tokens or len(corpus.test))
        cost = max(COSTS.get(part, 1.5) for part in parts) * seconds_per_token * (tokens + tuned)
        if cost > context.clock.left:
            context.say(f"{row} is left out: it takes about {cost:.0f} s")
            skipped.append(row)
            continue
        try:
            metrics, report = measure_in(
                place,
                loaded.model,
                corpus,
                adapter,
                length=reading.length,
                max_tokens=reading.max_tokens,
                tune_tokens=reading.tune_tokens,
                reset_documents=reading.reset_documents,
                settings=given,
            )
        except torch.OutOfMemoryError as error:
            context.say(f"{row} is left out: {str(error).splitlines()[0]}")
            skipped.append(row)
            continue
        seconds_per_token = report["adapters"]["static"]["seconds"] / report["tokens"]
        for part in parts:
            if part in report["tuning"]["settings"]:
                given[part] = report["tuning"]["settings"][part]
        context.record(
            reading.record,
            {row: f"{report['adapters'][adapter]['adapter']}; {report['protocol']}"},
            _entries(row, reading.setting, metrics, report["adapters"][adapter]),
        )
        context.say(f"{row}: perplexity {metrics['perplexity']:.2f}")
    return {"skipped_rows": skipped}


def _candidates(part: str, given: Mapping[str, Mapping[str, Any]]) -> int:
    grid = [values for key, values in PARTS[part].grid.items() if key not in given.get(part, {})]
    return math.prod(map(len, grid)) if grid else 0


def _entries(
    row: str, setting: str, metrics: Mapping[str, float], report: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Rows of a table: numbers with their intervals, buckets, and what it cost."""
    numbers = dict(metrics)
    numbers["time_ratio"] = report["seconds_ratio"]
    for bucket, found in report["position"].items():
        numbers[f"perplexity_at_{bucket}"] = found["perplexity"]
    return [
        entry(
            row,
            setting,
            metric,
            value,
            numbers.get(f"{metric}_low"),
            numbers.get(f"{metric}_high"),
            report["word_perplexity"]["n"],
        )
        for metric, value in numbers.items()
        if not metric.endswith(("_low", "_high"))
    ]
