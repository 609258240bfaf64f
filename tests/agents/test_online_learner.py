"""Agents that adapt by policy gradient: against plain autograd, loops and exact expectations."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from gymnasium import spaces

from driftwise.agents import make_vector_env, play_agent
from driftwise.agents.named_players import named_player
from driftwise.agents.online import (
    METHODS,
    RECIPES,
    OnlineConfig,
    OnlineLearner,
    OnlinePlayer,
    load_online_learner,
    train_online,
)
from driftwise.agents.online import training as online_training
from driftwise.agents.online.network import Segment, discounted_returns, log_probs
from driftwise.agents.online.training import collect, sparsity, world_seed
from driftwise.agents.suite.entrants import trained_entrant
from driftwise.tracking import CheckpointError, read_metrics, save_checkpoint

BANDIT = {"num_arms": 2, "max_episode_steps": 12}
SMALL = OnlineConfig(
    env_kwargs=BANDIT,
    num_envs=6,
    width=5,
    adapt_every=4,
    updates=3,
    test_worlds=8,
    inner_gamma=0.7,
    inner_decay=0.2,
)


def made(**changes):
    """A small learner of float64, and its environments."""
    config = dataclasses.replace(SMALL, **changes)
    env = make_vector_env(config.env, config.num_envs, **config.env_kwargs)
    learner = OnlineLearner(config, env.single_observation_space, env.single_action_space)
    learner.net.double()
    if learner.mask is not None:
        learner.mask.double()
    return learner, env


def readable_loss(learner, parameters, segment):
    """The inner loss of one row, step by step."""
    config = learner.config
    body, total = ("body.0", "body.2"), 0.0

    def predict(x):
        for name in body:
            x = parameters[f"{name}.weight"] @ x + parameters[f"{name}.bias"]
            x = x * torch.sigmoid(x)
        out = parameters["head.weight"] @ x + parameters["head.bias"]
        return torch.log_softmax(out[:-1], 0), out[-1]

    length = len(segment.actions)
    for t in range(length):
        log_p, value = predict(segment.obs[t])
        tail = sum(config.inner_gamma**k * segment.rewards[t + k] for k in range(length - t))
        last = predict(segment.obs[length])[1].item()
        surprise = tail + config.inner_gamma ** (length - t) * last - value
        total = total - surprise.item() * log_p[segment.actions[t]]
        total = total + config.vf_coef / 2 * surprise**2
        total = total + config.inner_ent_coef * (log_p.exp() * log_p).sum()
    return total / length


@pytest.mark.parametrize("method", ["sparse", "relu", "per_parameter", "last_layer"])
@pytest.mark.parametrize("first_order", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_rows_adapt_as_a_readable_loop_by_plain_autograd(method, first_order, decay):
    """Values of the replay, and its gradient for theta and the mask."""
    learner, env = made(method=method, first_order=first_order, inner_decay=decay)
    episodes, _ = collect(learner, env, seed=1)
    logits, values = learner.replay(episodes)

    expected, expected_values = [], []
    theta = dict(learner.net.named_parameters())
    for row in range(6):
        phi, sizes, found = dict(theta), learner.step_sizes(), []
        for first in (0, 4, 8):
            if first:
                segment = Segment(
                    episodes.obs[row, first - 4 : first + 1],
                    episodes.actions[row, first - 4 : first],
                    episodes.rewards[row, first - 4 : first],
                )
                gradients = torch.autograd.grad(
                    readable_loss(learner, phi, segment),
                    [phi[n] for n in sizes],
                    create_graph=not first_order,
                )
                phi = phi | {
                    n: phi[n] - sizes[n] * g - decay * (phi[n] - theta[n])
                    for n, g in zip(sizes, gradients, strict=True)
                }
            found.append(learner._forward(phi, episodes.obs[row, first : first + 4]))
        expected.append(torch.cat([part[0] for part in found]))
        expected_values.append(torch.cat([part[1] for part in found]))
    expected, theirs = torch.stack(expected), torch.stack(expected_values)
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(values, theirs, rtol=1e-9, atol=1e-11)

    weights = torch.randn_like(logits)
    learned = [*theta.values(), *(p for p in learner.mask.parameters() if p.requires_grad)]
    got = torch.autograd.grad((weights * logits).sum(), learned, allow_unused=True)
    wanted = torch.autograd.grad((weights * expected).sum(), learned, allow_unused=True)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-11)


def test_playing_adapts_as_replaying_does():
    """Actions' probabilities while playing are those that training differentiates."""
    for method in METHODS:
        learner, env = made(method=method, inner_lr=1.0)
        seen = []

        class Asking(OnlinePlayer):
            def act(self, obs, seen=seen):
                before = self.probabilities(obs)
                assert np.array_equal(before, self.probabilities(obs))  # changes nothing
                seen.append(before)
                return super().act(obs)

        record = play_agent(Asking(learner, generator=learner.generator), env, seed=3)
        learner.generator.manual_seed(SMALL.seed)
        episodes, returns = collect(learner, env, seed=3)
        np.testing.assert_array_equal(record.reward.sum(1), returns)
        logits, _ = learner.replay(episodes)
        probabilities = logits.softmax(-1).detach().numpy()
        np.testing.assert_allclose(np.stack(seen, 1), probabilities, rtol=1e-9)
        moved = np.abs(probabilities - probabilities[:, :1]).max() > 0
        assert moved or method == "frozen"


def exact_return(learner, pays):
    """Expected return of a bandit that pays arm a ``pays[t, a]`` in step t, over all plays."""
    steps = len(pays)
    actions = torch.tensor(list(itertools.product(range(2), repeat=steps)))  # (2^T, T)
    rewards = pays[torch.arange(steps), actions]
    obs = torch.zeros(len(actions), steps + 1, 4, dtype=torch.float64)
    obs[:, 1:].scatter_(2, actions[..., None], 1.0)
    obs[:, 1:, 2], obs[:, 0, 3] = rewards, 1.0
    logits, _ = learner.replay(Segment(obs, actions, rewards))
    log_p = log_probs(logits, actions)  # (2^T, T)
    returns = torch.stack([discounted_returns(r, r.new_zeros(()), 1.0) for r in rewards])
    chances = log_p.sum(1).exp()
    # What the learner's estimate is on average: every play by its chance.
    estimate = (chances.detach()[:, None] * returns * log_p).sum()
    return (chances * rewards.sum(1)).sum(), estimate


@pytest.mark.parametrize("method", ["per_parameter", "dense"])
def test_the_policy_gradient_is_that_of_the_return(method):
    """Finite differences of the exact return, for theta and the step sizes, through all steps."""
    learner, _ = made(method=method, first_order=False, adapt_every=2, vf_coef=0.0, inner_lr=0.8)
    with torch.no_grad():
        learner.net.head.weight[-1] = 0  # a value of zero: advantages are no function of theta
        learner.net.head.weight.mul_(5)
    pays = torch.tensor([[1.0, 0.2], [0.9, 0.1], [0.8, 0.3], [0, 1], [0, 1]], dtype=torch.float64)
    learned = [*learner.net.parameters(), *learner.mask.parameters()]
    _, estimate = exact_return(learner, pays)
    gradients = torch.autograd.grad(estimate, learned, allow_unused=True)
    found = expected = 0.0
    torch.manual_seed(0)
    for p, gradient in zip(learned, gradients, strict=True):
        direction = torch.randn_like(p)
        if p is learner.net.head.weight or p is learner.net.head.bias:
            direction[-1] = 0
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                p += sign * 1e-5 * direction
            values.append(exact_return(learner, pays)[0].item())
            with torch.no_grad():
                p -= sign * 1e-5 * direction
        expected = (values[0] - values[1]) / 2e-5
        found = 0.0 if gradient is None else (gradient * direction).sum().item()
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert abs(expected) > 1e-4  # of the last of the step sizes


def test_learned_step_sizes_of_a_sparse_mask_follow_its_rule():
    learner, env = made(first_order=False)
    episodes, _ = collect(learner, env, seed=0)
    sizes = {n: s.detach().requires_grad_() for n, s in learner.mask().items()}
    learner.step_sizes = lambda: sizes
    gradients = torch.autograd.grad(learner.loss(episodes), list(sizes.values()))
    del learner.step_sizes
    learner.loss(episodes).backward()
    for name, gradient in zip(sizes, gradients, strict=True):
        logits = learner.mask.logits[name.replace(".", "/")]
        torch.testing.assert_close(logits.grad, 0.5 * SMALL.inner_lr * gradient)


def test_every_row_has_its_own_clock():
    """In CartPole, rows end at different times: each row is as if it were alone."""
    kwargs = {"env": "CartPole-v1", "env_kwargs": {}, "method": "full", "num_envs": 3}
    learner, env = made(**kwargs)
    player = OnlinePlayer(learner)
    alone = [OnlinePlayer(learner) for _ in range(3)]
    ends = np.array([[0, 5, 11], [3, 9, 12], [20, 21, 22]])  # after these steps
    rng = np.random.default_rng(0)
    player.begin(env, None)
    single = make_vector_env("CartPole-v1", 1)
    for one in alone:
        one.begin(single, None)
    for t in range(16):
        obs, rewards = rng.normal(size=(3, 4)), rng.normal(size=3)
        actions = player.act(obs)
        dones = (ends == t).any(1)
        for i, one in enumerate(alone):
            np.testing.assert_allclose(
                one.probabilities(obs[i : i + 1])[0], player.probabilities(obs)[i], rtol=1e-9
            )
            one.act(obs[i : i + 1])
            one._seen.actions[0, one._count[0]] = int(actions[i])
            one.observe(rewards[i : i + 1], dones[i : i + 1], {})
        player.observe(rewards, dones, {})
    with pytest.raises(ValueError, match="env must have episodes of one length to be trained on"):
        collect(learner, env, 0)


def small_run(tmp_path, name, **changes):
    config = dataclasses.replace(SMALL, **changes)
    return train_online(config, runs=tmp_path / name, progress=False, tensorboard=False)


def test_a_run_that_is_stopped_and_resumed_ends_the_same(tmp_path, monkeypatch):
    report = small_run(tmp_path, "alone", updates=5, checkpoint_every=2)
    collected = online_training.collect

    def interrupted(learner, env, seed):
        if learner.updates == 3:  # one beyond the checkpoint
            raise KeyboardInterrupt
        return collected(learner, env, seed)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(online_training, "collect", interrupted)
        small_run(tmp_path, "killed", updates=5, checkpoint_every=2)
    again = small_run(tmp_path, "killed", updates=5, checkpoint_every=2)
    folders = [tmp_path / n / "ShiftingBandit-v0/online-sparse-0" for n in ("alone", "killed")]
    assert report.pop("folder") != again.pop("folder") and report == again
    metrics = [read_metrics(folder / "metrics.jsonl", drop_time=True) for folder in folders]
    assert metrics[0] == metrics[1] and len(metrics[0]) == 5
    sums = [(folder / "agent" / "SHA256SUMS").read_text() for folder in folders]
    assert sums[0] == sums[1]
    assert report["updates"] == 5 and set(report["test"]) == {"return", "regret"}

    learner = load_online_learner(folders[0] / "agent")
    player = named_player(str(folders[0]))
    assert isinstance(player, OnlinePlayer) and player.num_timesteps == 5 * 6 * 12
    assert sparsity(learner) == report["sparsity"]
    entered = trained_entrant({"standard-bandit": str(folders[0])})("standard-bandit", None)
    env = make_vector_env(SMALL.env, 8, **BANDIT)
    for one in (player, entered):
        mean = play_agent(one, env, seed=1_000_000_000).reward.sum(1).mean()
        assert mean == pytest.approx(report["test"]["return"]["value"])
    with pytest.raises(ValueError, match="env must have the agent's observation_space"):
        play_agent(player, make_vector_env(SMALL.env, 2, num_arms=3))


def test_training_worlds_are_not_held_out_and_differ():
    seeds = [world_seed(seed, update) for seed in range(3) for update in range(50)]
    assert len(set(seeds)) == 150 and max(seeds) + 10_000 <= 1_000_000_000


def test_recipes_are_valid():
    for recipe in RECIPES.values():
        config = recipe()
        env = make_vector_env(config.env, 2, **config.env_kwargs)
        OnlineLearner(config, env.single_observation_space, env.single_action_space)


def test_steps_of_policy_gradient_find_the_better_arm():
    """From the first weights on, with nothing trained or forgotten: regret falls."""
    kwargs = {**RECIPES["two-arms"]().env_kwargs, "schedule": "Never()"}
    config = dataclasses.replace(
        RECIPES["two-arms"](), method="full", env_kwargs=kwargs, inner_decay=0.0
    )
    env = make_vector_env(config.env, 200, **kwargs)
    learner = OnlineLearner(config, env.single_observation_space, env.single_action_space)
    regret = play_agent(OnlinePlayer(learner), env, seed=0).regret.mean(0)
    assert regret[:5].mean() > 0.25 and regret[-50:].mean() < 0.1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"method": "elephant"}, ValueError, "method must be one of sparse, relu, dense"),
        ({"inner_lr": 0.0}, ValueError, r"inner_lr must be above 0, got 0\.0"),
        ({"adapt_every": 0}, ValueError, "adapt_every must be at least 1, got 0"),
        ({"inner_gamma": 1.5}, ValueError, "inner_gamma must be a probability"),
        ({"inner_decay": -0.1}, ValueError, "inner_decay must be a probability"),
        ({"ent_coef": -1.0}, ValueError, "ent_coef must be at least 0"),
        ({"hidden": (4,)}, ValueError, r"hidden must be from 0 to 3, got \(4,\)"),
        ({"sparsity": 2}, ValueError, "sparsity must be a probability"),
        ({"logit_scale": 0.0}, ValueError, "logit_scale must be above 0"),
        ({"num_envs": 1}, ValueError, "num_envs must be from 2"),
        ({"adapt_every": 500}, ValueError, r"adapt_every must be below \d+, the steps of an epis"),
        (
            {"env": "driftwise/DriftingPendulum-v0", "env_kwargs": {}},
            ValueError,
            r"env must have actions Discrete\(A\), got Box",
        ),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"inner_lr": True}, TypeError, "inner_lr must be a number, got True"),
        ({"first_order": "no"}, TypeError, "first_order must be True or False, got 'no'"),
    ],
)
def test_bad_input_is_found_before_anything_is_written(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        small_run(tmp_path, "runs", **changes)
    assert not (tmp_path / "runs").exists()


def test_spaces_that_do_not_fit():
    with pytest.raises(ValueError, match=r"env must have observations \(D,\)"):
        OnlineLearner(SMALL, spaces.Discrete(3), spaces.Discrete(2))


def test_weights_that_explode_stop_training_with_their_place(tmp_path):
    with pytest.raises(FloatingPointError, match=r"update 1: '.*' of task \d became"):
        small_run(tmp_path, "runs", inner_lr=1e38)


def test_files_of_others(tmp_path):
    save_checkpoint(tmp_path / "other", {"weights": torch.zeros(2)})
    with pytest.raises(CheckpointError, match="must hold an online learner"):
        load_online_learner(tmp_path / "other")
    learner, frozen = made()[0], made(method="frozen")[0]
    with pytest.raises(ValueError, match="state must be of a learner of the same method"):
        learner.load_state_dict(frozen.state_dict())
