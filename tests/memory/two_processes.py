"""Run by a test: two processes write their parts of some batches to one Hebbian softmax each.

Argument: a folder with the batches, where the processes meet and leave their states.
"""

import sys
from multiprocessing import get_context
from pathlib import Path

import torch
import torch.distributed as dist

from driftwise.memory import HebbianSoftmax


def run(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/met", rank=rank, world_size=2)
    torch.manual_seed(0)
    head = HebbianSoftmax(5, 7, gamma=0.1, T=9, centring=True).double()
    for h, labels, cut in torch.load(folder / "batches"):
        mine = slice(cut, None) if rank else slice(cut)
        head.apply(h[mine], labels[mine])
    torch.save(head.state_dict(), folder / f"end_{rank}")
    dist.destroy_process_group()


if __name__ == "__main__":
    both = [get_context("fork").Process(target=run, args=(i, Path(sys.argv[1]))) for i in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join()
