"""Let somebody play the suite, and write the submission."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from tqdm import tqdm

from ...tracking import machine, make_writable_folder, versions
from ...tracking.environment import PACKAGES
from ...tracking.lock import FileLock
from ...tracking.plain import to_plain
from ..play_agent import episode_returns
from ..players import ModelPlayer, Playable
from .entrants import Entrant, check_entrant
from .submission import (
    Submission,
    check_continues,
    check_name,
    joined_commands,
    load_submission,
    suite_identity,
    suite_score,
    world_entry,
    write_submission,
)
from .worlds import FIRST_SEED, World, chosen_worlds


def run_suite(
    enter: Entrant,
    path: str | os.PathLike[str],
    *,
    agent: str,
    worlds: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    deterministic: bool = False,
    command: str | None = None,
    progress: bool = True,
) -> Submission:
    """Let an entrant play the suite, world by world, and write its submission after each.

    Started again after being killed, or with other worlds, it goes on: worlds that the file at
    ``path`` already has are not played again.

    Args:
        enter: called as ``enter(world, make_env)`` for each world; see
            :data:`~driftwise.agents.suite.Entrant`.
        path: the submission's file.
        agent: the entry's name.
        worlds: names of some of the worlds; None: all.
        settings: plain data that belongs on record, such as a training seed.
        deterministic: let models play their most likely actions instead of samples.
        command: the command line, for the record; joined to those of earlier runs.
        progress: show a progress bar.

    Returns:
        The submission.

    Raises:
        ValueError: if a name is unknown, an entrant returns nobody who can play, or the path is a
            folder's, or that of another entry.
        TypeError: if ``enter`` is no such function, or the settings are not plain data.
        RuntimeError: if another process writes the same file.
        OSError: if the file cannot be written; before anything is played.
    """
    path = Path(path)
    check_entrant(enter)
    check_name(agent)
    if not path.name or path.is_dir():
        raise ValueError(f"path of the submission must be that of a file, got '{path}'")
    chosen = chosen_worlds(worlds)
    submission: Submission = {
        **suite_identity(),
        "agent": agent,
        "settings": to_plain({**(settings or {}), "deterministic": deterministic}, "settings"),
        "command": None,
        "date": None,
        "versions": versions((*PACKAGES, "sb3-contrib")),
        "machine": None,
        "score": None,
        "worlds": {},
    }
    make_writable_folder(path.parent)
    lock = FileLock(path.with_name(f".{path.name}.lock"), f"submission {path}")
    try:
        if path.exists():
            begun = load_submission(path)
            check_continues(path, begun, submission)
            submission = begun
        for world in tqdm(chosen, disable=not progress, unit="world", desc=agent):
            if world.name in submission["worlds"]:
                continue
            player = enter(world.name, world.make_env)
            submission["worlds"][world.name] = _play(world, player, deterministic)
            submission |= {
                "command": joined_commands(submission["command"], command),
                "date": time.strftime("%Y-%m-%d"),
                "machine": machine(),
                "score": suite_score(submission["worlds"]),
            }
            write_submission(path, submission)
    finally:
        lock.release(remove=True)
    return submission


def _play(world: World, player: Playable, deterministic: bool) -> dict[str, Any]:
    """What a submission says of a world, after all its held-out episodes."""
    num_parameters, num_timesteps = _num_parameters_and_timesteps(player)
    env = world.make_held_out_env()
    try:
        returns = episode_returns(player, env, seed=FIRST_SEED, deterministic=deterministic)[:, 0]
    finally:
        env.close()
    return world_entry(world, returns, num_parameters, num_timesteps)


def _num_parameters_and_timesteps(player: Playable) -> tuple[int | None, int | None]:
    if isinstance(player, ModelPlayer):
        player = player.model
    if isinstance(player, BaseAlgorithm):
        # A model that counts no steps may have been given weights that were trained elsewhere.
        num_parameters = sum(p.numel() for p in player.policy.parameters())
        return num_parameters, player.num_timesteps or None
    return _count(player, "num_parameters"), _count(player, "num_timesteps")


def _count(player: Playable, key: str) -> int | None:
    count: Any = getattr(player, key, None)
    if count is None:
        return None
    try:
        whole = int(count)
    except (TypeError, ValueError, OverflowError):
        whole = -1
    if whole < 0 or whole != count:
        raise ValueError(f"{key} of a player must be a whole number or None, got {count!r}")
    return whole
