"""What the stages of a block share: what was asked for, where things are, what time is left."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from driftwise.benchmarks.gpu.record import make_record, merge_record
from driftwise.benchmarks.gpu.shrink import shrink
from driftwise.benchmarks.gpu.tiny_text import write_tiny_text
from driftwise.lm.checkpoint import LoadedModel, load_language_model
from driftwise.lm.corpora import Corpus, open_corpus, read_raw_wikitext
from driftwise.lm.training import TrainConfig
from driftwise.lm.training.gpu_recipes import GPU_RECIPES
from driftwise.tracking import write_json
from driftwise.tracking.plain import to_plain

Found = dict[str, Any]  # by a stage
TICK = 1.0  # seconds between notes of the time that has passed


class Skipped(Exception):
    """Raised by a stage for which no time is left; says so."""


@dataclass(frozen=True)
class Settings:
    """What a block was asked for: the same in every call."""

    block: str
    """A, B or C."""
    recipe: str
    """The main recipe."""
    corpus: str | None = None
    """Another corpus than that of the recipe."""
    tokenizer: str | None = None
    """Another tokenizer than that of the recipe."""
    model: str | None = None
    """Folder of a model of the main recipe, to be used in place of training one."""
    micro_batches: int = 1
    """Parts that batches are read in at least."""
    minutes: float = 28.0
    """How long the block may work, over all calls."""
    seed: int = 0
    """Of weights and batches."""
    device: str = "cuda"
    """Where."""
    dry_run: bool = False
    """Next to nothing of everything, on a text that is made up."""

    def config(self, name: str) -> TrainConfig:
        """A recipe as it is to be trained here."""
        config = GPU_RECIPES[name]()
        if self.dry_run:
            config = shrink(config)
        return replace(
            config,
            corpus=self.corpus or config.corpus,
            tokenizer=self.tokenizer or config.tokenizer,
            micro_batches=max(config.micro_batches, self.micro_batches),
            seed=self.seed,
            device=self.device,
        )

    def command(self) -> str:
        """The command line, for the record."""
        words = ["driftwise gpu-run", self.block]
        if self.block != "C":
            words += ["--recipe", self.recipe]
        for name in ("corpus", "tokenizer"):
            if getattr(self, name) is not None:
                words += [f"--{name}", getattr(self, name)]
        if self.model is not None:
            words += ["--model", Path(self.model).name]
        words += ["--dry-run"] if self.dry_run else []
        return " ".join(words)


class Clock:
    """Seconds that a block has worked, in all its calls, and how many are left.

    They are noted in a file as they pass, so that a process that is killed has them counted.

    Args:
        path: The file.
        minutes: How long the block may work.
    """

    def __init__(self, path: Path, minutes: float) -> None:
        self._path, self._limit = path, 60 * minutes
        self._before = float(json.loads(path.read_text())["seconds"]) if path.exists() else 0.0
        self._begun = time.monotonic()
        self._ended = threading.Event()

    def __enter__(self) -> Clock:
        """Begin to note the time."""
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._note, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Note it a last time."""
        self._ended.set()
        self._thread.join()
        write_json(self._path, {"seconds": self.spent})

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self._before + time.monotonic() - self._begun

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._limit - self.spent

    def require(self, seconds: float, what: str) -> None:
        """Raise :class:`Skipped` unless so many seconds are left."""
        if seconds > self.left:
            raise Skipped(
                f"{what} takes about {seconds:.0f} s, and {max(0, self.left):.0f} are left"
            )

    def _note(self) -> None:
        while not self._ended.wait(TICK):
            write_json(self._path, {"seconds": self.spent})


class Context:
    """What stages work with.

    Args:
        settings: What was asked for.
        folder: Where the block keeps all that it makes.
        results: Where records go.
    """

    def __init__(self, settings: Settings, folder: Path, results: Path) -> None:
        self.settings, self.folder, self.results = settings, folder, results
        self.device = torch.device(settings.device)
        self.clock = Clock(folder / "clock.json", settings.minutes)

    @cached_property
    def corpus(self) -> Corpus:
        """The text, made into ids by the first who asks."""
        config = self.settings.config(self.settings.recipe)
        text, cache = config.corpus, None
        if self.settings.dry_run:
            text, cache = str(write_tiny_text(self.folder / "text")), self.folder / "cache"
        return open_corpus(
            text,
            tokenizer=config.tokenizer,
            vocab_size=config.vocab_size,
            min_count=config.min_count,
            cache=cache,
            progress=False,
        )

    @cached_property
    def raw_corpus(self) -> Corpus:
        """The same with the raw test split of WikiText-103, detokenised, in the place of its own.

        Raises:
            Skipped: There is no such file.
        """
        path = Path(os.environ.get("DRIFTWISE_DATA", "")) / "wikitext-2" / "wiki.test.raw"
        if self.settings.dry_run:
            path = self.folder / "text" / "tiny.test.tokens"
        try:
            test = read_raw_wikitext(path, self.corpus.tokenizer)
        except FileNotFoundError as error:
            raise Skipped(str(error)) from None
        splits = {**self.corpus.splits, "test": test}
        return replace(self.corpus, name="wikitext-103 raw, detokenised", splits=splits)

    def stage_path(self, stage: str) -> Path:
        """Where the outcome of a stage is kept."""
        return self.folder / "stages" / f"{stage}.json"

    def outcome(self, stage: str) -> dict[str, Any]:
        """What a stage has found; empty as long as it has not ended."""
        path = self.stage_path(stage)
        return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}

    def load(self, stage: str) -> LoadedModel:
        """The model that a stage has left."""
        loaded = load_language_model(self.outcome(stage)["folder"], self.device)
        loaded.check_corpus(self.corpus)
        return loaded

    def record(self, name: str, protocol: dict[str, str], table: list[dict[str, Any]]) -> None:
        """Put rows into a record, beside those that are in it."""
        command, seed = self.settings.command(), self.settings.seed
        merge_record(make_record(name, command, protocol, table, seed), self.results)

    def say(self, text: str) -> None:
        """A line of the log, with the time that was spent."""
        minutes, seconds = divmod(int(self.clock.spent), 60)
        print(f"[{minutes:02d}:{seconds:02d}] {text}", flush=True)


def plain_settings(settings: Settings) -> dict[str, Any]:
    """Settings, and the main recipe as it is now: what the calls of a block must agree in."""
    recipe = dataclasses.asdict(settings.config(settings.recipe))
    return {**dataclasses.asdict(settings), "trained": to_plain(recipe, "trained")}
