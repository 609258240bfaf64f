"""The stages that blocks are made of: each does one thing, and can be begun again after a kill."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import asdict, replace

import torch

from driftwise.benchmarks import kernels
from driftwise.benchmarks.gpu.checks import CHECKS, DOUBLE, SINGLE, worst_error
from driftwise.benchmarks.gpu.comparing import Size, Where
from driftwise.benchmarks.gpu.context import Context, Found
from driftwise.benchmarks.gpu.record import entry
from driftwise.benchmarks.gpu.training_step import TrainingStep
from driftwise.benchmarks.timing import race
from driftwise.lm.checkpoint import load_language_model, save_language_model
from driftwise.lm.hugging_face.fitting import fit_fast_block
from driftwise.lm.models import FastBlockConfig, FastBlockLanguageModel
from driftwise.lm.precision import autocast
from driftwise.lm.training import TrainConfig, train_language_model
from driftwise.lm.training.gpu_recipes import EXPECTED, base_of
from driftwise.tracking import make_writable_folder, read_metrics

STEPS = 0.85  # share of a training that steps take, beside reading, validating and saving


def check(context: Context) -> Found:
    """Every fast form against its reference; an error where one is wrong."""
    size, names = Size(), list(CHECKS)
    if context.settings.dry_run:
        size = Size(2, 20, 8)
        names = [name for name in names if not name.startswith("compiled")]
    table, wrong = [], []
    for name in names:
        for dtype, limit in CHECKS[name].limits.items():
            if dtype == DOUBLE or (context.settings.dry_run and dtype != SINGLE):
                continue
            part, error = worst_error(name, Where(context.device, dtype), size)
            setting = str(dtype).removeprefix("torch.")
            table.append(entry(name.replace(" ", "_"), setting, "relative_error", error))
            if not error <= limit:
                wrong.append(f"{name} in {setting}: {part} is off by {error:.2g}")
    protocol = "largest relative norm of an error, of values and gradients, against float64"
    context.record("gpu_checks", {"relative_error": protocol}, table)
    if wrong:
        raise AssertionError("; ".join(wrong))
    return {"checks": len(table)}


def measure_speed(context: Context, recipes: Iterable[str]) -> Found:
    """The table of speeds, and what adapting costs."""
    tiny = context.settings.dry_run
    rounds = 1 if tiny else kernels.ROUNDS
    protocol = kernels.protocol(rounds, tiny)
    groups = {
        "gpu_speed": ("memories", "softmaxes", "recipes"),
        "gpu_adaptation_cost": ["adaptation"],
    }
    for record, names in groups.items():
        table = kernels.measure(
            context.device, groups=names, recipes=recipes, rounds=rounds, tiny=tiny, progress=False
        )
        context.record(record, protocol, table)
    return {"recipes": list(recipes)}


def prepare(context: Context) -> Found:
    """The text as ids."""
    corpus = context.corpus
    tokens = {split: len(corpus[split]) for split in corpus.splits}
    return {"tokens": tokens, "vocabulary": len(corpus.tokenizer), "name": corpus.fingerprint}


def plan(context: Context, seconds: float, share: float = 1.0) -> Found:
    """How many steps of the main recipe fit into some seconds: at most a share of all of them."""
    name = context.settings.recipe
    config = context.settings.config(name)
    rounds = 2 if context.settings.dry_run else 12
    step = TrainingStep(config, len(context.corpus.tokenizer), context.device)
    each = statistics.median(race({"step": step}, rounds, context.device, warmup=3)["step"])
    wanted = max(2, round(share * config.num_steps))
    steps = max(2, min(wanted, int(STEPS * seconds / each)))
    speed, expected = config.batch_size * config.length / each, EXPECTED[name].tokens_per_s
    context.say(
        f"{name}: {speed:,.0f} tokens/s, expected {expected:,}; {steps:,} of {wanted:,} steps fit"
    )
    return {
        "tokens_per_s": speed,
        "expected_tokens_per_s": expected,
        "share": steps / config.num_steps,
    }


def train(context: Context, name: str) -> Found:
    """Train a recipe for the planned share of its steps, from the last checkpoint on."""
    settings, planned = context.settings, context.outcome("plan")
    if name == settings.recipe and settings.model is not None:
        return {"folder": settings.model}
    config = _for_steps(settings.config(name), planned["share"])
    tokens = config.num_steps * config.batch_size * config.length
    if name != settings.recipe and not settings.dry_run:
        ratio = planned["tokens_per_s"] / planned["expected_tokens_per_s"]
        context.clock.require(tokens / (ratio * EXPECTED[base_of(name)].tokens_per_s), name)
    report = train_language_model(
        config,
        corpus=context.corpus,
        runs=context.folder / "runs",
        name=name,
        progress=False,
        tensorboard=not settings.dry_run,
    )
    lines = [line for line in read_metrics(report["folder"]) if "time/tokens_per_s" in line]
    speed = statistics.median(line["time/tokens_per_s"] for line in lines)
    context.say(
        f"{name}: {report['tokens']:,} tokens at {speed:,.0f} tokens/s, validation perplexity "
        f"{report['best']['perplexity']:.2f}"
    )
    numbers = {
        "tokens_per_s": speed,
        "tokens": report["tokens"],
        "parameters": report["parameters"],
        "train_flops_per_token": report["train_flops_per_token"],
        "valid_perplexity": report["best"]["perplexity"],
    }
    setting = "default" if planned["share"] > 0.99 else f"share_{planned['share']:.3f}"
    rows = [entry(name, setting, metric, value) for metric, value in numbers.items()]
    context.record("gpu_training", {name: f"{context.corpus.name}, {asdict(config)}"}, rows)
    torch.compiler.reset()
    return {"folder": report["folder"], **numbers}


def fit(context: Context, stage: str) -> Found:
    """Fit an adaptive block on the model of a stage, which stays as it is."""
    dry = context.settings.dry_run
    context.clock.require(1.0 if dry else 180.0, "fitting an adaptive block")
    loaded = context.load(stage)
    config = FastBlockConfig(residual=True, chunk_size=8 if dry else 256)
    torch.manual_seed(context.settings.seed)
    model = FastBlockLanguageModel(loaded.model, config).to(context.device)
    sizes = {"num_steps": 3, "batch_size": 4, "length": 16}
    if not dry:
        sizes = {"num_steps": 1_200, "batch_size": 16, "length": 1024}
    with autocast(context.device):
        losses = fit_fast_block(
            model,
            context.corpus.train,
            seed=context.settings.seed,
            reset_documents=False,
            progress=False,
            **sizes,
        )
    place = make_writable_folder(context.folder / "models") / f"{stage}-fitted"
    whole = replace(loaded.config, fast_block=config)
    save_language_model(place, model, whole, context.corpus, loaded.info)
    last = statistics.fmean(losses[-max(1, len(losses) // 10) :])
    context.say(f"block fitted: {losses[0]:.3f} nats per token at first, {last:.3f} at the end")
    return {"folder": str(place), "first": losses[0], "last": last, **sizes}


def check_model(folder: str, config: TrainConfig, name: str) -> None:
    """Raise a ``ValueError`` unless the model of a folder is that of a recipe."""
    found, wanted = asdict(load_language_model(folder).config), asdict(config.model)
    different = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    if different:
        key = different[0]
        raise ValueError(
            f"the model in {folder} is not of the recipe {name}: its {key} is "
            f"{found.get(key)}, and the recipe has {wanted.get(key)}"
        )


def _for_steps(config: TrainConfig, share: float) -> TrainConfig:
    """A recipe with a share of its steps."""
    steps = max(2, round(share * config.num_steps))
    return replace(
        config,
        num_steps=steps,
        warmup=min(config.warmup, steps // 4),
        evaluate_every=min(config.evaluate_every, -(-steps // 4)),
    )
