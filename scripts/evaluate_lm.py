"""``driftwise evaluate-lm``: a language model on a text, with every way of adapting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import tyro

from driftwise.scripts.command_line import parse

if TYPE_CHECKING:
    from driftwise.lm.corpora import Corpus
    from driftwise.lm.models import LanguageModel


@dataclass(frozen=True)
class Arguments:
    """Let a language model read a text, with several ways of adapting to it.

    The model is one of train-lm, or with --hugging-face any causal language model of Hugging Face,
    which reads a --corpus in its own tokens; perplexities are per word in any case.

    Every word is scored before it is learned, and each adapter reads the text once. Adapters are
    static, sliding, cache, hebbian, dynamic, dynamic_rms, knn, mbpa, and fwl for a model with an
    adaptive block; several of them joined by +, as cache+dynamic, work together. Their settings are
    tuned on the beginning of the validation split.

    Stopped at any moment and started again with the same command, it goes on with the adapters that
    are missing. report.json and positions.png are left in RUN/evaluation.
    """

    run: tyro.conf.Positional[Path | None] = None
    """Folder of a run of train-lm, or of a saved model."""
    hugging_face: str | None = None
    """In place of it: name of a model on the hub, or a folder with a model and its tokenizer. RUN
    is then runs/hugging-face/NAME."""
    fit: bool = False
    """With --hugging-face: fit an adaptive block on the frozen model first, on the training split
    (adapter fwl). It is kept in RUN/evaluation."""
    fit_steps: int = 300
    """Batches of 8 by 256 tokens that it is fitted on."""
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
    from driftwise.lm.evaluation import evaluate_model, format_report

    for name in given.adapters:  # before a model is loaded
        split_name(name)
    if (given.run is None) == (given.hugging_face is None):
        raise ValueError("run, or --hugging-face NAME, must say which model: one of the two")
    if given.fit and given.hugging_face is None:
        raise ValueError("--fit needs --hugging-face: train-lm trains adaptive blocks of its own")
    opened = _of_hugging_face(given) if given.run is None else _of_run(given, given.run)
    report = evaluate_model(
        opened.model,
        opened.corpus,
        given.adapters,
        split=given.split,
        num_lanes=given.num_lanes,
        length=given.length,
        reset_documents=given.reset_documents,
        max_tokens=given.max_tokens,
        settings=opened.settings,
        tune_tokens=given.tune_tokens,
        folder=opened.folder,
        progress=given.progress,
    )
    print(format_report(report))
    print(f"{report['protocol']}\nreport.json, positions.png in {opened.folder}")


class _Opened(NamedTuple):
    """What is evaluated, by which settings, and where the report goes."""

    model: LanguageModel
    corpus: Corpus
    settings: dict[str, Any]
    folder: Path


def _of_run(given: Arguments, run: Path) -> _Opened:
    """A model of train-lm, and its corpus or another one."""
    from driftwise.lm.checkpoint import load_language_model
    from driftwise.lm.corpora import open_corpus

    loaded = load_language_model(run, given.device)
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
        raise ValueError(f"{run} does not say what it was trained on: give --corpus")
    loaded.check_corpus(corpus)
    return _Opened(loaded.model, corpus, given.settings, _folder(given, run, corpus))


def _of_hugging_face(given: Arguments) -> _Opened:
    """A model of Hugging Face, with a block where asked, and a corpus in its tokens."""
    import torch

    from driftwise.lm.corpora import open_corpus
    from driftwise.lm.hugging_face import adapt, cache_sharpness, fit_or_load_block, load_pretrained
    from driftwise.lm.models import FastBlockConfig, FastBlockLanguageModel

    name = str(given.hugging_face)
    if given.corpus is None:
        raise ValueError("--hugging-face needs --corpus, the text to read")
    pretrained, tokenizer = load_pretrained(name, given.device)
    corpus = open_corpus(given.corpus, tokenizer=tokenizer, progress=given.progress)
    kept_as = Path(name).resolve().name if Path(name).is_dir() else name.replace("/", "--")
    folder = _folder(given, Path("runs/hugging-face") / kept_as, corpus)
    torch.manual_seed(0)  # of the block
    size = min(256, pretrained.get_output_embeddings().in_features)
    model = adapt(pretrained, fast_block=FastBlockConfig(size) if given.fit else False)
    if isinstance(model, FastBlockLanguageModel):
        place = folder.parent / f"block-{Path(corpus.name).name}"
        fit_or_load_block(model, corpus, place, num_steps=given.fit_steps, progress=given.progress)
    cache = {"theta": cache_sharpness(model, corpus.valid), **given.settings.get("cache", {})}
    return _Opened(model, corpus, {**given.settings, "cache": cache}, folder)


def _folder(given: Arguments, run: Path, corpus: Corpus) -> Path:
    return run / "evaluation" / f"{Path(corpus.name).name}-{given.split}"
