"""The page of documentation: its examples run, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gymnasium as gym

import driftwise.envs
from driftwise.envs import ENVIRONMENTS, Drift, MazeDrift, Schedule

PAGE = (Path(driftwise.envs.__file__).parent.parent / "docs" / "envs.md").read_text()


def test_examples_run_in_order() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) >= 5
    scope: dict[str, Any] = {"__name__": "example"}
    for block in blocks:
        exec(compile(block, "docs/envs.md", "exec"), scope)


def test_every_environment_is_listed_with_its_horizon() -> None:
    listed = dict(re.findall(r"^\| `(driftwise/.*?)` .*\| (\d+) \|$", PAGE, flags=re.MULTILINE))
    assert {name: int(steps) for name, steps in listed.items()} == {
        name: gym.spec(name).max_episode_steps for name in ENVIRONMENTS
    }


def test_every_schedule_and_drift_is_listed() -> None:
    listed = set(re.findall(r"^\| `(\w+)\(", PAGE, flags=re.MULTILINE)) | {"Recur"}
    public = {
        name
        for name, kind in vars(driftwise.envs).items()
        if isinstance(kind, type) and issubclass(kind, (Schedule, Drift, MazeDrift))
    }
    assert listed == public - {"Schedule", "Drift", "MazeDrift"}
