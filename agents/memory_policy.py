"""An actor-critic policy for stable-baselines3 around any sequence memory."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import (
    DiagGaussianDistribution,
    Distribution,
    make_proba_distribution,
)
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    FlattenExtractor,
    NatureCNN,
)
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from ..memory.state import State, map_state
from .decisions import Decision, Evaluation
from .memories import MemoryFactory, make_memory
from .value_head import RewardHead, ValueHead

Observation = Tensor | dict[str, Tensor]


class MemoryPolicy(BasePolicy):
    """Encoder, one memory, and linear heads on it: actor, critic, and rewards to be predicted.

    Args:
        observation_space: any space that stable-baselines3 supports: vectors, images, dictionaries.
        action_space: ``Box``, ``Discrete``, ``MultiDiscrete`` or ``MultiBinary``.
        lr_schedule: learning rate as a function of the remaining progress (1 to 0).
        memory: name of a memory (see :data:`driftwise.agents.MEMORIES`), or a function from the
            width to a :class:`~driftwise.memory.SequenceMemory` of that input size.
        width: features that go into the memory.
        memory_kwargs: further arguments for a memory given by name.
        reward_horizon: rewards that ``evaluate_actions`` predicts for each step: its own, and those
            of the steps after it.
        features_extractor_class: stable-baselines3 feature extractor; by default a CNN for images,
            a combination for dictionaries, and the flat vector otherwise.
        features_extractor_kwargs: its arguments.
        log_std_init: initial logarithm of the standard deviation of continuous actions.
        normalize_images: divide images by 255.
        optimizer_class: any torch optimiser.
        optimizer_kwargs: its arguments other than the learning rate; for Adam, by default, an
            epsilon of 1e-5 and the fused implementation.

    Raises:
        ValueError: for an unknown memory, or arguments that it does not take.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Schedule,
        memory: str | MemoryFactory = "sparse",
        width: int = 48,
        memory_kwargs: dict[str, Any] | None = None,
        reward_horizon: int = 1,
        features_extractor_class: type[BaseFeaturesExtractor] | None = None,
        features_extractor_kwargs: dict[str, Any] | None = None,
        log_std_init: float = 0.0,
        normalize_images: bool = True,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            features_extractor_class or _default_extractor(observation_space),
            features_extractor_kwargs,
            normalize_images=normalize_images,
            optimizer_class=optimizer_class,
            optimizer_kwargs=(
                _default_arguments(optimizer_class)
                if optimizer_kwargs is None
                else optimizer_kwargs
            ),
        )
        self.width, self.log_std_init = width, log_std_init
        self.memory_name, self.memory_kwargs = memory, memory_kwargs or {}
        self.features_extractor = self.make_features_extractor()
        # The nonlinearity lets the memory see products, such as this arm together with this reward.
        self.encoder = nn.Sequential(
            nn.Linear(self.features_extractor.features_dim, width), nn.SiLU()
        )
        self.memory = make_memory(memory, width, **self.memory_kwargs)
        self.action_dist = make_proba_distribution(action_space)
        size = self.memory.output_size
        # The head that the distribution asks for; with continuous actions, a spread as well.
        if isinstance(self.action_dist, DiagGaussianDistribution):
            actor, self.log_std = self.action_dist.proba_distribution_net(size, log_std_init)
        else:
            actor = self.action_dist.proba_distribution_net(size)  # type: ignore[assignment]
        assert isinstance(actor, nn.Linear)
        self.actor = actor
        self.critic = ValueHead(size)
        self.reward_head = RewardHead(size, action_space, reward_horizon)
        # Near-uniform first actions.
        nn.init.orthogonal_(self.actor.weight, 0.01)
        nn.init.zeros_(self.actor.bias)
        self.optimizer = optimizer_class(
            self.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def act(
        self,
        observation: Observation,
        state: State,
        start: Tensor | None,
        *,
        deterministic: bool = False,
        in_place: bool = False,
    ) -> Decision:
        """Decide one step.

        Args:
            observation: (N, ...) observations.
            state: memory state of N rows; None is the initial one.
            start: (N,) bool, rows whose memory is reset first.
            deterministic: take the most likely action instead of a sample.
            in_place: let the memory overwrite ``state``.
        """
        encoded = self.encoder(self.extract_features(observation, self.features_extractor))
        hidden, state = self.memory.step(encoded, state, start, in_place=in_place)
        distribution = self._distribution(hidden)
        actions = distribution.get_actions(deterministic=deterministic)
        values = self.critic(hidden)
        return Decision(actions, values, distribution.log_prob(actions), state)

    def predict_values(
        self, observation: Observation, state: State, start: Tensor | None
    ) -> Tensor:
        """Values (N,) of observations that follow the memory state; the state stays as it is."""
        encoded = self.encoder(self.extract_features(observation, self.features_extractor))
        return self.critic(self.memory.step(encoded, state, start)[0])

    def evaluate_actions(
        self,
        observations: Observation,
        actions: Tensor,
        state: State = None,
        starts: Tensor | None = None,
        *,
        predict_rewards: bool = False,
    ) -> Evaluation:
        """What the policy makes of whole sequences.

        Args:
            observations: (B, T, ...) observations.
            actions: (B, T, ...) actions taken.
            state: memory state before the first step; None is the initial one.
            starts: (B, T) bool, where the memory is reset first.
            predict_rewards: also say what reward is expected at each step.
        """
        batch, length = actions.shape[:2]
        flat = map_state(lambda x: x.flatten(0, 1), observations)
        features = self.extract_features(flat, self.features_extractor)
        encoded = self.encoder(features).unflatten(0, (batch, length))
        hidden, _ = self.memory(encoded, state, starts)
        hidden = hidden.flatten(0, 1)
        distribution = self._distribution(hidden)
        shape = (batch, length)
        entropy = distribution.entropy()
        flat_actions = actions.flatten(0, 1)
        return Evaluation(
            values=self.critic(hidden).view(shape),
            log_probs=distribution.log_prob(flat_actions).view(shape),
            entropy=None if entropy is None else entropy.view(shape),
            rewards=(
                self.reward_head(hidden, flat_actions).unflatten(0, shape)
                if predict_rewards
                else None
            ),
        )

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
        *,
        in_place: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """Actions for observations, and the memory state to pass to the next call.

        Args:
            observation: one observation, or a batch of them.
            state: what the last call returned; None at the very beginning.
            episode_start: (N,) bool, rows whose memory is reset first. None resets no row.
            deterministic: take the most likely action instead of a sample.
            in_place: let the memory overwrite ``state``, which saves a copy of it.

        Returns:
            The actions, and the memory state: a tree of tensors.

        Raises:
            ValueError: ``state`` or ``episode_start`` belong to another number of environments, or
                an observation is not finite.
        """
        self.set_training_mode(False)
        if isinstance(observation, tuple):
            raise ValueError(
                "observation must be an array or a dictionary of arrays, got a tuple: "
                "Gymnasium's reset returns (observation, info)"
            )
        obs, vectorized = self.obs_to_tensor(observation)
        leaves = list(obs.values()) if isinstance(obs, dict) else [obs]
        for leaf in leaves:
            if leaf.is_floating_point() and not leaf.isfinite().all():
                row, *_ = (~leaf.isfinite()).nonzero()[0].tolist()
                value = leaf[row][~leaf[row].isfinite()][0].item()
                raise ValueError(f"observation must be finite, got {value} in row {row}")
        rows = leaves[0].shape[0]
        start = None
        if episode_start is not None:
            start = torch.as_tensor(np.atleast_1d(episode_start), device=self.device).bool()
            if start.shape != (rows,):
                raise ValueError(
                    f"episode_start must have shape ({rows},) like the observation, "
                    f"got {tuple(start.shape)}"
                )
        with torch.no_grad():
            decision = self.act(obs, state, start, deterministic=deterministic, in_place=in_place)
        actions = self.to_actions(decision.actions)
        if not vectorized:
            actions = actions.squeeze(0)
        return actions, decision.state

    def action_probabilities(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: Any = None,
        episode_start: np.ndarray | None = None,
    ) -> np.ndarray:
        """Probabilities of discrete actions, (N, A), from which :meth:`predict` would sample.

        Args:
            observation: a batch of observations.
            state: as in :meth:`predict`; stays as it is.
            episode_start: as in :meth:`predict`.
        """
        self.set_training_mode(False)
        obs, _ = self.obs_to_tensor(observation)
        start = None
        if episode_start is not None:
            start = torch.as_tensor(episode_start, device=self.device).bool()
        with torch.no_grad():
            encoded = self.encoder(self.extract_features(obs, self.features_extractor))
            hidden, _ = self.memory.step(encoded, state, start)
            return self.actor(hidden).softmax(-1).double().cpu().numpy()

    def to_actions(self, actions: Tensor) -> np.ndarray:
        """Actions as environments take them: (N, ...) of the space's shape, within its bounds."""
        array = actions.cpu().numpy().reshape(-1, *(self.action_space.shape or ()))
        if isinstance(self.action_space, spaces.Box):
            array = np.clip(array, self.action_space.low, self.action_space.high)
        elif isinstance(self.action_space, spaces.Discrete):
            array = array + self.action_space.start
        return array

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        """What stable-baselines3 calls for memoryless policies: one step from the initial state."""
        return self.act(observation, None, None, deterministic=deterministic).actions

    def forward(self, observation: Observation, deterministic: bool = False) -> Tensor:
        """Actions for a first observation (no memory yet)."""
        return self._predict(observation, deterministic)

    def _distribution(self, hidden: Tensor) -> Distribution:
        mean = self.actor(hidden)
        if isinstance(self.action_dist, DiagGaussianDistribution):
            return self.action_dist.proba_distribution(mean, self.log_std)
        return self.action_dist.proba_distribution(mean)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        data = super()._get_constructor_parameters()
        data.update(
            lr_schedule=self._dummy_schedule,  # the optimiser's state is saved apart
            memory=self.memory_name,
            width=self.width,
            memory_kwargs=self.memory_kwargs,
            reward_horizon=self.reward_head.horizon,
            features_extractor_class=self.features_extractor_class,
            features_extractor_kwargs=self.features_extractor_kwargs,
            log_std_init=self.log_std_init,
            optimizer_class=self.optimizer_class,
            optimizer_kwargs=self.optimizer_kwargs,
        )
        return data


def _default_arguments(optimizer_class: type[torch.optim.Optimizer]) -> dict[str, Any]:
    if not issubclass(optimizer_class, torch.optim.Adam):
        return {}
    # Adam's usual 1e-8 makes the first steps of PPO jump; this is PPO's customary value. With as
    # many small tensors as here, calls are what a step of the plain implementation costs.
    return {"eps": 1e-5, "fused": True}


def _default_extractor(space: spaces.Space) -> type[BaseFeaturesExtractor]:
    if isinstance(space, spaces.Dict):
        return CombinedExtractor
    if isinstance(space, spaces.Box) and len(space.shape) == 3:
        return NatureCNN
    return FlattenExtractor
