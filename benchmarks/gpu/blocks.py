"""The blocks of a GPU run, each half an hour: what is done, in which order, and what it needs.

Expected of each on one H200, from the speeds in docs/gpu.md:

- *A*: checks 1 minute, speed 5, WikiText-2 trained 9, read with every adapter 9.
- *B*: ``wiki-s`` trained 10 minutes, read with every adapter 9, a block fitted on it 2, read 3.
- *C*: with and without memories at a quarter of the steps, 3 to 5 minutes each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from driftwise.benchmarks.gpu.context import Context, Found, Settings
from driftwise.benchmarks.gpu.reading import Reading, read
from driftwise.benchmarks.gpu.stages import check, fit, measure_speed, plan, prepare, train


class Stage(NamedTuple):
    """A part of a block.

    Attributes:
        name: Of the stage, and of the file that its outcome is kept in.
        run: Does it.
        needs: Stages without whose outcome it cannot be done.
    """

    name: str
    run: Callable[[Context], Found]
    needs: tuple[str, ...] = ()


# Adapters by row, the most telling ones first: time may run out.
WITH_RULES = {
    "static": "static",
    "cache": "cache",
    "dynamic_rms": "dynamic_rms",
    "cache_dynamic_rms": "cache+dynamic_rms",
}
EVERY_ADAPTER = {
    **WITH_RULES,
    "hebbian": "hebbian",
    "dynamic": "dynamic",
    "knn": "knn",
    "all": "hebbian+knn+cache+dynamic_rms",
    "sliding": "sliding",
    "mbpa": "mbpa",
}
FITTED = {"fwl_fitted_slow": "static", "fwl_fitted": "fwl", "fwl_fitted_cache": "fwl+cache"}
# What block C trains, by recipe, with adapters by row; the first is the control of the others.
WITH_MEMORIES: dict[str, dict[str, str]] = {
    "wiki-s": {"control": "static", "control_cache": "cache"},
    "wiki-s-fwl": {"fwl_joint_slow": "static", "fwl_joint": "fwl"},
    "wiki-s-fwl-control": {"fwl_eta_0": "static"},
    "wiki-s-sparse": {"smn": "static"},
    "wiki-lstm": {"lstm": "static", "lstm_cache": "cache", "lstm_hebbian_test": "hebbian"},
    "wiki-lstm-hebbian": {"lstm_hebbian": "static", "lstm_hebbian_cache": "cache"},
    "wiki-s-fwl-first-order": {"fwl_first_order": "fwl"},
}
MAIN = {"A": "wikitext2-transformer", "B": "wiki-s", "C": "wiki-s"}
QUARTER = 0.25


def recipes_of(settings: Settings) -> list[str]:
    """All recipes that a block trains."""
    others = list(WITH_MEMORIES)[1:] if settings.block == "C" else []
    return [settings.recipe, *others]


def stages_of(settings: Settings) -> list[Stage]:
    """The stages of a block, in order."""
    begin = [Stage("data", prepare)]
    if settings.block == "A":
        checked = [
            Stage("checks", check),
            Stage("speed", partial(measure_speed, recipes=_timed(settings)), ("checks",)),
        ]
        return [*checked, *begin, *_main(settings, 560.0, ("checks",)), *_wikitext2(settings)]
    if settings.block == "B":
        return [*begin, *_main(settings, 700.0), *_ladder(settings)]
    return [*begin, *_main(settings, 180.0, share=QUARTER), *_memories(settings)]


def record_of(settings: Settings) -> str:
    """Name of the record that a block fills."""
    base = "gpu_wikitext2" if settings.block == "A" else "gpu_wiki_ladder"
    others = [str(name) for name in (settings.corpus, settings.tokenizer) if name is not None]
    return "-".join([base, *("".join(c if c.isalnum() else "_" for c in o) for o in others)])


def _timed(settings: Settings) -> tuple[str, ...]:
    return tuple(dict.fromkeys((settings.recipe, "wiki-s", "wiki-m")))


def _main(
    settings: Settings, seconds: float, needs: tuple[str, ...] = (), share: float = 1.0
) -> list[Stage]:
    """Plan and train the main recipe within some seconds."""
    seconds = seconds * settings.minutes / 28
    return [
        Stage("plan", partial(plan, seconds=seconds, share=share), ("data", *needs)),
        Stage("train", partial(train, name=settings.recipe), ("plan",)),
    ]


def _reading(settings: Settings, **options: object) -> Reading:
    setting = "" if settings.recipe == MAIN[settings.block] else settings.recipe
    named = {"setting": setting or "default", **options}
    return Reading(record_of(settings), **named)  # type: ignore[arg-type]


def _wikitext2(settings: Settings) -> list[Stage]:
    """As published, articles as one stream; then all adapters, with articles that reset."""
    setting = _reading(settings).setting
    name = "continuous" if setting == "default" else f"{setting}-continuous"
    stream = _reading(settings, setting=name, reset_documents=False)
    return [
        _read("read-continuous", "train", stream, WITH_RULES),
        _read("read", "train", _reading(settings), EVERY_ADAPTER),
    ]


def _ladder(settings: Settings) -> list[Stage]:
    """All adapters at test time, and a block that is fitted on the same model.

    In byte pairs also the raw test split of WikiText-103, on which other models have been scored.
    """
    reading, stages = _reading(settings, max_tokens=200_000), []
    if settings.tokenizer == "bpe":
        raw = _reading(settings, raw=True)._replace(record="gpu_wikitext103_raw")
        stages.append(_read("read-raw", "train", raw, WITH_RULES))
    return [
        *stages,
        _read("read", "train", reading, EVERY_ADAPTER),
        Stage("fit", partial(fit, stage="train"), ("train",)),
        _read("read-fitted", "fit", reading, FITTED),
    ]


def _memories(settings: Settings) -> list[Stage]:
    """Models with memories and their controls, each read as soon as it is trained."""
    reading = _reading(settings, setting="quarter", max_tokens=200_000)
    (_, control), *others = WITH_MEMORIES.items()
    stages = [_read("read", "train", reading, control)]
    for name, rows in others:
        stages.append(Stage(f"train-{name}", partial(train, name=name), ("train",)))
        stages.append(_read(f"read-{name}", f"train-{name}", reading, rows))
    return stages


def _read(name: str, model: str, reading: Reading, rows: Mapping[str, str]) -> Stage:
    return Stage(name, partial(read, stage=model, reading=reading, rows=rows), (model,))
