"""Any environment whose rewards change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, SupportsFloat

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .effect import Effect, Values
from .effects import Delay, Flip, Scale, parse_effect
from .settings import DriftArguments
from .wrapper import DriftingWrapper


class ShiftingRewards(DriftingWrapper):
    """An environment whose rewards change: their sign, their scale, or when they are paid.

    With :class:`~.effects.Flip`, the default, rewards change their sign; with
    :class:`~.effects.Scale` they have a factor. With :class:`~.effects.Delay`, the reward of a step
    is paid that many steps later, the delay being that of the step which earned it; what is due at
    the same step is paid together. The step that ends an episode, by termination or truncation,
    pays all that is left, so that the return stays the same (up to the rounding of another order
    of summation). An end that the wrapper does not see, since it comes from a ``TimeLimit`` around
    it, forfeits what is left.

    Args:
        env: The environment.
        effect: ``Flip()``, ``Scale(low, high)`` or ``Delay(max_delay)``, also as text.
        arguments: See :class:`~.settings.DriftArguments`.

    ``change_size`` is 1 for a flip; else how far the factor or the delay moved, as a share of its
    range (of ``max_delay``). ``regret`` and ``optimal_action`` of the wrapped environment speak of
    its own rewards and are left out of the info.

    Raises:
        TypeError, ValueError: An argument is wrong.
    """

    default_name: ClassVar[str] = "rewards"

    def __init__(
        self,
        env: gym.Env[Any, Any],
        effect: Effect | str | Mapping[str, Any] = "Flip()",
        **arguments: Unpack[DriftArguments],
    ) -> None:
        parsed = parse_reward_effect(effect)
        super().__init__(env, parsed, 1, {"effect": effect}, **arguments)
        self._due = Due(1, parsed) if isinstance(parsed, Delay) else None

    @override
    def _reward(self, reward: SupportsFloat, values: Values, over: bool) -> SupportsFloat:
        if self._due is None:
            return float(reward) * float(values[0])
        return float(self._due.pay(np.array([float(reward)]), values, np.array([over]))[0])

    @override
    def _info(self, info: dict[str, Any], values: Values, ahead: Values) -> None:
        info.pop("regret", None)
        info.pop("optimal_action", None)

    @override
    def _begin_episode(self) -> None:
        if self._due is not None:
            self._due.forget(np.array([True]))

    @override
    def _own_state(self) -> dict[str, NDArray[Any]]:
        state = super()._own_state()
        return state if self._due is None else {**state, "due": self._due.amounts.copy()}

    @override
    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        super()._restore(arrays)
        if self._due is not None:
            self._due.amounts = arrays["due"]


class Due:
    """Rewards that have been earned and not been paid.

    Args:
        num_envs: N.
        effect: The delay.

    Attributes:
        amounts: What is due this step, the next, ...: (N, max_delay + 1).
    """

    def __init__(self, num_envs: int, effect: Delay) -> None:
        self._rows = np.arange(num_envs)
        self.amounts = np.zeros((num_envs, effect.max_delay + 1))

    def pay(
        self, rewards: NDArray[np.float64], delays: Values, over: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Takes in what a step has earned, with its delays (N,), and returns what it pays (N,)."""
        amounts = self.amounts
        amounts[self._rows, delays] += rewards
        paid = np.where(over, amounts.sum(axis=1), amounts[:, 0])
        amounts[:, :-1] = amounts[:, 1:]
        amounts[:, -1] = 0.0
        self.forget(over)
        return paid

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """Drops what is due in ``rows`` (N,)."""
        self.amounts[rows] = 0.0


def parse_reward_effect(effect: Effect | str | Mapping[str, Any]) -> Effect:
    """Reads the effect of a reward wrapper."""
    parsed = parse_effect(effect)
    if not isinstance(parsed, (Flip, Scale, Delay)):
        raise ValueError(f"effect must be Flip, Scale or Delay, got {parsed}")
    return parsed
