"""What a memory costs: a step against the number of slots, and training in the sequence form.

Two questions, answered on one thread of the CPU (or on ``--device``), without a learning task:

- What does capacity cost? Time of one step of ``SparseFastWeights`` (without gradients, in place,
  as in a rollout) for growing ``num_slots`` at fixed ``top_k``, and its ratio to the fewest slots:
  as it is, for fewer rows in the batch (``sparse_1_row``, ``sparse_8_rows``), with product
  addresses (``sparse_product``), with ``decay=True``, which acts on all slots (``sparse_decay``),
  and in torch alone (``sparse_torch``).
- What does training cost? Inputs per second of ``forward`` and backward over whole sequences, for
  every memory, without resets and with resets at random steps.

All contestants are timed in turn in every round, so that whatever else the machine does hits them
alike; values are medians over rounds, with the 95 % interval of the median from order statistics.

    python benchmarks/memory_cost.py --output results/memory_cost.json
"""

import argparse
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from driftwise.benchmarks.timing import race, summary
from driftwise.memory import (
    GRU,
    LSTM,
    NoMemory,
    SequenceMemory,
    SparseFastWeights,
    Stack,
    without_kernels,
)
from driftwise.tracking import machine, versions, write_json

Contestants = dict[tuple[str, str], Callable[[], None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slots", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--batch-size", type=int, default=64, help="rows of the step form")
    parser.add_argument("--steps", type=int, default=50, help="steps per timing of the step form")
    parser.add_argument("--width", type=int, default=48, help="width of inputs and outputs")
    parser.add_argument("--sequences", type=int, default=32, help="rows of the sequence form")
    parser.add_argument("--length", type=int, default=200, help="time steps of a sequence")
    parser.add_argument("--resets", type=float, default=0.02, help="probability of a reset")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="where to write the JSON record")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)

    table = step_rows(args) + sequence_rows(args)
    print(f"{'row':<14}{'setting':<22}{'metric':<20}{'value':>12}{'low':>12}{'high':>12}")
    for row in table:
        values = "".join(f"{row[name]:>12.4g}" for name in ("value", "low", "high"))
        print(f"{row['row']:<14}{row['setting']:<22}{row['metric']:<20}{values}")
    if args.output:
        record = {
            "name": args.output.stem,
            "command": shlex.join(["python", *sys.argv]),
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine(),
            "versions": versions(),
            "protocol": f"{__doc__} Options: {vars(args) | {'output': None}}",
            "seeds": [0],
            "table": table,
        }
        write_json(args.output, record)


def step_rows(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Microseconds per step of a batch, and ratios to the fewest slots within a round."""
    contestants: Contestants = {}
    for slots in args.slots:
        for row, batch, options in (
            ("sparse", args.batch_size, {}),
            ("sparse_1_row", 1, {}),
            ("sparse_8_rows", 8, {}),
            ("sparse_product", args.batch_size, {"address": "product"}),
            ("sparse_decay", args.batch_size, {"decay": True}),
        ):
            sparse = SparseFastWeights(args.width, num_slots=slots, **options)
            contestants[row, f"slots_{slots}"] = rollout(sparse, batch, args)
        in_torch = rollout(SparseFastWeights(args.width, num_slots=slots), args.batch_size, args)
        contestants["sparse_torch", f"slots_{slots}"] = without_kernels()(in_torch)
    others: dict[str, SequenceMemory] = {
        "dense": SparseFastWeights(args.width, num_slots=1, top_k=1),
        "gru": GRU(args.width, args.width),
        "lstm": LSTM(args.width, args.width),
    }
    for name, memory in others.items():
        contestants[name, "default"] = rollout(memory, args.batch_size, args)
    seconds = race(contestants, args.rounds, args.device)
    rows = []
    for (row, setting), times in seconds.items():
        rows.append(summary(row, setting, "step_us", [1e6 * t / args.steps for t in times]))
    for row in dict.fromkeys(row for row, setting in contestants if setting != "default"):
        fewest = seconds[row, f"slots_{args.slots[0]}"]
        for slots in args.slots[1:]:
            times = seconds[row, f"slots_{slots}"]
            ratios = [time / base for time, base in zip(times, fewest, strict=True)]
            rows.append(summary(row, f"slots_{slots}", "step_time_ratio", ratios))
    return rows


def rollout(
    memory: SequenceMemory, batch_size: int, args: argparse.Namespace
) -> Callable[[], None]:
    memory = memory.to(args.device)
    x = torch.randn(args.steps, batch_size, args.width, device=args.device)
    state = memory.initial_state(batch_size)

    @torch.no_grad()
    def run() -> None:
        nonlocal state
        for x_t in x:
            _, state = memory.step(x_t, state, in_place=True)

    return run


def sequence_rows(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Inputs per second of forward and backward."""
    width = args.width
    memories: dict[str, SequenceMemory] = {
        "sparse": SparseFastWeights(width),
        "sparse_decay": SparseFastWeights(width, decay=True),
        "sparse_stack": Stack([SparseFastWeights(width), SparseFastWeights(width)]),
        "dense": SparseFastWeights(width, num_slots=1, top_k=1),
        "gru": GRU(width, width),
        "lstm": LSTM(width, width),
        "none": NoMemory(width, width),
    }
    x = torch.randn(args.sequences, args.length, width, device=args.device)
    starts = torch.rand(args.sequences, args.length, device=args.device) < args.resets
    contestants: Contestants = {}
    for name, memory in memories.items():
        memory.to(args.device)
        contestants[name, "no_resets"] = training_pass(memory, x, None)
        contestants[name, "random_resets"] = training_pass(memory, x, starts)
    for setting, given in (("no_resets", None), ("random_resets", starts)):
        in_torch = training_pass(memories["sparse"], x, given)
        contestants["sparse_torch", setting] = without_kernels()(in_torch)
    inputs = args.sequences * args.length
    return [
        summary(row, setting, "inputs_per_s", [inputs / t for t in times])
        for (row, setting), times in race(contestants, args.rounds, args.device).items()
    ]


def training_pass(
    memory: SequenceMemory, x: torch.Tensor, starts: torch.Tensor | None
) -> Callable[[], None]:
    def run() -> None:
        y, _ = memory(x, None, starts)
        y.square().mean().backward()

    return run


if __name__ == "__main__":
    main()
