"""What results about language models share: trained models by name, and adapters as rows."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftwise.lm.adapters import PARTS, split_name
from driftwise.lm.adapters.config import PartConfig
from driftwise.lm.checkpoint import load_language_model
from driftwise.lm.corpora import Corpus
from driftwise.lm.evaluation import evaluate_model
from driftwise.lm.models import LanguageModel
from driftwise.lm.training import TrainConfig, train_language_model
from driftwise.tracking import write_bytes

RUNS = Path("runs/benchmarks")
WAIT = 20.0  # seconds between looks at a model that another cell is training
VERSION = 1  # raised when the code changes the numbers


def trained_model(config: TrainConfig, corpus: Corpus, name: str, seed: int) -> LanguageModel:
    """The model of a run, which is trained by the first cell that needs it, or finished.

    A cell that needs the model while another one trains it waits. A run of another configuration
    has another folder.
    """
    text = json.dumps(dataclasses.asdict(config), sort_keys=True)
    name = f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    config = dataclasses.replace(config, seed=seed, device="cpu")
    while True:
        try:
            report = train_language_model(
                config, corpus=corpus, runs=RUNS, name=name, progress=False, tensorboard=False
            )
        except RuntimeError as error:
            if "in use by another process" not in str(error):
                raise
            time.sleep(WAIT)
        else:
            return load_language_model(report["folder"], "cpu").model


def parts_of(adapter: str) -> dict[str, PartConfig]:
    """Default settings of an adapter's parts, with what tuning tries, for the config of a cell."""
    return {part: PARTS[part]() for part in split_name(adapter)}


def adapter_config(adapter: str) -> Mapping[str, Any]:
    """What decides the numbers of an adapter beside the model: settings and grids."""
    return {
        part: {**dataclasses.asdict(config), "grid": {k: list(v) for k, v in config.grid.items()}}
        for part, config in parts_of(adapter).items()
    }


def measure(
    model: LanguageModel, corpus: Corpus, adapter: str, folder: str, **options: Any
) -> dict[str, Any]:
    """:func:`measure_in` a folder that cells share, with how it was read."""
    metrics, report = measure_in(RUNS / "readings" / folder, model, corpus, adapter, **options)
    return {
        **metrics,
        "adapter": report["adapters"][adapter]["adapter"],
        "protocol": report["protocol"],
        "position": report["adapters"][adapter]["position"],
        "tuning": report["tuning"],
    }


def measure_in(
    place: Path, model: LanguageModel, corpus: Corpus, adapter: str, **options: Any
) -> tuple[dict[str, float], dict[str, Any]]:
    """Perplexities of one adapter by bucket, and its gain on ``static``; and the whole report.

    ``static`` is read for every model once.

    Args:
        place: Folder that all readings of this model with these options share.
        model: The model.
        corpus: Whose test split is read.
        adapter: Name of the adapter.
        **options: As for :func:`driftwise.lm.evaluation.evaluate_model`.
    """
    names = list(dict.fromkeys(("static", adapter)))
    mine = place / adapter  # two cells of one model may read at the same time
    if adapter != "static" and (place / "static" / "static.npz").is_file():
        mine.mkdir(parents=True, exist_ok=True)
        write_bytes(mine / "static.npz", (place / "static" / "static.npz").read_bytes())
    report = evaluate_model(model, corpus, names, folder=mine, progress=False, **options)
    entry = report["adapters"][adapter]
    found = entry["word_perplexity"]
    metrics = {
        "perplexity": found["value"],
        "perplexity_low": found["low"],
        "perplexity_high": found["high"],
        "gain_nats": entry["gain"]["value"],
        "gain_nats_low": entry["gain"]["low"],
        "gain_nats_high": entry["gain"]["high"],
        "bits_per_byte": entry["bits_per_byte"],
        "flops_ratio": entry["flops_ratio"],
    }
    labels = {">10k": "above_10k", "1k-10k": "1k_10k", "100-1k": "100_1k", "<100": "below_100"}
    for bucket, values in entry["frequency"].items():
        metrics[f"perplexity_{labels[bucket]}"] = values["perplexity"]
    for bucket, values in entry["occurrence"].items():
        metrics[f"perplexity_{bucket}"] = values["perplexity"]
    return metrics, report
