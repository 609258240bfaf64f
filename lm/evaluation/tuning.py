"""Settings of adapters, chosen on validation text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any, NamedTuple

from tqdm import tqdm

from ..adapters import PARTS, Adapter, AdapterMaker, split_name
from .stream_evaluator import StreamEvaluator

Settings = dict[str, dict[str, Any]]


class Tuned(NamedTuple):
    """What tuning found.

    Attributes:
        settings: By part.
        nats: Nats per token by part and candidate, for the record.
    """

    settings: Settings
    nats: dict[str, dict[str, float]]


def tune_adapters(
    names: list[str],
    maker: AdapterMaker,
    valid: StreamEvaluator,
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    progress: bool = True,
) -> Tuned:
    """Try the grids of all parts of some adapters on validation text.

    Each part is tuned by itself, also one that is used in combinations only, with the model's
    adaptive block on if all adapters that it is part of have it on. Settings that are given are not
    tuned. The candidate with the fewest nats wins.

    Args:
        names: Of adapters.
        maker: Makes them.
        valid: Reads the validation text, or a slice of it.
        settings: Settings that are already decided, by part.
        progress: Whether to show a bar.
    """
    found: Settings = {part: dict(values) for part, values in (settings or {}).items()}
    record: dict[str, dict[str, float]] = {}
    used = {part for name in names for part in split_name(name)}
    for part in (part for part in PARTS if part in used):  # the block before what is put on it
        decided = found.setdefault(part, {})
        grid = {name: v for name, v in PARTS[part].grid.items() if name not in decided}
        users = [split_name(name) for name in names if part in split_name(name)]
        adapter = (
            part if part == "fwl" or not all("fwl" in user for user in users) else f"fwl+{part}"
        )
        if not grid:
            continue
        record[part] = {}
        candidates = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        for candidate in tqdm(candidates, desc=f"tuning {part}", disable=not progress):
            tried = {**found, part: {**decided, **candidate}}
            label = ", ".join(f"{name}={value:g}" for name, value in candidate.items())
            record[part][label] = _nats(valid, maker.make(adapter, tried))
        scores = list(record[part].values())
        decided.update(candidates[scores.index(min(scores))])
    return Tuned({part: values for part, values in found.items() if values}, record)


def _nats(valid: StreamEvaluator, adapter: Adapter) -> float:
    """Nats per token; infinite where the adapter diverges."""
    try:
        return float(valid.read(adapter).nats.mean())
    except FloatingPointError:
        return math.inf
