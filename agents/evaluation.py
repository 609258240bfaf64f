"""Agents and classic policies on the same held-out worlds, as one table and one figure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gymnasium import spaces

from ..evaluation import (
    adaptation_time,
    bootstrap_interval,
    dynamic_regret,
    plot_regret_and_recovery,
    share_of_gap,
)
from .bandits import PlayRecord, make_policy, play
from .bandits.tuned import TUNED
from .memory_ppo import MemoryPPO
from .plain_spaces import check_same_spaces
from .play_agent import episode_returns, play_agent
from .worlds import HELD_OUT_WORLDS, make_vector_env

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POLICIES = (
    "random",
    "ucb1",
    "thompson",
    "discounted_thompson",
    "discounted_ucb",
    "discounted_ucb_posterior",
    "bayes_ucb",
)
"""Classic policies that a trained agent is compared with, unless others are asked for."""


class Score(NamedTuple):
    """One line of a comparison.

    Attributes:
        name: who played.
        regret: dynamic regret, per step, and the ends of its 95 % interval over worlds.
        low: lower end.
        high: upper end.
        share: share of the way from the random policy to the best of the table.
        adaptation: steps until a change is made good, for all but a tenth; inf if never.
    """

    name: str
    regret: float
    low: float
    high: float
    share: float
    adaptation: float


def play_all(
    agents: Mapping[str, MemoryPPO],
    policies: Sequence[str],
    env_id: str,
    env_kwargs: Mapping[str, Any] | None = None,
    *,
    num_worlds: int = 1000,
    seed: int = HELD_OUT_WORLDS,
) -> dict[str, PlayRecord]:
    """Let everybody play one episode in each of the same worlds.

    The classic policies have the constants tuned for the standard bandit.

    Args:
        agents: trained agents by name.
        policies: names of classic policies (:data:`driftwise.agents.bandits.POLICIES`).
        env_id: id of a bandit environment.
        env_kwargs: its arguments.
        num_worlds: N, worlds played.
        seed: seed of the first world; the others follow.

    Returns:
        Records of shape (N, T) by name: the policies in their order, then the agents.
    """
    env = make_vector_env(env_id, num_worlds, **(env_kwargs or {}))
    arms = env.single_action_space
    assert isinstance(arms, spaces.Discrete)
    for model in agents.values():
        check_same_spaces(model, env.single_observation_space, arms)
    if names := set(agents).intersection(policies):
        raise ValueError(f"agents must have names of their own, got {sorted(names)}")
    records = {}
    for name in policies:
        tuned = TUNED["standard_bandit"].get(name, {})
        policy = make_policy(name, int(arms.n), num_worlds, seed=seed, **tuned)
        records[name] = play(policy, env, num_episodes=1, seed=seed)
    for name, model in agents.items():
        records[name] = play_agent(model, env, seed=seed)
    return records


def score(records: Mapping[str, PlayRecord], horizon: int = 50) -> list[Score]:
    """Scores of all players, from the most regret to the least.

    Args:
        records: what was played, by name; with ``"random"`` among them for the shares.
        horizon: steps after a change over which adaptation is looked for.
    """
    means = {name: dynamic_regret(record.regret).mean() for name, record in records.items()}
    worst, best = means.get("random", max(means.values())), min(means.values())
    scores = []
    for name, record in records.items():
        value, low, high = bootstrap_interval(dynamic_regret(record.regret), num_resamples=2000)[:3]
        share = float(share_of_gap(value, worst, best)) if worst > best else float("nan")
        steps = float("nan")
        if record.changed.any() and record.changed.shape[1] > horizon:
            steps = float(adaptation_time(record.regret, record.changed, horizon).steps)
        scores.append(Score(name, value, low, high, share, steps))
    return sorted(scores, key=lambda line: -line.regret)


def format_scores(scores: Sequence[Score], title: str) -> str:
    """The scores as a table for the terminal."""
    width = max(len(line.name) for line in scores)
    lines = [
        title,
        f"{'':<{width}}  regret a step   [95 % interval]   share of the gap   steps to adapt",
    ]
    for line in scores:
        steps = "" if line.adaptation != line.adaptation else f"{line.adaptation:.0f}"
        lines.append(
            f"{line.name:<{width}}  {line.regret:13.3f}   [{line.low:.3f}, {line.high:.3f}]"
            f"   {line.share:16.0%}   {steps:>14}"
        )
    return "\n".join(lines)


def plot_records(records: Mapping[str, PlayRecord], title: str | None = None) -> "Figure":
    """Regret over time, and recovery after a change, of all players."""
    regrets = {name: record.regret for name, record in records.items()}
    changed = {name: record.changed for name, record in records.items()}
    references = [name for name in ("random", "bayes_ucb") if name in records]
    return plot_regret_and_recovery(regrets, changed, references=references, title=title)


def has_regret(env_id: str, env_kwargs: Mapping[str, Any] | None = None) -> bool:
    """Whether the environment tells its regret, so that classic policies can be compared with.

    Raises:
        ValueError: for an unknown id, or arguments that the environment does not take.
    """
    env = make_vector_env(env_id, 1, **(env_kwargs or {}))
    _, info = env.reset(seed=0)
    env.close()
    return "regret" in info


def mean_return(
    model: MemoryPPO,
    env_id: str,
    env_kwargs: Mapping[str, Any] | None = None,
    *,
    num_episodes: int = 100,
    num_envs: int = 10,
    seed: int = HELD_OUT_WORLDS,
) -> tuple[float, float, float]:
    """Mean return of an agent on held-out episodes, with a 95 % interval; for any environment."""
    env = make_vector_env(env_id, num_envs, **(env_kwargs or {}))
    returns = episode_returns(model, env, num_episodes=num_episodes // num_envs, seed=seed)
    env.close()
    return bootstrap_interval(returns.ravel())[:3]
