"""A small run on a stream in a process of its own, for the test that kills it."""

import json
import sys

import torch

from driftwise.agents.classifiers import StreamConfig, run_stream

if __name__ == "__main__":
    torch.set_num_threads(1)
    runs, config = sys.argv[1:]
    run_stream(StreamConfig(**json.loads(config)), runs=runs, progress=False, tensorboard=False)
