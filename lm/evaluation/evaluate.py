"""A model on a split with several adapters: tune, read, report; what is done is not done again."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...memory.contract import check_sizes
from ...tracking import make_writable_folder, write_bytes, write_json
from ..adapters import PARTS, AdapterMaker, split_name
from ..adapters.config import make_config
from ..corpora import Corpus
from ..models import LanguageModel
from .position_figure import plot_positions
from .report import build_report
from .stream_evaluator import Reading, StreamEvaluator
from .tuning import Tuned, tune_adapters

MOVE_WEIGHTS = {"dynamic", "dynamic_rms", "hebbian"}  # parts that read a single lane


def evaluate_model(
    model: LanguageModel,
    corpus: Corpus,
    adapters: Sequence[str] = ("static",),
    *,
    split: str = "test",
    num_lanes: int = 1,
    length: int = 32,
    reset_documents: bool = True,
    max_tokens: int | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    tune_tokens: int = 10_000,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Evaluate adapters of a model on the same stream.

    Args:
        model: The model, of float32 or wider, on the device to read on.
        corpus: Whose split is read; its training split is what kNN and statistics are from.
        adapters: Names: parts, or several joined by + (see docs/adaptation.md).
        split: What is read.
        num_lanes: See :class:`StreamEvaluator`, like ``length`` and ``reset_documents``. Adapters
            that move weights need a single lane.
        length: As there.
        reset_documents: As there.
        max_tokens: Read the first tokens of the split only; None reads all.
        settings: Settings by part, which are then not tuned.
        tune_tokens: Tokens of the validation split that the rest is tuned on, its first ones; 0
            takes the defaults.
        folder: Where to keep scores, ``report.json`` and, where matplotlib is installed,
            ``positions.png``; a second call goes on where the first was stopped. None keeps
            nothing.
        progress: Whether to show bars.

    Returns:
        The report (:func:`build_report`), with ``tuning``.

    Raises:
        TypeError: A number is not an integer, or a setting has the wrong type.
        ValueError: A name is unknown, an argument out of range, or an adapter breaks a rule.
    """
    sizes = {"num_lanes": num_lanes, "length": length}
    if tune_tokens < 0:
        raise ValueError(f"tune_tokens must be at least 0, got {tune_tokens}")
    optional = {"max_tokens": max_tokens, "tune_tokens": tune_tokens or None}
    check_sizes(**sizes, **{name: size for name, size in optional.items() if size is not None})
    if model.max_length is not None and length > model.max_length:
        raise ValueError(
            f"length must be at most {model.max_length}, the longest sequence that the model reads "
            f"at once (max_length), got {length}"
        )
    if len(corpus.tokenizer) != model.vocab_size:
        raise ValueError(
            f"the vocabulary must be that of the model, {model.vocab_size} ids, but {corpus.name} "
            f"has {len(corpus.tokenizer)}"
        )
    names = list(dict.fromkeys(adapters))
    if not names or isinstance(adapters, str):
        raise ValueError(f"adapters must be one name or more in a sequence, got {adapters!r}")
    for name in names:  # before anything is read
        if num_lanes > 1 and not MOVE_WEIGHTS.isdisjoint(split_name(name)):
            raise ValueError(
                f"num_lanes must be 1 for {name}, which moves the weights that all lanes share, "
                f"got {num_lanes}"
            )
    for part, values in (settings or {}).items():
        if part not in PARTS:
            raise ValueError(f"settings must be of parts {', '.join(PARTS)}, got {part!r}")
        make_config(part, values)
    device = next(model.parameters()).device
    stream = corpus[split] if max_tokens is None else corpus[split].first(max_tokens)
    maker = AdapterMaker(
        model,
        corpus.train,
        torch.from_numpy(corpus.counts).to(device),
        length=length,
        reset_documents=reset_documents,
    )
    for name in names:
        maker.check(name, settings)
    options: dict[str, Any] = {
        "length": length,
        "reset_documents": reset_documents,
        "device": device,
    }
    evaluator = StreamEvaluator(stream, num_lanes=num_lanes, progress=progress, **options)
    kept = None if folder is None else make_writable_folder(Path(folder))
    key = fingerprint_of(model, corpus, evaluator.protocol())

    tuned, chosen = _tune(names, maker, corpus, settings, tune_tokens, options, kept, key, progress)
    readings = {}
    for name in names:
        adapter = maker.make(name, tuned.settings)
        path = kept and kept / f"{name}.npz"
        reading = _load(path, f"{key} {adapter.describe()}")
        if reading is None:
            reading = evaluator.read(adapter, name)
            _save(path, f"{key} {adapter.describe()}", reading)
        readings[name] = reading
    report = build_report(
        readings,
        stream,
        corpus.counts,
        f"{corpus.name} {split}: {evaluator.protocol()}; {chosen}",
    )
    report["tuning"] = tuned._asdict()
    if kept is not None:
        write_json(kept / "report.json", report)
        if find_spec("matplotlib") is not None:
            title = f"{corpus.name} {split}"
            figure = plot_positions(report, in_documents=len(stream.documents) > 1, title=title)
            image = io.BytesIO()
            figure.savefig(image, format="png", dpi=200)
            write_bytes(kept / "positions.png", image.getvalue())
    return report


def _tune(
    names: list[str],
    maker: AdapterMaker,
    corpus: Corpus,
    settings: Mapping[str, Mapping[str, Any]] | None,
    tune_tokens: int,
    options: Mapping[str, Any],
    kept: Path | None,
    key: str,
    progress: bool,
) -> tuple[Tuned, str]:
    """Settings, and where they are from, in words."""
    given = {part: dict(values) for part, values in (settings or {}).items()}
    if not tune_tokens:
        return Tuned(given, {}), "settings as given or by default, nothing tuned"
    valid = corpus.valid.first(tune_tokens)
    chosen = f"settings tuned part by part on the first {len(valid):,} tokens of validation"
    key = f"{key} {chosen} {sorted(names)} {json.dumps(given, sort_keys=True)}"
    path = kept and kept / "tuning.json"
    if path is not None and path.is_file():
        stored = json.loads(path.read_text("utf-8"))
        if stored["key"] == key:
            return Tuned(stored["settings"], stored["nats"]), chosen
    evaluator = StreamEvaluator(valid, progress=False, **options)
    tuned = tune_adapters(names, maker, evaluator, settings=given, progress=progress)
    if path is not None:
        write_json(path, {"key": key, **tuned._asdict()})
    return tuned, chosen


def fingerprint_of(model: LanguageModel, corpus: Corpus, protocol: str) -> str:
    """A name for weights, a corpus and what is done with them, which no others have."""
    digest = hashlib.sha256(f"{corpus.name} {corpus.fingerprint} {protocol}".encode())
    for split in corpus.splits.values():
        digest.update(np.ascontiguousarray(split.ids).tobytes())
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _save(path: Path | None, key: str, reading: Reading) -> None:
    if path is not None:
        data = io.BytesIO()
        np.savez_compressed(
            data,
            key=key,
            nats=reading.nats,
            costs=np.array([reading.seconds, reading.flops_per_token]),
            adapter=reading.adapter,
        )
        write_bytes(path, data.getvalue())


def _load(path: Path | None, key: str) -> Reading | None:
    if path is None or not path.is_file():
        return None
    with np.load(path) as stored:
        if str(stored["key"]) != key:
            return None
        seconds, flops = map(float, stored["costs"])
        return Reading(stored["nats"], seconds, flops, str(stored["adapter"]))
