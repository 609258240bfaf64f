"""``driftwise evaluate-lm``: a language model on a text, with every way of adapting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

from driftwise.scripts.command_line import parse


@dataclass(frozen=True)
class Arguments:
    """Let a language model read a text, with several ways of adapting to it.

    Every word is scored before it is learned, and each adapter reads the text once. Adapters are
    static, sliding, cache, hebbian, dynamic, dynamic_rms, knn, mbpa, and fwl for a model with an
    adaptive block; several of them joined by +, as cache+dynamic, work together. Their settings are
    tuned on the beginning of the validation split.

    Stopped at any moment and started again with the same command, it goes on with the adapters that
    are missing. report.json and positions.png are left in RUN/evaluation.
    """

    run: tyro.conf.Positional[Path]
    """Folder of a run of train-lm, or of a saved model."""
    adapters: tuple[str, ...] = ("static", "cache", "dynamic")
    """What to compare."""
    split: str = "test"
    """train, valid or test."""
    corpus: str | None = None
    """Another corpus than that of the run, read with the model's vocabulary: a name, a file, a
    folder or hf:owner/name. Buckets by training frequency, kNN and statistics are of it, too."""
    num_lanes: int = 1
    """Lanes of text read side by side; adapters that move weights (hebbian, dynamic) need one."""
    length: int = 32
    """Words of a segment: how often an adapter learns."""
    reset_documents: bool = True
    """Whether all is forgotten where a document begins."""
    max_tokens: int | None = None
    """Read the first tokens of the split only."""
    tune_tokens: int = 10_000
    """Tokens of the validation split that settings are tuned on; 0 for the defaults."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings that are not to be tuned, as '{"cache": {"window": 500}}'."""
    device: str = "auto"
    """torch device; auto is a GPU where there is one."""
    progress: bool = True
    """Show progress bars."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given = parse(Arguments, arguments, "driftwise evaluate-lm")

    from driftwise.lm.adapters import split_name
    from driftwise.lm.checkpoint import load_language_model
    from driftwise.lm.corpora import open_corpus
    from driftwise.lm.evaluation import evaluate_model, format_report

    for name in given.adapters:  # before a model is loaded
        split_name(name)
    loaded = load_language_model(given.run, given.device)
    train = loaded.info.get("train", {})
    if given.corpus is not None:
        corpus = open_corpus(given.corpus, tokenizer=loaded.tokenizer, progress=given.progress)
    elif "corpus" in train:
        corpus = open_corpus(
            train["corpus"],
            tokenizer=train["tokenizer"],
            vocab_size=train["vocab_size"],
            min_count=train["min_count"],
            progress=given.progress,
        )
    else:
        raise ValueError(f"{given.run} does not say what it was trained on: give --corpus")
    loaded.check_corpus(corpus)
    folder = given.run / "evaluation" / f"{Path(corpus.name).name}-{given.split}"
    report = evaluate_model(
        loaded.model,
        corpus,
        given.adapters,
        split=given.split,
        num_lanes=given.num_lanes,
        length=given.length,
        reset_documents=given.reset_documents,
        max_tokens=given.max_tokens,
        settings=given.settings,
        tune_tokens=given.tune_tokens,
        folder=folder,
        progress=given.progress,
    )
    print(format_report(report))
    print(f"{report['protocol']}\nreport.json, positions.png in {folder}")
