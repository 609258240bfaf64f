"""A small few-shot training run in a process of its own, for the test that kills it."""

import json
import sys

import torch

from driftwise.agents.few_shot import FewShotConfig, config, train_few_shot
from driftwise.envs import Glyphs

if __name__ == "__main__":
    torch.set_num_threads(1)
    runs, config = sys.argv[1:]
    train_few_shot(
        FewShotConfig(**json.loads(config)), runs=runs, progress=False, tensorboard=False
    )
