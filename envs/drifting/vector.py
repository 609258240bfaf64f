"""The wrappers of actions, observations and rewards, for vector environments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .actions import Meaning
from .effect import Effect, Values
from .effects import Delay, parse_effect
from .lenses import make_lens
from .rewards import Due, parse_reward_effect
from .settings import DriftArguments
from .vector_wrapper import Bools, DriftingVectorWrapper, check_vector


class ShiftingActionsVector(DriftingVectorWrapper):
    """As :class:`~.ShiftingActions`, for any vector environment.

    Args:
        env: The vector environment.
        effect: As there.
        arguments: As there.

    Raises:
        TypeError, ValueError: The actions are others, or an argument is wrong.
    """

    default_name: ClassVar[str] = "actions"

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        effect: Effect | str | Mapping[str, Any] = "Permutation()",
        **arguments: Unpack[DriftArguments],
    ) -> None:
        check_vector(env, "ShiftingActions")
        parsed = parse_effect(effect)
        self._meaning = Meaning(env.single_action_space, parsed)
        super().__init__(env, parsed, self._meaning.size, arguments)

    @override
    def _actions(self, actions: Any, values: Values) -> Any:
        return self._meaning.many(actions, values)

    @override
    def _infos(self, infos: dict[str, Any], values: Values, ahead: Values) -> None:
        if not self._meaning.discrete:
            return
        optimal, mask = infos.get("optimal_action"), infos.get("action_mask")
        if optimal is not None:
            own = np.argsort(values, axis=1)  # the inverse permutations
            first = self._meaning.first
            infos["optimal_action"] = own[np.arange(len(own)), optimal - first] + first
        if isinstance(mask, np.ndarray) and mask.shape == values.shape:
            infos["action_mask"] = np.take_along_axis(mask, ahead, axis=1)


class ShiftingObservationsVector(DriftingVectorWrapper):
    """As :class:`~.ShiftingObservations`, for any vector environment.

    Args:
        env: The vector environment.
        effect: As there.
        part: As there.
        arguments: As there.

    Raises:
        TypeError, ValueError: The observations are others, or an argument is wrong.
    """

    default_name: ClassVar[str] = "observations"

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        effect: Effect | str | Mapping[str, Any] = "Permutation()",
        part: str | int | None = None,
        **arguments: Unpack[DriftArguments],
    ) -> None:
        check_vector(env, "ShiftingObservations")
        parsed = parse_effect(effect)
        self._lens = make_lens(env.single_observation_space, parsed, part)
        super().__init__(env, parsed, self._lens.size, arguments)
        self._show_space(self._lens.space)

    @override
    def _observations(self, observations: Any, values: Values) -> Any:
        return self._lens.many(observations, values)

    @override
    def _last_observation(self, observation: Any, values: Values) -> Any:
        return self._lens.one(observation, values)


class ShiftingRewardsVector(DriftingVectorWrapper):
    """As :class:`~.ShiftingRewards`, for any vector environment.

    Args:
        env: The vector environment.
        effect: As there.
        arguments: As there.

    Raises:
        TypeError, ValueError: An argument is wrong.
    """

    default_name: ClassVar[str] = "rewards"

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        effect: Effect | str | Mapping[str, Any] = "Flip()",
        **arguments: Unpack[DriftArguments],
    ) -> None:
        check_vector(env, "ShiftingRewards")
        parsed = parse_reward_effect(effect)
        super().__init__(env, parsed, 1, arguments)
        self._due = Due(env.num_envs, parsed) if isinstance(parsed, Delay) else None

    @override
    def _rewards(self, rewards: NDArray[Any], values: Values, over: Bools) -> NDArray[Any]:
        if self._due is None:
            paid = rewards * values[:, 0]
        else:
            paid = self._due.pay(rewards, values[:, 0], over)
        # Integer rewards may become fractions.
        return paid.astype(rewards.dtype) if rewards.dtype.kind == "f" else paid

    @override
    def _infos(self, infos: dict[str, Any], values: Values, ahead: Values) -> None:
        for key in ("regret", "optimal_action"):
            infos.pop(key, None)
            infos.pop(f"_{key}", None)

    @override
    def _begin_episodes(self, rows: Bools) -> None:
        if self._due is not None:
            self._due.forget(rows)

    @override
    def _own_state(self) -> dict[str, NDArray[Any]]:
        state = super()._own_state()
        return state if self._due is None else {**state, "due": self._due.amounts.copy()}

    @override
    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        super()._restore(arrays)
        if self._due is not None:
            self._due.amounts = arrays["due"]
