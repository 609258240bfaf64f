"""Agents, oracles and classic policies on the same held-out worlds: one table, one figure."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from ..envs import ShiftingBanditVector
from ..evaluation import (
    adaptation_time,
    bootstrap_interval,
    plot_regret_and_recovery,
    share_of_gap,
)
from .bandits import PlayRecord, make_policy, play
from .bandits.policy import FloatArray
from .bandits.tuned import TUNED
from .play_agent import play_agent
from .players import OraclePlayer, Playable, Player, RandomPlayer
from .worlds import HELD_OUT_WORLDS, make_vector_env

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSIC = (
    "ucb1",
    "thompson",
    "discounted_thompson",
    "discounted_ucb",
    "discounted_ucb_posterior",
    "bayes_ucb",
)
"""Classic policies that agents on bandits are compared with, unless others are asked for."""

PLAYERS: Mapping[str, type[Player]] = {"random": RandomPlayer, "oracle": OraclePlayer}
"""Who plays every world of ours."""

ONCE, AGAIN_AND_AGAIN = (1000, 1), (100, 20)
"""How many held-out worlds are usually played, and how many episodes in each; the latter where a
memory outlives them."""


class Score(NamedTuple):
    """One line of a comparison; intervals are of 95 %, over worlds.

    Attributes:
        name: who played.
        episode_return: mean return of an episode, over all that were played in a world.
        return_low: lower end of its interval.
        return_high: upper end.
        regret: dynamic regret, per step; NaN, as its interval, where the environment tells none.
        regret_low: lower end of its interval.
        regret_high: upper end.
        share: share of the way from the random policy to the best of the table, by regret, or else
            by return.
        adaptation: steps until a change is made good, for all but a tenth; inf if never, NaN if
            nothing changes, changes cost less than a tenth of the regret after them, or episodes
            are of different lengths.
    """

    name: str
    episode_return: float
    return_low: float
    return_high: float
    regret: float
    regret_low: float
    regret_high: float
    share: float
    adaptation: float


def usual_policies(env: VectorEnv) -> tuple[str, ...]:
    """Who agents are compared with in an environment, unless others are asked for.

    Most classic policies are for bandits with rewards from 0 to 1.
    """
    world = env.unwrapped
    if isinstance(world, ShiftingBanditVector) and world.settings.arms == "bernoulli":
        return ("random", *CLASSIC)
    return ("random", "oracle") if hasattr(world, "optimal_actions") else ("random",)


def usual_numbers(agents: Mapping[str, Playable]) -> tuple[int, int]:
    """How many worlds agents play, and how many episodes in each, unless asked for others.

    1,000 and one; but with an agent whose memory is never reset 100 and 20, since a first episode
    shows little of what it remembers.
    """
    models = [getattr(agent, "model", agent) for agent in agents.values()]
    never = any(getattr(model, "memory_reset", "episode") == "never" for model in models)
    return AGAIN_AND_AGAIN if never else ONCE


def play_all(
    agents: Mapping[str, Playable],
    env_id: str,
    env_kwargs: Mapping[str, Any] | None = None,
    *,
    policies: Sequence[str] | None = None,
    num_worlds: int = 1000,
    num_episodes: int = 1,
    seed: int = HELD_OUT_WORLDS,
) -> dict[str, PlayRecord]:
    """Let everybody play the same worlds.

    Args:
        agents: agents, or other players, by name.
        env_id: id of an environment.
        env_kwargs: its arguments.
        policies: names of :data:`PLAYERS` or, on bandits, of classic policies
            (:data:`driftwise.agents.bandits.POLICIES`), which have the constants tuned for the
            standard bandit; None: :func:`usual_policies`.
        num_worlds: N, worlds played.
        num_episodes: episodes in each world, one after the other.
        seed: seed of the first world; the others follow.

    Returns:
        Records of shape (N, T) by name: the policies in their order, then the agents.

    Raises:
        ValueError: for an unknown id, and whoever cannot play there.
    """
    env = make_vector_env(env_id, num_worlds, **(env_kwargs or {}))
    policies = usual_policies(env) if policies is None else policies
    if names := set(agents).intersection(policies):
        raise ValueError(f"agents must have names of their own, got {sorted(names)}")
    # First, as they may not fit.
    play_here = partial(play_agent, env=env, num_episodes=num_episodes, seed=seed)
    played = {name: play_here(player) for name, player in agents.items()}
    records = {
        name: play_here(PLAYERS[name]())
        if name in PLAYERS
        else _play_policy(name, env, num_episodes, seed)
        for name in policies
    }
    env.close()
    return records | played


def _play_policy(name: str, env: VectorEnv, num_episodes: int, seed: int) -> PlayRecord:
    arms = env.single_action_space
    if not isinstance(arms, spaces.Discrete):
        raise ValueError(f"policies: {name!r} needs an environment with arms, got {arms}")
    tuned = TUNED["standard_bandit"].get(name, {})
    policy = make_policy(name, int(arms.n), env.num_envs, seed=seed, **tuned)
    return play(policy, env, num_episodes=num_episodes, seed=seed)


def score(
    records: Mapping[str, PlayRecord], horizon: int = 50, *, num_episodes: int = 1
) -> list[Score]:
    """Scores of all players, from the worst to the best.

    Args:
        records: what was played, by name; with ``"random"`` among them for the shares.
        horizon: steps after a change over which adaptation is looked for.
        num_episodes: episodes in each world.
    """
    lines = [_score(name, record, horizon, num_episodes) for name, record in records.items()]
    loss = {line.name: _loss(line) for line in lines}
    worst, best = loss.get("random", max(loss.values())), min(loss.values())
    if worst > best:
        lines = [
            line._replace(share=float(share_of_gap(loss[line.name], worst, best))) for line in lines
        ]
    return sorted(lines, key=_loss, reverse=True)


def _score(name: str, record: PlayRecord, horizon: int, num_episodes: int) -> Score:
    nothing = float("nan")
    told = ~np.isnan(record.regret)
    regret = (nothing,) * 3
    if told.any():
        lost = np.where(told, record.regret, 0.0).sum(axis=1)
        regret = _interval(lost / told.sum(axis=1))
    steps = nothing
    if told.all() and record.changed.any() and record.changed.shape[1] > horizon:
        found = adaptation_time(record.regret, record.changed, horizon)
        # Who plays as badly before a change as after it, has nothing to make good.
        if found.peak - found.level > 0.1 * found.peak:
            steps = float(found.steps)
    returns = _interval(record.reward.sum(axis=1) / num_episodes)
    return Score(name, *returns, *regret, nothing, steps)


def describe_worlds(num_worlds: int, num_episodes: int, held_out: str = "held-out worlds") -> str:
    """What was played, for titles: "1,000 held-out worlds, 20 episodes in each"."""
    episodes = "" if num_episodes == 1 else f", {num_episodes:,} episodes in each"
    return f"{num_worlds:,} {held_out}{episodes}"


def _interval(scores: FloatArray) -> tuple[float, float, float]:
    value, low, high, _ = bootstrap_interval(scores, num_resamples=2000)
    return value, low, high


def _loss(line: Score) -> float:
    return -line.episode_return if np.isnan(line.regret) else line.regret


def format_scores(scores: Sequence[Score], title: str) -> str:
    """The scores as a table for the terminal, without the columns that nobody has."""
    columns = [("", [line.name for line in scores])]
    for heading, numbers in (
        ("return", [_with_interval(line[1:4], ".1f") for line in scores]),
        ("regret a step", [_with_interval(line[4:7], ".3f") for line in scores]),
        ("share of the gap", [_number(line.share, ".0%") for line in scores]),
        ("steps to adapt", [_number(line.adaptation, ".0f") for line in scores]),
    ):
        if any(numbers):
            columns.append((heading, numbers))
    widths = [max(map(len, (heading, *cells))) for heading, cells in columns]
    rows = zip(*((heading, *cells) for heading, cells in columns), strict=True)
    lines = [
        "   ".join(
            [
                f"{row[0]:<{widths[0]}}",
                *(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
    return "\n".join([title, *lines])


def _with_interval(numbers: Sequence[Any], spec: str) -> str:
    value, low, high = (_number(number, spec) for number in numbers)
    return value and f"{value} [{low}, {high}]"


def _number(value: float, spec: str) -> str:
    return "" if np.isnan(value) else format(value, spec)


def plot_records(records: Mapping[str, PlayRecord], title: str | None = None) -> "Figure":
    """Regret over time, and recovery after a change, of all players.

    Raises:
        ValueError: if the environment tells no regret.
    """
    # Up to where all worlds are played: the mean over those that go on would be of others.
    played = {name: int((~np.isnan(r.regret)).sum(axis=1).min()) for name, r in records.items()}
    if min(played.values()) == 0:
        raise ValueError("figure needs an environment that tells its regret")
    regrets = {name: record.regret[:, : played[name]] for name, record in records.items()}
    changed = {name: record.changed[:, : played[name]] for name, record in records.items()}
    references = [name for name in ("random", "bayes_ucb", "oracle") if name in records]
    return plot_regret_and_recovery(regrets, changed, references=references, title=title)
