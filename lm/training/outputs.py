"""What a validation leaves behind: numbers, a model, and a sample of text."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import torch

from ...tracking import RunFolder, make_writable_folder, write_text
from ..checkpoint import save_language_model
from ..corpora import Corpus, Tokenizer, TokenSplit
from ..generate import generate
from ..models import LanguageModel
from .config import TrainConfig
from .processes import Processes, whole


def measured(step: int, loss: float, split: TokenSplit) -> dict[str, float]:
    """A validation: ``step``, ``loss`` per token, and with it ``perplexity`` per word."""
    per_word = loss * len(split) / split.num_words
    return {"step": step, "loss": loss, "perplexity": math.exp(min(per_word, 700.0))}


def save_model(
    place: Path,
    config: TrainConfig,
    model: LanguageModel,
    corpus: Corpus,
    valid: dict[str, float],
    run: RunFolder | None,
) -> None:
    """Save a model; to be called by all processes, of which one writes."""
    weights = whole(model.state_dict())
    if run:
        info = {
            "step": valid["step"],
            "valid_loss": valid["loss"],
            "valid_perplexity": valid["perplexity"],
            "train": dataclasses.asdict(config),
        }
        save_language_model(place, model, config.model, corpus, info, weights=weights)


def sample_text(
    config: TrainConfig, model: LanguageModel, tokenizer: Tokenizer, processes: Processes
) -> str:
    """Text from a model, by the process that has all of it."""
    spread = config.parallel == "fsdp" and processes.world_size > 1
    if not config.sample_tokens or not processes.main or spread:
        return ""
    prompt, count = config.sample_prompt, config.sample_tokens
    with torch.compiler.set_stance("force_eager"):  # or every length would be compiled
        return generate(model, tokenizer, prompt, count, seed=config.seed)[0]


def show(run: RunFolder, valid: dict[str, float], text: str, bar: Any) -> None:
    """Log and print a validation, and a sample of text where there is one."""
    step = int(valid["step"])
    run.log(step, {f"valid/{key}": valid[key] for key in ("loss", "perplexity")})
    if not bar.disable:
        bar.write(f"step {step:,}: validation perplexity {valid['perplexity']:,.2f}")
    if text:
        folder = make_writable_folder(run.path / "samples")
        write_text(folder / f"step_{step:09d}.txt", text + "\n")
        if run.tensorboard is not None:
            run.tensorboard.add_text("sample", text, step)
        if not bar.disable:
            bar.write("  " + text.replace("\n", "\n  "))
