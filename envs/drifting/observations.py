"""Any environment whose observations change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
from typing_extensions import Unpack, override

from .effect import Effect, Values
from .effects import parse_effect
from .lenses import make_lens
from .notices import notified_space
from .settings import DriftArguments
from .wrapper import DriftingWrapper, check_single


class ShiftingObservations(DriftingWrapper):
    """An environment whose observations change: entries change places, vanish, or change scale.

    With :class:`~.effects.Permutation` p, the default, entry i shows what entry ``p[i]`` of the
    wrapped environment's observation is, and a discrete observation s shows as ``p[s]``. With
    :class:`~.effects.Drop`, entries are 0 while they are dropped. With :class:`~.effects.Scale`,
    each entry has a factor.

    Args:
        env: The environment. Its observations are ``Box`` (of floats, for Scale), or ``Discrete``
            with two or more (for Permutation), or a ``Dict`` or ``Tuple`` with such a part.
        effect: ``Permutation()``, ``Drop(probability)`` or ``Scale(low, high)``, also as text.
        part: Which part of a ``Dict`` (its key) or ``Tuple`` (its index) changes. Several may, each
            by a wrapper of its own ``name``.
        arguments: See :class:`~.settings.DriftArguments`.

    The observation space has bounds that hold whatever the values are. ``change_size`` is the share
    of entries that changed (Scale: the largest move of a factor, as a share of its range).

    Raises:
        TypeError, ValueError: The observations are others, or an argument is wrong.
    """

    default_name: ClassVar[str] = "observations"

    def __init__(
        self,
        env: gym.Env[Any, Any],
        effect: Effect | str | Mapping[str, Any] = "Permutation()",
        part: str | int | None = None,
        **arguments: Unpack[DriftArguments],
    ) -> None:
        check_single(env, type(self).__name__)
        parsed = parse_effect(effect)
        self._lens = make_lens(env.observation_space, parsed, part)
        recorded = {"effect": effect, "part": part}
        super().__init__(env, parsed, self._lens.size, recorded, **arguments)
        space = self._lens.space
        if self.settings.notify is not None:
            space = notified_space(self.settings, space)
        self.observation_space = space

    @override
    def _observation(self, observation: Any, values: Values) -> Any:
        return self._lens.one(observation, values)
