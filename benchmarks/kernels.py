"""How fast a device runs what the recipes are made of, beside what it could do at most.

    python benchmarks/kernels.py --output results/gpu_speed.json     # on a large GPU, minutes
    python benchmarks/kernels.py --tiny                              # anywhere, seconds

- *ceiling*: large matrix products, in TFLOP/s; and copies, in GB/s.
- *memories*: forward and backward over whole sequences, at the shapes of recipes, beside causal
  attention of torch and, where it is installed, flash-linear-attention; and the time of sparse fast
  weights with 16 times the slots over that with as many as the recipe has.
- *softmaxes*: losses over large vocabularies, forward and backward.
- *recipes*: whole training steps, optimisers included, compiled as the recipes are.
- *adaptation*: reading with each way of adapting, over reading alone.

Where operations are counted by formula (three passes for training), ``share_of_ceiling`` is what is
reached of the ceiling. All data is random. On a GPU matrix products of training are in bfloat16 and
times are those between events; everything that is compared is run in turn in every round, after
some rounds to warm up. Values are medians over rounds, with the 95 % interval of the median.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from driftwise.benchmarks.gpu.contestants import Contestant, Shape, has_fla, memories, softmaxes
from driftwise.benchmarks.gpu.reading_cost import reading_costs
from driftwise.benchmarks.gpu.record import make_record, merge_record
from driftwise.benchmarks.gpu.shrink import shrink
from driftwise.benchmarks.gpu.training_step import TrainingStep
from driftwise.benchmarks.timing import race, summary
from driftwise.lm.models import flops_per_token
from driftwise.lm.training.gpu_recipes import EXPECTED, GPU_RECIPES
from driftwise.memory.devices import find_device

Rows = list[dict[str, Any]]
GROUPS = ("memories", "softmaxes", "recipes", "adaptation")
# As many rows as the recipes with memories read at once.
SHAPES = {"wiki-s": Shape(16, 1024, 768), "wiki-m": Shape(16, 1024, 1024)}
TINY_SHAPE = Shape(2, 16, 16)
TINY_VOCABULARY = 50
ROUNDS = 12


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", help="torch device; a GPU if there is one")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=GROUPS)
    parser.add_argument("--recipes", nargs="+", choices=EXPECTED, default=list(EXPECTED))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--tiny", action="store_true", help="sizes of next to nothing")
    parser.add_argument("--output", type=Path, help="where to write the JSON record")
    args = parser.parse_args(arguments)
    device = find_device(args.device)
    table = measure(
        device, groups=args.groups, recipes=args.recipes, rounds=args.rounds, tiny=args.tiny
    )
    print(f"{'row':<23}{'setting':<17}{'metric':<23}{'value':>12}{'low':>12}{'high':>12}")
    for row in table:
        values = "".join(f"{row[name]:>12.4g}" for name in ("value", "low", "high"))
        print(f"{row['row']:<23}{row['setting']:<17}{row['metric']:<23}{values}")
    if args.output:
        command = shlex.join(["python", *sys.argv])
        told = protocol(args.rounds, args.tiny)
        merge_record(make_record(args.output.stem, command, told, table), args.output.parent)


def protocol(rounds: int, tiny: bool) -> dict[str, str]:
    """What a record says of how it was measured."""
    fla = "" if has_fla() else " flash-linear-attention was not installed."
    sizes = "tiny ones" if tiny else f"{ {name: tuple(shape) for name, shape in SHAPES.items()} }"
    return {"timing": f"{__doc__}\nRows, positions, width: {sizes}. {rounds} rounds.{fla}"}


def measure(
    device: torch.device,
    *,
    groups: Iterable[str] = GROUPS,
    recipes: Iterable[str] = tuple(EXPECTED),
    rounds: int = ROUNDS,
    tiny: bool = False,
    progress: bool = True,
) -> Rows:
    """The table.

    Args:
        device: Where to measure.
        groups: What; the ceiling in any case.
        recipes: Whose steps.
        rounds: How often.
        tiny: Whether sizes are next to nothing.
        progress: Whether to show a bar.
    """
    table, top = ceiling(device, rounds, tiny)
    timed = Timed(device, rounds, top)
    work: list[Callable[[], Rows]] = []
    if "memories" in groups:
        for name, shape in {"tiny": TINY_SHAPE}.items() if tiny else SHAPES.items():
            work.append(partial(timed.memories, name, shape, tiny))
    if "softmaxes" in groups:
        shape = TINY_SHAPE if tiny else SHAPES["wiki-s"]
        work.append(lambda: timed.rows("loss", softmaxes(shape, device, tiny)))
    if "recipes" in groups:
        for name in recipes:
            work.append(partial(timed.recipe, name, tiny))
    if "adaptation" in groups:
        work.append(partial(reading_costs, device, rounds, tiny))
    for part in tqdm(work, desc="timing", disable=not progress):
        table += part()
        _free(device)
    return table


def ceiling(device: torch.device, rounds: int, tiny: bool) -> tuple[Rows, float]:
    """Rows of the fastest matrix product and copy, and the former in FLOP/s."""
    size = 128 if tiny else 8192
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    long = torch.randn(2**16 if tiny else 2**30, device=device)
    target = torch.empty_like(long)
    found = race(
        {"product": lambda: a @ b, "copy": lambda: target.copy_(long)}, rounds, device, warmup=3
    )
    products = [2 * size**3 / seconds for seconds in found["product"]]
    copies = [2 * long.numel() * long.element_size() / seconds for seconds in found["copy"]]
    rows = [
        summary("ceiling", "default", "tflops", [value / 1e12 for value in products]),
        summary("ceiling", "default", "copy_gb_per_s", [value / 1e9 for value in copies]),
    ]
    return rows, rows[0]["value"] * 1e12


class Timed:
    """Rows of contestants.

    Args:
        device: Where they run.
        rounds: How often.
        top: FLOP/s of the ceiling.
    """

    def __init__(self, device: torch.device, rounds: int, top: float) -> None:
        self.device, self.rounds, self.top = device, rounds, top

    def rows(self, setting: str, contestants: dict[str, Contestant]) -> Rows:
        """Tokens per second and shares of the ceiling."""
        seconds = self._race(contestants)
        return [row for name in seconds for row in self._of(setting, name, contestants, seconds)]

    def memories(self, setting: str, shape: Shape, tiny: bool) -> Rows:
        """Those of all memories, and the price of slots."""
        contestants = memories(shape, self.device, tiny)
        seconds = self._race(contestants)
        rows = [row for name in seconds for row in self._of(setting, name, contestants, seconds)]
        if {"sparse", "sparse_16x"} <= seconds.keys():
            pairs = zip(seconds["sparse_16x"], seconds["sparse"], strict=True)
            ratios = [many / few for many, few in pairs]
            rows.append(summary("sparse_16x", setting, "time_ratio", ratios))
        return rows

    def recipe(self, name: str, tiny: bool) -> Rows:
        """Those of a recipe's step, and the memory that it takes."""
        config, vocab_size = GPU_RECIPES[name](), EXPECTED[name].vocab_size
        if tiny:
            config, vocab_size = shrink(config), TINY_VOCABULARY
        cost = flops_per_token(
            config.model, vocab_size, config.length, carried=config.carry != "none"
        )
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        step = TrainingStep(config, vocab_size, self.device)
        contestant = Contestant(step, config.batch_size * config.length, cost.training)
        rows = self.rows("recipe", {name: contestant})
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device) / 2**30
            rows.append(summary(name, "recipe", "peak_gib", [peak]))
        return rows

    def _race(self, contestants: dict[str, Contestant]) -> dict[str, list[float]]:
        """Seconds of all that fit into the memory of the device."""
        runs = {}
        for name, contestant in contestants.items():
            try:
                contestant.run()
            except torch.OutOfMemoryError:
                tqdm.write(f"{name} needs more memory than the device has, and is left out")
                _free(self.device)
            else:
                runs[name] = contestant.run
        return race(runs, self.rounds, self.device, warmup=2)

    def _of(
        self,
        setting: str,
        name: str,
        contestants: dict[str, Contestant],
        seconds: dict[str, list[float]],
    ) -> Iterator[dict[str, Any]]:
        _, tokens, flops = contestants[name]
        speeds = [tokens / time for time in seconds[name]]
        yield summary(name, setting, "tokens_per_s", speeds)
        if not math.isnan(flops):
            shares = [speed * flops / self.top for speed in speeds]
            yield summary(name, setting, "share_of_ceiling", shares)


def _free(device: torch.device) -> None:
    if device.type == "cuda":
        torch.compiler.reset()  # or what is next would be compiled for shapes of any size
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
