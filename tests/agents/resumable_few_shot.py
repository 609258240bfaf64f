"""A small few-shot training run in a process of its own, for the test that kills it."""

import json
import sys

import torch

from driftwise.agents.few_shot import FewShotConfig, config, train_few_shot
from driftwise.envs import Glyphs

if __name__ == "__main__":
    torch.set_num_threads(1)
    config.IMAGES["glyphs"] = lambda: Glyphs(60)  # instead of a thousand
    runs, given = sys.argv[1:]
    given_config = FewShotConfig(**json.loads(given))
    train_few_shot(given_config, runs=runs, progress=False, tensorboard=False)
