"""Return after a change: agents that go on learning under a learned mask, in full, or not at all.

    driftwise results run online_rl_masks --seeds 0 1 2

"default": a ``MemoryPPO`` agent, trained in the ordinary CartPole, whose world changes while it
acts: the motor may be weaker, stronger or wired the other way round, pole and gravity differ. It is
fine-tuned online. The mask was learned beforehand by fine-tuning in other worlds that had changed.

"bandit" and "maze": learners that adapt by steps of policy gradient (``train-online``), trained
where worlds change; their network sees neither its last action nor the reward.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv

from driftwise.agents import HELD_OUT_WORLDS, TrainConfig, load_agent, make_vector_env, play_agent
from driftwise.agents.online import (
    OnlineConfig,
    OnlineFinetuning,
    OnlinePlayer,
    load_online_learner,
    train_online,
    train_update_mask,
)
from driftwise.agents.online.recipes import small_maze, two_arms
from driftwise.benchmarks.agent_cells import RUNS, plain, trained
from driftwise.memory import UpdateMask
from driftwise.tracking import Result, RunFolder

ROWS = ("masked", "full", "frozen", "last_layer", "unlearned_mask")
CARTPOLE = "driftwise/DriftingCartPole-v0"

# CartPole: the ordinary world, and what worlds can be after a change (force of either sign).
OWN = {"force_mag": 10.0, "length": 0.5, "gravity": 9.8}
RANGES = {"force_mag": (5.0, 15.0), "length": (0.25, 1.0), "gravity": (5.0, 15.0)}
TRAINING, TEST = 0, 2  # streams of changes; RATES were picked on some of stream 1
AGENT = TrainConfig(
    env=CARTPOLE,
    # The second value is never met.
    env_kwargs={"values": {"gravity": [9.8, 9.9]}, "schedule": "Never()", "random_start": False},
    memory="gru",
    width=32,
    memory_reset="never",
    num_envs=32,
    n_steps=64,
    total_timesteps=262_144,
    num_minibatches=8,
    n_epochs=5,
    learning_rate=2e-3,
    gamma=0.98,
    gae_lambda=0.95,
    ent_coef=0.003,
)
TUNING = {"n_steps": 64, "n_epochs": 5, "gamma": 0.98, "gae_lambda": 0.95}
# At these, full fine-tuning found out in time that the motor was wired the other way round, in both
# such worlds of seed 0; at 3e-3 in one of the two, and at 1e-3 in none (without entropy).
RATES = {"learning_rate": 1e-2, "ent_coef": 0.02}
MASK = {"tasks": 40, "rollouts": 5, "mask_learning_rate": 0.02}
NUM_ENVS = 8  # copies of a world that an agent acts in at the same time
NUM_WORLDS = 4
BEFORE, AFTER = 512, 1_536  # steps of each copy, before the change and after
FIRST = 50  # episodes of each copy after the change that are scored as such

LEARNERS: dict[str, Callable[[], OnlineConfig]] = {"bandit": two_arms, "maze": small_maze}
METHODS = {"masked": "sparse"}  # of online learners; the other rows have their own names
PLAYED = 1_000  # held-out worlds of a bandit or a maze, each with one change half-way


def changed_world(stream: int, seed: int, index: int) -> dict[str, float]:
    """The parameters of CartPole after a change."""
    rng = np.random.default_rng([stream, seed, index])
    drawn = {name: float(rng.uniform(*bounds)) for name, bounds in RANGES.items()}
    return {**drawn, "force_mag": drawn["force_mag"] * float(rng.choice([-1.0, 1.0]))}


def cartpole(after: Mapping[str, float], step: int) -> VectorEnv:
    """Copies of CartPole that all change, at the same step, from the ordinary one to another."""
    return make_vector_env(
        CARTPOLE,
        NUM_ENVS,
        values={name: [OWN[name], after[name]] for name in OWN},
        schedule=f"AtSteps(steps=({step},))",
        between_episodes=False,
        random_start=False,
    )


def make_mask(agent: str, seed: int, learned: bool) -> UpdateMask:
    """The mask for an agent, learned in worlds that have just changed; continues if stopped.

    One that is not learned is that with which learning begins.
    """
    model = load_agent(agent, cartpole(changed_world(TRAINING, seed, 0), 1), "cpu", **TUNING)
    torch.manual_seed(seed)
    mask = UpdateMask(model.policy, sparsity=0.5)
    if not learned:
        return mask
    settings = {"agent": plain(AGENT), "mask": MASK, "tuning": {**TUNING, **RATES}}
    with RunFolder.open(RUNS, "online_rl_masks", "mask", seed, settings, tensorboard=False) as run:
        train_update_mask(
            model,
            mask,
            lambda task: cartpole(changed_world(TRAINING, seed, task), 1),
            seed=seed,
            run=run,
            progress=False,
            **RATES,  # type: ignore[arg-type]
            **MASK,  # type: ignore[arg-type]
        )
    return mask


def finetune(row: str, seed: int) -> dict[str, float]:
    """Returns before a change, after it and at the end, of an agent that goes on learning."""
    torch.set_num_threads(1)
    trained(AGENT, seed, "online_rl_masks")
    agent = f"{RUNS}/{CARTPOLE.rsplit('/', 1)[-1]}/online_rl_masks-{seed}/agent"
    mask = make_mask(agent, seed, row == "masked") if "mask" in row else None
    method = row if mask is None else "masked"
    scores = []
    for index in range(NUM_WORLDS):
        env = cartpole(changed_world(TEST, seed, index), BEFORE)
        model = load_agent(agent, env, "cpu", seed=seed, **TUNING)
        assert model.env is not None
        model.env.seed(HELD_OUT_WORLDS + index * NUM_ENVS)
        tuning = OnlineFinetuning(model, method, mask=mask, **RATES)
        tuning.learn((BEFORE + AFTER) * NUM_ENVS)
        scores.append(score(tuning))
        env.close()
    found = {name: float(np.mean([s[name] for s in scores])) for name in scores[0]}
    return found | ({} if mask is None else {"sparsity": mask.sparsity().total})


def score(tuning: OnlineFinetuning) -> dict[str, float]:
    """Mean returns of one world; NaN where no such episode has ended."""
    parts: dict[str, list[float]] = {"before": [], "after_change": [], "at_end": []}
    after = [0] * NUM_ENVS
    for episode in tuning.episodes:
        if episode.first + episode.length <= BEFORE:
            parts["before"].append(episode.episode_return)
        if episode.first >= BEFORE and after[episode.row] < FIRST:
            after[episode.row] += 1
            parts["after_change"].append(episode.episode_return)
        if episode.first >= BEFORE + AFTER // 2:
            parts["at_end"].append(episode.episode_return)
    return {f"return_{name}": float(np.mean(v)) if v else np.nan for name, v in parts.items()}


def learner_config(row: str, setting: str) -> OnlineConfig:
    """What an online learner trains on."""
    return dataclasses.replace(LEARNERS[setting](), method=METHODS.get(row, row))


def adapt(row: str, setting: str, seed: int) -> dict[str, float]:
    """Rewards before and after a change half-way through an episode."""
    torch.set_num_threads(1)
    config = dataclasses.replace(learner_config(row, setting), seed=seed)
    report = train_online(
        config, runs=RUNS, name=f"online_rl_masks-{row}", progress=False, tensorboard=False
    )
    half = config.env_kwargs["max_episode_steps"] // 2
    kwargs = {**config.env_kwargs, "schedule": f"AtSteps(steps=({half},))"}
    env = make_vector_env(config.env, PLAYED, **kwargs)
    player = OnlinePlayer(load_online_learner(f"{report['folder']}/agent"))
    rewards = play_agent(player, env, seed=HELD_OUT_WORLDS).reward
    env.close()
    shares = {"sparsity": report["sparsity"]["total"]} if row == "masked" else {}
    return {
        "return_before": float(rewards[:, :half].sum(1).mean()),
        "return_after_change": float(rewards[:, half:].sum(1).mean()),
        **shares,
    }


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    return finetune(row, seed) if setting == "default" else adapt(row, setting, seed)


def config(row: str, setting: str) -> Mapping[str, Any] | None:
    """What decides the numbers of a cell."""
    if setting != "default" and row == "unlearned_mask":
        return None
    if setting != "default":
        learner = dataclasses.asdict(learner_config(row, setting))
        return {"learner": learner, "played": PLAYED, "version": 1}
    return {
        "agent": plain(AGENT),
        "tuning": {**TUNING, **RATES, "num_envs": NUM_ENVS},
        "mask": MASK if row == "masked" else None,
        "ranges": RANGES,
        "played": {"worlds": NUM_WORLDS, "before": BEFORE, "after": AFTER, "first": FIRST},
        "version": 2,
    }


RESULT = Result(
    name="online_rl_masks",
    command="driftwise results run online_rl_masks",
    protocol="default: MemoryPPO (GRU, never reset) trained in the ordinary CartPole, fine-tuned "
    "by PPO while it acts in 8 copies of it, which change all at once after 512 steps (force 5 to "
    "15 of either sign, length 0.25 to 1, gravity 5 to 15), and for 1,536 steps more; mean return "
    "of the first 50 episodes of each copy that begin after the change (return_after_change) and "
    "of those that begin in the second half of the time after it (return_at_end), over 4 worlds. "
    "masked: the mask over all weights was learned on 40 other changes, by fine-tuning for 320 "
    "steps of each copy; initial sparsity 0.5; unlearned_mask: the initial one. "
    "bandit: two arms (0.9 and 0.1, exchanged half-way through 100 steps), maze: 5 x 5, the goal "
    "moves half-way through 200 steps; online learners whose network sees neither action nor "
    "reward, one inner step every 5 and 20 steps; rewards of the half after the change, over 1,000 "
    "held-out worlds. full and last_layer have one step size that is not learned. Sampled actions.",
    rows=list(ROWS),
    settings=["default", *LEARNERS],
    seeds=list(range(5)),
    run=run,
    config=config,
)
