"""A tiny result for the tests of the runner; the environment says how its cells behave."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from driftwise.tracking import Result, SkipCell


def run(row: str, setting: str, seed: int) -> dict[str, Any]:
    if row in os.environ.get("TOY_FAIL", "").split():
        print("some output")
        raise RuntimeError(f"{row} has no luck")
    if row in os.environ.get("TOY_SKIP", "").split():
        raise SkipCell("luck is not installed")
    if "TOY_SLEEP" in os.environ and seed > 0:
        Path(os.environ["TOY_SLEEP"], f"{row}-{os.getpid()}").touch()
        time.sleep(60)
    score = np.random.default_rng([seed, len(row)]).random()
    return {
        "score": np.float64(score),
        "worst": float("inf"),
        "curve": np.array([score, 0.5]),
        "threads": int(os.environ["OMP_NUM_THREADS"]),
        "note": f"{row} on {setting}",
    }


def config(row: str, setting: str) -> Mapping[str, Any] | None:
    if (row, setting) == ("none", "hard"):
        return None
    return {"lr": float(os.environ.get("TOY_LR", "0.1")) if row == "gru" else 0.5}


RESULT = Result(
    name="toy",
    command="python -m toy_result",
    protocol="one draw",
    rows=["sparse", "gru", "none"],
    settings=["default", "hard"],
    seeds=[0, 1],
    run=run,
    config=config,
    packages=("pip",),
)
NO_RESULT = 3
