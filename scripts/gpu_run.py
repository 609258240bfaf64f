"""``driftwise gpu-run``: a block of the runs of record on one large GPU."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from driftwise.benchmarks.gpu.blocks import MAIN, recipes_of
from driftwise.benchmarks.gpu.context import Settings, plain_settings
from driftwise.benchmarks.gpu.memory_needed import check_disk, check_fits
from driftwise.benchmarks.gpu.requirements import check_corpus, check_device
from driftwise.benchmarks.gpu.stages import check_model
from driftwise.benchmarks.gpu.worker import LOCK, LOG, Worker, begin, unfinished, watch, work
from driftwise.lm.training.gpu_recipes import EXPECTED, vocabulary_of
from driftwise.tracking import make_writable_folder, write_json
from driftwise.tracking.config import check_same_config
from driftwise.tracking.lock import FileLock

WAIT = 540.0  # seconds: a little less than the ten minutes that one command may last


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given = _parser().parse_args(list(arguments))
    if given.data is not None:
        os.environ["DRIFTWISE_DATA"] = str(given.data.resolve())
    folder = given.folder or Path("runs/gpu") / f"{given.block}{'-dry' if given.dry_run else ''}"
    results = given.results or (folder / "results" if given.dry_run else Path("results"))
    if FileLock.held(folder / LOCK):
        (folder / LOG).touch()
        worker = Worker(None, (folder / LOG).stat().st_size)
    else:
        settings = _settings(given)
        check(settings, folder)
        if given.foreground:
            work(settings, folder, results)
            return
        worker = begin([*arguments, "--foreground"], folder)
    if watch(folder, worker, given.wait, print):
        print(f"still at work in {folder}: the same command again goes on watching")
        return
    missing = unfinished(_settings(given), folder)
    if missing:
        raise RuntimeError(
            f"ended without {', '.join(missing)}: see {folder / LOG}; the same command again goes "
            "on with them"
        )
    print(f"block {given.block} is done; records are in {results}")


def check(settings: Settings, folder: Path) -> None:
    """Look at all that a block needs before anything is done.

    Raises:
        ValueError: Something does not fit: the device, another run in the folder, a model, a text.
        FileNotFoundError: A text is missing, or a part of one.
        RuntimeError: There is no GPU.
        OSError: The folder is not writable, or the disk is too small.
    """
    recipe = settings.config(settings.recipe)
    recipe.check()
    asked, begun = folder / "settings.json", plain_settings(settings)
    if asked.exists():
        try:
            check_same_config(asked, begun, ignore=("minutes",))
        except ValueError as error:
            raise ValueError(f"{error}; for a block that is another --folder") from None
    if not settings.dry_run:
        import torch

        device = check_device(settings.device)
        memory = torch.cuda.get_device_properties(device).total_memory
        words = {name: vocabulary_of(name) for name in recipes_of(settings)}
        for name, count in words.items():
            check_fits(name, settings.config(name), count, memory)
        check_disk({name: settings.config(name) for name in words}, words, folder)
        if not (folder / "stages" / "data.json").exists():
            check_corpus(recipe.corpus)
    if settings.model is not None:
        check_model(settings.model, recipe, settings.recipe)
    make_writable_folder(folder)
    write_json(asked, begun)


def _settings(given: argparse.Namespace) -> Settings:
    if given.micro_batches < 1 or not given.minutes > 0 or given.seed < 0:
        raise ValueError(
            "micro-batches must be at least 1, minutes above 0 and seed at least 0, got "
            f"{given.micro_batches}, {given.minutes} and {given.seed}"
        )
    for name in ("model", "recipe"):
        if getattr(given, name) is not None and given.block == "C":
            raise ValueError(f"{name} must not be given for block C, which trains its own alike")
    device = given.device
    if device == "auto":
        device = "cpu" if given.dry_run else "cuda"
    return Settings(
        given.block,
        given.recipe or MAIN[given.block],
        corpus=given.corpus,
        tokenizer=given.tokenizer,
        model=None if given.model is None else str(given.model.resolve()),
        micro_batches=given.micro_batches,
        minutes=given.minutes,
        seed=given.seed,
        device=device,
        dry_run=given.dry_run,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "driftwise gpu-run",
        description="A block of the runs of record on one large GPU (docs/gpu.md). A: checks, "
        "speeds, and WikiText-2 with every adapter. B: a model of Wikipedia, every adapter, and a "
        "block that is fitted on it. C: models with memories, and their controls, at a quarter of "
        "the steps. The work goes on in a process of its own when this command ends; the same "
        "command again looks on, or goes on with what a kill has left.",
    )
    parser.add_argument("block", choices=MAIN)
    parser.add_argument("--recipe", choices=EXPECTED, help="in place of the block's own")
    parser.add_argument("--corpus", help="in place of the recipe's own: a name, a file or a folder")
    parser.add_argument("--tokenizer", help="in place of the recipe's own: words or bpe")
    parser.add_argument("--model", type=Path, help="a model of the recipe, in place of training")
    parser.add_argument("--data", type=Path, help="folder of texts, in place of DRIFTWISE_DATA")
    parser.add_argument("--folder", type=Path, help="of all that is made; runs/gpu/BLOCK")
    parser.add_argument("--results", type=Path, help="folder of records; results")
    parser.add_argument("--minutes", type=float, default=28.0, help="to work, over all calls")
    parser.add_argument("--wait", type=float, default=WAIT, help="seconds that this call looks on")
    parser.add_argument("--micro-batches", type=int, default=1, help="parts of a batch at least")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--foreground", action="store_true", help="work in this very process")
    parser.add_argument("--dry-run", action="store_true", help="all of it, tiny, on a CPU")
    return parser
