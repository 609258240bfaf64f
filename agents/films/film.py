"""From players and a world to a film."""

import os
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from ..players import Playable, as_player
from ..worlds import HELD_OUT_WORLDS
from .frames import MAX_PLAYERS, Frames
from .recording import check_length, make_filmed_env, record_game, usual_length
from .writing import check_film_path, write_film


def make_film(
    out: str | os.PathLike[str],
    players: Mapping[str, Playable],
    env_id: str,
    env_kwargs: Mapping[str, Any] | None = None,
    *,
    steps: int | None = None,
    episodes: int | None = None,
    seed: int = HELD_OUT_WORLDS,
    fps: int = 10,
    size: int = 640,
    title: str | None = None,
    progress: bool = False,
) -> int:
    """Film players in the same world: what each does, and what it has lost so far.

    Everything is checked before anybody plays, and the file appears whole or not at all.

    Args:
        out: where to, a .gif or .mp4.
        players: who, by name: as in :func:`~driftwise.agents.play_steps`.
        env_id: id of an environment that draws itself with ``rgb_array``.
        env_kwargs: its arguments, as in :func:`make_filmed_env`.
        steps: how many steps, over as many episodes as that takes.
        episodes: how many whole episodes, instead; one by default if it surely ends, else 250
            steps.
        seed: seed of the world and of the players' random numbers.
        fps: frames per second, one frame a step.
        size: width in pixels.
        title: on top; the environment's id by default.
        progress: show a progress bar.

    Returns:
        How many frames there are: one of the beginning, and one of every step.

    Raises:
        ValueError: if an argument is not as it must be, or a player does not fit the environment.
        RuntimeError: for an MP4 without ffmpeg, which says what to install.
        OSError: if the file cannot be written.
    """
    if not 1 <= len(players) <= MAX_PLAYERS:
        raise ValueError(f"players must be 1 to {MAX_PLAYERS}, got {len(players)}")
    for name, value, low, high in (("fps", fps, 1, 50), ("size", size, 400, 1920)):
        if not low <= value <= high:
            raise ValueError(f"{name} must be from {low} to {high}, got {value}")
    if size % 2:
        raise ValueError(f"size must be even, got {size}")
    if steps is not None or episodes is not None:
        check_length(steps, episodes)
    path = check_film_path(out)
    cast = {name: as_player(player) for name, player in players.items()}
    env = make_filmed_env(env_id, env_kwargs)
    try:
        for player in cast.values():
            env.reset(seed=seed)
            player.begin(env, seed)  # whoever cannot play says so
        if steps is None and episodes is None:
            steps, episodes = usual_length(env_id, env_kwargs)
        with tqdm(desc="playing", unit="step", disable=not progress, leave=False) as bar:
            games = [
                record_game(
                    name, player, env, steps=steps, episodes=episodes, seed=seed, tick=bar.update
                )
                for name, player in cast.items()
            ]
    finally:
        env.close()
    frames = Frames(
        games, env_id if title is None else title, size, notice=max(3, round(0.6 * fps))
    )
    with tqdm(desc="drawing", total=len(frames), unit="frame", disable=not progress) as bar:
        write_film(path, frames, fps, bar.update)
    return len(frames)
