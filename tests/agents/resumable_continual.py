"""A small continual run in a process of its own, for the test that kills it."""

import json
import sys

import torch

from driftwise.agents.continual import ContinualConfig, config, run_continual
from driftwise.envs import Glyphs

if __name__ == "__main__":
    torch.set_num_threads(1)
    config.GLYPHS["omniglot"] = lambda: Glyphs(40)  # instead of 300
    runs, given = sys.argv[1:]
    given_config = ContinualConfig(**json.loads(given))
    run_continual(given_config, runs=runs, progress=False, tensorboard=False)
